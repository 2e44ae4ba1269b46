//! The one owner of randomness: a guest gets it through the oplog only, the host for names and jitter.

use rand::RngCore;
use uuid::Uuid;

/// Fills `bytes` with cryptographically strong randomness.
pub(crate) fn fill(bytes: &mut [u8]) {
    rand::rng().fill_bytes(bytes);
}

/// A uniformly distributed number.
#[must_use]
pub(crate) fn number() -> u64 {
    rand::rng().next_u64()
}

/// A random UUID (version 4), for what needs a name that nothing else has.
#[must_use]
pub fn uuid() -> Uuid {
    let mut bytes = [0; 16];
    fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// What a back-off is scattered by: any number, see [`everlog_oplog::RetryPolicy::delay_nanos`].
#[must_use]
pub(crate) fn jitter() -> u64 {
    number()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_random_ones_and_differ() {
        let (one, other) = (uuid(), uuid());
        assert_eq!(one.get_version_num(), 4);
        assert_ne!(one, other);
    }

    #[test]
    fn long_buffers_are_filled_to_the_end() {
        let mut bytes = [0; 256];
        fill(&mut bytes);
        assert!(bytes[128..].iter().any(|byte| *byte != 0));
    }
}
