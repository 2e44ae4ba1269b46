//! How properties of workers are compared, whoever asks: the filter expressions of the API, and guests.

use bincode::{Decode, Encode};

/// How a property is compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Comparison {
    /// It is the value.
    Equal,
    /// It is another.
    NotEqual,
    /// It comes before the value.
    Less,
    /// It comes before the value, or is it.
    LessOrEqual,
    /// It comes behind the value.
    Greater,
    /// It comes behind the value, or is it.
    GreaterOrEqual,
}

impl Comparison {
    /// Whether `found` stands in this relation to `value`.
    pub fn holds<T: Ord + ?Sized>(self, found: &T, value: &T) -> bool {
        match self {
            Self::Equal => found == value,
            Self::NotEqual => found != value,
            Self::Less => found < value,
            Self::LessOrEqual => found <= value,
            Self::Greater => found > value,
            Self::GreaterOrEqual => found >= value,
        }
    }
}

/// Whether `text` is `pattern` with some text in the place of each `*`.
///
/// The pieces between stars are looked for from the left, each as early as possible, so the time is
/// bounded by the product of the lengths, whatever the pattern.
#[must_use]
pub fn like(text: &str, pattern: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return text == pattern;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*') {
        match text.split_once(piece) {
            Some((_, after)) if !piece.is_empty() => text = after,
            Some(_) => {}
            None => return false,
        }
    }
    text.ends_with(tail)
}
