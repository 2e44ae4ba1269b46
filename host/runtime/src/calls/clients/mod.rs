//! Typed clients: imports such as `shop:ticket-client/api`, which `everlog wit client` makes from what a component
//! exports, linked by name to the component that is deployed as `ticket`.
//!
//! The package's name says which component is called, a resource in the interface which of its interfaces, and a
//! function which function. Types are those of the importing component; the worker that is called takes what it gets
//! by its own, and says what does not fit.

mod check;
mod link;
mod names;
mod run;
mod sent;
mod wit;

pub(crate) use self::check::check;
pub(crate) use self::link::link;
pub(crate) use self::run::FUNCTIONS;
#[expect(unreachable_pub, reason = "the generated bindings pass it on")]
pub use self::sent::SentCall;
pub use self::wit::{ClientError, ClientWit, client_wit};

use wasmtime::component::Linker;

use crate::wasi::{HasWorker, WorkerState};

mod bindings {
    wasmtime::component::bindgen!({
        path: [
            "../../wit/deps/io",
            "../../wit/deps/clocks",
            "../../wit/everlog-api",
        ],
        inline: "
            package everlog:clients;
            world imports {
                import everlog:api/calls@0.1.0;
            }
        ",
        world: "everlog:clients/imports",
        imports: {
            "everlog:api/calls.[method]sent-call.cancel": async | trappable,
            default: trappable,
        },
        with: {
            "wasi:io": wasmtime_wasi_io::bindings::wasi::io,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "everlog:api/calls.sent-call": crate::calls::SentCall,
        },
    });
}

/// Links the interface that all clients use.
pub(crate) fn add_to_linker(linker: &mut Linker<WorkerState>) -> wasmtime::Result<()> {
    bindings::everlog::api::calls::add_to_linker::<_, HasWorker>(linker, |worker| worker)
}
