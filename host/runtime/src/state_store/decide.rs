//! Which of the operations of a call are carried out, given what is stored.

use std::collections::HashMap;

use super::{Concurrency, EtagOnMissing, Mode, Operation, Rejection};

/// What an operation with a condition meets under its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing, or something whose time has ended.
    Absent,
    /// A value of this version.
    Version(u64),
    /// What an earlier operation of this call put there; nobody can know its version.
    JustWritten,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decided {
    /// What each caller is told.
    pub(super) told: Vec<Result<(), Rejection>>,
    /// For each key that is to change, the operation that counts: its place in the call.
    pub(super) writes: Vec<usize>,
    /// Keys that must be as they were seen: places of operations that stand on them.
    pub(super) checked: Vec<usize>,
}

/// Decides on `operations`, of which those with conditions meet what `seen` says.
pub(super) fn decide(
    operations: &[Operation],
    mode: Mode,
    on_missing: EtagOnMissing,
    seen: &HashMap<&str, Standing>,
) -> Decided {
    let mut standing: HashMap<&str, Standing> = seen.clone();
    let mut told = Vec::with_capacity(operations.len());
    let mut last: HashMap<&str, usize> = HashMap::new();
    let mut checked = Vec::new();
    for (place, operation) in operations.iter().enumerate() {
        let key = operation.key.as_str();
        let met = standing.get(key).copied().unwrap_or(Standing::Absent);
        let allowed =
            if operation.is_conditional() { check(operation, met, on_missing) } else { Ok(()) };
        told.push(allowed);
        if allowed.is_err() {
            continue;
        }
        if operation.is_conditional() {
            checked.push(place);
        }
        last.insert(key, place);
        if mode == Mode::Each {
            let now = operation.value.as_ref().map_or(Standing::Absent, |_| Standing::JustWritten);
            standing.insert(key, now);
        }
    }
    if mode == Mode::Together && told.iter().any(Result::is_err) {
        return Decided { told, writes: Vec::new(), checked: Vec::new() };
    }
    let mut writes: Vec<usize> = last.into_values().collect();
    writes.sort_unstable();
    Decided { told, writes, checked }
}

fn check(operation: &Operation, met: Standing, on_missing: EtagOnMissing) -> Result<(), Rejection> {
    match (&operation.etag, met) {
        (Some(_), Standing::Absent) => match on_missing {
            EtagOnMissing::Accept => Ok(()),
            EtagOnMissing::Reject => Err(Rejection::NothingStored),
        },
        (Some(etag), Standing::Version(version)) if *etag == version.to_string() => Ok(()),
        (Some(_), _) => Err(Rejection::EtagMismatch),
        (None, Standing::Absent) => Ok(()),
        (None, _) if operation.concurrency == Concurrency::FirstWrite => Err(Rejection::NotFirst),
        (None, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Value;
    use super::*;

    fn put(key: &str, etag: Option<&str>, concurrency: Concurrency) -> Operation {
        let value = Some(Value { bytes: b"1".to_vec(), ttl_seconds: None });
        Operation { key: key.to_owned(), value, etag: etag.map(str::to_owned), concurrency }
    }

    fn delete(key: &str, etag: Option<&str>, concurrency: Concurrency) -> Operation {
        Operation { value: None, ..put(key, etag, concurrency) }
    }

    const SEEN: [(&str, Standing); 2] =
        [("here", Standing::Version(7)), ("gone", Standing::Absent)];

    fn run(operations: &[Operation], mode: Mode, on_missing: EtagOnMissing) -> Decided {
        decide(operations, mode, on_missing, &HashMap::from(SEEN))
    }

    /// The table of the contract, one row an assertion.
    #[test]
    fn a_single_write_is_taken_or_not() {
        use Concurrency::{FirstWrite, LastWrite};
        let one = |operation: Operation, on_missing| {
            run(&[operation], Mode::Each, on_missing).told.remove(0)
        };
        let strict = |operation| one(operation, EtagOnMissing::Reject);
        for make in [put, delete] {
            assert_eq!(strict(make("here", None, LastWrite)), Ok(()));
            assert_eq!(strict(make("gone", None, LastWrite)), Ok(()));
            assert_eq!(strict(make("gone", None, FirstWrite)), Ok(()));
            assert_eq!(strict(make("here", None, FirstWrite)), Err(Rejection::NotFirst));
            for concurrency in [FirstWrite, LastWrite] {
                assert_eq!(strict(make("here", Some("7"), concurrency)), Ok(()));
                for wrong in ["8", "0", "07", "\"7\"", "x"] {
                    let told = strict(make("here", Some(wrong), concurrency));
                    assert_eq!(told, Err(Rejection::EtagMismatch), "{wrong}");
                }
                let told = strict(make("gone", Some("7"), concurrency));
                assert_eq!(told, Err(Rejection::NothingStored));
                let told = one(make("gone", Some("7"), concurrency), EtagOnMissing::Accept);
                assert_eq!(told, Ok(()));
            }
        }
    }

    #[test]
    fn in_a_list_each_stands_for_itself_and_sees_the_ones_before() {
        use Concurrency::{FirstWrite, LastWrite};
        let list = [
            put("here", Some("8"), LastWrite),
            put("here", Some("7"), LastWrite),
            put("here", Some("7"), LastWrite),
            put("gone", None, FirstWrite),
            put("gone", None, FirstWrite),
            delete("gone", None, LastWrite),
            put("gone", None, FirstWrite),
        ];
        let decided = run(&list, Mode::Each, EtagOnMissing::Reject);
        let mismatch = Err(Rejection::EtagMismatch);
        let not_first = Err(Rejection::NotFirst);
        assert_eq!(decided.told, [mismatch, Ok(()), mismatch, Ok(()), not_first, Ok(()), Ok(())]);
        assert_eq!(decided.writes, [1, 6]);
        assert_eq!(decided.checked, [1, 3, 6]);
    }

    #[test]
    fn a_transaction_is_compared_with_what_was_there_before_it() {
        use Concurrency::{FirstWrite, LastWrite};
        let all = [
            put("here", Some("7"), LastWrite),
            delete("here", Some("7"), LastWrite),
            put("gone", None, FirstWrite),
            put("gone", None, FirstWrite),
        ];
        let decided = run(&all, Mode::Together, EtagOnMissing::Reject);
        assert!(decided.told.iter().all(Result::is_ok));
        assert_eq!(decided.writes, [1, 3]);
        let mut all = all.to_vec();
        all.push(put("here", Some("8"), LastWrite));
        let decided = run(&all, Mode::Together, EtagOnMissing::Reject);
        assert_eq!(decided.told[4], Err(Rejection::EtagMismatch));
        assert!(decided.writes.is_empty() && decided.checked.is_empty());
    }
}
