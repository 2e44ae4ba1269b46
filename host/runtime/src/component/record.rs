//! How the store remembers components.

use bincode::{Decode, Encode};
use everlog_oplog::Timestamp;
use everlog_store::StoreError;
use uuid::Uuid;

/// One component: its identity for life and all that was deployed under it.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct ComponentRecord {
    /// The UUID, drawn at the first upload.
    pub(crate) id: [u8; 16],
    /// Versions 0, 1, 2, …; never empty.
    pub(crate) versions: Vec<VersionRecord>,
}

/// One upload.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct VersionRecord {
    /// SHA-256 of the binary, which is its address in the blob store.
    pub(crate) digest: [u8; 32],
    /// Bytes.
    pub(crate) size: u64,
    /// When it was uploaded.
    pub(crate) created_at: Timestamp,
}

impl ComponentRecord {
    pub(crate) fn uuid(&self) -> Uuid {
        Uuid::from_bytes(self.id)
    }

    pub(crate) fn newest(&self) -> u64 {
        self.versions.len().saturating_sub(1) as u64
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        // Encoding into memory a structure without maps or borrowed cells has no way to fail.
        bincode::encode_to_vec(self, bincode::config::standard()).unwrap_or_default()
    }

    pub(crate) fn decode(name: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        bincode::decode_from_slice(bytes, bincode::config::standard())
            .map(|(record, _)| record)
            .map_err(|error| StoreError::Corrupt {
                place: format!("the record of component {name}"),
                detail: error.to_string(),
                advice: "Restore the data directory from a backup, or deploy the component again",
            })
    }
}
