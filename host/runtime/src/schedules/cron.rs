//! Cron expressions over local times.
//!
//! Five fields (minute, hour, day of the month, month, day of the week), or six with seconds before them. Each is a list
//! of `*`, numbers, ranges and steps; months and days of the week have names, and 7 is Sunday too. As cron has it, a time
//! that names both sorts of days fits on either.

use jiff::civil::{Date, DateTime, Time, date};

/// Until a day is found: February 29 may be eight years away.
const DAYS_MAX: usize = 366 * 9;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A set of local times, to the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    seconds: u64,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether a day must fit both sorts of days, since one of them is any.
    both: bool,
}

/// What a field may hold.
struct Field {
    name: &'static str,
    from: u8,
    to: u8,
    /// Names for the numbers from `from` on.
    names: &'static [&'static str],
}

const SECOND: Field = Field { name: "second", from: 0, to: 59, names: &[] };
const MINUTE: Field = Field { name: "minute", from: 0, to: 59, names: &[] };
const HOUR: Field = Field { name: "hour", from: 0, to: 23, names: &[] };
const DAY: Field = Field { name: "day of the month", from: 1, to: 31, names: &[] };
const MONTH: Field = Field { name: "month", from: 1, to: 12, names: &MONTHS };
const WEEKDAY: Field = Field { name: "day of the week", from: 0, to: 7, names: &WEEKDAYS };

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let (second, rest) = match fields.len() {
            5 => ("0", &fields[..]),
            6 => (fields[0], &fields[1..]),
            found => return Err(format!("it has {found} fields; cron has 5, or 6 with seconds")),
        };
        let [minute, hour, day, month, weekday] = [rest[0], rest[1], rest[2], rest[3], rest[4]];
        let mut weekdays = WEEKDAY.parse(weekday)?;
        weekdays |= weekdays >> 7 & 1;
        let cron = Self {
            seconds: SECOND.parse(second)?,
            minutes: MINUTE.parse(minute)?,
            hours: HOUR.parse(hour)?,
            days: DAY.parse(day)?,
            months: MONTH.parse(month)?,
            weekdays,
            both: day.starts_with(['*', '?']) || weekday.starts_with(['*', '?']),
        };
        match cron.first_from(date(2000, 1, 1).at(0, 0, 0, 0)) {
            Some(_) => Ok(cron),
            None => Err("no day is ever like that".to_owned()),
        }
    }

    /// The first of the times that is not before `from`, to whole seconds.
    pub(super) fn first_from(&self, from: DateTime) -> Option<DateTime> {
        let (mut day, mut earliest) = (from.date(), from.time());
        for _ in 0..DAYS_MAX {
            if self.has_day(day)
                && let Some(time) = self.time_from(earliest)
            {
                return Some(day.to_datetime(time));
            }
            day = day.tomorrow().ok()?;
            earliest = Time::midnight();
        }
        None
    }

    fn has_day(&self, day: Date) -> bool {
        if !has(self.months, day.month()) {
            return false;
        }
        let by_date = has(self.days, day.day());
        let by_weekday = has(self.weekdays, day.weekday().to_sunday_zero_offset());
        if self.both { by_date && by_weekday } else { by_date || by_weekday }
    }

    fn time_from(&self, from: Time) -> Option<Time> {
        let (hour, minute) = (from.hour(), from.minute());
        for h in (hour..24).filter(|h| has(self.hours, *h)) {
            let first = if h == hour { minute } else { 0 };
            for m in (first..60).filter(|m| has(self.minutes, *m)) {
                let first = if (h, m) == (hour, minute) { from.second() } else { 0 };
                if let Some(s) = (first..60).find(|s| has(self.seconds, *s)) {
                    return Time::new(h, m, s, 0).ok();
                }
            }
        }
        None
    }
}

impl Field {
    /// The numbers of a field, as bits.
    fn parse(&self, text: &str) -> Result<u64, String> {
        text.split(',').try_fold(0, |bits, item| Ok(bits | self.item(item)?))
    }

