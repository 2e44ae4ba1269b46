//! What `make bench` measures. Every number is set against another of the same run: what the same
//! server answers without work, what the disk syncs without a server.

pub mod actions;
pub mod disk;
pub mod load;
pub mod machine;
pub mod measurement;
pub mod report;

pub mod calls;
pub mod clocks;
pub mod cluster;
pub mod cold_start;
pub mod dapr;
pub mod footprint;
pub mod http;
pub mod replay;
pub mod throughput;
