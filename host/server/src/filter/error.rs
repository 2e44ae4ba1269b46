//! Why an expression is none.

use super::{MAX_FILTER_BYTES, MAX_FILTER_DEPTH};

/// What is wrong with a filter, and where: positions count bytes from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FilterError {
    #[error("the filter is longer than {MAX_FILTER_BYTES} bytes")]
    TooLong,
    #[error("the filter is nested deeper than {MAX_FILTER_DEPTH} levels at byte {at}")]
    TooDeep { at: usize },
    #[error("expected {expected} at byte {at} of the filter, found {found}")]
    Unexpected { at: usize, expected: String, found: String },
    #[error("the quote at byte {at} of the filter is never closed")]
    OpenQuote { at: usize },
    #[error("{detail} (at byte {at} of the filter)")]
    Value { at: usize, detail: String },
}
