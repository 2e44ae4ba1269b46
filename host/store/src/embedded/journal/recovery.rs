//! Reads the journal at the start.
//!
//! A crash leaves at most the last group unfinished, and that was not acknowledged: it is cut off.
//! Everything else that does not read is damage. In a value it is left to whoever reads that: the
//! key is known. A group of which not even the keys are left shows as a gap in their numbers, or by
//! the marks where it was the last.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use crate::StoreError;
use crate::embedded::block::{self, HEAD_BYTES, Head, Slots};
use crate::embedded::envelope;
use crate::embedded::files::io_error;
use crate::embedded::keys::describe_key;

/// How many damaged values are written to the server's log one by one.
const LOGGED_VALUES: usize = 100;

/// What the journal came to.
#[derive(Debug, Default)]
pub(in crate::embedded) struct Recovered {
    /// Every segment there is, the oldest first.
    pub(in crate::embedded) segments: Vec<PathBuf>,
    /// The number of the next segment.
    pub(in crate::embedded) next_segment: u64,
    /// The last group.
    pub(in crate::embedded) last_group: u64,
    /// Groups that must have been there: the first and the last of each gap.
    pub(in crate::embedded) gaps: Vec<(u64, u64)>,
    /// An unfinished group, to be cut off.
    pub(in crate::embedded) cut: Option<Cut>,
    damaged_values: usize,
}

/// Where a segment is to end.
#[derive(Debug)]
pub(in crate::embedded) struct Cut {
    path: PathBuf,
    length: u64,
}

/// A group as it was read, item by item.
pub(in crate::embedded) type Items = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Reads the segments in `directory` and gives every group after `flushed` to `insert`.
/// `acknowledged` is the last group that is known to have been finished.
pub(in crate::embedded) fn recover(
    directory: &Path,
    flushed: u64,
    acknowledged: u64,
    mut insert: impl FnMut(u64, Items),
) -> Result<Recovered, StoreError> {
    let segments = list_segments(directory)?;
    let mut recovered = Recovered { next_segment: 1, last_group: flushed, ..Recovered::default() };
    let last = segments.last().map(|(number, _)| *number);
    for (number, path) in segments {
        let bytes = read(&path)?;
        let is_last = last == Some(number);
        let segment = Segment { number, path: &path, bytes: &bytes, is_last, acknowledged };
        recovered.read_segment(&segment, flushed, &mut insert);
        recovered.next_segment = number + 1;
        recovered.segments.push(path);
    }
    Ok(recovered)
}

impl Cut {
    /// Cuts; durable on return.
    #[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
    pub(in crate::embedded) fn apply(&self) -> Result<(), StoreError> {
        let Self { path, length } = self;
        OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|file| {
                file.set_len(*length)?;
                file.sync_all()
            })
            .map_err(io_error("cut", path))
    }
}

struct Segment<'a> {
    number: u64,
    path: &'a Path,
    bytes: &'a [u8],
    is_last: bool,
    acknowledged: u64,
}

impl Segment<'_> {
    /// The block at `at`, if its shape is whole.
    fn block(&self, at: usize) -> Option<(Head, &[u8])> {
        let block = block::parse(self.number, self.bytes.get(at..)?)?;
        (block.0.offset == at as u64).then_some(block)
    }

    /// Whether nothing was written at `from` or behind it.
    fn is_blank(&self, from: usize) -> bool {
        self.bytes.get(from..).unwrap_or_default().iter().all(|byte| *byte == 0)
    }

    /// Where the next block behind `at` begins.
    fn next_block(&self, at: usize) -> Option<usize> {
        let mut from = at + 1;
        while let Some(found) = block::find_magic(self.bytes, from) {
            if self.block(found).is_some() {
                return Some(found);
            }
            from = found + 1;
        }
        None
    }
}

impl Recovered {
    fn read_segment(
        &mut self,
        segment: &Segment<'_>,
        flushed: u64,
        insert: &mut impl FnMut(u64, Items),
    ) {
        let mut at = 0;
        while at < segment.bytes.len() {
            let Some((head, keys)) = segment.block(at) else {
                match segment.next_block(at) {
                    Some(next) => {
                        warn_of_damage(segment, at, next);
                        at = next;
                        continue;
                    }
                    None if segment.is_blank(at) => return,
                    // Torn, or damaged: then the marks miss a group.
                    None => return self.cut(segment, at),
                }
            };
            let (items, damaged) = read_items(segment, at, &head, keys);
            let end = at + head.block_bytes();
            let is_unfinished = segment.is_last
                && segment.is_blank(end)
                && !damaged.is_empty()
                && head.number > segment.acknowledged;
            if is_unfinished {
                return self.cut(segment, at);
            }
            at = end;
            if head.number > flushed {
                self.note_damaged(segment, &damaged);
                self.expect(head.number);
                insert(head.number, items);
            }
        }
    }

    fn cut(&mut self, segment: &Segment<'_>, at: usize) {
        if segment.is_last {
            self.cut = Some(Cut { path: segment.path.to_owned(), length: at as u64 });
        } else {
            warn_of_damage(segment, at, segment.bytes.len());
        }
    }

    /// Groups follow each other without a gap.
    fn expect(&mut self, group: u64) {
        if group > self.last_group + 1 {
            self.gaps.push((self.last_group + 1, group - 1));
        }
        self.last_group = self.last_group.max(group);
    }

    fn note_damaged(&mut self, segment: &Segment<'_>, keys: &[String]) {
        for key in keys {
            self.damaged_values += 1;
            if self.damaged_values <= LOGGED_VALUES {
                let journal = segment.path.display();
                tracing::error!(%journal, key, "a value in the journal is damaged; others are not");
            }
        }
    }
}

/// The items of a block, and what those are called whose values are damaged.
fn read_items(segment: &Segment<'_>, at: usize, head: &Head, keys: &[u8]) -> (Items, Vec<String>) {
    let values = segment.bytes.get(at + HEAD_BYTES + keys.len()..).unwrap_or_default();
    let values = &values[..values.len().min(head.values_bytes as usize)];
    let mut damaged = Vec::new();
    let items = Slots::new(keys).map(|slot| {
        let value = slot.value.map(|range| {
            let end = range.end.min(values.len());
            values.get(range.start..end).unwrap_or_default().to_vec()
        });
        if value.as_ref().is_some_and(|value| envelope::open(&slot.key, value).is_err()) {
            damaged.push(describe_key(&slot.key));
        }
        (slot.key, value)
    });
    (items.collect(), damaged)
}

fn warn_of_damage(segment: &Segment<'_>, from: usize, to: usize) {
    let journal = segment.path.display();
    tracing::warn!(%journal, from, to, "the journal is damaged between these bytes");
}

#[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    fs::read(path).map_err(io_error("read", path))
}

fn list_segments(directory: &Path) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(directory).map_err(io_error("list", directory))? {
        let path = entry.map_err(io_error("list", directory))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_suffix(".journal")?.parse().ok());
        segments.extend(number.map(|number: u64| (number, path)));
    }
    segments.sort();
    Ok(segments)
}
