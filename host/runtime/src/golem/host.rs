//! `golem:api/host`.

use everlog_oplog::{Category, Index, RetryPolicy};

use super::bindings::golem::api::host::{
    ComponentVersion, Host, OplogIndex, PersistenceLevel, PromiseId,
    RetryPolicy as GuestRetryPolicy, UpdateMode, Uri, Uuid, WorkerId, WorkerMetadata,
};
use crate::durable::{Entered, Interruption};
use crate::wasi::WorkerState;

/// The scatter of retries where the guest sets the policy, as a fraction: its record has no field for it. The policy is
/// compared in replay, so this is part of the log's format and never changes.
const JITTER: f64 = 0.15;

impl Host for WorkerState {
    fn create_promise(&mut self) -> wasmtime::Result<PromiseId> {
        self.outside_actions("golem:api/host.create-promise")?;
        self.make_promise()
    }

    async fn await_promise(&mut self, promise: PromiseId) -> wasmtime::Result<Vec<u8>> {
        self.outside_actions("golem:api/host.await-promise")?;
        self.awaited(promise).await
    }

    async fn complete_promise(
        &mut self,
        promise: PromiseId,
        data: Vec<u8>,
    ) -> wasmtime::Result<bool> {
        self.complete(promise, data).await
    }

    fn delete_promise(&mut self, promise: PromiseId) -> wasmtime::Result<()> {
        self.outside_actions("golem:api/host.delete-promise")?;
        self.forget_promise(&promise)
    }

    async fn get_self_metadata(&mut self) -> wasmtime::Result<WorkerMetadata> {
        self.own_metadata().await
    }

    async fn get_worker_metadata(
        &mut self,
        worker: WorkerId,
    ) -> wasmtime::Result<Option<WorkerMetadata>> {
        self.metadata_of(worker).await
    }

    /// In what a fork inherited the guest is told the same as before.
    fn get_self_uri(&mut self, function: String) -> wasmtime::Result<Uri> {
        let origin =
            self.recorder.with(|journal, _| journal.copied_from().map(ToString::to_string));
        let worker = origin.unwrap_or_else(|| self.environment.worker.to_string());
        Ok(Uri { value: format!("urn:worker:{worker}/{function}") })
    }

    async fn update_worker(
        &mut self,
        worker: WorkerId,
        version: ComponentVersion,
        mode: UpdateMode,
    ) -> wasmtime::Result<()> {
        self.request_update(worker, version, mode).await
    }

    fn get_oplog_index(&mut self) -> wasmtime::Result<OplogIndex> {
        self.outside_actions("golem:api/host.get-oplog-index")?;
        let marked = self.recorder.with(|journal, now| journal.mark(now));
        Ok(marked.map_err(Interruption::from)?.get())
    }

    async fn set_oplog_index(&mut self, index: OplogIndex) -> wasmtime::Result<()> {
        self.outside_actions("golem:api/host.set-oplog-index")?;
        let to = Index(index);
        let jumped = self.recorder.with(|journal, now| journal.jump(to, now));
        jumped.map_err(Interruption::from)?;
        self.recorder.gate().await?;
        Err(Interruption::Jump { to }.into())
    }

    async fn oplog_commit(&mut self, replicas: u8) -> wasmtime::Result<()> {
        if !self.recorder.with(|journal, _| journal.is_replaying()) {
            self.recorder.gate().await?;
            self.recorder.wait_replicas(u32::from(replicas)).await?;
        }
        Ok(())
    }

    fn mark_begin_operation(&mut self) -> wasmtime::Result<OplogIndex> {
        self.outside_actions("golem:api/host.mark-begin-operation")?;
        let begun = self.recorder.with(|journal, now| journal.begin_atomic(now));
        Ok(begun.map_err(Interruption::from)?.get())
    }

    fn mark_end_operation(&mut self, begin: OplogIndex) -> wasmtime::Result<()> {
        self.outside_actions("golem:api/host.mark-end-operation")?;
        let ended = self.recorder.with(|journal, now| journal.end_atomic(Index(begin), now));
        Ok(ended.map_err(Interruption::from)?)
    }

    fn get_retry_policy(&mut self) -> wasmtime::Result<GuestRetryPolicy> {
        let function = "golem:api/host.get-retry-policy";
        let policy: RetryPolicy = self.read_local(function, &(), |worker| {
            Ok(worker.recorder.with(|journal, _| journal.retry_policy()))
        })?;
        Ok(policy.into())
    }

