//! `wasi:keyvalue@0.2.0-draft`.

mod atomics;
mod batch;
mod store;

use wasmtime::component::Linker;

use super::super::{HasWorker, WorkerState};
use bindings::wasi::keyvalue;

pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: ["../../wit/deps/keyvalue-draft"],
        inline: "
            package everlog:keyvalue-draft;
            world imports {
                import wasi:keyvalue/store@0.2.0-draft;
                import wasi:keyvalue/atomics@0.2.0-draft;
                import wasi:keyvalue/batch@0.2.0-draft;
            }
        ",
        world: "everlog:keyvalue-draft/imports",
        imports: {
            // Opening and dropping a bucket touches nothing but its name; all else looks at or changes what is stored.
            "wasi:keyvalue/store.open": trappable,
            "wasi:keyvalue/store.[drop]bucket": trappable,
            default: async | trappable,
        },
        with: {
            "wasi:keyvalue/store.bucket": crate::keyvalue::names::Bucket,
        },
    });
}

/// Links the interfaces of version 0.2.0-draft.
pub(super) fn add_to_linker(linker: &mut Linker<WorkerState>) -> wasmtime::Result<()> {
    keyvalue::store::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    keyvalue::atomics::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    keyvalue::batch::add_to_linker::<_, HasWorker>(linker, |worker| worker)
}

/// What a function of this version returns.
type Answered<T> = wasmtime::Result<Result<T, keyvalue::store::Error>>;

fn answer<T>(told: Result<T, String>) -> Answered<T> {
    Ok(told.map_err(keyvalue::store::Error::Other))
}
