//! Sizes in bytes.

/// Units from the largest to the smallest, with their size in bytes.
const UNITS: [(&str, u64); 4] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Reads a size: a whole number of bytes, or one with the unit `KiB`, `MiB`, `GiB` or `TiB`.
///
/// # Errors
/// A sentence that says what is wrong with `text`.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let unit = UNITS.iter().find(|(name, _)| text.ends_with(name));
    let (digits, factor) = match unit {
        Some((name, factor)) => (&text[..text.len() - name.len()], *factor),
        None => (text, 1),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "`{text}` is not a size: write a whole number of bytes, or one with the unit KiB, MiB, \
             GiB or TiB, such as 256MiB"
        ));
    }
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    number.ok_or_else(|| format!("`{text}` is too large a size"))
}

/// Writes a size so that [`parse_size`] reads the same one, with the largest unit that is exact.
pub(crate) fn format_size(bytes: u64) -> String {
    match UNITS.iter().find(|(_, size)| bytes > 0 && bytes.is_multiple_of(*size)) {
        Some((name, size)) => format!("{}{name}", bytes / size),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for bytes in [0, 1, 1023, 1024, 1025, 4 << 20, 256 << 20, 3 << 40, u64::MAX] {
            assert_eq!(parse_size(&format_size(bytes)), Ok(bytes));
        }
        assert_eq!(format_size(256 << 20), "256MiB");
    }

    #[test]
    fn refuses_what_could_be_misread() {
        for text in ["", "MiB", "-1", "1.5GiB", "1 MiB", "1MB", "1mib", "99999999TiB"] {
            let error = parse_size(text).expect_err(text);
            assert!(error.contains(text), "{error}");
        }
    }
}
