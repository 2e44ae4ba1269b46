//! Lengths of time.

use std::time::Duration;

/// Units from the largest to the smallest, with their length in milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a length of time: whole numbers with the units `d`, `h`, `m`, `s` and `ms`, the larger
/// before the smaller, such as `15m` or `1h30m`.
///
/// # Errors
/// A sentence that says what is wrong with `text`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let mut rest = text;
    let mut allowed = &UNITS[..];
    let mut total: u64 = 0;
    loop {
        let (number, after_number) = split_where(rest, |byte| !byte.is_ascii_digit());
        let (unit, after_unit) = split_where(after_number, |byte| byte.is_ascii_digit());
        let position = allowed.iter().position(|(name, _)| *name == unit);
        let (Ok(number), Some(position)) = (number.parse::<u64>(), position) else {
            return Err(malformed(text));
        };
        total = number
            .checked_mul(allowed[position].1)
            .and_then(|length| total.checked_add(length))
            .ok_or_else(|| format!("`{text}` is too long a time"))?;
        if after_unit.is_empty() {
            return Ok(Duration::from_millis(total));
        }
        allowed = &allowed[position + 1..];
        rest = after_unit;
    }
}

/// Writes a length of time so that [`parse_duration`] reads it; what is below a millisecond is cut.
pub(crate) fn format_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (name, length) in UNITS {
        if rest >= length {
            text.push_str(&format!("{}{name}", rest / length));
            rest %= length;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn split_where(text: &str, ends: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(ends).unwrap_or(text.len());
    text.split_at(end)
}

fn malformed(text: &str) -> String {
    format!(
        "`{text}` is not a length of time: write whole numbers with the units d, h, m, s or ms, \
         the larger before the smaller, such as 15m or 1h30m"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["0s", "1ms", "999ms", "30s", "15m", "1h30m", "2d3h4m5s6ms"] {
            let parsed = parse_duration(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(format_duration(parsed), text);
        }
    }

    #[test]
    fn units_are_not_confused() {
        assert_eq!(parse_duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse_duration("5ms"), Ok(Duration::from_millis(5)));
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
    }

    #[test]
    fn refuses_what_could_be_misread() {
        let refused = ["", "5", "m", "-5s", "+5s", "1.5h", "5 s", "5s10m", "5s5s", "5µs", "５s"];
        for text in refused.into_iter().chain(["99999999999999999999s", "999999999999999999d"]) {
            let error = parse_duration(text).expect_err(text);
            assert!(error.contains(text), "{error}");
        }
    }
}
