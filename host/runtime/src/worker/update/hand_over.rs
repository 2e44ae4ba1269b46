//! Snapshot updates: between two invocations the old version saves itself and the new one loads
//! that, and replay starts there ever after.
//!
//! The instance that saves is dropped afterwards in any case, so that a save leaves no trace. What
//! the load brings into the log is held back until it has succeeded, and then becomes durable in one
//! batch with the entry that makes it count; whatever ends earlier, a crash included, leaves the old
//! version and its log as they were.

use std::sync::Arc;
use std::time::Duration;

use everlog_oplog::{Conduct, Divergence, FailureKind, Index, Status, UpdateMode};
use everlog_store::StoreError;

use super::saved::Saved;
use crate::clock;
use crate::component::ComponentVersion;
use crate::durable::Recorder;
use crate::error::WorkerError;
use crate::worker::desk::Waiting;
use crate::worker::execute::{self, Attended, End, Stop, Watch};
use crate::worker::guest::{Guest, LOAD_SNAPSHOT, SAVE_SNAPSHOT};
use crate::worker::load;
use crate::worker::message::{Control, Departing, Message};
use crate::worker::task::{Flow, Task, refuse};

/// A host without room for the new version is asked again after this time.
const ROOM_AFTER: Duration = Duration::from_millis(500);

/// Why the new version has not taken over.
enum Missed {
    /// It cannot be; the old instance is as it was.
    Unfit(String),
    /// It cannot be; the old instance has begun to save itself.
    Spoilt(String),
    /// Somebody wants something else first.
    Stopped(Stop),
    /// The host has no room.
    NoRoom,
    /// The store failed.
    Store(StoreError),
}

impl From<StoreError> for Missed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Missed {
    /// What it means that `function` has ended in this way.
    fn of(end: End, function: &str) -> Self {
        let details = match end {
            End::Stopped(stop) => return Self::Stopped(stop),
            End::StoreFailed(error) => return Self::Store(error),
            End::Failed { kind: FailureKind::HostMemory, .. } => {
                return Self::NoRoom;
            }
            End::Failed { message, .. } => format!("{function} failed: {message}"),
            End::Diverged(divergence) => {
                let (asked, allowed) = (&divergence.asked, &divergence.recorded);
                format!("{function} asked for {asked}, but there may be {allowed}")
            }
            End::Suspended { .. } => format!("{function} waited for too long"),
            End::Cancelled => format!("{function} was cancelled"),
            End::Exited { code } => format!("{function} exited with code {code}"),
            End::Returned(_) | End::Halted | End::Jumped => format!("{function} did not return"),
        };
        Self::Spoilt(details)
    }
}

impl Task {
    /// Carries out the first pending update, whose turn in the queue has come. The guest has met its
    /// whole history and runs nothing.
    pub(in crate::worker) async fn update_by_snapshot(&mut self, recorder: &Arc<Recorder>) -> Flow {
        let next = recorder.with(|journal, _| journal.status().updates.pending.first().cloned());
        // None: it was settled in another way since it was queued.
        let Some(update) = next.filter(|update| update.mode == UpdateMode::Snapshot) else {
            return Flow::GoOn;
        };
        let (version, mut held) = (update.version, Vec::new());
        let missed = self.hand_over(recorder, version, &mut held).await.err();
        let flow = match &missed {
            None | Some(Missed::Unfit(_)) => Flow::GoOn,
            Some(Missed::Store(error)) => self.store_failed(error.clone()).await,
            Some(Missed::Spoilt(_) | Missed::Stopped(_) | Missed::NoRoom) => {
                self.take_back(recorder).await
            }
        };
        let recorder = match self.recorder() {
            Some(recorder) if flow == Flow::GoOn => recorder,
            _ => return flow,
        };
        if let Some(Missed::Unfit(details) | Missed::Spoilt(details)) = &missed {
            self.update_failed(&recorder, version, details.clone());
        }
        if let Some(Missed::Stopped(_) | Missed::NoRoom) = &missed {
            self.front.desk.put_back(Waiting::Update);
        }
        // What came while the new version loaded.
        for message in held {
            self.front.take_in(&recorder, message).await;
        }
        match missed {
            Some(Missed::Stopped(stop)) => Box::pin(self.stop(stop)).await,
            Some(Missed::NoRoom) => {
                clock::pause(ROOM_AFTER).await;
                Flow::GoOn
            }
            _ => Flow::GoOn,
        }
    }

