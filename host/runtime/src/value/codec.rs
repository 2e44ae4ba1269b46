//! Values as bytes in the log.
//!
//! One tag byte per value, then its content in bincode's encoding. Tags are the format: they are
//! only appended to, never renumbered, since logs are readable for ever.

use bincode::config::{self, Config};
use bincode::de::Decoder;
use bincode::de::read::Reader;
use bincode::enc::Encoder;
use bincode::enc::write::Writer;
use bincode::error::{AllowedEnumVariants, DecodeError, EncodeError};
use bincode::{Decode, Encode};

use super::{CodecError, F32, F64, MAX_DEPTH, Value};

/// Room made before the elements are read, so that a forged count cannot ask for memory.
const MAX_PREALLOCATED: usize = 1_024;
/// Bytes read at once of a string or byte list whose length is not yet known to be true.
const CHUNK_BYTES: usize = 64 * 1_024;

mod tag {
    pub(super) const BOOL: u8 = 0;
    pub(super) const S8: u8 = 1;
    pub(super) const U8: u8 = 2;
    pub(super) const S16: u8 = 3;
    pub(super) const U16: u8 = 4;
    pub(super) const S32: u8 = 5;
    pub(super) const U32: u8 = 6;
    pub(super) const S64: u8 = 7;
    pub(super) const U64: u8 = 8;
    pub(super) const FLOAT32: u8 = 9;
    pub(super) const FLOAT64: u8 = 10;
    pub(super) const CHAR: u8 = 11;
    pub(super) const STRING: u8 = 12;
    pub(super) const BYTES: u8 = 13;
    pub(super) const LIST: u8 = 14;
    pub(super) const RECORD: u8 = 15;
    pub(super) const TUPLE: u8 = 16;
    pub(super) const VARIANT: u8 = 17;
    pub(super) const ENUM: u8 = 18;
    pub(super) const OPTION: u8 = 19;
    pub(super) const RESULT: u8 = 20;
    pub(super) const FLAGS: u8 = 21;
    pub(super) const HANDLE: u8 = 22;
}

/// The byte after [`tag::RESULT`]: which side, and whether a payload follows.
mod result {
    pub(super) const OK: u8 = 0;
    pub(super) const OK_WITH: u8 = 1;
    pub(super) const ERR: u8 = 2;
    pub(super) const ERR_WITH: u8 = 3;
}

static VALUE_TAGS: AllowedEnumVariants =
    AllowedEnumVariants::Range { min: 0, max: tag::HANDLE as u32 };
static RESULT_TAGS: AllowedEnumVariants =
    AllowedEnumVariants::Range { min: 0, max: result::ERR_WITH as u32 };

/// The arguments of a call as bytes.
///
/// # Errors
/// [`CodecError::TooDeep`].
pub fn encode_values(values: &[Value]) -> Result<Vec<u8>, CodecError> {
    encode(values)
}

/// The arguments of a call, from the bytes that [`encode_values`] made.
///
/// # Errors
/// [`CodecError`], for bytes that are damaged; never a panic.
pub fn decode_values(bytes: &[u8]) -> Result<Vec<Value>, CodecError> {
    decode::<Arguments>(bytes).map(|arguments| arguments.0)
}

/// The result of a call as bytes; `None` where its type has no result.
///
/// # Errors
/// [`CodecError::TooDeep`].
pub fn encode_result(result: Option<&Value>) -> Result<Vec<u8>, CodecError> {
    encode(result)
}

/// The result of a call, from the bytes that [`encode_result`] made.
///
/// # Errors
/// [`CodecError`], for bytes that are damaged; never a panic.
pub fn decode_result(bytes: &[u8]) -> Result<Option<Value>, CodecError> {
    decode(bytes)
}

/// Fixed here, since the log's bytes depend on it.
fn format() -> impl Config {
    config::standard()
}

fn encode(value: impl Encode) -> Result<Vec<u8>, CodecError> {
    // Writing to memory fails for one reason only.
    bincode::encode_to_vec(value, format()).map_err(|_| CodecError::TooDeep)
}

fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<T, CodecError> {
    let (value, length) = bincode::decode_from_slice(bytes, format())
        .map_err(|error| CodecError::Unreadable(error.to_string()))?;
    if length != bytes.len() {
        return Err(CodecError::TrailingBytes { expected: length, found: bytes.len() });
    }
    Ok(value)
}

