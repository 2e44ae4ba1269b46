//! A value, in its record or beside it.

use bincode::{Decode, Encode};
use everlog_store::{Digest, Store, StoreError};

use super::limits::MAX_INLINE_BYTES;

/// A value as records and logs hold it. What is in a blob stays there for ever under its digest, so a log that names it
/// still has it when the record is long overwritten.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum StoredValue {
    /// At most [`MAX_INLINE_BYTES`].
    Inline(Vec<u8>),
    /// More.
    Blob {
        /// SHA-256 of the bytes.
        digest: [u8; 32],
        /// How many they are.
        size: u64,
    },
}

impl StoredValue {
    /// Stores `bytes` as a blob if they are many.
    pub(crate) async fn keep(store: &dyn Store, bytes: Vec<u8>) -> Result<Self, StoreError> {
        if bytes.len() <= MAX_INLINE_BYTES {
            return Ok(Self::Inline(bytes));
        }
        let size = bytes.len() as u64;
        let digest = store.put_blob(bytes).await?;
        Ok(Self::Blob { digest: *digest.as_bytes(), size })
    }

    /// The bytes, wherever they are.
    pub(crate) async fn load(self, store: &dyn Store) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::Inline(bytes) => Ok(bytes),
            Self::Blob { digest, size } => {
                let digest = Digest::from_bytes(digest);
                let blob = store.get_blob(&digest).await?;
                blob.ok_or_else(|| StoreError::Corrupt {
                    place: format!("blob {digest}"),
                    detail: format!("a value of {size} bytes was expected, the blob is missing"),
                    advice: "Restore the data directory from a backup, or write the value again",
                })
            }
        }
    }

    /// The blob that holds it, if one does.
    pub(crate) fn blob(&self) -> Option<Digest> {
        match self {
            Self::Inline(_) => None,
            Self::Blob { digest, .. } => Some(Digest::from_bytes(*digest)),
        }
    }

    /// How many bytes there are.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Blob { size, .. } => *size,
        }
    }

    /// How many bytes a record or an entry holds of it.
    pub(crate) fn inline_bytes(&self) -> usize {
        match self {
            Self::Inline(bytes) => bytes.len(),
            Self::Blob { .. } => 0,
        }
    }
}
