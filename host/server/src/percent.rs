//! Names as segments of a path.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but what RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `segment` so that it stands in a path as one segment, whatever is in it.
pub(crate) fn encode_segment(segment: &str) -> String {
    utf8_percent_encode(segment, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_stays_one() {
        assert_eq!(encode_segment("first-1.x_~"), "first-1.x_~");
        assert_eq!(encode_segment("a/b ?ü%"), "a%2Fb%20%3F%C3%BC%25");
    }
}