    fn set_retry_policy(&mut self, policy: GuestRetryPolicy) -> wasmtime::Result<()> {
        self.outside_actions("golem:api/host.set-retry-policy")?;
        let set = self.recorder.with(|journal, now| journal.set_retry_policy(policy.into(), now));
        set.map_err(Interruption::from)?;
        Ok(())
    }

    fn get_oplog_persistence_level(&mut self) -> wasmtime::Result<PersistenceLevel> {
        Ok(self.recorder.with(|journal, _| journal.persistence_level()).into())
    }

    async fn set_oplog_persistence_level(
        &mut self,
        level: PersistenceLevel,
    ) -> wasmtime::Result<()> {
        self.outside_actions("golem:api/host.set-oplog-persistence-level")?;
        let set =
            self.recorder.with(|journal, now| journal.set_persistence_level(level.into(), now));
        if set.map_err(Interruption::from)?.gate {
            self.recorder.gate().await?;
        }
        Ok(())
    }

    fn get_idempotence_mode(&mut self) -> wasmtime::Result<bool> {
        Ok(self.recorder.with(|journal, _| journal.idempotence()))
    }

    fn set_idempotence_mode(&mut self, idempotent: bool) -> wasmtime::Result<()> {
        self.outside_actions("golem:api/host.set-idempotence-mode")?;
        let set = self.recorder.with(|journal, now| journal.set_idempotence(idempotent, now));
        set.map_err(Interruption::from)?;
        Ok(())
    }

    /// A local write that is durable before the guest sees it. Were it a remote one, a crash in the middle would fail a
    /// worker whose remote writes must not be repeated; but drawing a key again is harmless, it is the same one.
    async fn generate_idempotency_key(&mut self) -> wasmtime::Result<Uuid> {
        let function = "golem:api/host.generate-idempotency-key";
        let (high_bits, low_bits) = match self.enter(Category::WriteLocal, function, &()).await? {
            Entered::Replayed(key) => key,
            Entered::Live(ticket) => {
                let namespace = self.environment.namespace();
                let key = self.recorder.with(|journal, _| journal.idempotency_key(namespace));
                let key = key.as_u64_pair();
                self.leave(ticket, &key).await?;
                self.recorder.gate().await?;
                key
            }
        };
        Ok(Uuid { high_bits, low_bits })
    }
}

impl From<GuestRetryPolicy> for RetryPolicy {
    fn from(policy: GuestRetryPolicy) -> Self {
        // What is not a number equals nothing, not even itself in the log.
        let multiplier = if policy.multiplier.is_nan() { 1.0 } else { policy.multiplier };
        Self {
            max_attempts: policy.max_attempts,
            min_delay_nanos: policy.min_delay,
            max_delay_nanos: policy.max_delay,
            multiplier,
            jitter: JITTER,
        }
    }
}

impl From<RetryPolicy> for GuestRetryPolicy {
    fn from(policy: RetryPolicy) -> Self {
        Self {
            max_attempts: policy.max_attempts,
            min_delay: policy.min_delay_nanos,
            max_delay: policy.max_delay_nanos,
            multiplier: policy.multiplier,
        }
    }
}

impl From<PersistenceLevel> for everlog_oplog::PersistenceLevel {
    fn from(level: PersistenceLevel) -> Self {
        match level {
            PersistenceLevel::PersistNothing => Self::PersistNothing,
            PersistenceLevel::PersistRemoteSideEffects => Self::PersistRemoteSideEffects,
            PersistenceLevel::Smart => Self::Smart,
        }
    }
}

impl From<everlog_oplog::PersistenceLevel> for PersistenceLevel {
    fn from(level: everlog_oplog::PersistenceLevel) -> Self {
        use everlog_oplog::PersistenceLevel as Level;
        match level {
            Level::PersistNothing => Self::PersistNothing,
            Level::PersistRemoteSideEffects => Self::PersistRemoteSideEffects,
            Level::Smart => Self::Smart,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_equals_itself_whatever_a_guest_puts_in() {
        let policy = |multiplier| {
            let guest =
                GuestRetryPolicy { max_attempts: 1, min_delay: 2, max_delay: 3, multiplier };
            RetryPolicy::from(guest)
        };
        for multiplier in [f64::NAN, f64::INFINITY, -0.0, 3.0] {
            assert_eq!(policy(multiplier), policy(multiplier));
        }
        assert_eq!(GuestRetryPolicy::from(policy(3.0)).multiplier, 3.0);
    }
}
