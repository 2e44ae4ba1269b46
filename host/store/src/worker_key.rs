use std::fmt;
use std::sync::Arc;

use crate::StoreError;

/// The longest [`WorkerKey`], in bytes.
pub const MAX_WORKER_KEY_BYTES: usize = 1024;

/// The name of one worker's oplog: opaque bytes, 1 to [`MAX_WORKER_KEY_BYTES`] of them.
///
/// Cheap to clone. `Display` shows printable ASCII as it is and every other byte as `\xNN`, so that
/// a key in an error message can be recognised.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerKey(Arc<[u8]>);

impl WorkerKey {
    /// Takes `bytes` as a key.
    ///
    /// # Errors
    /// [`StoreError::Limit`] if there are none or more than [`MAX_WORKER_KEY_BYTES`].
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Result<Self, StoreError> {
        let bytes = bytes.into();
        if bytes.is_empty() || bytes.len() > MAX_WORKER_KEY_BYTES {
            return Err(StoreError::Limit {
                what: "bytes of a worker key (at least 1)",
                limit: MAX_WORKER_KEY_BYTES,
                found: bytes.len(),
            });
        }
        Ok(Self(bytes))
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for WorkerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for WorkerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "WorkerKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_1_to_1024_bytes() {
        assert!(WorkerKey::new(Vec::new()).is_err());
        assert!(WorkerKey::new(vec![0; MAX_WORKER_KEY_BYTES]).is_ok());
        assert!(WorkerKey::new(vec![0; MAX_WORKER_KEY_BYTES + 1]).is_err());
    }

    #[test]
    fn display_keeps_what_can_be_read() {
        let key = WorkerKey::new(b"\x01mary\0".to_vec()).unwrap();
        assert_eq!(key.to_string(), r"\x01mary\x00");
    }
}
