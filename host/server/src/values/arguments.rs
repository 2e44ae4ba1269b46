//! The arguments of a call, from a JSON body.

use std::fmt;

use everlog_runtime::value::{HandleUrns, Value, type_text};
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use wasmtime::component::types::Type;

use super::invalid::Reading;
use super::seed::{KeySeed, Noun, ValueSeed, set_once};
use super::{Invalid, MAX_ARGUMENTS_BYTES};

/// Reads the arguments for `parameters`: a JSON array by position, an object by name, or nothing
/// where there are no parameters.
///
/// Nesting is limited by the types, which have 100 levels at most: a level that the type does not
/// have is refused before it is entered.
///
/// # Errors
/// [`Invalid`], with a pointer to what does not fit.
pub(crate) fn decode_arguments(
    body: &[u8],
    parameters: &[(String, Type)],
    urns: &HandleUrns,
) -> Result<Vec<Value>, Invalid> {
    if body.len() > MAX_ARGUMENTS_BYTES {
        let length = body.len();
        return Err(Invalid::body(format!(
            "the arguments are {length} bytes long, more than {MAX_ARGUMENTS_BYTES}"
        )));
    }
    if body.trim_ascii().is_empty() {
        return if parameters.is_empty() {
            Ok(Vec::new())
        } else {
            Err(Invalid::body(format!("the body is empty; expected {}", wanted(parameters))))
        };
    }
    let reading = Reading::new(urns);
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let seed = Arguments { parameters, reading: &reading };
    match seed.deserialize(&mut deserializer).and_then(|values| {
        deserializer.end()?;
        Ok(values)
    }) {
        Ok(values) => Ok(values),
        Err(error) => Err(reading.failure(&error)),
    }
}

/// What the function wants, for messages: `2 arguments (name: string, count: u32)`.
fn wanted(parameters: &[(String, Type)]) -> String {
    if parameters.is_empty() {
        return "no arguments".to_owned();
    }
    let count = parameters.len();
    let plural = if count == 1 { "" } else { "s" };
    let list: Vec<String> =
        parameters.iter().map(|(name, ty)| format!("{name}: {}", type_text(ty))).collect();
    format!("{count} argument{plural} ({})", list.join(", "))
}

#[derive(Clone, Copy)]
struct Arguments<'call> {
    parameters: &'call [(String, Type)],
    reading: &'call Reading<'call>,
}

impl<'de> DeserializeSeed<'de> for Arguments<'_> {
    type Value = Vec<Value>;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<Vec<Value>, D::Error> {
        json.deserialize_any(self)
    }
}

impl Arguments<'_> {
    fn wrong<E: serde::de::Error>(&self, found: &str) -> E {
        let wanted = wanted(self.parameters);
        self.reading.fail(format!("expected an array or an object of {wanted}, found {found}"))
    }
}

impl<'de> Visitor<'de> for Arguments<'_> {
    type Value = Vec<Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&wanted(self.parameters))
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Err(self.wrong("a boolean"))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Err(self.wrong("a number"))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Err(self.wrong("a number"))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(self.wrong("a number"))
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(self.wrong("a string"))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Err(self.wrong("null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let Self { parameters, reading } = self;
        let mut values = Vec::with_capacity(parameters.len());
        for (index, (_, ty)) in parameters.iter().enumerate() {
            match elements.next_element_seed(ValueSeed { ty, reading }) {
                Ok(Some(value)) => values.push(value),
                Ok(None) => {
                    let message = format!("expected {}, found {index}", wanted(parameters));
                    return Err(reading.fail(message));
                }
                Err(error) => return Err(reading.in_element(index, error)),
            }
        }
        let mut extra = 0;
        while elements.next_element::<IgnoredAny>()?.is_some() {
            extra += 1;
        }
        if extra > 0 {
            let found = parameters.len() + extra;
            return Err(reading.fail(format!("expected {}, found {found}", wanted(parameters))));
        }
        Ok(values)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let Self { parameters, reading } = self;
        let names: Vec<&str> = parameters.iter().map(|(name, _)| name.as_str()).collect();
        let mut values = Vec::new();
        values.resize_with(parameters.len(), || None);
        let key = KeySeed { names: &names, noun: Noun::Parameter, reading };
        while let Some(key) = members.next_key_seed(key)? {
            members
                .next_value_seed(ValueSeed { ty: &parameters[key.place].1, reading })
                .and_then(|value| set_once(&mut values[key.place], value, reading))
                .map_err(|error| reading.in_member(key.text(&names), error))?;
        }
        let complete = |((name, ty), value): (&(String, Type), Option<Value>)| match (value, ty) {
            (Some(value), _) => Ok(value),
            (None, Type::Option(_)) => Ok(Value::Option(None)),
            (None, ty) => {
                let message = format!("the argument {name} ({}) is missing", type_text(ty));
                Err(reading.in_member(name, reading.fail(message)))
            }
        };
        parameters.iter().zip(values).map(complete).collect()
    }
}
