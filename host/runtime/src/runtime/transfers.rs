//! Whole oplogs on their way to another server, and from one.

use std::collections::BTreeSet;
use std::sync::Arc;

use everlog_oplog::codec::Decoded;
use everlog_oplog::container::{Head, Reader, Record, Writer};
use everlog_oplog::{
    Codec, CopiedLog, Entry, EntryKind, Heir, Index, Payload, RecordedBatch, Status,
    WorkerId as LoggedId, copy_log,
};
use everlog_store::{Change, Digest, MAX_BATCH_BYTES, StoreError, WorkerKey};

use super::Runtime;
use crate::blob_names::named_by;
use crate::clock;
use crate::error::WorkerError;
use crate::keyvalue::{Bucket, KeyValues};
use crate::shared::Shared;
use crate::worker::{Message, NewState, WorkerId};

/// Bytes of the log that are read, and sent, at once.
const PIECE_BYTES: usize = 1 << 20;

impl Runtime {
    /// The whole oplog of a worker as it is now, to be read piece by piece.
    ///
    /// # Errors
    /// Not found.
    pub async fn export(&self, worker: &WorkerId) -> Result<Export, WorkerError> {
        self.settle(worker).await?;
        let last = self.last_index(worker).await?;
        let (component, versions) = self.shared.catalog.digests(&worker.component.to_string())?;
        let key = worker.key()?;
        let head = Head {
            identity: key.as_bytes().to_vec(),
            worker: LoggedId { component: worker.component.into(), name: worker.name.clone() },
            component,
            versions,
        };
        Ok(Export {
            shared: Arc::clone(&self.shared),
            worker: worker.clone(),
            key,
            writer: Writer::default(),
            next: Next::Head(head),
            last,
            blobs: BTreeSet::new(),
            written: 0,
        })
    }

    /// Begins to make a worker from an exported oplog.
    ///
    /// # Errors
    /// A name that is taken, or a component that is not there.
    pub async fn import(&self, worker: &WorkerId) -> Result<Import, WorkerError> {
        let (_, versions) = self.shared.catalog.digests(&worker.component.to_string())?;
        if self.shared.store.last_index(&worker.key()?).await?.is_some() {
            return Err(WorkerError::NameTaken { worker: worker.to_string() });
        }
        Ok(Import {
            shared: Arc::clone(&self.shared),
            worker: worker.clone(),
            versions,
            reader: Reader::default(),
            head: None,
            log: Vec::new(),
            log_bytes: 0,
            state: Vec::new(),
            state_blobs: BTreeSet::new(),
            prepared: None,
        })
    }

    /// Makes the worker, once all of its oplog has arrived; returns its last entry.
    ///
    /// # Errors
    /// An oplog that is cut off, or a name that is taken by now.
    pub async fn finish_import(&self, import: Import) -> Result<Index, WorkerError> {
        import.reader.finish().map_err(|error| import.invalid(&error))?;
        let Import { prepared, worker, state, .. } = import;
        // A container that is whole has an end, at which it was prepared.
        let Some(Prepared { copied, .. }) = prepared else { return Err(WorkerError::ShuttingDown) };
        let last = copied.last;
        let (log, state) = (Box::new(copied), NewState::Given(state));
        self.shared.ask(&worker, |reply| Message::Adopt { log, state, reply }).await?;
        Ok(last)
    }
}

/// An oplog that is being exported. Holds a piece of it at a time, and the names of its blobs.
pub struct Export {
    shared: Arc<Shared>,
    worker: WorkerId,
    key: WorkerKey,
    writer: Writer,
    next: Next,
    last: Index,
    blobs: BTreeSet<Digest>,
    written: u64,
}

/// What comes next in an export.
enum Next {
    Head(Head),
    Entries { from: Index },
    State { after: Option<String> },
    Blobs,
    Nothing,
}

