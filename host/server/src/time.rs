//! Instants in the API: RFC 3339 in UTC.

use everlog_runtime::Timestamp;

/// Reads an instant as RFC 3339 writes it.
///
/// # Errors
/// A sentence that says what is wrong with `text`.
pub(crate) fn parse_instant(text: &str) -> Result<Timestamp, String> {
    let instant: jiff::Timestamp = text.parse().map_err(|error| {
        format!("`{text}` is not an instant of RFC 3339, such as 2026-03-01T12:00:00Z ({error})")
    })?;
    u64::try_from(instant.as_nanosecond())
        .map(Timestamp)
        .map_err(|_| format!("`{text}` is not between the years 1970 and 2554"))
}

/// Writes an instant as RFC 3339, in UTC, with as many digits as it needs.
pub(crate) fn format_instant(instant: Timestamp) -> String {
    // Nanoseconds of a u64 reach the year 2554, which jiff can write.
    jiff::Timestamp::from_nanosecond(i128::from(instant.0))
        .map_or_else(|_| instant.0.to_string(), |instant| instant.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for nanos in [0, 1, 999_999_999, 1_772_366_400_000_000_000, u64::MAX] {
            let text = format_instant(Timestamp(nanos));
            assert_eq!(parse_instant(&text), Ok(Timestamp(nanos)), "{text}");
        }
        assert_eq!(format_instant(Timestamp(1_772_366_400_500_000_000)), "2026-03-01T12:00:00.5Z");
    }

    #[test]
    fn refuses_what_is_no_instant() {
        for text in ["", "now", "2026-03-01", "2026-03-01T12:00:00", "1969-12-31T23:59:59Z"] {
            let error = parse_instant(text).expect_err(text);
            assert!(error.contains(text), "{error}");
        }
    }
}
