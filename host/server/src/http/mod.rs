//! The HTTP API, v1. Reading order: [`routes`] is the table of routes; [`server`] accepts
//! connections and [`gate`] looks at each request before a route does; then one file per group of
//! routes. [`problem`] and [`errors`] are what every refusal goes through.

mod app;
mod body;
mod cluster_routes;
mod component_routes;
mod dapr_routes;
mod encode;
mod errors;
mod gate;
mod history_routes;
mod incoming_routes;
mod invocation_routes;
mod invoke_routes;
mod log_routes;
mod names;
mod openapi;
mod oplog_routes;
mod parameters;
mod problem;
mod promise_routes;
mod query_routes;
mod routes;
mod schedule_routes;
mod server;
mod service_routes;
mod state_routes;
mod transfer_routes;
mod update_routes;
mod worker_listing;
mod worker_routes;

pub(crate) use app::App;
pub(crate) use encode::{entry_json, open_invocations, state_name};
pub(crate) use errors::sentence;
pub(crate) use names::{IDEMPOTENCY_KEY, hop_by_hop};
pub(crate) use problem::{Code as ProblemCode, Problem};
pub(crate) use server::{Listener, Server};
