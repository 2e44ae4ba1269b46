//! WIT values as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use everlog_runtime::value::{HandleUrns, Value};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

/// How a `list<u8>` is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BytesAs {
    /// An array of numbers.
    #[default]
    Array,
    /// A base64 string, with padding.
    Base64,
}

/// `value` as JSON: to be written straight to bytes, or within a larger answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<'call> {
    pub(crate) value: &'call Value,
    /// The handles of the worker that the value comes from.
    pub(crate) urns: &'call HandleUrns,
    pub(crate) bytes: BytesAs,
}

impl<'call> Json<'call> {
    /// The JSON text.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        // Writing to memory does not fail, and keys are strings.
        serde_json::to_vec(&self).unwrap_or_default()
    }

    fn of(self, value: &'call Value) -> Self {
        Self { value, ..self }
    }

    fn member<S: Serializer>(
        self,
        json: S,
        name: &str,
        payload: Option<&Value>,
    ) -> Result<S::Ok, S::Error> {
        let mut map = json.serialize_map(Some(1))?;
        match payload {
            Some(value) => map.serialize_entry(name, &Json { value, ..self })?,
            None => map.serialize_entry(name, &())?,
        }
        map.end()
    }

    fn handle<S: Serializer>(self, json: S, id: u64) -> Result<S::Ok, S::Error> {
        let mut urn = String::new();
        self.urns.write(id, &mut urn);
        json.serialize_str(&urn)
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, json: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Bool(content) => json.serialize_bool(*content),
            Value::S8(content) => json.serialize_i8(*content),
            Value::U8(content) => json.serialize_u8(*content),
            Value::S16(content) => json.serialize_i16(*content),
            Value::U16(content) => json.serialize_u16(*content),
            Value::S32(content) => json.serialize_i32(*content),
            Value::U32(content) => json.serialize_u32(*content),
            Value::S64(content) => json.serialize_i64(*content),
            Value::U64(content) => json.serialize_u64(*content),
            Value::Float32(content) => match special_float(content.get().into()) {
                Some(name) => json.serialize_str(name),
                None => json.serialize_f32(content.get()),
            },
            Value::Float64(content) => match special_float(content.get()) {
                Some(name) => json.serialize_str(name),
                None => json.serialize_f64(content.get()),
            },
            Value::Char(content) => json.serialize_char(*content),
            Value::String(content) | Value::Enum(content) => json.serialize_str(content),
            Value::Bytes(content) => match self.bytes {
                BytesAs::Array => json.collect_seq(content),
                BytesAs::Base64 => json.serialize_str(&STANDARD.encode(content)),
            },
            Value::List(elements) | Value::Tuple(elements) => {
                json.collect_seq(elements.iter().map(|element| self.of(element)))
            }
            Value::Record(fields) => {
                json.collect_map(fields.iter().map(|(name, field)| (name, self.of(field))))
            }
            Value::Variant(case, None) => json.serialize_str(case),
            Value::Variant(case, payload) => self.member(json, case, payload.as_deref()),
            Value::Flags(names) => json.collect_seq(names),
            Value::Option(None) => json.serialize_unit(),
            Value::Option(Some(payload)) => match payload.as_ref() {
                // Else some of none would read like none.
                Value::Option(_) => self.member(json, "some", Some(payload)),
                value => self.of(value).serialize(json),
            },
            Value::Result(Ok(payload)) => self.member(json, "ok", payload.as_deref()),
            Value::Result(Err(payload)) => self.member(json, "err", payload.as_deref()),
            Value::Handle(id) => self.handle(json, *id),
        }
    }
}

/// The floats that JSON has no numbers for.
fn special_float(number: f64) -> Option<&'static str> {
    if number.is_nan() {
        Some("NaN")
    } else if number.is_infinite() {
        Some(if number > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        None
    }
}
