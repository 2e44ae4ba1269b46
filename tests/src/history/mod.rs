//! Whether what clients were told could have come from one thing that does one call at a time, in an
//! order that agrees with what was over before something else began: linearizability.
//!
//! `model` says what such a thing would answer, `check` looks for the order, `record` writes down
//! who was told what and when, and `load` has clients call workers meanwhile, on one server or on
//! several.
//!
//! A test reads like this:
//! ```no_run
//! # use everlog_tests::history::Load;
//! # use everlog_tests::{fixtures, seed, server::Server};
//! # async fn example() {
//! let mut random = seed::generator();
//! let mut server = Server::start().await;
//! let load = Load::start(&[server.api().clone()], &mut random).await;
//! server.restart_after_kill().await;
//! load.verify().await;
//! # }
//! ```

mod check;
mod load;
mod model;
mod record;
#[cfg(test)]
mod tests;

pub use check::{Refusal, check};
pub use load::Load;
pub use model::{Counter, CounterCall, Model, Register, RegisterCall, RegisterOutcome};
pub use record::{Operation, Record};
