//! `wasi:keyvalue@0.2.0-draft2`: signed numbers, cursors that are text, and compare-and-swap.

mod atomics;
mod batch;
mod store;

use wasmtime::component::Linker;

use super::super::{HasWorker, WorkerState};
use bindings::wasi::keyvalue;

pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: ["../../wit/deps/keyvalue-draft2"],
        inline: "
            package everlog:keyvalue-draft2;
            world imports {
                import wasi:keyvalue/store@0.2.0-draft2;
                import wasi:keyvalue/atomics@0.2.0-draft2;
                import wasi:keyvalue/batch@0.2.0-draft2;
            }
        ",
        world: "everlog:keyvalue-draft2/imports",
        imports: {
            // Opening and dropping a bucket touches nothing but its name; all else looks at or changes what is stored.
            "wasi:keyvalue/store.open": trappable,
            "wasi:keyvalue/store.[drop]bucket": trappable,
            "wasi:keyvalue/atomics.[drop]cas": trappable,
            default: async | trappable,
        },
        with: {
            "wasi:keyvalue/store.bucket": crate::keyvalue::names::Bucket,
            "wasi:keyvalue/atomics.cas": super::atomics::Swap,
        },
    });
}

/// Links the interfaces of version 0.2.0-draft2.
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
