//! The host's functions as [`crate::mock`] answers them.

use std::time::Duration;

use uuid::Uuid;

use crate::mock::{Mark, call, current, host_call, jump};
use crate::{OplogIndex, PersistenceLevel, RetryPolicy};

pub(crate) fn get_oplog_index() -> OplogIndex {
    host_call("get-oplog-index", |state| state.next_index())
}

pub(crate) fn set_oplog_index(index: OplogIndex) -> ! {
    jump(index)
}

pub(crate) fn oplog_commit(_replicas: u8) {}

pub(crate) fn mark_begin_operation() -> OplogIndex {
    let begin = |_: &OplogIndex| Mark::Begin;
    call("mark-begin-operation", begin, |state| state.borrow().next_index())
}

pub(crate) fn mark_end_operation(begin: OplogIndex) {
    call("mark-end-operation", |()| Mark::End(begin), |_| ());
}

pub(crate) fn get_retry_policy() -> RetryPolicy {
    host_call("get-retry-policy", |state| state.modes.retry_policy)
}

pub(crate) fn set_retry_policy(policy: RetryPolicy) {
    host_call(format!("set-retry-policy {policy:?}"), |_| ());
    current().borrow_mut().modes.retry_policy = policy;
}

pub(crate) fn get_oplog_persistence_level() -> PersistenceLevel {
    current().borrow().modes.persistence_level
}

pub(crate) fn set_oplog_persistence_level(level: PersistenceLevel) {
    host_call(format!("set-oplog-persistence-level {level:?}"), |_| ());
    current().borrow_mut().modes.persistence_level = level;
}

pub(crate) fn get_idempotence_mode() -> bool {
    current().borrow().modes.idempotence
}

pub(crate) fn set_idempotence_mode(idempotent: bool) {
    host_call(format!("set-idempotence-mode {idempotent}"), |_| ());
    current().borrow_mut().modes.idempotence = idempotent;
}

pub(crate) fn generate_idempotency_key() -> Uuid {
    host_call("generate-idempotency-key", |state| state.idempotency_key())
}

pub(crate) fn now() -> Duration {
    host_call("now", |state| state.clock)
}

pub(crate) fn sleep(duration: Duration) {
    host_call(format!("sleep {duration:?}"), |state| state.clock += duration);
}
