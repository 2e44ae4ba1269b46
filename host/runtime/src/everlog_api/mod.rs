//! `everlog:api`: what guests are offered beyond WASI and `golem:api`.

mod actions;
mod cancellation;
mod invocations;
mod outcomes;
mod places;
mod state;

use wasmtime::component::Linker;

use crate::wasi::{HasWorker, WorkerState};

pub(crate) use actions::OpenAction;
pub(crate) use outcomes::outcome;

pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: ["../../wit/deps/io", "../../wit/deps/clocks", "../../wit/everlog-api"],
        inline: "
            package everlog:runtime;
            world imports {
                import everlog:api/actions@0.1.0;
                import everlog:api/invocations@0.1.0;
                import everlog:api/cancellation@0.1.0;
                import everlog:api/state@0.1.0;
            }
        ",
        world: "everlog:runtime/imports",
        imports: { default: async | trappable },
    });
}

/// Links the interfaces of `everlog:api`.
pub(crate) fn add_to_linker(linker: &mut Linker<WorkerState>) -> wasmtime::Result<()> {
    use bindings::everlog::api;
    api::cancellation::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    api::actions::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    api::invocations::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    api::state::add_to_linker::<_, HasWorker>(linker, |worker| worker)
}
