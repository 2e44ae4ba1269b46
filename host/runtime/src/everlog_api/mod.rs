//! `everlog:api`: what guests are offered beyond WASI and `golem:api`.

mod outcomes;
mod state;

use wasmtime::component::Linker;

use crate::wasi::{HasWorker, WorkerState};

pub(crate) use outcomes::outcome;

pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: ["../../wit/deps/io", "../../wit/deps/clocks", "../../wit/everlog-api"],
        inline: "
            package everlog:runtime;
            world imports {
                import everlog:api/state@0.1.0;
            }
        ",
        world: "everlog:runtime/imports",
        imports: { default: async | trappable },
    });
}

/// Links the interfaces of `everlog:api`.
pub(crate) fn add_to_linker(linker: &mut Linker<WorkerState>) -> wasmtime::Result<()> {
    bindings::everlog::api::state::add_to_linker::<_, HasWorker>(linker, |worker| worker)
}
