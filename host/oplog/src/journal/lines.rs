//! Which printed lines are new.
//!
//! A guest prints again whatever it printed before, and each line is to reach a follower once.
//! Lines are hints, so a printed line does not meet an entry; it is recognised by where it is
//! printed:
//!
//! - While replayed entries lie ahead, every line is old.
//! - After the last replayed entry as many lines are old as were recorded there; what the guest
//!   does between two entries is the same each time.
//! - An atomic region that runs again prints again, but perhaps something else, since its calls are
//!   made again. There a line is old if the abandoned attempts recorded the same text, in the same
//!   order. The same holds for an action.

use std::collections::VecDeque;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::entry::{EntryKind, LogLevel, LogStream};

/// How many lines of abandoned attempts are remembered; the oldest are forgotten first, and
/// delivered twice.
const ABANDONED_MAX: usize = 4096;

/// What is known of lines that the guest will print again.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Lines recorded since the last replayed entry.
    recorded: u32,
    /// The last of them.
    latest: VecDeque<u64>,
    /// Lines that abandoned attempts of the open atomic region, or of the action, recorded.
    abandoned: VecDeque<u64>,
}

impl Lines {
    /// The cursor passed a line that is part of the history.
    pub(super) fn recorded(&mut self, kind: &EntryKind) {
        self.recorded = self.recorded.saturating_add(1);
        remember(&mut self.latest, kind);
    }

    /// An action begins, live. What was recorded behind this point an abandoned attempt of it said.
    pub(super) fn action_begun(&mut self) {
        let said = usize::try_from(std::mem::take(&mut self.recorded)).unwrap_or(usize::MAX);
        let before = self.latest.len().saturating_sub(said);
        self.abandoned.extend(self.latest.drain(..).skip(before));
    }

    /// The cursor passed a line of an abandoned attempt.
    pub(super) fn abandoned(&mut self, kind: &EntryKind) {
        remember(&mut self.abandoned, kind);
    }

    /// A replayed entry was met or made.
    #[inline]
    pub(super) fn entry_passed(&mut self, outside_regions: bool) {
        self.recorded = 0;
        self.latest.clear();
        if outside_regions && !self.abandoned.is_empty() {
            self.abandoned.clear();
        }
    }

    /// Whether a line that the guest prints now was delivered before.
    pub(super) fn is_old(&mut self, kind: &EntryKind, entries_ahead: bool) -> bool {
        if self.repeats_abandoned(kind) || entries_ahead {
            return true;
        }
        let old = self.recorded > 0;
        self.recorded = self.recorded.saturating_sub(1);
        old
    }

    fn repeats_abandoned(&mut self, kind: &EntryKind) -> bool {
        let EntryKind::Log { stream, level, context, message } = kind else { return false };
        if self.abandoned.is_empty() {
            return false;
        }
        let line = line_hash(*stream, *level, context.as_deref(), message);
        let Some(place) = self.abandoned.iter().position(|other| *other == line) else {
            return false;
        };
        self.abandoned.drain(..=place);
        true
    }
}

fn remember(lines: &mut VecDeque<u64>, kind: &EntryKind) {
    if let EntryKind::Log { stream, level, context, message } = kind {
        if lines.len() == ABANDONED_MAX {
            lines.pop_front();
        }
        lines.push_back(line_hash(*stream, *level, context.as_deref(), message));
    }
}

fn line_hash(
    stream: LogStream,
    level: Option<LogLevel>,
    context: Option<&str>,
    message: &str,
) -> u64 {
    let kind = (stream as u64) << 8 | level.map_or(0, |level| level as u64 + 1);
    let context = xxh3_64_with_seed(context.unwrap_or_default().as_bytes(), kind);
    xxh3_64_with_seed(message.as_bytes(), context)
}