/// A list of values that reserves no room on the word of its count.
struct Arguments(Vec<Value>);

impl<Context> Decode<Context> for Arguments {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        decode_sequence(decoder, |decoder| decode_value(decoder, 1)).map(Self)
    }
}

impl Encode for Value {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        encode_value(self, encoder, 1)
    }
}

impl<Context> Decode<Context> for Value {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        decode_value(decoder, 1)
    }
}

bincode::impl_borrow_decode!(Value);

fn encode_value<E: Encoder>(
    value: &Value,
    encoder: &mut E,
    level: usize,
) -> Result<(), EncodeError> {
    if level > MAX_DEPTH {
        return Err(EncodeError::Other("value nested too deep"));
    }
    match value {
        Value::Bool(content) => tagged(encoder, tag::BOOL, content),
        Value::S8(content) => tagged(encoder, tag::S8, content),
        Value::U8(content) => tagged(encoder, tag::U8, content),
        Value::S16(content) => tagged(encoder, tag::S16, content),
        Value::U16(content) => tagged(encoder, tag::U16, content),
        Value::S32(content) => tagged(encoder, tag::S32, content),
        Value::U32(content) => tagged(encoder, tag::U32, content),
        Value::S64(content) => tagged(encoder, tag::S64, content),
        Value::U64(content) => tagged(encoder, tag::U64, content),
        Value::Float32(content) => tagged(encoder, tag::FLOAT32, content.get()),
        Value::Float64(content) => tagged(encoder, tag::FLOAT64, content.get()),
        Value::Char(content) => tagged(encoder, tag::CHAR, content),
        Value::String(content) => tagged(encoder, tag::STRING, content.as_str()),
        Value::Bytes(content) => {
            tagged(encoder, tag::BYTES, content.len() as u64)?;
            encoder.writer().write(content)
        }
        Value::Enum(case) => tagged(encoder, tag::ENUM, case.as_str()),
        Value::Flags(names) => tagged(encoder, tag::FLAGS, names),
        Value::Handle(id) => tagged(encoder, tag::HANDLE, id),
        Value::List(elements) => encode_elements(encoder, tag::LIST, elements, level),
        Value::Tuple(elements) => encode_elements(encoder, tag::TUPLE, elements, level),
        Value::Record(fields) => {
            tagged(encoder, tag::RECORD, fields.len() as u64)?;
            fields.iter().try_for_each(|(name, field)| {
                name.encode(encoder)?;
                encode_value(field, encoder, level + 1)
            })
        }
        Value::Variant(case, payload) => {
            tagged(encoder, tag::VARIANT, case.as_str())?;
            payload.is_some().encode(encoder)?;
            encode_payload(encoder, payload.as_deref(), level)
        }
        Value::Option(payload) => {
            tagged(encoder, tag::OPTION, payload.is_some())?;
            encode_payload(encoder, payload.as_deref(), level)
        }
        Value::Result(outcome) => {
            let (side, payload) = match outcome {
                Ok(None) => (result::OK, &None),
                Ok(payload) => (result::OK_WITH, payload),
                Err(None) => (result::ERR, &None),
                Err(payload) => (result::ERR_WITH, payload),
            };
            tagged(encoder, tag::RESULT, side)?;
            encode_payload(encoder, payload.as_deref(), level)
        }
    }
}

fn tagged<E: Encoder>(encoder: &mut E, tag: u8, content: impl Encode) -> Result<(), EncodeError> {
    tag.encode(encoder)?;
    content.encode(encoder)
}

fn encode_elements<E: Encoder>(
    encoder: &mut E,
    tag: u8,
    elements: &[Value],
    level: usize,
) -> Result<(), EncodeError> {
    tagged(encoder, tag, elements.len() as u64)?;
    elements.iter().try_for_each(|element| encode_value(element, encoder, level + 1))
}

fn encode_payload<E: Encoder>(
    encoder: &mut E,
    payload: Option<&Value>,
    level: usize,
) -> Result<(), EncodeError> {
    match payload {
        Some(value) => encode_value(value, encoder, level + 1),
        None => Ok(()),
    }
}

