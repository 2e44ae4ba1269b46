//! The everlog binary: the server, and the command line that speaks to one.
//!
//! Reading order: [`cli`] says what can be asked of the binary, [`http`] is the API, [`values`]
//! turns WIT values into JSON and back, [`cluster`] passes requests on to other servers, [`dapr`]
//! is the state API of Dapr beside it, [`sql`] answers queries over all of it, [`config`] and [`telemetry`] are what an operator sets and
//! sees.

mod cli;
mod client;
mod cluster;
mod config;
mod dapr;
mod filter;
mod http;
mod percent;
mod sql;
mod telemetry;
mod time;
mod units;
mod values;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(code) => code,
        // Whoever read the output has gone, as `head` does: nothing is wrong.
        Err(error) if cli::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
