//! `golem:api`: what a guest says about its own durability.

mod host;

use wasmtime::component::Linker;

use crate::wasi::{HasWorker, WorkerState};

pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: ["../../wit/deps/io", "../../wit/deps/clocks", "../../wit/golem-api"],
        inline: "
            package everlog:runtime;
            world imports {
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
            default: trappable,
        },
        with: {
            "wasi:io": wasmtime_wasi_io::bindings::wasi::io,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        },
    });
}

/// Links the interfaces of `golem:api`.
pub(crate) fn add_to_linker(linker: &mut Linker<WorkerState>) -> wasmtime::Result<()> {
    bindings::golem::api::host::add_to_linker::<_, HasWorker>(linker, |worker| worker)
}