    async fn hand_over(
        &mut self,
        recorder: &Arc<Recorder>,
        number: u64,
        held: &mut Vec<Message>,
    ) -> Result<(), Missed> {
        let version = self.front.fetch(number).await;
        let version = version.map_err(|error| Missed::Unfit(error.to_string()))?;
        self.check_hand_over(recorder, &version)?;
        recorder.gate().await.map_err(|error| Missed::Unfit(error.to_string()))?;
        let saved = self.save(recorder).await?;
        let data = saved.store(&self.shared).await?;
        self.guest = None;
        // A save leaves nothing in the journal, but callers may have.
        let gate = recorder.gate().await;
        gate.map_err(|error| Missed::Spoilt(error.to_string()))?;
        recorder.hold();
        let before = recorder.with(|journal, now| {
            let before = journal.status().clone();
            journal.conduct(Conduct::Loading);
            journal.snapshot_loaded(number, data, now);
            before
        });
        let guest = self.load(recorder, Arc::clone(&version), saved, &before, held).await?;
        self.guest = Some(guest);
        self.front.version = version;
        recorder.with(|journal, now| {
            journal.conduct(Conduct::Invoked);
            journal.update_done(number, now);
        });
        recorder.release();
        self.front.tell_versions(recorder);
        recorder.flush();
        Ok(())
    }

    fn check_hand_over(
        &self,
        recorder: &Recorder,
        version: &ComponentVersion,
    ) -> Result<(), Missed> {
        let lacks = |version: &ComponentVersion, function: &str| {
            Missed::Unfit(format!("version {} does not export {function}", version.version))
        };
        let current = &self.front.version;
        if current.exports().resolve(SAVE_SNAPSHOT).is_err() {
            return Err(lacks(current, SAVE_SNAPSHOT));
        }
        if version.exports().resolve(LOAD_SNAPSHOT).is_err() {
            return Err(lacks(version, LOAD_SNAPSHOT));
        }
        let in_flight = recorder.with(|journal, _| journal.status().execution.open_writes.len());
        if in_flight > 0 {
            let details = format!(
                "{in_flight} remote writes are in flight whose outcome the guest has not seen, and \
                 the new version could not see it; try again later"
            );
            return Err(Missed::Unfit(details));
        }
        Ok(())
    }

    /// Has the old version save itself.
    async fn save(&mut self, recorder: &Arc<Recorder>) -> Result<Saved, Missed> {
        let Some(guest) = &mut self.guest else {
            return Err(Missed::Unfit("the worker is not in memory".to_owned()));
        };
        recorder.with(|journal, _| journal.conduct(Conduct::Saving));
        let attended = {
            let watch = Watch { recorder, front: &mut self.front, mailbox: &mut self.mailbox };
            watch.attend(guest.save()).await
        };
        let bytes = match attended {
            Attended::Done(Ok(bytes)) => bytes,
            Attended::Done(Err(error)) => {
                let mut missed = Missed::of(execute::explain(error), SAVE_SNAPSHOT);
                if let Missed::Spoilt(details) = &mut missed {
                    *details = self.with_last_words(std::mem::take(details));
                }
                return Err(missed);
            }
            Attended::Ended(end) => return Err(Missed::of(end, SAVE_SNAPSHOT)),
        };
        let last_resource = guest.last_resource();
        Saved::of(bytes, last_resource, guest.state()).await.map_err(Missed::Spoilt)
    }

