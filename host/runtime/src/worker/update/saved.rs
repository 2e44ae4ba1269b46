//! What goes from the old version of a component to the new one in a snapshot update.
//!
//! Replay starts from here ever after, so it must hold whatever the history before it made: the
//! guest's own bytes, the files, and the few numbers of the host that grow for as long as a worker
//! lives. Queued calls, results, promises and modes are in the log itself and need no carrying.

use bincode::{Decode, Encode};
use everlog_oplog::Payload;
use everlog_store::StoreError;

use crate::files::SavedFiles;
use crate::shared::Shared;
use crate::wasi::WorkerState;

/// The first byte of an encoded snapshot.
const FORMAT: u8 = 1;

/// What stands in the entry itself, in bytes; more goes to a blob beside the log.
const MAX_INLINE_BYTES: usize = 4 << 10;

/// What a guest may save, in bytes.
pub(crate) const MAX_GUEST_BYTES: usize = 64 << 20;

const CODEC: bincode::config::Configuration = bincode::config::standard();

/// A snapshot, as [`everlog_oplog::EntryKind::SnapshotLoaded`] holds it.
#[derive(Encode, Decode)]
pub(crate) struct Saved {
    /// What the guest's save function returned.
    pub(crate) bytes: Vec<u8>,
    /// The highest number that was given to an exported resource: handles of the old instance must
    /// not lead to resources of the new one.
    pub(crate) last_resource: u64,
    /// The monotonic clock must not go back.
    monotonic_last: u64,
    /// The worker's log says already that there is no network.
    network_refused: bool,
    files: SavedFiles,
}

impl Saved {
    /// Takes along what is in `state`.
    ///
    /// # Errors
    /// A sentence about what cannot be taken along.
    pub(crate) async fn of(
        bytes: Vec<u8>,
        last_resource: u64,
        state: &mut WorkerState,
    ) -> Result<Self, String> {
        let (size, limit) = (bytes.len(), MAX_GUEST_BYTES);
        if size > limit {
            return Err(format!("the snapshot has {size} bytes; at most {limit} are allowed"));
        }
        let files = state.files.save().await.map_err(|error| error.to_string())?;
        let monotonic_last = state.guest.monotonic_last;
        let network_refused = state.guest.network_refused;
        Ok(Self { bytes, last_resource, monotonic_last, network_refused, files })
    }

    /// Puts what was taken along into the state of an instance that is about to be made.
    ///
    /// # Errors
    /// When the files cannot be made again.
    pub(crate) async fn restore(&self, state: &mut WorkerState) -> std::io::Result<()> {
        state.guest.monotonic_last = self.monotonic_last;
        state.guest.network_refused = self.network_refused;
        state.files.restore(&self.files).await
    }

    /// The snapshot as an entry holds it; what is large is durable before it returns.
    ///
    /// # Errors
    /// When the store takes nothing.
    pub(crate) async fn store(&self, shared: &Shared) -> Result<Payload, StoreError> {
        let mut bytes = vec![FORMAT];
        // Encoding into memory a structure without maps or borrowed cells has no way to fail.
        bytes.extend(bincode::encode_to_vec(self, CODEC).unwrap_or_default());
        if bytes.len() <= MAX_INLINE_BYTES {
            return Ok(Payload::Inline(bytes));
        }
        let size = bytes.len() as u64;
        let digest = shared.store.put_blob(bytes).await?;
        Ok(Payload::Blob { digest: *digest.as_bytes(), size })
    }

    /// Reads a snapshot back.
    ///
    /// # Errors
    /// When it is missing, damaged, or of a format that is not known.
    pub(crate) async fn fetch(shared: &Shared, payload: &Payload) -> Result<Self, StoreError> {
        let bytes = shared.resolve(payload).await?;
        Self::decode(&bytes).map_err(|detail| StoreError::Corrupt {
            place: "a worker's snapshot".to_owned(),
            detail,
            advice: "Restore the data directory from a backup, or revert the worker to before it",
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        match bytes.split_first() {
            Some((&FORMAT, rest)) => bincode::decode_from_slice(rest, CODEC)
                .map(|(saved, _)| saved)
                .map_err(|error| error.to_string()),
            Some((other, _)) => Err(format!("its format is {other}, {FORMAT} is known")),
            None => Err("it is empty".to_owned()),
        }
    }
}
