use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::files::io_error;
use super::super::keys::record_place;
use super::super::tables::{LogTail, Tables};
use super::frame::{Frame, Mark, decode};
use crate::{StoreError, WorkerKey};

/// How many losses are written to the server's log one by one when they are accepted.
const LOGGED_LOSSES: usize = 100;

/// What the marks say must be in the tables.
#[derive(Debug, Default)]
pub(in super::super) struct Account {
    /// Every segment that was read, oldest first.
    pub(in super::super) segments: Vec<(u64, PathBuf)>,
    /// The last group that was acknowledged.
    pub(in super::super) group: u64,
    /// The group after it, if it was under way: stored whole or not at all.
    under_way: Option<(u64, Vec<Mark>)>,
    logs: HashMap<Vec<u8>, Option<LogTail>>,
    records: HashMap<Vec<u8>, Option<u64>>,
}

/// Something acknowledged that is not there.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Loss {
    what: String,
    acknowledged: String,
    found: String,
}

impl Account {
    /// Reads all segments in `directory`.
    #[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
    pub(in super::super) fn read(directory: &Path) -> Result<Self, StoreError> {
        let mut account = Self { segments: list_segments(directory)?, ..Self::default() };
        for (_, path) in account.segments.clone() {
            let bytes = fs::read(&path).map_err(io_error("read", &path))?;
            account.read_segment(&bytes);
        }
        Ok(account)
    }

    /// What is missing where the journal has gaps: the first and the last group of each.
    pub(in super::super) fn gaps(gaps: &[(u64, u64)]) -> Vec<Loss> {
        let loss = |(first, last): &(u64, u64)| Loss {
            what: "a part of the journal".into(),
            acknowledged: format!("commits {first} to {last}"),
            found: "damage in their place".into(),
        };
        gaps.iter().map(loss).collect()
    }

    /// Compares the account with the tables, which hold groups up to `stored`.
    ///
    /// Damage to a single record is left to whoever reads it, so that one worker's damage does not
    /// keep the others from starting; what is *missing* is returned.
    pub(in super::super) fn verify(mut self, tables: &Tables, stored: u64) -> Vec<Loss> {
        let mut losses = Vec::new();
        if stored < self.group {
            losses.push(Loss {
                what: "the newest commits".into(),
                acknowledged: format!("commit {}", self.group),
                found: format!("commit {stored}"),
            });
        }
        if let Some((_, marks)) = self.under_way.take_if(|(group, _)| *group == stored) {
            self.group = stored;
            marks.into_iter().for_each(|mark| self.expect(mark));
        }
        if stored > self.group {
            let marked = self.group;
            tracing::warn!(
                stored,
                marked,
                "the end of the marks is missing, as after a power \
                failure: whether everything acknowledged is there cannot be verified this time"
            );
            return losses;
        }
        // A worker says more than a number of commits, so workers come first.
        losses.splice(0..0, self.lost_logs(tables).chain(self.lost_records(tables)));
        losses
    }

    fn lost_logs(&self, tables: &Tables) -> impl Iterator<Item = Loss> {
        self.logs.iter().filter_map(|(name, expected)| {
            let worker = WorkerKey::new(name.as_slice()).ok()?;
            let first = expected.map_or(1, |tail| tail.first);
            let found = readable(tables.log_record(&worker, first))?;
            if found == *expected {
                return None;
            }
            let found = readable(tables.log_tail(&worker))?;
            let what = format!("worker {worker}");
            Some(Loss { what, acknowledged: describe(*expected), found: describe(found) })
        })
    }

    fn lost_records(&self, tables: &Tables) -> impl Iterator<Item = Loss> {
        self.records.iter().filter_map(|(key, expected)| {
            let found = readable(tables.get(key))?.map(|(_, check)| check);
            let text = |check: Option<u64>| match check {
                Some(check) => format!("a value with checksum {check:016x}"),
                None => "no value".into(),
            };
            let loss = || Loss {
                what: record_place(key),
                acknowledged: text(*expected),
                found: text(found),
            };
            (found != *expected).then(loss)
        })
    }

    fn read_segment(&mut self, mut bytes: &[u8]) {
        while let Some(frame) = decode(&mut bytes) {
            match frame {
                Frame::Base { group } => self.begin(group),
                Frame::Intent { group, marks } => self.under_way = Some((group, marks)),
                Frame::Acknowledged { group } => self.acknowledge(group),
            }
        }
    }

    /// A segment begins where `group` was the last one stored. If that is not where the account
    /// stands, frames are missing in between (or a loss was accepted), and older expectations may
    /// have been overtaken.
    fn begin(&mut self, group: u64) {
        self.acknowledge(group);
        self.under_way = None;
        if self.group != group {
            self.logs.clear();
            self.records.clear();
            self.group = group;
        }
    }

