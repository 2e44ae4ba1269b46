//! The filter expressions of `GET /v1/workers`.
//!
//! ```text
//! name like "cart-*" and (status = failed or version < 3) and not env.TIER = gold
//! ```
//!
//! - Fields: `name`, `status`, `version`, `createdAt` (RFC 3339) and `env.KEY`.
//! - Comparisons: `=`, `!=`, `<`, `<=`, `>`, `>=`, and `like`, where `*` stands for any text.
//! - They combine with `and`, `or`, `not` and parentheses; `not` binds closest, then `and`.
//! - A value is a bare word, or a text in single or double quotes with `\` before a quote inside.
//! - A worker without the variable `KEY` satisfies no comparison of `env.KEY` but `!=`.

mod error;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;

use everlog_runtime::filter::{Comparison, like};

pub(crate) use error::FilterError;
pub(crate) use parser::parse;

/// The longest expression, in bytes.
pub(crate) const MAX_FILTER_BYTES: usize = 4_096;
/// How deep parentheses and `not` may be nested.
pub(crate) const MAX_FILTER_DEPTH: usize = 32;

/// What a filter looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    pub(crate) status: &'a str,
    pub(crate) version: u64,
    /// In nanoseconds since the Unix epoch.
    pub(crate) created_at: u64,
    pub(crate) env: &'a [(String, String)],
}

/// A parsed expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    Text { field: TextField, comparison: Comparison, value: String },
    Like { field: TextField, pattern: String },
    Number { field: NumberField, comparison: Comparison, value: u64 },
}

/// A field that is compared as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TextField {
    Name,
    Status,
    Env(String),
}

/// A field that is compared as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberField {
    Version,
    CreatedAt,
}

impl Filter {
    /// Whether `subject` satisfies the expression.
    pub(crate) fn matches(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::And(left, right) => left.matches(subject) && right.matches(subject),
            Self::Or(left, right) => left.matches(subject) || right.matches(subject),
            Self::Not(inner) => !inner.matches(subject),
            Self::Text { field, comparison, value } => match field.of(subject) {
                Some(found) => comparison.holds(found, value.as_str()),
                None => *comparison == Comparison::NotEqual,
            },
            Self::Like { field, pattern } => {
                field.of(subject).is_some_and(|found| like(found, pattern))
            }
            Self::Number { field, comparison, value } => {
                comparison.holds(&field.of(subject), value)
            }
        }
    }
}

impl TextField {
    fn of<'a>(&self, subject: &Subject<'a>) -> Option<&'a str> {
        match self {
            Self::Name => Some(subject.name),
            Self::Status => Some(subject.status),
            Self::Env(wanted) => {
                let found = subject.env.iter().find(|(key, _)| key == wanted);
                found.map(|(_, value)| value.as_str())
            }
        }
    }
}

impl NumberField {
    fn of(self, subject: &Subject<'_>) -> u64 {
        match self {
            Self::Version => subject.version,
            Self::CreatedAt => subject.created_at,
        }
    }
}