impl Export {
    /// The next piece; none behind the last.
    ///
    /// # Errors
    /// A damaged log, or one that was deleted meanwhile: what was read until then is no export.
    pub async fn piece(&mut self) -> Result<Option<Vec<u8>>, WorkerError> {
        let mut out = Vec::new();
        match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Head(head) => {
                self.writer.begin(&mut out);
                self.writer.write(&Record::Head(head), &mut out);
                self.next = Next::Entries { from: Index::FIRST };
            }
            Next::Entries { from } => self.write_entries(from, &mut out).await?,
            Next::State { after } => self.write_state(after, &mut out).await?,
            Next::Blobs => self.write_blob(&mut out).await?,
            Next::Nothing => return Ok(None),
        }
        Ok(Some(out))
    }

    async fn write_entries(&mut self, from: Index, out: &mut Vec<u8>) -> Result<(), WorkerError> {
        let records = self.shared.store.read_log(&self.key, from.get(), PIECE_BYTES).await?;
        let Some(end) = records.last().map(|record| Index(record.last)) else {
            return Err(WorkerError::NotFound { worker: self.worker.to_string() });
        };
        let codec = Codec::new(self.key.as_bytes());
        let mut bytes = Vec::new();
        for record in records {
            for decoded in codec.decode(Index(record.first), &record.bytes) {
                let Decoded { entry, .. } = decoded.map_err(|error| WorkerError::CorruptLog {
                    worker: self.worker.to_string(),
                    detail: error.to_string(),
                })?;
                self.blobs.extend(named_by(&entry));
            }
            bytes.extend_from_slice(&record.bytes);
        }
        self.writer.write(&Record::Entries { first: from, bytes }, out);
        // The worker may have gone on meanwhile; the whole of a record is stored together.
        self.last = self.last.max(end);
        self.next = if end < self.last {
            Next::Entries { from: end.next() }
        } else {
            Next::State { after: None }
        };
        Ok(())
    }

    async fn write_state(
        &mut self,
        after: Option<String>,
        out: &mut Vec<u8>,
    ) -> Result<(), WorkerError> {
        let bucket = Bucket::of_worker(&self.worker);
        let found = self.shared.key_values.stored(&bucket, after.as_deref()).await?;
        self.next = match found.last() {
            Some((key, _)) => Next::State { after: Some(key.clone()) },
            None => Next::Blobs,
        };
        for (key, record) in found {
            let damaged = |detail| StoreError::Corrupt {
                place: format!("the state of worker {} under {key:?}", self.worker),
                detail,
                advice: "Write it again, or clear it",
            };
            let (_, blob) = KeyValues::restored(&bucket, &key, record.clone()).map_err(damaged)?;
            self.blobs.extend(blob);
            self.writer.write(&Record::State { key, record }, out);
        }
        Ok(())
    }

    async fn write_blob(&mut self, out: &mut Vec<u8>) -> Result<(), WorkerError> {
        while let Some(digest) = self.blobs.pop_first() {
            // What only looks like the name of a blob names none.
            if let Some(bytes) = self.shared.store.get_blob(&digest).await? {
                self.written += 1;
                self.next = Next::Blobs;
                self.writer.write(&Record::Blob(bytes), out);
                return Ok(());
            }
        }
        let end = Record::End { last: self.last, blobs: self.written };
        self.writer.write(&end, out);
        Ok(())
    }
}

/// An oplog that is being imported. Holds its entries, which become durable in one step, and a blob at a time.
pub struct Import {
    shared: Arc<Shared>,
    worker: WorkerId,
    /// What is deployed here.
    versions: Vec<[u8; 32]>,
    reader: Reader,
    head: Option<Head>,
    log: Vec<RecordedBatch>,
    /// Of the entries and the state.
    log_bytes: usize,
    /// What puts the state where it belongs, and the blobs that it names.
    state: Vec<Change>,
    state_blobs: BTreeSet<Digest>,
    prepared: Option<Prepared>,
}

/// A log that was checked.
struct Prepared {
    copied: CopiedLog,
    /// The last entry before it was copied.
    source_last: Index,
    /// Blobs that must still come.
    missing: BTreeSet<Digest>,
    /// Blobs that may come.
    named: BTreeSet<Digest>,
    taken: u64,
}

impl Import {
    /// Takes in the next piece.
    ///
    /// # Errors
    /// Anything that is not as an export makes it, and a component that is not the same.
    pub async fn take(&mut self, piece: &[u8]) -> Result<(), WorkerError> {
        self.reader.push(piece);
        while let Some(record) = self.reader.read().map_err(|error| self.invalid(&error))? {
            match record {
                Record::Head(head) => self.head = Some(head),
                Record::Entries { first, bytes } => self.take_entries(first, bytes)?,
                Record::State { key, record } => self.take_state(&key, record)?,
                Record::Blob(bytes) => self.take_blob(bytes).await?,
                Record::End { last, blobs } => self.end(last, blobs)?,
            }
        }
        Ok(())
    }

    fn take_state(&mut self, key: &str, record: Vec<u8>) -> Result<(), WorkerError> {
        self.make_room(key.len() + record.len())?;
        let bucket = Bucket::of_worker(&self.worker);
        let restored = KeyValues::restored(&bucket, key, record);
        let (change, blob) = restored.map_err(|error| self.invalid(&error))?;
        self.state.push(change);
        self.state_blobs.extend(blob);
        Ok(())
    }

    /// All of it becomes durable in one step.
    fn make_room(&mut self, bytes: usize) -> Result<(), WorkerError> {
        self.log_bytes += bytes;
        let (size, limit) = (self.log_bytes, MAX_BATCH_BYTES);
        if size > limit {
            let worker = self.worker.to_string();
            return Err(WorkerError::CopyTooLarge { worker, size, limit });
        }
        Ok(())
    }

