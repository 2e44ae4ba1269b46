//! Copies what a store holds into another one, of whichever engine.
//!
//! A copy is a comparison that mends what it finds: what the target has already is left, what it
//! lacks is put there, what the source does not have is removed. So a copy that was broken off goes
//! on where it stood, also when the source was used meanwhile. Afterwards everything is read again
//! from both sides and compared; a difference then is an error.
//!
//! What is only half there must not be used: before anything else the target says that a copy into
//! it was begun (`begun`), and [`refuse_unfinished`] is for whoever opens a store to work with it.
//!
//! `logs`, `records` and `blobs` compare one kind of thing each; `writer` hands batches over
//! without waiting for each.

mod begun;
mod blobs;
mod error;
mod logs;
mod records;
mod writer;

use std::collections::{BTreeSet, HashSet};
use std::pin::pin;

use futures::future::ready;
use futures::stream::{self, Stream, TryStreamExt as _};

use crate::{Digest, KeyRange, LogRecord, Order, Space, Store, StoreError, WorkerKey};
use begun::Begun;
pub use begun::{discard, refuse_unfinished};
pub use error::CopyError;
use writer::Writer;

/// One end of a copy.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The store, which nobody else may use meanwhile.
    pub store: &'a dyn Store,
    /// Where it is, without secrets. A copy that was broken off goes on only from the same place.
    pub name: &'a str,
}

/// What is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Everything, into a store that holds nothing.
    Whole,
    /// Some of it, into a store that may hold other things.
    Parts(Parts),
}

/// Some of what a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// What people call it, in one line; a copy that was broken off goes on only with the same.
    pub name: String,
    /// Whole oplogs, which must not be in the target.
    pub logs: Vec<WorkerKey>,
    /// Records, of which none may be in the target.
    pub records: Vec<(Space, KeyRange)>,
    /// Records that are put in place of what the target has, once everything else is there.
    pub shared: Vec<(Space, Vec<u8>)>,
    /// Blobs, beside those that the oplogs name.
    pub blobs: Vec<Digest>,
}

/// Looks at a record of an oplog: the blobs that its entries name, or what is wrong with it.
pub type Inspect = dyn Fn(&WorkerKey, &LogRecord) -> Result<Vec<Digest>, String> + Send + Sync;

/// A copy that is to be made.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// Where from; nothing is changed there.
    pub source: Side<'a>,
    /// Where to.
    pub target: Side<'a>,
    /// What.
    pub selection: &'a Selection,
    /// Looks at everything that is read of oplogs. May name blobs that there are not.
    pub inspect: &'a Inspect,
    /// What people call a worker.
    pub name_of: &'a (dyn Fn(&WorkerKey) -> String + Send + Sync),
    /// Is told how far it is.
    pub progress: &'a (dyn Fn(&Progress) + Send + Sync),
}

/// What a copy is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It makes the target equal.
    Copying,
    /// It compares both sides.
    Checking,
}

/// How far a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which one.
    pub stage: Stage,
    /// Oplogs that are done.
    pub logs: u64,
    /// Records that are done.
    pub records: u64,
    /// Blobs that are done.
    pub blobs: u64,
    /// Bytes of all of them that were read from the source.
    pub bytes: u64,
    /// How many things there will be, as far as is known.
    pub expected: u64,
}

impl Progress {
    fn new(stage: Stage, expected: u64) -> Self {
        Self { stage, logs: 0, records: 0, blobs: 0, bytes: 0, expected }
    }

    /// How many things are done.
    pub fn done(&self) -> u64 {
        self.logs + self.records + self.blobs
    }
}

/// Makes the copy and checks it; returns what there was to check. Once it is broken off, by an
/// error or by force, the same job goes on where it stood. After an error nothing is on its way to
/// the target any more; where the future is dropped, something may be.
///
/// # Errors
/// [`CopyError`]; the target then still says that a copy into it was begun.
pub async fn copy(job: Job<'_>) -> Result<Progress, CopyError> {
    refuse_unfinished(job.source.store, job.source.name).await?;
    let selection = begun::begin(&job).await?;
    // What is shared may be there from the beginning.
    let compares = selection.is_resumed || selection.parts.is_some();
    let mut run = Run::new(job, &selection, Stage::Copying, compares).await?;
    run.pass().await?;
    let mut check = Run::new(job, &selection, Stage::Checking, true).await?;
    check.progress.expected = run.progress.done();
    check.pass().await?;
    // A copy is done when it is as safe as it will be.
    job.target.store.wait_replicas(u32::MAX).await?;
    Begun::end(job.target.store).await?;
    Ok(check.progress)
}

