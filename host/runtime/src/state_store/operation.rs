//! What a caller asks for.

use everlog_oplog::Timestamp;

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What is written to.
    pub key: String,
    /// What is to be there; nothing where it is to be deleted.
    pub value: Option<Value>,
    /// Only if what is there has this ETag.
    pub etag: Option<String>,
    /// Who wins where nobody sends an ETag.
    pub concurrency: Concurrency,
}

/// What is to be under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The value.
    pub bytes: Vec<u8>,
    /// After how many seconds it counts as absent; `None`: never.
    pub ttl_seconds: Option<u32>,
}

/// Who wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Concurrency {
    /// Who comes first: a write without an ETag is taken only where nothing is.
    FirstWrite,
    /// Who comes last.
    #[default]
    LastWrite,
}

impl Operation {
    /// Whether it depends on what is stored.
    pub(super) fn is_conditional(&self) -> bool {
        self.etag.is_some() || self.concurrency == Concurrency::FirstWrite
    }

    /// How many bytes it carries.
    pub(super) fn size(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, |value| value.bytes.len())
    }
}

/// When a value that is written now ends.
pub(super) fn ends(value: &Value, now: Timestamp) -> Option<Timestamp> {
    let nanos = u64::from(value.ttl_seconds?) * 1_000_000_000;
    Some(Timestamp(now.0.saturating_add(nanos)))
}

/// When a value that ends at `end` is to be removed: a little later, at one of few times.
///
/// A key that is written again and again would otherwise leave a record of each of its ends; so it has about as many
/// as this at most.
pub(super) fn sweep_time(end: Timestamp, ttl_seconds: u32) -> Timestamp {
    const TIMES: u64 = 64;
    let step = (u64::from(ttl_seconds) / TIMES).max(1) * 1_000_000_000;
    Timestamp(end.0.div_ceil(step).saturating_mul(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_written_often_is_removed_at_few_times() {
        let day = 86_400;
        let start = 1_700_000_000_000_000_000;
        let times: std::collections::BTreeSet<u64> = (0..day)
            .map(|second| {
                let end = Timestamp(start + u64::from(second + day) * 1_000_000_000);
                let time = sweep_time(end, day).0;
                assert!(time >= end.0 && time - end.0 <= u64::from(day / 64) * 1_000_000_000);
                time
            })
            .collect();
        assert!(times.len() <= 66, "{}", times.len());
        assert_eq!(sweep_time(Timestamp(start + 1), 1).0, start + 1_000_000_000);
    }
}
