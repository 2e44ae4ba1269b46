//! YAML as a tree that knows its lines.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// How deep values may nest.
const MAX_DEPTH: usize = 16;

/// A value and the line where it begins, from 1.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) form: Form,
}

#[derive(Debug)]
pub(super) enum Form {
    /// Nothing stands there.
    Null,
    /// A scalar as it is written, without quotes.
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// What is wrong with a file, and in which line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct YamlError {
    pub(super) line: usize,
    pub(super) problem: String,
}

impl YamlError {
    pub(super) fn new(line: usize, problem: impl Into<String>) -> Self {
        Self { line, problem: problem.into() }
    }
}

/// The documents of a file that hold anything.
///
/// # Errors
/// [`YamlError`] where it is no YAML, or uses what component files have no use for.
pub(super) fn read(text: &str) -> Result<Vec<Node>, YamlError> {
    let mut reader = Reader { parser: Parser::new_from_str(text) };
    let mut documents = Vec::new();
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::Nothing => {}
            event => {
                let document = reader.node(event, span, MAX_DEPTH)?;
                if !matches!(document.form, Form::Null) {
                    documents.push(document);
                }
            }
        }
    }
    Ok(documents)
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, YamlError> {
        match self.parser.next() {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(error)) => Err(YamlError::new(error.marker().line(), error.info())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, YamlError> {
        let line = span.start.line();
        let depth =
            depth.checked_sub(1).ok_or_else(|| YamlError::new(line, "values nest too deep"))?;
        let form = match event {
            Event::Scalar(text, style, _, _) => {
                let is_null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null");
                if is_null { Form::Null } else { Form::Text(text.into_owned()) }
            }
            Event::SequenceStart(..) => {
                let mut elements = Vec::new();
                loop {
                    match self.within(line)? {
                        (Event::SequenceEnd, _) => break Form::List(elements),
                        (event, span) => elements.push(self.node(event, span, depth)?),
                    }
                }
            }
            Event::MappingStart(..) => self.members(line, depth)?,
            _ => return Err(YamlError::new(line, "an alias; write the value out")),
        };
        Ok(Node { line, form })
    }

    fn members(&mut self, line: usize, depth: usize) -> Result<Form, YamlError> {
        let mut members: Vec<(String, Node)> = Vec::new();
        loop {
            let (event, span) = self.within(line)?;
            let name = match event {
                Event::MappingEnd => return Ok(Form::Map(members)),
                Event::Scalar(name, ..) => name.into_owned(),
                _ => return Err(YamlError::new(span.start.line(), "a name was expected")),
            };
            if members.iter().any(|(other, _)| *other == name) {
                return Err(YamlError::new(span.start.line(), format!("`{name}` stands twice")));
            }
            let (event, span) = self.within(line)?;
            members.push((name, self.node(event, span, depth)?));
        }
    }

    fn within(&mut self, line: usize) -> Result<(Event<'a>, Span), YamlError> {
        self.next()?.ok_or_else(|| YamlError::new(line, "the file ends within a value"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_their_lines() {
        let documents = read("# comment\na: 1\nb:\n  - x\n  - 'y'\n---\n---\nc: {d: ~}\n");
        let documents = documents.expect("YAML");
        assert_eq!(documents.len(), 2);
        let Form::Map(members) = &documents[0].form else { panic!("a map") };
        assert!(matches!(&members[0].1.form, Form::Text(text) if text == "1"));
        let Form::List(elements) = &members[1].1.form else { panic!("a list") };
        assert_eq!((elements[0].line, elements[1].line), (4, 5));
    }

    #[test]
    fn what_is_no_use_is_refused_with_its_line() {
        let refused = |text: &str| read(text).expect_err(text);
        assert_eq!(refused("a: 1\na: 2\n"), YamlError::new(2, "`a` stands twice"));
        assert_eq!(refused("a: &x 1\nb: *x\n").line, 2);
        assert_eq!(refused("a: [1\nb: 2").line, 2);
        assert!(refused(&"[".repeat(40)).problem.contains("deep"));
    }
}