    fn acknowledge(&mut self, group: u64) {
        if let Some((_, marks)) = self.under_way.take_if(|(under_way, _)| *under_way == group) {
            self.group = group;
            marks.into_iter().for_each(|mark| self.expect(mark));
        }
    }

    fn expect(&mut self, mark: Mark) {
        match mark {
            Mark::Log { worker, tail } => drop(self.logs.insert(worker, Some(tail))),
            Mark::NoLog { worker } => drop(self.logs.insert(worker, None)),
            Mark::Record { key, check } => drop(self.records.insert(key, Some(check))),
            Mark::NoRecord { key } => drop(self.records.insert(key, None)),
        }
    }
}

impl Loss {
    /// The refusal to open `directory` because of `losses`; `None` if there are none.
    pub(in super::super) fn refusal(losses: Vec<Self>, directory: &Path) -> Option<StoreError> {
        let others = losses.len().saturating_sub(1);
        let Loss { what, acknowledged, found } = losses.into_iter().next()?;
        let directory = directory.to_owned();
        Some(StoreError::LostTail { directory, what, acknowledged, found, others })
    }

    /// Writes what is given up to the server's log.
    pub(in super::super) fn accept(losses: &[Self]) {
        for Loss { what, acknowledged, found } in losses.iter().take(LOGGED_LOSSES) {
            tracing::error!(what, acknowledged, found, "accepted the loss of acknowledged data");
        }
        let total = losses.len();
        tracing::error!(total, "going on without acknowledged data, as `accept_loss` asks");
    }
}

fn list_segments(directory: &Path) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(directory).map_err(io_error("list", directory))? {
        let path = entry.map_err(io_error("list", directory))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_suffix(".marks")?.parse().ok());
        segments.extend(number.map(|number: u64| (number, path)));
    }
    segments.sort();
    Ok(segments)
}

/// What was read, or `None` after a warning if it is damaged.
fn readable<T>(read: Result<T, StoreError>) -> Option<T> {
    read.inspect_err(|error| tracing::warn!(%error, "found damage at start-up")).ok()
}

fn describe(tail: Option<LogTail>) -> String {
    match tail {
        Some(LogTail { first, last, check }) => {
            format!("entries up to {last} (the last ones from {first}, checksum {check:016x})")
        }
        None => "no entry".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::encode;
    use super::*;

    fn mark(key: &str, check: u64) -> Mark {
        Mark::Record { key: key.into(), check }
    }

    fn intent(group: u64, marks: &[Mark]) -> Frame {
        Frame::Intent { group, marks: marks.to_vec() }
    }

    fn account(segments: &[&[Frame]]) -> Account {
        let mut account = Account::default();
        for frames in segments {
            let mut bytes = Vec::new();
            frames.iter().for_each(|frame| encode(frame, &mut bytes));
            account.read_segment(&bytes);
        }
        account
    }

    fn expected(account: &Account) -> Vec<(&str, Option<u64>)> {
        let records = account.records.iter();
        let mut expected: Vec<_> =
            records.map(|(key, check)| (std::str::from_utf8(key).unwrap(), *check)).collect();
        expected.sort();
        expected
    }

    #[test]
    fn only_acknowledged_groups_are_expected() {
        let account = account(&[&[
            Frame::Base { group: 4 },
            intent(5, &[mark("a", 1), mark("b", 1)]),
            Frame::Acknowledged { group: 5 },
            intent(6, &[mark("a", 2)]),
        ]]);
        assert_eq!(account.group, 5);
        assert_eq!(expected(&account), [("a", Some(1)), ("b", Some(1))]);
    }

    #[test]
    fn the_next_segment_tells_what_became_of_a_group_under_way() {
        let first = [Frame::Base { group: 0 }, intent(1, &[mark("a", 1)])];
        assert_eq!(expected(&account(&[&first, &[Frame::Base { group: 1 }]])), [("a", Some(1))]);
        assert_eq!(expected(&account(&[&first, &[Frame::Base { group: 0 }]])), []);
    }

    #[test]
    fn a_gap_between_segments_forgets_what_may_have_been_overtaken() {
        let first = [
            Frame::Base { group: 0 },
            intent(1, &[mark("a", 1)]),
            Frame::Acknowledged { group: 1 },
        ];
        let second = [
            Frame::Base { group: 9 },
            intent(10, &[mark("b", 2)]),
            Frame::Acknowledged { group: 10 },
        ];
        assert_eq!(expected(&account(&[&first, &second])), [("b", Some(2))]);
    }
}