/// One pass over everything.
struct Run<'a> {
    job: Job<'a>,
    selection: &'a begun::Agreed,
    writer: Writer<'a>,
    progress: Progress,
    /// Whether the target may hold something, so that it has to be looked at.
    compares: bool,
    /// Blobs that oplogs name.
    named: BTreeSet<Digest>,
}

impl<'a> Run<'a> {
    async fn new(
        job: Job<'a>,
        selection: &'a begun::Agreed,
        stage: Stage,
        compares: bool,
    ) -> Result<Self, CopyError> {
        let expected = match &selection.parts {
            None if stage == Stage::Copying => count(job.source.store).await?,
            None => 0,
            Some(parts) => (parts.logs.len() + parts.shared.len() + parts.blobs.len()) as u64,
        };
        let progress = Progress::new(stage, expected);
        let writer = Writer::new(job.target.store);
        Ok(Self { job, selection, writer, progress, compares, named: BTreeSet::new() })
    }

    /// Goes through everything. Nothing that was handed over becomes durable afterwards, also where
    /// it ends with an error: what is done with the target next would not see it.
    async fn pass(&mut self) -> Result<(), CopyError> {
        let outcome = self.everything().await;
        self.writer.settle().await;
        outcome
    }

    async fn everything(&mut self) -> Result<(), CopyError> {
        match &self.selection.parts {
            None => {
                let name = |worker: &WorkerKey| Digest::of(worker.as_bytes());
                self.logs(once(self.job.source.store.logs(), name)).await?;
                self.surplus_logs().await?;
                for space in Space::all() {
                    self.records(space, KeyRange::all()).await?;
                }
                let mut blobs = pin!(once(self.job.source.store.blobs(), |digest| *digest));
                while let Some(digest) = blobs.try_next().await? {
                    self.blob(&digest).await?;
                }
            }
            Some(parts) => self.parts(parts).await?,
        }
        self.writer.finish().await
    }

    async fn parts(&mut self, parts: &Parts) -> Result<(), CopyError> {
        self.logs(stream::iter(parts.logs.iter().cloned().map(Ok))).await?;
        for (space, range) in &parts.records {
            self.records(*space, range.clone()).await?;
        }
        let named = std::mem::take(&mut self.named);
        for digest in named.union(&parts.blobs.iter().copied().collect()) {
            self.blob(digest).await?;
        }
        self.writer.finish().await?;
        for (space, key) in &parts.shared {
            self.records(*space, KeyRange::only(key)).await?;
        }
        Ok(())
    }

    fn is_check(&self) -> bool {
        self.progress.stage == Stage::Checking
    }

    /// Tells how far it is.
    fn tell(&mut self) {
        self.progress.expected = self.progress.expected.max(self.progress.done());
        (self.job.progress)(&self.progress);
    }

    fn differs(&self, what: String, source: String, target: String) -> CopyError {
        let place = self.job.target.name.to_owned();
        CopyError::Differs { place, what, source_holds: source, target_holds: target }
    }
}

/// What a store lists may come twice; it has 16 bytes of memory for each until it is done.
fn once<T>(
    listed: impl Stream<Item = Result<T, StoreError>>,
    name: impl Fn(&T) -> Digest,
) -> impl Stream<Item = Result<T, StoreError>> {
    let mut seen = HashSet::new();
    listed.try_filter(move |item| {
        let name = name(item);
        ready(seen.insert(name.as_bytes().first_chunk::<16>().copied()))
    })
}

/// How many oplogs and blobs there are.
async fn count(store: &dyn Store) -> Result<u64, StoreError> {
    let logs = store.logs().try_fold(0, async |count, _| Ok(count + 1)).await?;
    store.blobs().try_fold(logs, async |count, _| Ok(count + 1)).await
}

/// A record in `range`, or nothing.
async fn any_record(
    store: &dyn Store,
    space: Space,
    range: KeyRange,
) -> Result<Option<Vec<u8>>, StoreError> {
    let found = store.scan(space, range, Order::Forward, 1).await?;
    Ok(found.into_iter().next().map(|(key, _)| key))
}

fn record_name(space: Space, key: &[u8]) -> String {
    format!("record {} of space {}", key.escape_ascii(), space.number())
}
