//! When a schedule fires: instants from local times, and which of them count after a pause.
//!
//! Where clocks are set forward, local times are skipped: what falls into the gap fires at its end, once. Where they are
//! set back, local times come twice: they fire the first time.

use std::collections::VecDeque;

use bincode::{Decode, Encode};
use everlog_oplog::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::cron::Cron;

/// What is later than this counts as missed, if nobody was there to be on time.
const GRACE_NANOS: u64 = 5_000_000_000;
/// So many times that were missed are gone through one by one; of more, parts are passed over.
const STEPS_MAX: usize = 10_000;

/// When a schedule fires.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Timing {
    /// Once.
    At(Timestamp),
    /// At all times of a cron expression.
    Cron {
        /// The expression.
        expression: String,
        /// The IANA name of the time zone.
        time_zone: String,
    },
}

/// What becomes of firings for whose time nobody was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Missed {
    /// Nothing.
    Skip,
    /// The last of them is made up for.
    RunOnce,
    /// The last of them, up to so many, are made up for.
    RunAll(u32),
}

/// A timing that was understood.
pub(super) enum Clockwork {
    At(Timestamp),
    Cron(Box<Cron>, TimeZone),
}

/// What is to be done about a schedule now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// These firings, in order.
    pub(super) fire: Vec<Timestamp>,
    /// So many are not made up for; where they are very many, at least so many.
    pub(super) skipped: u64,
    /// The next one after now.
    pub(super) next: Option<Timestamp>,
}

impl Timing {
    /// Understands it.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub(super) fn clockwork(&self) -> Result<Clockwork, String> {
        match self {
            Self::At(at) => Ok(Clockwork::At(*at)),
            Self::Cron { expression, time_zone } => {
                let cron = Cron::parse(expression);
                let cron =
                    cron.map_err(|why| format!("{expression:?} is no cron expression: {why}"))?;
                let zone = TimeZone::get(time_zone).map_err(|_| {
                    format!("{time_zone:?} is no time zone, such as UTC or Europe/Berlin")
                })?;
                Ok(Clockwork::Cron(Box::new(cron), zone))
            }
        }
    }
}

impl Clockwork {
    /// The first time behind `after`.
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(*at).filter(|at| after < *at),
            Self::Cron(cron, zone) => {
                let instant = jiff::Timestamp::from_nanosecond(i128::from(after.0)).ok()?;
                let mut from = zone.to_datetime(instant);
                loop {
                    let local = cron.first_from(from)?;
                    let found = instant_of(zone, local)?;
                    if after < found {
                        return Some(found);
                    }
                    from = local.checked_add(jiff::SignedDuration::from_secs(1)).ok()?;
                }
            }
        }
    }

    /// What is due of a schedule whose next time was `next`. What fell due before `since` nobody could have been on time
    /// for.
    pub(super) fn due(
        &self,
        mut next: Option<Timestamp>,
        now: Timestamp,
        since: Timestamp,
        missed: Missed,
    ) -> Due {
        let most = match missed {
            Missed::Skip => 0,
            Missed::RunOnce => 1,
            Missed::RunAll(most) => usize::try_from(most).unwrap_or(usize::MAX),
        };
        let (mut fire, mut late, mut skipped) = (Vec::new(), VecDeque::new(), 0);
        let mut steps = 0;
        while let Some(at) = next.filter(|at| *at <= now) {
            next = self.next(at);
            if since <= at || now.0 - at.0 <= GRACE_NANOS {
                fire.push(at);
                continue;
            }
            late.push_back(at);
            if late.len() > most {
                late.pop_front();
                skipped += 1;
            }
            steps += 1;
            if steps == STEPS_MAX {
                steps = 0;
                next = self.next(Timestamp(at.0 + (now.0 - at.0) / 2));
            }
        }
        let fire = late.into_iter().chain(fire).collect();
        Due { fire, skipped, next }
    }
}

