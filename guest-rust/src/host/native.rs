//! The host's functions as [`crate::mock`] answers them.

use std::time::Duration;

use uuid::Uuid;

use crate::mock::{
    Mark, WorkerCall, begin_action, call, current, effect, end_action, host_call, jump,
};
use crate::{
    OplogIndex, PersistenceLevel, PromiseId, RetryPolicy, UpdateMode, WorkerFilter, WorkerId,
    WorkerMetadata, WorkerStatus, calls, http,
};

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

pub(crate) fn create_promise() -> PromiseId {
    let oplog_idx = host_call("create-promise", |state| {
        let index = state.next_index();
        state.promises.insert(index, None);
        index
    });
    PromiseId { worker_id: mock_worker(), oplog_idx }
}

pub(crate) fn await_promise(id: &PromiseId) -> Vec<u8> {
    let index = id.oplog_idx;
    host_call(format!("await-promise {index}"), |state| {
        let completion = state.promises.get(&index).cloned();
        let completion = completion.unwrap_or_else(|| panic!("there is no promise {index}"));
        completion.unwrap_or_else(|| panic!("promise {index} is open: complete it before"))
    })
}

pub(crate) fn complete_promise(id: &PromiseId, data: &[u8]) -> bool {
    let index = id.oplog_idx;
    host_call(format!("complete-promise {index}"), |state| {
        let promise = state.promises.get_mut(&index);
        let promise = promise.unwrap_or_else(|| panic!("there is no promise {index}"));
        let is_first = promise.is_none();
        promise.get_or_insert_with(|| data.to_vec());
        is_first
    })
}

pub(crate) fn delete_promise(id: &PromiseId) {
    let index = id.oplog_idx;
    host_call(format!("delete-promise {index}"), |state| {
        let promise = state.promises.remove(&index);
        assert!(promise.is_some(), "there is no promise {index}");
    });
}

pub(crate) fn action_begin(name: &str) -> Option<Vec<u8>> {
    begin_action(name)
}

pub(crate) fn action_end(name: &str, outcome: &[u8]) {
    end_action(name, outcome);
}

pub(crate) fn invocation_key() -> Option<String> {
    Some("mock".to_owned())
}

pub(crate) fn invocation_id(name: &str) -> Uuid {
    // Any number that depends on the name.
    let high = name.bytes().fold(0_u64, |hash, byte| hash.rotate_left(5) ^ u64::from(byte));
    host_call(format!("invocation-id {name}"), |_| Uuid::from_u64_pair(high, name.len() as u64))
}

pub(crate) fn random_bytes(bytes: &mut [u8]) {
    let drawn = host_call(format!("random {}", bytes.len()), |state| {
        bytes.iter_mut().for_each(|byte| *byte = state.random_byte());
        bytes.to_vec()
    });
    bytes.copy_from_slice(&drawn);
}

pub(crate) fn cancelled() -> bool {
    host_call("cancelled", |_| false)
}

pub(crate) fn state_get(key: &str) -> Result<Option<Vec<u8>>, String> {
    Ok(host_call(format!("state.get {key}"), |state| state.kept.get(key).cloned()))
}

pub(crate) fn state_set(key: &str, value: &[u8]) -> Result<(), String> {
    let shown = String::from_utf8_lossy(value);
    host_call(format!("state.set {key} {shown}"), |state| {
        state.kept.insert(key.to_owned(), value.to_vec());
    });
    Ok(())
}

pub(crate) fn state_clear(key: &str) -> Result<(), String> {
    host_call(format!("state.clear {key}"), |state| {
        state.kept.remove(key);
    });
    Ok(())
}

pub(crate) fn state_clear_all() -> Result<(), String> {
    host_call("state.clear-all", |state| state.kept.clear());
    Ok(())
}

/// All keys in one page.
pub(crate) fn state_keys(
    prefix: &str,
    _: Option<&str>,
) -> Result<(Vec<String>, Option<String>), String> {
    let keys = host_call(format!("state.keys {prefix}"), |state| {
        let keys = state.kept.keys().filter(|key| key.starts_with(prefix));
        keys.cloned().collect::<Vec<_>>()
    });
    Ok((keys, None))
}

/// The only worker of the host in memory.
fn mock_worker() -> WorkerId {
    WorkerId { component_id: Uuid::nil(), worker_name: "mock".to_owned() }
}

pub(crate) fn get_self_metadata() -> WorkerMetadata {
    WorkerMetadata {
        worker_id: mock_worker(),
        args: Vec::new(),
        env: Vec::new(),
        status: WorkerStatus::Running,
        component_version: 0,
        retry_count: 0,
    }
}

pub(crate) fn get_worker_metadata(id: &WorkerId) -> Option<WorkerMetadata> {
    (*id == mock_worker()).then(get_self_metadata)
}

pub(crate) fn get_self_uri(function: &str) -> String {
    let WorkerId { component_id, worker_name } = mock_worker();
    format!("urn:worker:{component_id}/{worker_name}/{function}")
}

pub(crate) fn update_worker(id: &WorkerId, target_version: u64, mode: UpdateMode) {
    host_call(format!("update-worker {} {target_version} {mode:?}", id.worker_name), |_| ());
}

/// One page with the only worker, whatever the filter.
pub(crate) struct Pages {
    worker: Option<WorkerMetadata>,
}

impl Pages {
    pub(crate) fn new(component_id: Uuid, _: Option<WorkerFilter>, _precise: bool) -> Self {
        Self { worker: component_id.is_nil().then(get_self_metadata) }
    }

    pub(crate) fn next_page(&mut self) -> Option<Vec<WorkerMetadata>> {
        Some(vec![self.worker.take()?])
    }
}

pub(crate) async fn send(request: http::Request) -> Result<http::Response, http::Error> {
    let answer = current().borrow().answer.clone();
    effect(format!("{} {}", request.method, request.url), || match answer {
        Some(answer) => Ok(answer(&request)),
        None => Err(http::Error::Connection("nobody answers: see mock::Host::on_http".to_owned())),
    })
}

pub(crate) fn call_worker(
    location: &str,
    function: &str,
    arguments: &[calls::Value],
) -> Result<Option<calls::Value>, calls::Error> {
    ask_worker(&WorkerCall {
        location: location.to_owned(),
        function: function.to_owned(),
        arguments: arguments.to_vec(),
        waits: true,
    })
}

pub(crate) fn send_to_worker(
    location: &str,
    function: &str,
    arguments: &[calls::Value],
) -> Result<(), calls::Error> {
    ask_worker(&WorkerCall {
        location: location.to_owned(),
        function: function.to_owned(),
        arguments: arguments.to_vec(),
        waits: false,
    })
    .map(drop)
}

fn ask_worker(call: &WorkerCall) -> Result<Option<calls::Value>, calls::Error> {
    let answer = current().borrow().called.clone();
    let nobody =
        || Err(calls::Error::NotFound("nobody answers: see mock::Host::on_call".to_owned()));
    effect(format!("{} {}", call.location, call.function), || {
        answer.map_or_else(nobody, |answer| answer(call))
    })
}