    /// Makes an instance of the new version, and has it load what was saved. Callers wait meanwhile,
    /// since nothing that they bring about may come between the entries of a load.
    async fn load(
        &mut self,
        recorder: &Arc<Recorder>,
        version: Arc<ComponentVersion>,
        saved: Saved,
        before: &Status,
        held: &mut Vec<Message>,
    ) -> Result<Guest, Missed> {
        let making = load::Making {
            shared: &self.shared,
            worker: &self.front.worker,
            version,
            recorder,
            files: Arc::clone(&self.shared.files),
        };
        let made = making.guest(Some(&saved)).await;
        let mut guest = made.map_err(|end| Missed::of(end, "the new version"))?;
        let loaded = {
            let mut loading = std::pin::pin!(guest.load(&saved.bytes));
            loop {
                tokio::select! {
                    biased;
                    loaded = &mut loading => break loaded,
                    message = self.mailbox.recv() => self.hold_back(message, before, held)?,
                }
            }
        };
        match loaded {
            Ok(Ok(())) => Ok(guest),
            Ok(Err(refused)) => {
                Err(Missed::Spoilt(format!("{LOAD_SNAPSHOT} refused the snapshot: {refused}")))
            }
            Err(error) => {
                let mut missed = Missed::of(execute::explain(error), LOAD_SNAPSHOT);
                if let Missed::Spoilt(details) = &mut missed {
                    let words = guest.state().last_words();
                    if !words.is_empty() {
                        *details = format!("{words}\n{details}");
                    }
                }
                Err(missed)
            }
        }
    }

    /// Lets a message wait for the end of a load, unless it is one that ends it.
    fn hold_back(
        &self,
        message: Option<Message>,
        before: &Status,
        held: &mut Vec<Message>,
    ) -> Result<(), Missed> {
        let limit = self.shared.config.max_queue;
        match message {
            None => return Err(Missed::Stopped(Stop::Depart(Departing::ServerStops))),
            Some(Message::Depart(why)) => return Err(Missed::Stopped(Stop::Depart(why))),
            Some(Message::Control { control: Control::Resume, reply }) => {
                let _ = reply.send(Ok(()));
            }
            Some(Message::Control { control, reply }) => {
                return Err(Missed::Stopped(Stop::Control(control, reply)));
            }
            Some(Message::Inspect { reply }) => {
                let _ = reply.send(Ok(self.front.describe(before.clone())));
            }
            Some(Message::Evict) => {}
            Some(message) if held.len() >= limit => {
                let worker = self.front.label.to_string();
                refuse(message, &WorkerError::Busy { worker, limit });
            }
            Some(message) => held.push(message),
        }
        Ok(())
    }

    /// Has an instance that was just made load the snapshot from which its replay starts.
    pub(in crate::worker) async fn reload(
        &mut self,
        recorder: &Arc<Recorder>,
        mut guest: Guest,
        saved: &Saved,
        base: Index,
    ) -> Result<Guest, End> {
        recorder.with(|journal, _| journal.conduct(Conduct::Reloading));
        let watch = Watch { recorder, front: &mut self.front, mailbox: &mut self.mailbox };
        let attended = watch.attend(guest.load(&saved.bytes)).await;
        recorder.with(|journal, _| journal.conduct(Conduct::Invoked));
        match attended {
            Attended::Done(Ok(Ok(()))) => Ok(guest),
            Attended::Done(Ok(Err(refused))) => Err(unfit(recorder, base, &refused)),
            Attended::Done(Err(error)) => Err(match execute::explain(error) {
                End::Failed { kind, message } if kind != FailureKind::HostMemory => {
                    unfit(recorder, base, &message)
                }
                end => end,
            }),
            Attended::Ended(end) => Err(end),
        }
    }

    /// Forgets the attempt: the old version, from the log as it is.
    async fn take_back(&mut self, recorder: &Arc<Recorder>) -> Flow {
        self.guest = None;
        if !recorder.is_held() {
            return self.reopen().await;
        }
        // What is held back is dropped with the journal.
        self.recover_anew().await
    }
}

/// A version that does not load what it, or one before it, has loaded.
pub(in crate::worker) fn unfit(recorder: &Recorder, base: Index, problem: &str) -> End {
    let divergence = Divergence {
        index: base,
        recorded: "a snapshot that was loaded".to_owned(),
        asked: format!("to fail: {problem}"),
    };
    End::Diverged(Box::new(recorder.with(|journal, _| journal.give_up(divergence))))
}
