//! Printing results.

use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::Value;

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// As the server answered, indented.
    Json,
    /// One item of a list a line.
    Jsonl,
}

/// Where results go: standard output, in one format.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    pub(super) format: Format,
}

impl Output {
    pub(super) fn new(format: Format) -> Self {
        Self { format }
    }

    /// Prints one thing; `text` makes what people read of it.
    ///
    /// # Errors
    /// If standard output takes no more.
    pub(super) fn one(self, value: &Value, text: impl FnOnce(&Value) -> String) -> io::Result<()> {
        match self.format {
            Format::Text => line(text(value).trim_end()),
            Format::Json => line(&format!("{value:#}")),
            Format::Jsonl => line(&value.to_string()),
        }
    }

    /// Prints an answer that holds a list under `member`; `text` makes what people read of the
    /// list.
    ///
    /// # Errors
    /// If standard output takes no more.
    pub(super) fn list(
        self,
        answer: &Value,
        member: &str,
        text: impl FnOnce(&[Value]) -> String,
    ) -> io::Result<()> {
        let items = answer[member].as_array().map(Vec::as_slice).unwrap_or_default();
        match self.format {
            Format::Text => line(text(items).trim_end()),
            Format::Json => line(&format!("{answer:#}")),
            Format::Jsonl => items.iter().try_for_each(|item| line(&item.to_string())),
        }
    }

    /// Says that something was done: only people want to read that.
    ///
    /// # Errors
    /// If standard output takes no more.
    pub(super) fn done(self, text: &str) -> io::Result<()> {
        if self.format == Format::Text { line(text) } else { Ok(()) }
    }
}

/// Prints a line; nothing where it is empty. Unlike `println!` it does not panic when the reader
/// has gone.
///
/// # Errors
/// If standard output takes no more.
pub(super) fn line(text: &str) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let mut output = io::stdout().lock();
    writeln!(output, "{text}")?;
    output.flush()
}