    fn take_entries(&mut self, first: Index, bytes: Vec<u8>) -> Result<(), WorkerError> {
        self.make_room(bytes.len())?;
        self.log.push(RecordedBatch { first, bytes });
        Ok(())
    }

    async fn take_blob(&mut self, bytes: Vec<u8>) -> Result<(), WorkerError> {
        let digest = Digest::of(&bytes);
        let prepared = self.prepare()?;
        prepared.taken += 1;
        prepared.missing.remove(&digest);
        if !prepared.named.remove(&digest) {
            return Err(self.invalid(&format!("nothing names blob {digest}")));
        }
        self.shared.store.put_blob(bytes).await?;
        Ok(())
    }

    fn end(&mut self, last: Index, blobs: u64) -> Result<(), WorkerError> {
        let prepared = self.prepare()?;
        let (found, taken) = (prepared.source_last, prepared.taken);
        let missing = prepared.missing.first().copied();
        if let Some(digest) = missing {
            return Err(self.invalid(&format!("blob {digest} is missing")));
        }
        if found != last || taken != blobs {
            let detail = format!(
                "it should have {last} entries and {blobs} blobs, it has {found} and {taken}"
            );
            return Err(self.invalid(&detail));
        }
        Ok(())
    }

    /// Checks all entries, and that this server can go on with them, once the last has arrived.
    fn prepare(&mut self) -> Result<&mut Prepared, WorkerError> {
        if self.prepared.is_none() {
            let prepared = self.prepared_anew()?;
            self.prepared = Some(prepared);
            self.log = Vec::new();
        }
        self.prepared.as_mut().ok_or(WorkerError::ShuttingDown)
    }

    fn prepared_anew(&self) -> Result<Prepared, WorkerError> {
        let head = self.head.as_ref().ok_or_else(|| self.invalid(&"it has no head"))?;
        let key = self.worker.key()?;
        let worker =
            LoggedId { component: self.worker.component.into(), name: self.worker.name.clone() };
        let heir = Heir { identity: key.as_bytes(), worker };
        let copied = copy_log(&head.identity, &self.log, None, &heir, clock::now());
        let copied = copied.map_err(|error| self.invalid(&error))?;
        let mut needed = BTreeSet::from([copied.status.component_version]);
        needed.extend(copied.status.updates.pending.iter().map(|update| update.version));
        let (mut missing, mut named) = (self.state_blobs.clone(), self.state_blobs.clone());
        let mut source_last = Index::FIRST;
        let codec = Codec::new(key.as_bytes());
        for decoded in codec.decode(Index::FIRST, &copied.bytes) {
            let Decoded { index, entry, .. } = decoded.map_err(|error| self.invalid(&error))?;
            named.extend(named_by(&entry));
            if let Some(Payload::Blob { digest, .. }) = entry.kind.payload() {
                missing.insert(Digest::from_bytes(*digest));
            }
            needed.extend(ran(&entry, index, &copied.status));
            source_last = index;
        }
        if head.worker != heir.worker {
            // Behind it is only that it was copied.
            source_last = Index(source_last.get() - 1);
        }
        self.check_versions(head, &needed)?;
        Ok(Prepared { copied, source_last, missing, named, taken: 0 })
    }

    fn check_versions(&self, head: &Head, needed: &BTreeSet<u64>) -> Result<(), WorkerError> {
        let of = |versions: &[[u8; 32]], number: u64| {
            usize::try_from(number).ok().and_then(|number| versions.get(number).copied())
        };
        for number in needed {
            // An update to a version that never was fails here as well.
            let Some(wanted) = of(&head.versions, *number) else { continue };
            let here = of(&self.versions, *number);
            if here == Some(wanted) {
                continue;
            }
            let wanted = Digest::from_bytes(wanted);
            let here = match here {
                None => "is not deployed".to_owned(),
                Some(other) => format!("has digest {}", Digest::from_bytes(other)),
            };
            let detail = format!(
                "it ran version {number} of component {} with digest {wanted}; here version \
                 {number} {here}. Deploy the same versions in the same order first",
                head.component
            );
            let worker = self.worker.to_string();
            return Err(WorkerError::ComponentDiffers { worker, detail });
        }
        Ok(())
    }

    fn invalid(&self, detail: &dyn std::fmt::Display) -> WorkerError {
        WorkerError::InvalidImport { worker: self.worker.to_string(), detail: detail.to_string() }
    }
}

/// The version that the entry says is the worker's from here on, unless that was taken back.
fn ran(entry: &Entry, index: Index, status: &Status) -> Option<u64> {
    match &entry.kind {
        EntryKind::Create(create) => Some(create.component_version),
        EntryKind::UpdateDone { version } if !status.deleted.reverted.contains(index) => {
            Some(*version)
        }
        _ => None,
    }
}
