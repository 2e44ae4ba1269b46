//! `golem:api/host`: promises.

use std::sync::Arc;

use everlog_oplog::{Caller, Category, Index, Payload};

use super::bindings::golem::api::host::{self, PromiseId};
use super::workers::{component_id, uuid};
use crate::clock;
use crate::durable::{Entered, Interruption, WaitsFor};
use crate::error::WorkerError;
use crate::wasi::{Wait, WorkerState};
use crate::worker::{WorkerId, check_size, not_found};

/// Promises of one worker that are not deleted; they stand in its status.
const MAX_PROMISES: usize = 10_000;

/// How a wait for a promise has come out.
enum Completion {
    Came(Payload),
    Cancelled,
    NotSoon,
}

/// Where a promise is.
enum Owner {
    /// Here.
    This,
    /// In the log of this worker.
    Other(WorkerId),
}

impl WorkerState {
    pub(super) fn make_promise(&mut self) -> wasmtime::Result<PromiseId> {
        let full = self.recorder.with(|journal, _| {
            !journal.is_replaying() && journal.status().promises.len() >= MAX_PROMISES
        });
        if full {
            return Err(Interruption::from(WorkerError::TooManyPromises {
                worker: self.environment.worker.to_string(),
                limit: MAX_PROMISES,
            })
            .into());
        }
        let made = self.recorder.with(|journal, now| {
            let promise = journal.create_promise(now)?;
            Ok((promise, journal.status().origin_of(promise).cloned()))
        });
        let (promise, origin) =
            made.map_err(|error: everlog_oplog::Divergence| Interruption::from(error))?;
        // In a fork the guest goes on calling it by the name that it was told.
        let (component, name) = match origin {
            Some(origin) => (origin.component.0, origin.name),
            None => {
                let worker = &self.environment.worker;
                (worker.component, worker.name.clone())
            }
        };
        let worker_id = host::WorkerId { component_id: component_id(component), worker_name: name };
        Ok(PromiseId { worker_id, oplog_idx: promise.get() })
    }

    pub(super) async fn awaited(&mut self, id: PromiseId) -> wasmtime::Result<Vec<u8>> {
        let promise = Index(id.oplog_idx);
        let data = match self.owner(&id)? {
            Owner::This => self.await_own(&id, promise).await?,
            Owner::Other(worker) => self.await_other(&id, &worker, promise).await?,
        };
        match data {
            Payload::Inline(bytes) => Ok(bytes),
            blob => {
                let shared = self.shared().map_err(Interruption::from)?;
                Ok(shared.resolve(&blob).await.map_err(Interruption::from)?)
            }
        }
    }

    /// What completes a promise is an entry of this log, so its reading is a local one.
    async fn await_own(&mut self, id: &PromiseId, promise: Index) -> wasmtime::Result<Payload> {
        let function = "golem:api/host.await-promise";
        loop {
            let entered = self.enter(Category::ReadLocal, function, &request(id)).await?;
            let ticket = match entered {
                Entered::Replayed(Wait::Over(data)) => return Ok(data),
                Entered::Replayed(Wait::Cancelled(data)) => {
                    self.cancellation().tell();
                    return Ok(data);
                }
                Entered::Replayed(Wait::LinesEnded) => {
                    self.flush_partial_lines();
                    continue;
                }
                Entered::Live(ticket) => ticket,
            };
            let over = match self.completion_soon(promise).await? {
                Completion::Came(data) => Some(Wait::Over(data)),
                Completion::Cancelled => Some(self.cancelled_wait()?),
                Completion::NotSoon => None,
            };
            if let Some(over) = over {
                self.leave(ticket, &over).await?;
                let (Wait::Over(data) | Wait::Cancelled(data)) = over else { continue };
                return Ok(data);
            }
            if self.has_partial_lines() {
                self.leave(ticket, &Wait::<Payload>::LinesEnded).await?;
                self.flush_partial_lines();
            }
            self.recorder.with(|journal, _| journal.will_await(promise));
            return Err(Interruption::Suspend { until: None }.into());
        }
    }

    /// How a wait for a promise ends for the sake of a cancellation: with nothing.
    fn cancelled_wait(&self) -> Result<Wait<Payload>, Interruption> {
        if !self.environment.asks_for_cancels {
            return Err(Interruption::Cancelled);
        }
        self.cancellation().tell();
        Ok(Wait::Cancelled(Payload::EMPTY))
    }

    /// What the promise was completed with, unless that takes so long that the worker may leave memory meanwhile.
    async fn completion_soon(&mut self, promise: Index) -> Result<Completion, Interruption> {
        let cancellation = self.cancellation();
        let _noted = self.recorder.note_wait(WaitsFor::Promise(promise));
        let suspend_after = self.environment.suspend_after.as_nanos();
        let leaves = clock::now().after(u64::try_from(suspend_after).unwrap_or(u64::MAX));
        loop {
            let completion = std::pin::pin!(self.recorder.completion());
            let known = self.recorder.with(|journal, _| {
                let known = journal.status().promises.get(&promise);
                known.map(|known| known.completed.clone())
            });
            match known {
                None => {
                    let label = self.environment.worker.to_string();
                    return Err(not_found(&label, promise).into());
                }
                Some(Some((_, data))) => return Ok(Completion::Came(data)),
                Some(None) if cancellation.is_due() => return Ok(Completion::Cancelled),
                Some(None) if leaves <= clock::now() => return Ok(Completion::NotSoon),
                Some(None) => {}
            }
            tokio::select! {
                () = completion => {}
                () = cancellation.due() => {}
                () = clock::wait_until(leaves) => {}
            }
        }
    }

