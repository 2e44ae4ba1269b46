//! What can be wrong with a value.

use super::{HandleError, MAX_DEPTH};

/// A value that does not fit its type, and where inside the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", location(path))]
pub struct ValueError {
    /// The way to the bad part, outermost first, as in `items[3].name`; empty for the value itself.
    pub path: String,
    /// What is wrong there.
    pub problem: ValueProblem,
}

/// What is wrong at one place of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueProblem {
    /// Another kind of value, another length, another field or case.
    #[error("expected {expected}, found {found}")]
    Mismatch {
        /// What the type wants.
        expected: String,
        /// What the value is.
        found: String,
    },
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("the value is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A type that this host does not carry: streams, futures, error contexts, maps.
    #[error("values of type {type_text} cannot be carried by a call from outside")]
    Unsupported {
        /// The type, as WIT.
        type_text: String,
    },
    /// A text that is not WAVE.
    #[error("{0}")]
    Syntax(String),
    /// A handle that cannot be used.
    #[error(transparent)]
    Handle(#[from] HandleError),
}

impl From<ValueProblem> for ValueError {
    fn from(problem: ValueProblem) -> Self {
        Self { path: String::new(), problem }
    }
}

impl From<HandleError> for ValueError {
    fn from(error: HandleError) -> Self {
        ValueProblem::Handle(error).into()
    }
}

impl ValueError {
    /// A mismatch at the value itself.
    pub(crate) fn mismatch(expected: impl Into<String>, found: impl Into<String>) -> Self {
        ValueProblem::Mismatch { expected: expected.into(), found: found.into() }.into()
    }

    /// Puts the error below field or case `name` of the enclosing value.
    pub(crate) fn in_field(mut self, name: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{separator}{}", self.path);
        self
    }

    /// Puts the error below element `index` of the enclosing value.
    pub(crate) fn in_element(mut self, index: usize) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("[{index}]{separator}{}", self.path);
        self
    }
}

/// Bytes that are not the encoding of values, or values that cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes are not what this host writes; the log's checksum should have caught it.
    #[error("the stored value is unreadable: {0}")]
    Unreadable(String),
    /// The bytes go on after the last value.
    #[error("the stored value ends after {expected} bytes, but there are {found}")]
    TrailingBytes {
        /// Bytes of the value.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
    /// The value is nested deeper than [`MAX_DEPTH`], which no type allows.
    #[error("the value is nested deeper than {MAX_DEPTH} levels and cannot be stored")]
    TooDeep,
}

fn location(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("at {path}: ") }
}
