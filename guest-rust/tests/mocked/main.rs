//! The crate's logic on the host in memory.

mod actions;
mod asynchronous;
mod fallible;
mod http;
mod infallible;
mod modes;
mod state;
mod world;
