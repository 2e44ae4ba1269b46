//! One JSON value as a WIT value of a known type.

use std::fmt;

use everlog_runtime::value::Value;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use wasmtime::component::types::Type;

use super::expect::{Expect, Shape};
use super::invalid::Reading;
use super::names::find_name;

/// Reads a value of type `ty`.
#[derive(Clone, Copy)]
pub(super) struct ValueSeed<'call> {
    pub(super) ty: &'call Type,
    pub(super) reading: &'call Reading<'call>,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        self.reading.count()?;
        match self.ty {
            Type::Option(option) => {
                json.deserialize_option(OptionVisitor { ty: &option.ty(), reading: self.reading })
            }
            ty => json.deserialize_any(Expect { shape: Shape::Of(ty), reading: self.reading }),
        }
    }
}

/// `null` or a value of `ty`; where that is an option again, `{"some": value}`.
struct OptionVisitor<'call> {
    ty: &'call Type,
    reading: &'call Reading<'call>,
}

impl<'de> Visitor<'de> for OptionVisitor<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an option")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Option(None))
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Option(None))
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        let Self { ty, reading } = self;
        if let Type::Option(_) = ty {
            return json.deserialize_any(Expect { shape: Shape::SomeOf(ty), reading });
        }
        let value = ValueSeed { ty, reading }.deserialize(json)?;
        Ok(Value::Option(Some(Box::new(value))))
    }
}

/// What the names of a [`KeySeed`] are.
#[derive(Clone, Copy)]
pub(super) enum Noun {
    Parameter,
    Field,
    Case,
    Flag,
}

impl Noun {
    fn text(self) -> &'static str {
        match self {
            Self::Parameter => "parameter",
            Self::Field => "field",
            Self::Case => "case",
            Self::Flag => "flag",
        }
    }

    /// Whether the name is the key of an object's member. A flag is an element of an array.
    fn is_member(self) -> bool {
        match self {
            Self::Parameter | Self::Field | Self::Case => true,
            Self::Flag => false,
        }
    }
}

/// A name in the JSON, looked up among the `names` that the type knows.
#[derive(Clone, Copy)]
pub(super) struct KeySeed<'call> {
    pub(super) names: &'call [&'call str],
    /// What the names are.
    pub(super) noun: Noun,
    pub(super) reading: &'call Reading<'call>,
}

/// A name of the type.
pub(super) struct Key {
    /// Which one.
    pub(super) place: usize,
    /// How the caller wrote it, where that is another way than the type's.
    given: Option<String>,
}

impl Key {
    /// The name as the caller wrote it.
    pub(super) fn text<'key>(&'key self, names: &[&'key str]) -> &'key str {
        self.given.as_deref().unwrap_or(names[self.place])
    }
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Key;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<Key, D::Error> {
        json.deserialize_any(self)
    }
}

impl KeySeed<'_> {
    fn wrong<E: serde::de::Error>(&self, found: &str) -> E {
        let noun = self.noun.text();
        self.reading.fail(format!("expected the name of a {noun}, found {found}"))
    }

    /// Refuses the name `given`, and points at the member that has it.
    fn unknown<E: serde::de::Error>(&self, given: &str) -> E {
        let known = &self.names[..self.names.len().min(MAX_NAMES_SHOWN)];
        let (noun, known) = (self.noun.text(), known.join(", "));
        let error = self.reading.fail(format!("unknown {noun} {given:?}; known: {known}"));
        if self.noun.is_member() { self.reading.in_member(given, error) } else { error }
    }
}

impl<'de> Visitor<'de> for KeySeed<'_> {
    type Value = Key;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the name of a {}", self.noun.text())
    }

    fn visit_str<E: serde::de::Error>(self, given: &str) -> Result<Key, E> {
        let (place, exact) = find_name(self.names, given).ok_or_else(|| self.unknown(given))?;
        Ok(Key { place, given: (!exact).then(|| given.to_owned()) })
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Key, E> {
        Err(self.wrong("a boolean"))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Key, E> {
        Err(self.wrong("a number"))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Key, E> {
        Err(self.wrong("a number"))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Key, E> {
        Err(self.wrong("a number"))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Key, E> {
        Err(self.wrong("null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Key, A::Error> {
        Err(self.wrong("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Key, A::Error> {
        Err(self.wrong("an object"))
    }
}

/// How many names a message lists of those that would have been known.
const MAX_NAMES_SHOWN: usize = 20;

/// Fills the place of a field, once.
pub(super) fn set_once<E: serde::de::Error>(
    place: &mut Option<Value>,
    value: Value,
    reading: &Reading<'_>,
) -> Result<(), E> {
    if place.is_some() {
        return Err(reading.fail("it is given twice"));
    }
    *place = Some(value);
    Ok(())
}
