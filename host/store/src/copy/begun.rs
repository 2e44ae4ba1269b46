//! What a target says of a copy into it that is not finished.
//!
//! ```text
//! everlog copy 1
//! from <place>
//! what <everything, or what people call it>
//! log <hex of a worker key>                          for each oplog of a copy of parts
//! records <space> <start> <end>                      for each range of records of one
//! ```
//! Ends of ranges are `-`, or `=` or `!` (inclusive or exclusive) and the hex of a key.

use std::ops::Bound;

use futures::stream::TryStreamExt as _;

use super::{CopyError, Job, Parts, Selection, any_record, record_name};
use crate::{Batch, Change, KeyRange, Order, Space, Store, StoreError, WorkerKey, commit};

const KEY: &[u8] = b"begun";
const FORMAT: &str = "everlog copy 1";
const EVERYTHING: &str = "everything";

/// How many records are removed in one batch.
const REMOVED_AT_ONCE: usize = 1_000;

/// A copy that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    from: String,
    what: String,
    logs: Vec<WorkerKey>,
    records: Vec<(Space, KeyRange)>,
}

/// What is to be copied now; without parts, everything.
pub(super) struct Agreed {
    pub(super) parts: Option<Parts>,
    pub(super) is_resumed: bool,
}

/// Refuses a store that a copy was begun into and not finished.
///
/// # Errors
/// [`CopyError::Unfinished`], and those of reading.
pub async fn refuse_unfinished(store: &dyn Store, name: &str) -> Result<(), CopyError> {
    match Begun::read(store).await? {
        None => Ok(()),
        Some(begun) => {
            Err(CopyError::Unfinished { place: name.to_owned(), begun: begun.describe() })
        }
    }
}

/// Gives a copy up: removes what was begun, other than blobs and what may have been there before.
///
/// # Errors
/// [`CopyError::NotBegun`], and those of the store.
pub async fn discard(store: &dyn Store, name: &str) -> Result<(), CopyError> {
    let Some(begun) = Begun::read(store).await? else {
        return Err(CopyError::NotBegun { place: name.to_owned() });
    };
    let (logs, records) = if begun.what == EVERYTHING {
        let logs = store.logs().try_collect().await?;
        (logs, Space::all().map(|space| (space, KeyRange::all())).collect())
    } else {
        (begun.logs, begun.records)
    };
    for worker in logs {
        commit(store, Batch { delete_logs: vec![worker], ..Batch::default() }).await?;
    }
    for (space, range) in records {
        remove_records(store, space, &range).await?;
    }
    Ok(Begun::end(store).await?)
}

/// Sees whether the job may be done, and says in the target that it is begun.
pub(super) async fn begin(job: &Job<'_>) -> Result<Agreed, CopyError> {
    let (source, target) = (job.source, job.target);
    let everything = Begun::new(source.name, &Selection::Whole);
    if everything.found_in(source.store, job).await?.is_none() {
        return Err(CopyError::NothingThere { place: source.name.to_owned() });
    }
    let mut mine = Begun::new(source.name, job.selection);
    let found = Begun::read(target.store).await?;
    let is_resumed = found.is_some();
    match found {
        Some(begun) if (&begun.from, &begun.what) == (&mine.from, &mine.what) => {
            // The source may have been used meanwhile: what was begun and is not there any more has
            // to be removed.
            mine.add(begun);
        }
        Some(begun) => {
            let place = target.name.to_owned();
            return Err(CopyError::Other { place, begun: begun.describe() });
        }
        None => {
            if let Some(found) = mine.found_in(target.store, job).await? {
                return Err(CopyError::NotEmpty { place: target.name.to_owned(), found });
            }
        }
    }
    mine.write(target.store).await?;
    let parts = match job.selection {
        Selection::Whole => None,
        Selection::Parts(parts) => {
            let (logs, records) = (mine.logs, mine.records);
            Some(Parts { logs, records, ..parts.clone() })
        }
    };
    Ok(Agreed { parts, is_resumed })
}

impl Begun {
    fn new(from: &str, selection: &Selection) -> Self {
        // A line each.
        let line = |text: &str| text.replace(char::is_control, "?");
        let (what, logs, records) = match selection {
            Selection::Whole => (EVERYTHING.to_owned(), Vec::new(), Vec::new()),
            Selection::Parts(parts) => {
                (line(&parts.name), parts.logs.clone(), parts.records.clone())
            }
        };
        Self { from: line(from), what, logs, records }
    }

    fn describe(&self) -> String {
        format!("{} from {}", self.what, self.from)
    }

    fn add(&mut self, other: Self) {
        let logs = other.logs.into_iter().filter(|log| !self.logs.contains(log));
        let logs: Vec<_> = logs.collect();
        self.logs.extend(logs);
        let records = other.records.into_iter().filter(|range| !self.records.contains(range));
        let records: Vec<_> = records.collect();
        self.records.extend(records);
    }

