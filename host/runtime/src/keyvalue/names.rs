//! Names of buckets and containers, keys and names of objects, and where the records of keys are.
//!
//! ```text
//! name, 0, key → record
//! ```
//! A name has no control characters, so that the 0 ends it and all keys of one name stand together.

use everlog_store::KeyRange;

use super::error::Refusal;
use super::limits::{MAX_KEY_BYTES, MAX_NAME_BYTES};
use crate::worker::WorkerId;

/// The bucket of `wasi:keyvalue/cache`. No guest can open a bucket of that name.
const CACHE: &str = "\u{1}cache";

/// What the names of the buckets of single workers begin with. No guest can open a bucket of such a name, and no state
/// store can have it.
const OF_WORKER: &str = "\u{1}state/";

/// The bucket that the drafts of `wasi:keyvalue` open under an empty identifier.
const DEFAULT: &str = "default";

/// A bucket, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Bucket(String);

impl Bucket {
    /// The bucket of this name. Every bucket exists; one without keys is empty.
    pub(crate) fn open(name: String) -> Result<Self, Refusal> {
        check_name("the name of a bucket", &name)?;
        Ok(Self(name))
    }

    /// As [`Bucket::open`], for interfaces in which the empty name means the default one.
    pub(crate) fn open_or_default(name: String) -> Result<Self, Refusal> {
        if name.is_empty() { Ok(Self(DEFAULT.to_owned())) } else { Self::open(name) }
    }

    /// The one of `wasi:keyvalue/cache`.
    pub(crate) fn cache() -> Self {
        Self(CACHE.to_owned())
    }

    /// The one that belongs to a worker: its state.
    pub(crate) fn of_worker(worker: &WorkerId) -> Self {
        // A name of a worker has no control character, so it ends where the name of the bucket does.
        Self(format!("{OF_WORKER}{worker}"))
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

/// Refuses a name that can't be one.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), Refusal> {
    check_length(what, name, MAX_NAME_BYTES)?;
    if name.chars().any(char::is_control) {
        return Err(Refusal::Control { what, name: name.to_owned() });
    }
    Ok(())
}

/// Refuses a key, or a name of an object, that can't be one.
pub(crate) fn check_key(what: &'static str, key: &str) -> Result<(), Refusal> {
    check_length(what, key, MAX_KEY_BYTES)
}

fn check_length(what: &'static str, text: &str, limit: usize) -> Result<(), Refusal> {
    match text.len() {
        0 => Err(Refusal::Empty { what }),
        found if found > limit => Err(Refusal::Long { what, limit, found }),
        _ => Ok(()),
    }
}

/// The key of a record.
pub(crate) fn record_key(name: &str, key: &str) -> Vec<u8> {
    [name.as_bytes(), &[0], key.as_bytes()].concat()
}

/// The keys of all records under `name` that begin with `prefix`, or of those behind `after`.
pub(crate) fn record_range(name: &str, prefix: &str, after: Option<&str>) -> KeyRange {
    let mut range = KeyRange::prefix(&record_key(name, prefix));
    if let Some(after) = after {
        let after = [prefix, after].concat();
        range.start = std::ops::Bound::Excluded(record_key(name, &after));
    }
    range
}

/// The second part of a record's key, without its prefix; `None` where it is none.
pub(crate) fn key_of(name: &str, prefix: &str, record_key: &[u8]) -> Option<String> {
    let key = record_key.get(name.len() + 1 + prefix.len()..)?;
    String::from_utf8(key.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_printable() {
        assert!(Bucket::open("größe/1".to_owned()).is_ok());
        assert!(Bucket::open("n".repeat(MAX_NAME_BYTES)).is_ok());
        let refused = |name: &str| Bucket::open(name.to_owned()).unwrap_err().to_string();
        assert_eq!(refused(""), "the name of a bucket must not be empty");
        assert_eq!(refused("a\0b"), "the name of a bucket \"a\\0b\" has a control character");
        assert_eq!(
            refused(&"n".repeat(MAX_NAME_BYTES + 1)),
            "the name of a bucket has 257 bytes, but at most 256 are allowed"
        );
        assert!(Bucket::open(CACHE.to_owned()).is_err(), "the cache is not to be opened");
        assert_eq!(Bucket::open_or_default(String::new()).unwrap().name(), "default");
    }

    #[test]
    fn keys_of_one_name_stand_together_and_apart_from_others() {
        let inside = record_range("a", "", None);
        let within = |key: Vec<u8>| {
            use std::ops::RangeBounds;
            (inside.start.clone(), inside.end.clone()).contains(&key)
        };
        assert!(within(record_key("a", "x")) && within(record_key("a", "\u{10FFFF}")));
        assert!(within(record_key("a", "\0")));
        assert!(!within(record_key("ab", "x")) && !within(record_key("A", "x")));
        assert_eq!(key_of("ab", "", &record_key("ab", "x\0y")).as_deref(), Some("x\0y"));
        assert_eq!(key_of("ab", "p|", &record_key("ab", "p|x")).as_deref(), Some("x"));
    }
}
