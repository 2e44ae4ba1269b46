//! WIT values as WAVE text, the notation of the component tools.
//!
//! Handles, which WAVE has no notation for, are strings that [`HandleUrns`] makes and reads.
//! What is written here is canonical: equal values have equal text, on one line.

mod read;
mod write;

use wasm_wave::ast::Node;
use wasm_wave::parser::{Parser, ParserError};
use wasm_wave::untyped::UntypedValue;
use wasmtime::component::types::Type;

use super::convert::counted;
use super::{HandleUrns, Value, ValueError, ValueProblem};
use read::Reader;
use write::Writer;

/// Reads one value per parameter, separated by white space, as in one value a line.
///
/// # Errors
/// [`ValueError`], with the parameter's name first in its path. Nesting is limited by the parser
/// (100 levels), the text's length by the caller.
pub fn parse_lines(
    text: &str,
    parameters: &[(String, Type)],
    urns: &HandleUrns,
) -> Result<Vec<Value>, ValueError> {
    let mut parser = Parser::new(text);
    let mut values = Vec::with_capacity(parameters.len());
    for (name, ty) in parameters {
        let untyped = parser.parse_raw_value().map_err(|error| syntax(&error).in_field(name))?;
        let reader = Reader { source: text, urns };
        values.push(reader.value(untyped.node(), ty).map_err(|error| error.in_field(name))?);
    }
    parser.finish().map_err(|error| {
        let at = error.span().start;
        let expected = counted(parameters.len(), "value");
        ValueError::mismatch(expected, format!("more text, beginning at byte {at}"))
    })?;
    Ok(values)
}

/// Reads the arguments of a call, `("id", 5)` with the parentheses.
///
/// # Errors
/// As [`parse_lines`].
pub fn parse_arguments(
    text: &str,
    parameters: &[(String, Type)],
    urns: &HandleUrns,
) -> Result<Vec<Value>, ValueError> {
    let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    // WAVE has no empty tuple.
    let untyped = match inner.map(str::trim) {
        Some("") => None,
        Some(_) => Some(UntypedValue::parse(text).map_err(|error| syntax(&error))?),
        None => return Err(ValueError::mismatch("(arguments)", text)),
    };
    let nodes: Vec<&Node> = match &untyped {
        Some(untyped) => untyped.node().as_tuple().map_err(|error| syntax(&error))?.collect(),
        None => Vec::new(),
    };
    if nodes.len() != parameters.len() {
        let expected = counted(parameters.len(), "argument");
        return Err(ValueError::mismatch(expected, format!("{}", nodes.len())));
    }
    let reader = Reader { source: text, urns };
    let read = |((name, ty), node): (&(String, Type), &Node)| {
        reader.value(node, ty).map_err(|error| error.in_field(name))
    };
    parameters.iter().zip(nodes).map(read).collect()
}

/// The canonical text of the arguments of a call, without parentheses: `"id", 5`.
pub fn arguments_text(arguments: &[Value], urns: &HandleUrns) -> String {
    let mut writer = Writer::new(urns);
    writer.separated(arguments, |writer, argument| writer.value(argument));
    writer.finish()
}

/// The canonical text of `value`.
pub fn to_text(value: &Value, urns: &HandleUrns) -> String {
    let mut writer = Writer::new(urns);
    writer.value(value);
    writer.finish()
}

fn syntax(error: &ParserError) -> ValueError {
    let detail = error.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
    let at = error.span().start;
    ValueProblem::Syntax(format!("not WAVE: {}{detail} at byte {at}", error.kind())).into()
}