fn decode_value<D: Decoder>(decoder: &mut D, level: usize) -> Result<Value, DecodeError> {
    if level > MAX_DEPTH {
        return Err(DecodeError::Other("value nested too deep"));
    }
    Ok(match u8::decode(decoder)? {
        tag::BOOL => Value::Bool(Decode::decode(decoder)?),
        tag::S8 => Value::S8(Decode::decode(decoder)?),
        tag::U8 => Value::U8(Decode::decode(decoder)?),
        tag::S16 => Value::S16(Decode::decode(decoder)?),
        tag::U16 => Value::U16(Decode::decode(decoder)?),
        tag::S32 => Value::S32(Decode::decode(decoder)?),
        tag::U32 => Value::U32(Decode::decode(decoder)?),
        tag::S64 => Value::S64(Decode::decode(decoder)?),
        tag::U64 => Value::U64(Decode::decode(decoder)?),
        tag::FLOAT32 => Value::Float32(F32::new(Decode::decode(decoder)?)),
        tag::FLOAT64 => Value::Float64(F64::new(Decode::decode(decoder)?)),
        tag::CHAR => Value::Char(Decode::decode(decoder)?),
        tag::STRING => Value::String(decode_string(decoder)?),
        tag::BYTES => Value::Bytes(decode_bytes(decoder)?),
        tag::LIST => Value::List(decode_elements(decoder, level)?),
        tag::RECORD => Value::Record(decode_sequence(decoder, |decoder| {
            Ok((decode_string(decoder)?, decode_value(decoder, level + 1)?))
        })?),
        tag::TUPLE => Value::Tuple(decode_elements(decoder, level)?),
        tag::VARIANT => {
            let case = decode_string(decoder)?;
            let has_payload = bool::decode(decoder)?;
            Value::Variant(case, decode_payload(decoder, has_payload, level)?)
        }
        tag::ENUM => Value::Enum(decode_string(decoder)?),
        tag::OPTION => {
            let has_payload = bool::decode(decoder)?;
            Value::Option(decode_payload(decoder, has_payload, level)?)
        }
        tag::RESULT => Value::Result(match u8::decode(decoder)? {
            result::OK => Ok(None),
            result::OK_WITH => Ok(decode_payload(decoder, true, level)?),
            result::ERR => Err(None),
            result::ERR_WITH => Err(decode_payload(decoder, true, level)?),
            other => return Err(unknown_tag("result", &RESULT_TAGS, other)),
        }),
        tag::FLAGS => Value::Flags(decode_sequence(decoder, decode_string)?),
        tag::HANDLE => Value::Handle(Decode::decode(decoder)?),
        other => return Err(unknown_tag("value", &VALUE_TAGS, other)),
    })
}

fn unknown_tag(
    type_name: &'static str,
    allowed: &'static AllowedEnumVariants,
    found: u8,
) -> DecodeError {
    DecodeError::UnexpectedVariant { type_name, allowed, found: u32::from(found) }
}

fn decode_payload<D: Decoder>(
    decoder: &mut D,
    has_payload: bool,
    level: usize,
) -> Result<Option<Box<Value>>, DecodeError> {
    has_payload.then(|| decode_value(decoder, level + 1).map(Box::new)).transpose()
}

fn decode_elements<D: Decoder>(decoder: &mut D, level: usize) -> Result<Vec<Value>, DecodeError> {
    decode_sequence(decoder, |decoder| decode_value(decoder, level + 1))
}

fn decode_length<D: Decoder>(decoder: &mut D) -> Result<usize, DecodeError> {
    let length = u64::decode(decoder)?;
    usize::try_from(length).map_err(|_| DecodeError::OutsideUsizeRange(length))
}

fn decode_sequence<D: Decoder, T>(
    decoder: &mut D,
    mut element: impl FnMut(&mut D) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let length = decode_length(decoder)?;
    let mut elements = Vec::with_capacity(length.min(MAX_PREALLOCATED));
    for _ in 0..length {
        elements.push(element(decoder)?);
    }
    Ok(elements)
}

fn decode_string<D: Decoder>(decoder: &mut D) -> Result<String, DecodeError> {
    String::from_utf8(decode_bytes(decoder)?)
        .map_err(|error| DecodeError::Utf8 { inner: error.utf8_error() })
}

fn decode_bytes<D: Decoder>(decoder: &mut D) -> Result<Vec<u8>, DecodeError> {
    let length = decode_length(decoder)?;
    decoder.claim_bytes_read(length)?;
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let start = bytes.len();
        bytes.resize(length.min(start + CHUNK_BYTES), 0);
        decoder.reader().read(&mut bytes[start..])?;
    }
    Ok(bytes)
}