    async fn await_other(
        &mut self,
        id: &PromiseId,
        worker: &WorkerId,
        promise: Index,
    ) -> wasmtime::Result<Payload> {
        let function = "golem:api/host.await-promise";
        match self.enter(Category::ReadRemote, function, &request(id)).await? {
            Entered::Replayed(Wait::Over(data)) => Ok(data),
            Entered::Replayed(Wait::Cancelled(data)) => {
                self.cancellation().tell();
                Ok(data)
            }
            Entered::Replayed(Wait::LinesEnded) => {
                Err(wasmtime::format_err!("who awaits another worker's promise stays in memory"))
            }
            Entered::Live(ticket) => {
                let shared = self.shared().map_err(Interruption::from)?;
                let cancellation = self.cancellation();
                let recorder = Arc::clone(&self.recorder);
                let waits = WaitsFor::PromiseOf(worker.clone(), promise);
                let noted = recorder.note_wait(waits);
                let data = tokio::select! {
                    biased;
                    data = shared.completed_promise(worker, promise) => Some(data),
                    () = cancellation.due() => None,
                };
                drop(noted);
                let over = match data {
                    Some(data) => Wait::Over(data.map_err(Interruption::from)?),
                    None => self.cancelled_wait()?,
                };
                self.leave(ticket, &over).await?;
                match over {
                    Wait::Over(data) | Wait::Cancelled(data) => Ok(data),
                    Wait::LinesEnded => Ok(Payload::EMPTY),
                }
            }
        }
    }

    pub(super) async fn complete(
        &mut self,
        id: PromiseId,
        data: Vec<u8>,
    ) -> wasmtime::Result<bool> {
        check_size(&data).map_err(Interruption::from)?;
        let function = "golem:api/host.complete-promise";
        let request = (request(&id), &data);
        let ticket = match self.enter(Category::WriteRemote, function, &request).await? {
            Entered::Replayed(first) => return Ok(first),
            Entered::Live(ticket) => ticket,
        };
        let promise = Index(id.oplog_idx);
        let completer = self.caller();
        let shared = self.shared().map_err(Interruption::from)?;
        let first = match self.owner(&id)? {
            Owner::This => {
                let label = self.environment.worker.to_string();
                let kept = shared.kept_payload(data).await.map_err(Interruption::from)?;
                let completed = self.recorder.with(|journal, now| {
                    journal.promise_completed_by(promise, kept, completer, now)
                });
                completed.map_err(|_| Interruption::from(not_found(&label, promise)))?
            }
            Owner::Other(worker) => {
                let completed =
                    shared.complete_promise(&worker, promise, data, Some(completer)).await;
                completed.map_err(Interruption::from)?
            }
        };
        self.leave(ticket, &first).await?;
        Ok(first)
    }

    /// This very call, so that one that a crash makes again gets the same answer.
    pub(super) fn caller(&self) -> Caller {
        let worker = &self.environment.worker;
        Caller {
            worker: everlog_oplog::WorkerId {
                component: worker.component.into(),
                name: worker.name.clone(),
            },
            position: self.recorder.with(|journal, _| journal.logical_position()),
        }
    }

    pub(super) fn forget_promise(&mut self, id: &PromiseId) -> wasmtime::Result<()> {
        let promise = Index(id.oplog_idx);
        if let Owner::Other(worker) = self.owner(id)? {
            let (worker, promise) = (worker.to_string(), promise.get());
            return Err(
                Interruption::from(WorkerError::PromiseOfAnother { worker, promise }).into()
            );
        }
        let deleted = self.recorder.with(|journal, now| journal.delete_promise(promise, now));
        match deleted {
            Ok(()) => Ok(()),
            Err(everlog_oplog::PromiseError::Diverged(divergence)) => {
                Err(Interruption::from(divergence).into())
            }
            Err(everlog_oplog::PromiseError::Unknown { promise }) => {
                let label = self.environment.worker.to_string();
                Err(Interruption::from(not_found(&label, promise)).into())
            }
        }
    }

    /// Whose promise it is. What a fork inherited it knows by the name of its source, and by its own.
    fn owner(&self, id: &PromiseId) -> Result<Owner, Interruption> {
        let component = uuid(&id.worker_id.component_id);
        let worker = WorkerId::new(component, id.worker_id.worker_name.clone())?;
        let inherited = self.recorder.with(|journal, _| {
            let origin = journal.status().origin_of(Index(id.oplog_idx));
            origin.is_some_and(|origin| {
                origin.component.0 == worker.component && origin.name == worker.name
            })
        });
        Ok(if inherited || worker == self.environment.worker {
            Owner::This
        } else {
            Owner::Other(worker)
        })
    }
}

/// A promise as requests name it.
fn request(id: &PromiseId) -> (u128, &str, u64) {
    let component = uuid(&id.worker_id.component_id).as_u128();
    (component, &id.worker_id.worker_name, id.oplog_idx)
}
