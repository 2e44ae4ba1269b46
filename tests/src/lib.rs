//! The harness of the black-box tests: it starts the real binary, kills it, starts it again on the
//! same data, and speaks HTTP to it. Nothing here knows how the server works inside.
//!
//! A test reads like this:
//! ```no_run
//! # use everlog_tests::{fixtures, server::Server};
//! # use serde_json::json;
//! # async fn example() {
//! let mut server = Server::start().await;
//! let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
//! assert_eq!(mary.call("add", json!([5])).await, 5);
//! server.restart_after_kill().await;
//! assert_eq!(mary.call("add", json!([1])).await, 6);
//! # }
//! ```

pub mod api;
pub mod bench;
pub mod clock;
pub mod cluster;
pub mod collector;
pub mod command;
pub mod fixtures;
pub mod follower;
pub mod histories;
pub mod history;
pub mod outside;
pub mod peer;
pub mod process;
pub mod redis;
pub mod reply;
pub mod schedule;
pub mod seed;
pub mod server;
pub mod shop;
pub mod state;
pub mod stories;
pub mod story;
pub mod wait;
pub mod wire;
pub mod worker;
