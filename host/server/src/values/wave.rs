//! Bodies of `application/wave`.

use everlog_runtime::value::{HandleUrns, Value, wave};
use wasmtime::component::types::Type;

use super::{Invalid, MAX_WAVE_BYTES};

/// Reads the arguments for `parameters`, one value a line.
///
/// # Errors
/// [`Invalid`] without a pointer; the message names the place.
pub(crate) fn decode_wave(
    body: &[u8],
    parameters: &[(String, Type)],
    urns: &HandleUrns,
) -> Result<Vec<Value>, Invalid> {
    if body.len() > MAX_WAVE_BYTES {
        let length = body.len();
        return Err(Invalid::body(format!(
            "the arguments are {length} bytes long, more than {MAX_WAVE_BYTES}"
        )));
    }
    let text = std::str::from_utf8(body)
        .map_err(|error| Invalid::body(format!("the body is not UTF-8: {error}")))?;
    wave::parse_lines(text, parameters, urns).map_err(|error| Invalid::body(error.to_string()))
}

/// The result of a call: one line, or nothing where there is no result.
pub(crate) fn encode_wave(result: Option<&Value>, urns: &HandleUrns) -> String {
    result.map(|value| wave::to_text(value, urns) + "\n").unwrap_or_default()
}
