//! WASI 0.2 for durable workers: one interface a file, each function a few lines around `enter` and `leave`.

mod blobstore;
mod console;
mod environment;
mod error;
mod exit;
mod filesystem;
mod http;
mod keyvalue;
mod limiter;
mod logging;
mod monotonic_clock;
mod poll;
mod random;
mod registry;
mod seen;
mod shared;
mod sockets;
mod state;
mod stdio;
mod streams;
mod values;
mod wall_clock;

#[cfg(test)]
mod tests;

use wasmtime::component::Linker;
use wasmtime_wasi::p2::bindings::{cli, clocks, random as wasi_random};
use wasmtime_wasi_io::bindings::wasi::io;

pub use http::HttpSummary;

pub(crate) use keyvalue::{KeyCursors, Written};
pub(crate) use limiter::HostMemory;
pub(crate) use poll::Wait;
pub(crate) use registry::Recipe;
pub(crate) use shared::SharedCount;
pub(crate) use state::{HasWorker, WorkerEnvironment, WorkerState};

/// Links everything that a component can import: WASI 0.2, `golem:api`, and what clients have in
/// common.
pub(crate) fn add_to_linker(linker: &mut Linker<WorkerState>) -> wasmtime::Result<()> {
    io::error::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    io::poll::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    io::streams::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    clocks::wall_clock::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    clocks::monotonic_clock::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    wasi_random::random::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    wasi_random::insecure::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    wasi_random::insecure_seed::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    add_cli_to_linker(linker)?;
    filesystem::add_to_linker(linker)?;
    sockets::add_to_linker(linker)?;
    http::add_to_linker(linker)?;
    keyvalue::add_to_linker(linker)?;
    blobstore::add_to_linker(linker)?;
    logging::add_to_linker(linker)?;
    crate::golem::add_to_linker(linker)?;
    crate::everlog_api::add_to_linker(linker)?;
    crate::calls::clients::add_to_linker(linker)
}

fn add_cli_to_linker(linker: &mut Linker<WorkerState>) -> wasmtime::Result<()> {
    cli::environment::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    cli::exit::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    cli::stdin::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    cli::stdout::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    cli::stderr::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    cli::terminal_input::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    cli::terminal_output::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    cli::terminal_stdin::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    cli::terminal_stdout::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    cli::terminal_stderr::add_to_linker::<_, HasWorker>(linker, |worker| worker)
}