    /// Something of what is to be copied that `store` holds.
    async fn found_in(
        &self,
        store: &dyn Store,
        job: &Job<'_>,
    ) -> Result<Option<String>, StoreError> {
        if self.what == EVERYTHING {
            if let Some(worker) = store.logs().try_next().await? {
                return Ok(Some(format!("worker {}", (job.name_of)(&worker))));
            }
            return first_record(store, Space::all().map(|space| (space, KeyRange::all()))).await;
        }
        for worker in &self.logs {
            if store.last_index(worker).await?.is_some() {
                return Ok(Some(format!("worker {}", (job.name_of)(worker))));
            }
        }
        first_record(store, self.records.iter().cloned()).await
    }

    async fn read(store: &dyn Store) -> Result<Option<Self>, StoreError> {
        let Some(bytes) = store.get(Space::COPY, KEY).await? else { return Ok(None) };
        let begun = std::str::from_utf8(&bytes).ok().and_then(Self::parse);
        begun.map(Some).ok_or_else(|| StoreError::Corrupt {
            place: "what a copy into this store says of itself".to_owned(),
            detail: format!("it says \"{}\"", bytes.escape_ascii()),
            advice: "A newer version may have begun it: finish it with that one, or delete the \
                     copy and begin again",
        })
    }

    async fn write(&self, store: &dyn Store) -> Result<(), StoreError> {
        let value = self.text().into_bytes();
        let change = Change::Put { space: Space::COPY, key: KEY.to_vec(), value };
        commit(store, Batch { changes: vec![change], ..Batch::default() }).await
    }

    /// Says that the copy is finished.
    pub(super) async fn end(store: &dyn Store) -> Result<(), StoreError> {
        let change = Change::Delete { space: Space::COPY, key: KEY.to_vec() };
        commit(store, Batch { changes: vec![change], ..Batch::default() }).await
    }

    fn text(&self) -> String {
        let mut lines =
            vec![FORMAT.to_owned(), format!("from {}", self.from), format!("what {}", self.what)];
        lines.extend(self.logs.iter().map(|log| format!("log {}", hex(log.as_bytes()))));
        lines.extend(self.records.iter().map(|(space, range)| {
            let (start, end) = (end_text(&range.start), end_text(&range.end));
            format!("records {} {start} {end}", space.number())
        }));
        lines.join("\n")
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != FORMAT {
            return None;
        }
        let from = lines.next()?.strip_prefix("from ")?.to_owned();
        let what = lines.next()?.strip_prefix("what ")?.to_owned();
        let mut begun = Self { from, what, logs: Vec::new(), records: Vec::new() };
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            match *words {
                ["log", key] => begun.logs.push(WorkerKey::new(bytes(key)?).ok()?),
                ["records", space, start, end] => {
                    let number = space.parse().ok()?;
                    let space = Space::all().find(|space| space.number() == number)?;
                    let range = KeyRange { start: parse_end(start)?, end: parse_end(end)? };
                    begun.records.push((space, range));
                }
                _ => return None,
            }
        }
        Some(begun)
    }
}

async fn first_record(
    store: &dyn Store,
    ranges: impl Iterator<Item = (Space, KeyRange)>,
) -> Result<Option<String>, StoreError> {
    for (space, range) in ranges {
        if let Some(key) = any_record(store, space, range).await? {
            return Ok(Some(record_name(space, &key)));
        }
    }
    Ok(None)
}

async fn remove_records(
    store: &dyn Store,
    space: Space,
    range: &KeyRange,
) -> Result<(), StoreError> {
    loop {
        let found = store.scan(space, range.clone(), Order::Forward, REMOVED_AT_ONCE).await?;
        if found.is_empty() {
            return Ok(());
        }
        let changes = found.into_iter().map(|(key, _)| Change::Delete { space, key }).collect();
        commit(store, Batch { changes, ..Batch::default() }).await?;
    }
}

fn end_text(end: &Bound<Vec<u8>>) -> String {
    match end {
        Bound::Unbounded => "-".to_owned(),
        Bound::Included(key) => format!("={}", hex(key)),
        Bound::Excluded(key) => format!("!{}", hex(key)),
    }
}

fn parse_end(text: &str) -> Option<Bound<Vec<u8>>> {
    match text.split_at_checked(1)? {
        ("-", "") => Some(Bound::Unbounded),
        ("=", key) => Some(Bound::Included(bytes(key)?)),
        ("!", key) => Some(Bound::Excluded(bytes(key)?)),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_begun_reads_back() {
        let worker = WorkerKey::new(*b"\x00mary\n").unwrap();
        let records = vec![
            (Space::new(3), KeyRange::prefix(b"mary\xFF")),
            (Space::new(0), KeyRange::only(b"")),
            (Space::new(4), KeyRange { start: Bound::Excluded(vec![0]), end: Bound::Unbounded }),
        ];
        let name = "workers counter/mary".to_owned();
        let parts = Parts { name, logs: vec![worker], records, ..Parts::default() };
        for selection in [Selection::Whole, Selection::Parts(parts)] {
            let begun = Begun::new("embedded:./da\nta", &selection);
            assert_eq!(Begun::parse(&begun.text()), Some(begun.clone()));
            assert_eq!(Begun::parse(&format!("{}\nmore", begun.text())), None);
        }
        assert_eq!(Begun::parse("everlog copy 2\nfrom a\nwhat everything"), None);
    }
}