/// When it is `local` in a zone.
fn instant_of(zone: &TimeZone, local: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let instant = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok()?,
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok()?,
        AmbiguousOffset::Gap { before, .. } => {
            // As if the clock had not been set, it is that long after the gap's end.
            let behind = before.to_timestamp(local).ok()?;
            let second = jiff::SignedDuration::from_secs(1);
            zone.preceding(behind.checked_add(second).ok()?).next()?.timestamp()
        }
    };
    u64::try_from(instant.as_nanosecond()).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let instant: jiff::Timestamp = text.parse().unwrap();
        Timestamp(u64::try_from(instant.as_nanosecond()).unwrap())
    }

    fn clockwork(expression: &str, time_zone: &str) -> Clockwork {
        let (expression, time_zone) = (expression.to_owned(), time_zone.to_owned());
        Timing::Cron { expression, time_zone }.clockwork().unwrap()
    }

    fn times(clockwork: &Clockwork, after: &str, count: usize) -> Vec<String> {
        let mut after = at(after);
        let mut times = Vec::new();
        for _ in 0..count {
            after = clockwork.next(after).unwrap();
            let instant = jiff::Timestamp::from_nanosecond(i128::from(after.0)).unwrap();
            times.push(instant.to_string());
        }
        times
    }

    #[test]
    fn local_times_follow_their_zone() {
        let noon = clockwork("0 12 * * *", "Europe/Berlin");
        let expected = ["2026-03-28T11:00:00Z", "2026-03-29T10:00:00Z"];
        assert_eq!(times(&noon, "2026-03-28T00:00:00Z", 2), expected);
        let kathmandu = clockwork("0 12 * * *", "asia/kathmandu");
        assert_eq!(times(&kathmandu, "2026-03-28T00:00:00Z", 1), ["2026-03-28T06:15:00Z"]);
    }

    #[test]
    fn a_skipped_time_fires_at_the_end_of_the_gap_and_once() {
        // From 02:00 to 03:00 on 2026-03-29, at 01:00 UTC.
        let skipped = clockwork("30 2 * * *", "Europe/Berlin");
        let expected = ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"];
        assert_eq!(times(&skipped, "2026-03-28T00:00:00Z", 3), expected);
        let often = clockwork("*/20 2-3 29 3 *", "Europe/Berlin");
        let expected = ["2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z", "2026-03-29T01:40:00Z"];
        assert_eq!(times(&often, "2026-03-29T00:59:59Z", 3), expected);
        // By half an hour, where a gap need not be a whole one.
        let howe = clockwork("15 2 4 10 *", "Australia/Lord_Howe");
        assert_eq!(times(&howe, "2026-10-01T00:00:00Z", 1), ["2026-10-03T15:30:00Z"]);
    }

    #[test]
    fn a_repeated_time_fires_the_first_time_only() {
        // From 03:00 back to 02:00 on 2026-10-25, at 01:00 UTC.
        let repeated = clockwork("*/30 2 * * *", "Europe/Berlin");
        let expected = ["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:00:00Z"];
        assert_eq!(times(&repeated, "2026-10-24T23:00:00Z", 3), expected);
        assert_eq!(times(&repeated, "2026-10-25T01:15:00Z", 1), expected[2..]);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let refused = |expression: &str, time_zone: &str| {
            let (expression, time_zone) = (expression.to_owned(), time_zone.to_owned());
            Timing::Cron { expression, time_zone }.clockwork().err().unwrap()
        };
        assert!(refused("* * * * *", "Europe/Atlantis").contains("\"Europe/Atlantis\""));
        assert!(refused("every day", "UTC").contains("\"every day\" is no cron expression"));
    }

    fn due(missed: Missed, now: &str, since: &str) -> (Vec<String>, u64) {
        let hourly = clockwork("0 * * * *", "UTC");
        let next = Some(at("2026-01-01T01:00:00Z"));
        let due = hourly.due(next, at(now), at(since), missed);
        assert!(due.next.unwrap() > at(now));
        let text = |at: &Timestamp| jiff::Timestamp::from_nanosecond(i128::from(at.0)).unwrap();
        let hours = due.fire.iter().map(|at| text(at).strftime("%H").to_string()).collect();
        (hours, due.skipped)
    }

    fn hours(hours: &[&str]) -> Vec<String> {
        hours.iter().map(|hour| (*hour).to_owned()).collect()
    }

    #[test]
    fn what_was_missed_is_made_up_for_as_it_should() {
        let late = |missed| due(missed, "2026-01-01T05:30:00Z", "2026-01-01T05:29:00Z");
        assert_eq!(late(Missed::Skip), (hours(&[]), 5));
        assert_eq!(late(Missed::RunOnce), (hours(&["05"]), 4));
        assert_eq!(late(Missed::RunAll(3)), (hours(&["03", "04", "05"]), 2));
        assert_eq!(late(Missed::RunAll(100)).0.len(), 5);
    }

    #[test]
    fn what_is_only_late_is_not_missed() {
        let skip = |now, since| due(Missed::Skip, now, since);
        let since = "2026-01-01T00:00:00Z";
        assert_eq!(skip("2026-01-01T00:59:59Z", since), (hours(&[]), 0));
        assert_eq!(skip("2026-01-01T02:30:00Z", since), (hours(&["01", "02"]), 0));
        // Nobody was there, but it is a moment ago.
        let moment = "2026-01-01T01:00:04Z";
        assert_eq!(skip(moment, moment), (hours(&["01"]), 0));
        let now = "2026-01-01T02:00:01Z";
        assert_eq!(skip(now, now), (hours(&["02"]), 1));
    }

    #[test]
    fn a_long_absence_takes_no_time() {
        let secondly = clockwork("* * * * * *", "UTC");
        let now = at("2036-01-01T00:00:00Z");
        let due = secondly.due(Some(at("2026-01-01T00:00:00Z")), now, now, Missed::RunAll(3));
        assert_eq!(due.fire.len(), 3 + 6, "the last ones, and those of a moment ago");
        assert!(due.skipped > 100_000);
        assert_eq!(due.next, Some(at("2036-01-01T00:00:01Z")));
    }

    #[test]
    fn once_is_once() {
        let once = Timing::At(at("2026-01-01T00:00:00Z")).clockwork().unwrap();
        let next = once.next(Timestamp(0));
        assert_eq!(next, Some(at("2026-01-01T00:00:00Z")));
        let now = at("2026-06-01T00:00:00Z");
        let due = once.due(next, now, now, Missed::RunOnce);
        assert_eq!((due.fire.len(), due.next), (1, None));
        assert_eq!(once.due(next, now, now, Missed::Skip).fire, []);
    }
}
