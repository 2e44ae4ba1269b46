//! `golem:api`: what a guest says about its own durability.

mod host;
mod outcomes;
mod promises;
pub(crate) mod rpc;
mod updates;
mod wit_value;
mod workers;

use wasmtime::component::Linker;

use crate::wasi::{HasWorker, WorkerState};

pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: [
            "../../wit/deps/io",
            "../../wit/deps/clocks",
            "../../wit/golem-rpc",
            "../../wit/golem-api",
        ],
        inline: "
            package everlog:runtime;
            world imports {
                import golem:rpc/types@0.1.0;
                import golem:api/host@0.2.0;
            }
        ",
        world: "everlog:runtime/imports",
        imports: {
            // Those that may wait for the disk.
            "golem:api/host.set-oplog-index": async | trappable,
            "golem:api/host.oplog-commit": async | trappable,
            "golem:api/host.set-oplog-persistence-level": async | trappable,
            "golem:api/host.generate-idempotency-key": async | trappable,
            "golem:api/host.await-promise": async | trappable,
            "golem:api/host.complete-promise": async | trappable,
            "golem:api/host.update-worker": async | trappable,
            "golem:api/host.get-self-metadata": async | trappable,
            "golem:api/host.get-worker-metadata": async | trappable,
            "golem:api/host.[method]get-workers.get-next": async | trappable,
            "golem:rpc/types.[method]wasm-rpc.invoke-and-await": async | trappable,
            "golem:rpc/types.[method]wasm-rpc.invoke": async | trappable,
            default: trappable,
        },
        with: {
            "wasi:io": wasmtime_wasi_io::bindings::wasi::io,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "golem:api/host.get-workers": crate::golem::workers::WalkHandle,
            "golem:rpc/types.wasm-rpc": crate::golem::rpc::Peer,
            "golem:rpc/types.future-invoke-result": crate::calls::CallFuture,
        },
        // Values are kept in the log as they are.
        additional_derives: [bincode::Encode, bincode::Decode],
    });
}

pub(crate) use bindings::golem::rpc::types::WitValue;
pub use outcomes::Outcome;
pub(crate) use wit_value::{from_tree, results_tree};
pub(crate) use workers::WorkerWalk;

/// Links the interfaces of `golem:api` and `golem:rpc`.
pub(crate) fn add_to_linker(linker: &mut Linker<WorkerState>) -> wasmtime::Result<()> {
    bindings::golem::rpc::types::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    bindings::golem::api::host::add_to_linker::<_, HasWorker>(linker, |worker| worker)
}
