use crate::{StoreError, WorkerKey};

/// The largest batch, in bytes of payload (keys, values and entries together). Larger payloads
/// belong into blobs.
pub const MAX_BATCH_BYTES: usize = 64 * 1024 * 1024;

/// The longest key of a record, in bytes.
pub const MAX_RECORD_KEY_BYTES: usize = 4096;

/// The bytes that a change or an append counts beside its key and value: what an engine adds to
/// each.
const ITEM_OVERHEAD_BYTES: usize = 64;

/// An ordered name space of records. Which number means what is the user's choice; 254 and 255 are
/// the store's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Space(u8);

impl Space {
    /// The name space that engines keep for themselves; a batch that names it is refused.
    pub(crate) const RESERVED: Self = Self(255);

    /// Says that a copy into this store was begun; see [`copy`](crate::copy).
    pub(crate) const COPY: Self = Self(254);

    /// The name space with this number.
    ///
    /// # Panics
    /// On 254 and 255, the store's own; as a constant this is a compile-time error.
    pub const fn new(number: u8) -> Self {
        assert!(number < Self::COPY.0, "spaces 254 and 255 are the store's own");
        Self(number)
    }

    /// The number it was made with.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Every name space whose meaning is the user's choice.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..Self::COPY.0).map(Self)
    }
}

/// Entries `first..=last` of one worker, to be put behind what its oplog holds.
///
/// Guarded: `first` must be the successor of the last stored index (1 on an empty oplog), otherwise
/// the whole batch fails with [`StoreError::Conflict`] and nothing of it is stored. Made by
/// [`Append::new`] only, so that an engine shared by nodes can add the owner's epoch without
/// breaking callers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Append {
    /// Whose oplog.
    pub worker: WorkerKey,
    /// Index of the first entry in `bytes`; indices start at 1.
    pub first: u64,
    /// Index of the last entry in `bytes`, at least `first`.
    pub last: u64,
    /// The encoded entries; opaque here, read back as they are.
    pub bytes: Vec<u8>,
}

impl Append {
    /// Entries `first..=last` of `worker`.
    pub fn new(worker: WorkerKey, first: u64, last: u64, bytes: Vec<u8>) -> Self {
        Self { worker, first, last, bytes }
    }
}

/// A change of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Stores `value` under `key`, in place of what was there.
    Put {
        /// The record's name space.
        space: Space,
        /// At most [`MAX_RECORD_KEY_BYTES`].
        key: Vec<u8>,
        /// Opaque.
        value: Vec<u8>,
    },
    /// Removes `key`; nothing happens if it is not there.
    Delete {
        /// The record's name space.
        space: Space,
        /// At most [`MAX_RECORD_KEY_BYTES`].
        key: Vec<u8>,
    },
}

impl Change {
    /// The record that is changed.
    pub fn target(&self) -> (Space, &[u8]) {
        match self {
            Self::Put { space, key, .. } | Self::Delete { space, key } => (*space, key),
        }
    }
}

/// What a record must hold for a batch to be stored: compare-and-swap for records that many write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The record's name space.
    pub space: Space,
    /// At most [`MAX_RECORD_KEY_BYTES`].
    pub key: Vec<u8>,
    /// The whole value; `None`: there must be no such record.
    pub value: Option<Vec<u8>>,
}

/// What is stored together or not at all, and becomes visible at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Compared with what is stored by the batches before this one, whatever this one changes. If
    /// one does not hold, the whole batch fails with [`StoreError::Unexpected`] and nothing of it
    /// is stored.
    pub expectations: Vec<Expectation>,
    /// At most one per worker.
    pub appends: Vec<Append>,
    /// Applied in order: of two changes of one record the later one counts.
    pub changes: Vec<Change>,
    /// Oplogs to be removed whole. The next append to such a worker starts at 1, in a later batch.
    /// Costs time in proportion to the number of records in the oplog.
    pub delete_logs: Vec<WorkerKey>,
}

impl Batch {
    /// Checks what every engine demands of a batch before it looks at what is stored.
    ///
    /// # Errors
    /// [`StoreError::Limit`] for a size above its limit; [`StoreError::InvalidBatch`] for indices
    /// that run backwards or start at 0, two appends to one worker, an append to an oplog that is
    /// also deleted, or the reserved space.
    pub fn validate(&self) -> Result<(), StoreError> {
        limit("bytes of a batch", MAX_BATCH_BYTES, self.size())?;
        for (position, append) in self.appends.iter().enumerate() {
            self.validate_append(position, append)?;
        }
        let expected = self.expectations.iter().map(|expected| (expected.space, &*expected.key));
        for (space, key) in expected.chain(self.changes.iter().map(Change::target)) {
            limit("bytes of a record key", MAX_RECORD_KEY_BYTES, key.len())?;
            if space == Space::RESERVED {
                return Err(invalid("space 255 is the store's own".into()));
            }
        }
        Ok(())
    }

    /// Payload in bytes, with a fixed charge per item; what [`MAX_BATCH_BYTES`] bounds.
    pub fn size(&self) -> usize {
        let appends = self.appends.iter().map(|append| append.bytes.len());
        let changes = self.changes.iter().map(|change| match change {
            Change::Put { key, value, .. } => key.len() + value.len(),
            Change::Delete { key, .. } => key.len(),
        });
        let deletions = self.delete_logs.iter().map(|worker| worker.as_bytes().len());
        let expectations = self
            .expectations
            .iter()
            .map(|Expectation { key, value, .. }| key.len() + value.as_ref().map_or(0, Vec::len));
        let items = appends.chain(changes).chain(deletions).chain(expectations);
        items.map(|bytes| bytes + ITEM_OVERHEAD_BYTES).sum()
    }

    fn validate_append(&self, position: usize, append: &Append) -> Result<(), StoreError> {
        let Append { worker, first, last, .. } = append;
        if *first == 0 || last < first {
            return Err(invalid(format!(
                "append to worker {worker} covers entries {first}..={last}; \
                 indices start at 1 and must not run backwards"
            )));
        }
        // Batches carry one to a handful of appends, so looking at all earlier ones is cheaper than
        // a set.
        if self.appends[..position].iter().any(|earlier| earlier.worker == *worker) {
            return Err(invalid(format!("two appends to worker {worker}; join them into one")));
        }
        if self.delete_logs.contains(worker) {
            return Err(invalid(format!(
                "the oplog of worker {worker} is appended to and deleted; use two batches"
            )));
        }
        Ok(())
    }
}

fn limit(what: &'static str, limit: usize, found: usize) -> Result<(), StoreError> {
    if found <= limit { Ok(()) } else { Err(StoreError::Limit { what, limit, found }) }
}

fn invalid(detail: String) -> StoreError {
    StoreError::InvalidBatch { detail }
}
