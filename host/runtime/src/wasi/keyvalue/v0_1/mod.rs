//! `wasi:keyvalue@0.1.0`, as guests of Golem 1.0 import it.
//!
//! A bucket needs not be created, and opening one touches nothing but its name.

mod atomic;
mod cache;
mod error;
mod eventual;
mod eventual_batch;
mod types;

use wasmtime::component::{Linker, Resource};

use super::super::{HasWorker, Recipe, WorkerState};
use bindings::wasi::keyvalue;

pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: ["../../wit/deps/io", "../../wit/deps/keyvalue"],
        inline: "
            package everlog:keyvalue;
            world imports {
                import wasi:keyvalue/wasi-keyvalue-error@0.1.0;
                import wasi:keyvalue/types@0.1.0;
                import wasi:keyvalue/eventual@0.1.0;
                import wasi:keyvalue/eventual-batch@0.1.0;
                import wasi:keyvalue/atomic@0.1.0;
                import wasi:keyvalue/cache@0.1.0;
            }
        ",
        world: "everlog:keyvalue/imports",
        imports: {
            // Those that look at or change what is stored.
            "wasi:keyvalue/types.[drop]outgoing-value": async | trappable,
            "wasi:keyvalue/types.[method]incoming-value.incoming-value-consume-sync": async | trappable,
            "wasi:keyvalue/types.[method]incoming-value.incoming-value-consume-async": async | trappable,
            "wasi:keyvalue/eventual.get": async | trappable,
            "wasi:keyvalue/eventual.set": async | trappable,
            "wasi:keyvalue/eventual.delete": async | trappable,
            "wasi:keyvalue/eventual.exists": async | trappable,
            "wasi:keyvalue/eventual-batch.get-many": async | trappable,
            "wasi:keyvalue/eventual-batch.keys": async | trappable,
            "wasi:keyvalue/eventual-batch.set-many": async | trappable,
            "wasi:keyvalue/eventual-batch.delete-many": async | trappable,
            "wasi:keyvalue/atomic.increment": async | trappable,
            "wasi:keyvalue/atomic.compare-and-swap": async | trappable,
            "wasi:keyvalue/cache.get": async | trappable,
            "wasi:keyvalue/cache.exists": async | trappable,
            "wasi:keyvalue/cache.set": async | trappable,
            "wasi:keyvalue/cache.get-or-set": async | trappable,
            "wasi:keyvalue/cache.delete": async | trappable,
            default: trappable,
        },
        with: {
            "wasi:io": wasmtime_wasi_io::bindings::wasi::io,
            "wasi:keyvalue/wasi-keyvalue-error.error": super::error::KeyValueError,
            "wasi:keyvalue/types.bucket": crate::keyvalue::names::Bucket,
            "wasi:keyvalue/types.outgoing-value": crate::wasi::values::OutgoingValue,
            "wasi:keyvalue/types.incoming-value": crate::wasi::values::IncomingValue,
            "wasi:keyvalue/cache.future-get-result": super::cache::Answer,
            "wasi:keyvalue/cache.future-exists-result": super::cache::Answer,
            "wasi:keyvalue/cache.future-result": super::cache::Answer,
            "wasi:keyvalue/cache.future-get-or-set-result": super::cache::Answer,
            "wasi:keyvalue/cache.vacancy": crate::wasi::values::Vacancy,
        },
    });
}

/// Links the interfaces of version 0.1.0.
pub(super) fn add_to_linker(linker: &mut Linker<WorkerState>) -> wasmtime::Result<()> {
    keyvalue::wasi_keyvalue_error::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    keyvalue::types::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    keyvalue::eventual::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    keyvalue::eventual_batch::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    keyvalue::atomic::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    keyvalue::cache::add_to_linker::<_, HasWorker>(linker, |worker| worker)
}

/// What a function of this version returns.
type Answered<T> = wasmtime::Result<Result<T, Resource<error::KeyValueError>>>;

impl WorkerState {
    /// What the guest is told: an outcome, or an error that is a resource here.
    fn key_answer<T>(&mut self, told: Result<T, String>) -> Answered<T> {
        match told {
            Ok(outcome) => Ok(Ok(outcome)),
            Err(message) => {
                let recipe = Recipe::KeyValueError { message: message.clone() };
                Ok(Err(self.push(error::KeyValueError(message), recipe)?))
            }
        }
    }
}
