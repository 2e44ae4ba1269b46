//! What the host provides: `golem:api/host` and, through other crates, WASI.

mod calls;
mod cancellation;
mod everlog_api;
mod http;
mod workers;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bindings::golem::api::host as api;
use uuid::Uuid;

pub(crate) use calls::{call_worker, send_to_worker};
pub(crate) use cancellation::cancelled;
pub(crate) use everlog_api::*;
pub(crate) use http::send;
pub(crate) use workers::*;

use crate::{OplogIndex, PersistenceLevel, RetryPolicy};

mod bindings {
    #![allow(missing_docs, unreachable_pub, unused_qualifications, reason = "generated")]
    #![allow(elided_lifetimes_in_paths, clippy::all, reason = "generated")]
    wit_bindgen::generate!({
        path: ["../wit/deps/io", "../wit/deps/clocks", "../wit/golem-rpc", "../wit/golem-api"],
        inline: "
            package everlog:guest;
            world imports {
                import golem:api/host@0.2.0;
                import golem:rpc/types@0.1.0;
            }
        ",
        world: "everlog:guest/imports",
        generate_all,
    });
}

pub(crate) fn get_oplog_index() -> OplogIndex {
    api::get_oplog_index()
}

pub(crate) fn set_oplog_index(index: OplogIndex) -> ! {
    api::set_oplog_index(index);
    unreachable!("the host goes on elsewhere")
}

pub(crate) fn oplog_commit(replicas: u8) {
    api::oplog_commit(replicas);
}

pub(crate) fn mark_begin_operation() -> OplogIndex {
    api::mark_begin_operation()
}

pub(crate) fn mark_end_operation(begin: OplogIndex) {
    api::mark_end_operation(begin);
}

pub(crate) fn get_retry_policy() -> RetryPolicy {
    let policy = api::get_retry_policy();
    RetryPolicy {
        max_attempts: policy.max_attempts,
        min_delay: Duration::from_nanos(policy.min_delay),
        max_delay: Duration::from_nanos(policy.max_delay),
        multiplier: policy.multiplier,
    }
}

pub(crate) fn set_retry_policy(policy: RetryPolicy) {
    api::set_retry_policy(api::RetryPolicy {
        max_attempts: policy.max_attempts,
        min_delay: nanoseconds(policy.min_delay),
        max_delay: nanoseconds(policy.max_delay),
        multiplier: policy.multiplier,
    });
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

pub(crate) fn get_oplog_persistence_level() -> PersistenceLevel {
    match api::get_oplog_persistence_level() {
        api::PersistenceLevel::PersistNothing => PersistenceLevel::PersistNothing,
        api::PersistenceLevel::PersistRemoteSideEffects => {
            PersistenceLevel::PersistRemoteSideEffects
        }
        api::PersistenceLevel::Smart => PersistenceLevel::Smart,
    }
}

pub(crate) fn set_oplog_persistence_level(level: PersistenceLevel) {
    api::set_oplog_persistence_level(match level {
        PersistenceLevel::PersistNothing => api::PersistenceLevel::PersistNothing,
        PersistenceLevel::PersistRemoteSideEffects => {
            api::PersistenceLevel::PersistRemoteSideEffects
        }
        PersistenceLevel::Smart => api::PersistenceLevel::Smart,
    });
}

pub(crate) fn get_idempotence_mode() -> bool {
    api::get_idempotence_mode()
}

pub(crate) fn set_idempotence_mode(idempotent: bool) {
    api::set_idempotence_mode(idempotent);
}

pub(crate) fn generate_idempotency_key() -> Uuid {
    let key = api::generate_idempotency_key();
    Uuid::from_u64_pair(key.high_bits, key.low_bits)
}

/// The wall clock, as the time since 1970: unlike others it goes on while the worker is away.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

pub(crate) fn sleep(duration: Duration) {
    std::thread::sleep(duration);
}
