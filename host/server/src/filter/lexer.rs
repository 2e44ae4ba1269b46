//! Splits an expression into tokens.

use super::{Comparison, FilterError};

/// A piece of an expression and the byte where it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: TokenKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Open,
    Close,
    Comparison(Comparison),
    /// Field, keyword or bare value.
    Word(String),
    /// A text in quotes: never a field or a keyword.
    Quoted(String),
}

/// The tokens of `text`, in order.
///
/// # Errors
/// [`FilterError::OpenQuote`], and [`FilterError::Unexpected`] for a lone `!`.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, FilterError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(character) = text[at..].chars().next() {
        if character.is_whitespace() {
            at += character.len_utf8();
            continue;
        }
        let (kind, length) = match character {
            '(' => (TokenKind::Open, 1),
            ')' => (TokenKind::Close, 1),
            '"' | '\'' => quoted(text, at, character)?,
            '=' | '!' | '<' | '>' => comparison(text, at)?,
            _ => word(&text[at..]),
        };
        tokens.push(Token { at, kind });
        at += length;
    }
    Ok(tokens)
}

fn comparison(text: &str, at: usize) -> Result<(TokenKind, usize), FilterError> {
    /// The longer ones first, since `<` begins `<=`.
    const COMPARISONS: [(&str, Comparison); 6] = [
        ("!=", Comparison::NotEqual),
        ("<=", Comparison::LessOrEqual),
        (">=", Comparison::GreaterOrEqual),
        ("=", Comparison::Equal),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ];
    let found = COMPARISONS.iter().find(|(sign, _)| text[at..].starts_with(sign));
    match found {
        Some((sign, comparison)) => Ok((TokenKind::Comparison(*comparison), sign.len())),
        None => Err(FilterError::Unexpected {
            at,
            expected: "a comparison".to_owned(),
            found: "`!` alone (write `not` or `!=`)".to_owned(),
        }),
    }
}

fn quoted(text: &str, at: usize, quote: char) -> Result<(TokenKind, usize), FilterError> {
    let mut value = String::new();
    let mut escaped = false;
    for (offset, character) in text[at..].char_indices().skip(1) {
        if escaped {
            value.push(character);
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return Ok((TokenKind::Quoted(value), offset + 1));
        } else {
            value.push(character);
        }
    }
    Err(FilterError::OpenQuote { at })
}

fn word(text: &str) -> (TokenKind, usize) {
    let ends = |character: char| character.is_whitespace() || "()=!<>\"'".contains(character);
    let length = text.find(ends).unwrap_or(text.len());
    (TokenKind::Word(text[..length].to_owned()), length)
}
