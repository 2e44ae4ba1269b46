//! Tokens to expression, by recursive descent.

use std::iter::Peekable;
use std::vec::IntoIter;

use super::lexer::{Token, TokenKind, tokens};
use super::{
    Comparison, Filter, FilterError, MAX_FILTER_BYTES, MAX_FILTER_DEPTH, NumberField, TextField,
};

/// Names of what a filter can look at, for messages.
const FIELDS: &str = "name, status, version, createdAt or env.KEY";
/// The values that `status` can have.
const STATUSES: [&str; 8] =
    ["running", "idle", "suspended", "interrupted", "retrying", "failed", "exited", "stalled"];

/// Reads a filter expression.
///
/// # Errors
/// [`FilterError`], with the position of what is wrong.
pub(crate) fn parse(text: &str) -> Result<Filter, FilterError> {
    if text.len() > MAX_FILTER_BYTES {
        return Err(FilterError::TooLong);
    }
    let mut parser = Parser { tokens: tokens(text)?.into_iter().peekable(), end: text.len() };
    let filter = parser.alternatives(0)?;
    match parser.tokens.next() {
        None => Ok(filter),
        Some(token) => Err(parser.unexpected("`and`, `or` or the end", Some(token))),
    }
}

struct Parser {
    tokens: Peekable<IntoIter<Token>>,
    end: usize,
}

impl Parser {
    fn alternatives(&mut self, depth: usize) -> Result<Filter, FilterError> {
        let mut left = self.conjunction(depth)?;
        while self.take_word("or") {
            left = Filter::Or(Box::new(left), Box::new(self.conjunction(depth)?));
        }
        Ok(left)
    }

    fn conjunction(&mut self, depth: usize) -> Result<Filter, FilterError> {
        let mut left = self.term(depth)?;
        while self.take_word("and") {
            left = Filter::And(Box::new(left), Box::new(self.term(depth)?));
        }
        Ok(left)
    }

    fn term(&mut self, depth: usize) -> Result<Filter, FilterError> {
        let at = self.tokens.peek().map_or(self.end, |token| token.at);
        if depth > MAX_FILTER_DEPTH {
            return Err(FilterError::TooDeep { at });
        }
        if self.take_word("not") {
            return Ok(Filter::Not(Box::new(self.term(depth + 1)?)));
        }
        if self.tokens.next_if(|token| token.kind == TokenKind::Open).is_some() {
            let inner = self.alternatives(depth + 1)?;
            return match self.tokens.next() {
                Some(Token { kind: TokenKind::Close, .. }) => Ok(inner),
                other => Err(self.unexpected("`and`, `or` or `)`", other)),
            };
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Filter, FilterError> {
        let field = self.tokens.next();
        let Some(Token { at, kind: TokenKind::Word(name) }) = field else {
            return Err(self.unexpected(&format!("a field ({FIELDS})"), field));
        };
        let number = match name.as_str() {
            "version" => Some(NumberField::Version),
            "createdAt" => Some(NumberField::CreatedAt),
            _ => None,
        };
        if let Some(field) = number {
            let comparison = self.sign("one of = != < <= > >=")?;
            let (at, text) = self.value()?;
            return Ok(Filter::Number {
                field,
                comparison,
                value: number_value(field, at, &text)?,
            });
        }
        let field = text_field(at, &name)?;
        if self.take_word("like") {
            return Ok(Filter::Like { field, pattern: self.value()?.1 });
        }
        let comparison = self.sign("one of = != < <= > >= like")?;
        let (at, value) = self.value()?;
        if field == TextField::Status && !STATUSES.contains(&value.as_str()) {
            let detail = format!("`{value}` is no status; there are {}", STATUSES.join(", "));
            return Err(FilterError::Value { at, detail });
        }
        Ok(Filter::Text { field, comparison, value })
    }

    fn sign(&mut self, expected: &str) -> Result<Comparison, FilterError> {
        match self.tokens.next() {
            Some(Token { kind: TokenKind::Comparison(comparison), .. }) => Ok(comparison),
            other => Err(self.unexpected(expected, other)),
        }
    }

    fn value(&mut self) -> Result<(usize, String), FilterError> {
        match self.tokens.next() {
            Some(Token { at, kind: TokenKind::Word(text) | TokenKind::Quoted(text) }) => {
                Ok((at, text))
            }
            other => Err(self.unexpected("a value", other)),
        }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_word =
            |token: &Token| matches!(&token.kind, TokenKind::Word(found) if found == word);
        self.tokens.next_if(is_word).is_some()
    }

    fn unexpected(&self, expected: &str, found: Option<Token>) -> FilterError {
        let (at, found) = match found {
            None => (self.end, "the end".to_owned()),
            Some(Token { at, kind }) => (at, kind.text()),
        };
        FilterError::Unexpected { at, expected: expected.to_owned(), found }
    }
}

impl TokenKind {
    fn text(&self) -> String {
        match self {
            Self::Open => "`(`".to_owned(),
            Self::Close => "`)`".to_owned(),
            Self::Comparison(_) => "a comparison".to_owned(),
            Self::Word(word) => format!("`{word}`"),
            Self::Quoted(text) => format!("the text {text:?}"),
        }
    }
}

fn text_field(at: usize, name: &str) -> Result<TextField, FilterError> {
    match name {
        "name" => Ok(TextField::Name),
        "status" => Ok(TextField::Status),
        _ => match name.strip_prefix("env.") {
            Some(key) if !key.is_empty() => Ok(TextField::Env(key.to_owned())),
            _ => Err(FilterError::Unexpected {
                at,
                expected: format!("a field ({FIELDS})"),
                found: format!("`{name}`"),
            }),
        },
    }
}

fn number_value(field: NumberField, at: usize, text: &str) -> Result<u64, FilterError> {
    let detail = match field {
        NumberField::Version => match text.parse() {
            Ok(version) => return Ok(version),
            Err(_) => format!("a version is a whole number, `{text}` is none"),
        },
        NumberField::CreatedAt => match crate::time::parse_instant(text) {
            Ok(instant) => return Ok(instant.0),
            Err(detail) => detail,
        },
    };
    Err(FilterError::Value { at, detail })
}