    fn item(&self, item: &str) -> Result<u64, String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (self.from, self.to),
            Some((from, to)) => (self.number(from)?, self.number(to)?),
            None if step.is_some() => (self.number(range)?, self.to),
            None => (self.number(range)?, self.number(range)?),
        };
        let step = match step.map(str::parse) {
            None => 1,
            Some(Ok(step)) if step > 0 => step,
            Some(_) => return Err(format!("the {} has a step {item:?}", self.name)),
        };
        if from > to {
            return Err(format!(
                "the {} has a range {range:?} that ends before it begins",
                self.name
            ));
        }
        Ok((from..=to).step_by(step).fold(0, |bits, number| bits | 1 << number))
    }

    fn number(&self, text: &str) -> Result<u8, String> {
        let named = self.names.iter().position(|name| text.eq_ignore_ascii_case(name));
        let number = match named {
            Some(place) => u8::try_from(place).ok().map(|place| place + self.from),
            None => text.parse().ok(),
        };
        number.filter(|number| (self.from..=self.to).contains(number)).ok_or_else(|| {
            format!("the {} is a number from {} to {}, not {text:?}", self.name, self.from, self.to)
        })
    }
}

fn has(bits: u64, number: i8) -> bool {
    bits >> number & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next times of an expression from Thursday, 2026-01-01 on.
    fn times(expression: &str, count: usize) -> Vec<String> {
        let cron = Cron::parse(expression).unwrap();
        let mut from = date(2026, 1, 1).at(0, 0, 0, 0);
        let mut times = Vec::new();
        for _ in 0..count {
            let next = cron.first_from(from).unwrap();
            times.push(next.strftime("%m-%d %H:%M:%S").to_string());
            from = next.checked_add(jiff::SignedDuration::from_secs(1)).unwrap();
        }
        times
    }

    #[test]
    fn expressions_mean_what_cron_means() {
        assert_eq!(
            times("30 9 * * mon-fri", 3),
            ["01-01 09:30:00", "01-02 09:30:00", "01-05 09:30:00"]
        );
        assert_eq!(
            times("*/20 0 1 * *", 4),
            ["01-01 00:00:00", "01-01 00:20:00", "01-01 00:40:00", "02-01 00:00:00"]
        );
        assert_eq!(
            times("5/25 3 * * *", 3),
            ["01-01 03:05:00", "01-01 03:30:00", "01-01 03:55:00"]
        );
        assert_eq!(times("15,45 0 0 1 1 *", 2), ["01-01 00:00:15", "01-01 00:00:45"]);
        assert_eq!(times("@monthly", 2), ["01-01 00:00:00", "02-01 00:00:00"]);
        assert_eq!(times("0 0 * * 7", 1), times("0 0 * * SUN", 1));
        assert_eq!(times("0 12 29 feb *", 1), ["02-29 12:00:00"], "in 2028");
    }

    #[test]
    fn either_sort_of_days_fits_where_both_are_named() {
        assert_eq!(times("0 0 3 * sun", 3), ["01-03 00:00:00", "01-04 00:00:00", "01-11 00:00:00"]);
        assert_eq!(times("0 0 */2 * sun", 2), ["01-11 00:00:00", "01-25 00:00:00"]);
    }

    #[test]
    fn what_is_no_expression_is_refused_with_its_field() {
        let refused = |text: &str| Cron::parse(text).unwrap_err();
        assert_eq!(refused("* * * *"), "it has 4 fields; cron has 5, or 6 with seconds");
        assert_eq!(refused("60 * * * *"), "the minute is a number from 0 to 59, not \"60\"");
        assert_eq!(
            refused("* * 0 * *"),
            "the day of the month is a number from 1 to 31, not \"0\""
        );
        assert!(refused("* * * foo *").contains("month"));
        assert!(refused("5-1 * * * *").contains("ends before it begins"));
        assert!(refused("*/0 * * * *").contains("step"));
        assert_eq!(refused("0 0 31 2 *"), "no day is ever like that");
    }
}
