//! Values as WAVE.

use std::fmt::Write as _;

use crate::value::{HandleUrns, Value};

/// Appends values to one text.
pub(super) struct Writer<'call> {
    out: String,
    urns: &'call HandleUrns,
}

impl<'call> Writer<'call> {
    pub(super) fn new(urns: &'call HandleUrns) -> Self {
        Self { out: String::new(), urns }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    pub(super) fn value(&mut self, value: &Value) {
        match value {
            Value::Bool(content) => self.display(content),
            Value::S8(content) => self.display(content),
            Value::U8(content) => self.display(content),
            Value::S16(content) => self.display(content),
            Value::U16(content) => self.display(content),
            Value::S32(content) => self.display(content),
            Value::U32(content) => self.display(content),
            Value::S64(content) => self.display(content),
            Value::U64(content) => self.display(content),
            Value::Float32(content) => self.float(&format!("{content:?}")),
            Value::Float64(content) => self.float(&format!("{content:?}")),
            Value::Char(content) => {
                self.out.push('\'');
                self.escaped(*content, '\'');
                self.out.push('\'');
            }
            Value::String(content) => self.string(content),
            Value::Bytes(bytes) => self.list(bytes, |writer, byte| writer.display(byte)),
            Value::List(elements) => self.list(elements, Self::value),
            Value::Tuple(elements) => {
                self.out.push('(');
                self.separated(elements, Self::value);
                self.out.push(')');
            }
            Value::Record(fields) => self.record(fields),
            Value::Variant(case, payload) => {
                self.label(case);
                self.payload(payload.as_deref());
            }
            Value::Enum(case) => self.label(case),
            Value::Flags(names) => {
                self.out.push('{');
                self.separated(names, |writer, name| writer.out.push_str(name));
                self.out.push('}');
            }
            Value::Option(None) => self.out.push_str("none"),
            Value::Option(payload) => {
                self.out.push_str("some");
                self.payload(payload.as_deref());
            }
            Value::Result(outcome) => {
                let (case, payload) = match outcome {
                    Ok(payload) => ("ok", payload),
                    Err(payload) => ("err", payload),
                };
                self.out.push_str(case);
                self.payload(payload.as_deref());
            }
            Value::Handle(id) => {
                let mut urn = String::new();
                self.urns.write(*id, &mut urn);
                self.string(&urn);
            }
        }
    }

    fn display(&mut self, content: impl std::fmt::Display) {
        // Writing to a string cannot fail.
        write!(self.out, "{content}").unwrap_or_default();
    }

    /// `debug` is Rust's text, which has an exponent where the digits would be many.
    fn float(&mut self, debug: &str) {
        let text = if debug == "NaN" { "nan" } else { debug };
        self.out.push_str(text.strip_suffix(".0").unwrap_or(text));
    }

    fn string(&mut self, content: &str) {
        self.out.push('"');
        content.chars().for_each(|character| self.escaped(character, '"'));
        self.out.push('"');
    }

    fn escaped(&mut self, character: char, quote: char) {
        match character {
            '\t' => self.out.push_str("\\t"),
            '\n' => self.out.push_str("\\n"),
            '\r' => self.out.push_str("\\r"),
            '\\' => self.out.push_str("\\\\"),
            character if character == quote => {
                self.out.push('\\');
                self.out.push(quote);
            }
            character if character.is_control() => self.display(character.escape_unicode()),
            character => self.out.push(character),
        }
    }

    /// A case that is also a word of WAVE is marked with `%`.
    fn label(&mut self, name: &str) {
        if matches!(name, "true" | "false" | "some" | "none" | "ok" | "err" | "inf" | "nan") {
            self.out.push('%');
        }
        self.out.push_str(name);
    }

    fn payload(&mut self, payload: Option<&Value>) {
        if let Some(value) = payload {
            self.out.push('(');
            self.value(value);
            self.out.push(')');
        }
    }

    fn record(&mut self, fields: &[(String, Value)]) {
        let given = fields.iter().filter(|(_, value)| *value != Value::Option(None));
        self.out.push('{');
        let before = self.out.len();
        self.separated(given, |writer, (name, value)| {
            writer.out.push_str(name);
            writer.out.push_str(": ");
            writer.value(value);
        });
        // A record whose fields are all left out is told from no flags by a colon.
        if self.out.len() == before {
            self.out.push(':');
        }
        self.out.push('}');
    }

    fn list<T>(&mut self, elements: &[T], write: impl FnMut(&mut Self, &T)) {
        self.out.push('[');
        self.separated(elements, write);
        self.out.push(']');
    }

    pub(super) fn separated<'items, T: 'items>(
        &mut self,
        items: impl IntoIterator<Item = &'items T>,
        mut write: impl FnMut(&mut Self, &'items T),
    ) {
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.out.push_str(", ");
            }
            write(self, item);
        }
    }
}
