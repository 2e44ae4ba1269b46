//! JSON of every kind, against the one type that is expected.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use everlog_runtime::value::{F32, F64, Value, type_text};
use serde::de::{MapAccess, SeqAccess, Visitor};
use wasmtime::component::types::{Flags, Record, Tuple, Type};

use super::invalid::Reading;
use super::names::find_name;
use super::seed::{KeySeed, Noun, ValueSeed, set_once};

/// The usual alphabet; the padding may be left out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How much of a wrong string a message repeats, in characters.
const MAX_SHOWN_CHARACTERS: usize = 40;

/// What the JSON has to be.
#[derive(Clone, Copy)]
pub(super) enum Shape<'call> {
    /// A value of a type that is not an option.
    Of(&'call Type),
    /// The some of an option whose payload, of this type, is an option itself: `{"some": …}`.
    SomeOf(&'call Type),
}

/// Takes the JSON value that comes, if it is of the expected shape.
#[derive(Clone, Copy)]
pub(super) struct Expect<'call> {
    pub(super) shape: Shape<'call>,
    pub(super) reading: &'call Reading<'call>,
}

impl<'de> Visitor<'de> for Expect<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.expected())
    }

    fn visit_bool<E: serde::de::Error>(self, content: bool) -> Result<Value, E> {
        match self.shape {
            Shape::Of(Type::Bool) => Ok(Value::Bool(content)),
            _ => Err(self.wrong("a boolean")),
        }
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Value, E> {
        match self.shape {
            Shape::Of(Type::Float32) => Ok(Value::Float32(F32::new(number as f32))),
            Shape::Of(Type::Float64) => Ok(Value::Float64(F64::new(number as f64))),
            _ => self.integer(number.into()).ok_or_else(|| self.wrong(&number.to_string())),
        }
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Value, E> {
        match self.shape {
            Shape::Of(Type::Float32) => Ok(Value::Float32(F32::new(number as f32))),
            Shape::Of(Type::Float64) => Ok(Value::Float64(F64::new(number as f64))),
            _ => self.integer(number.into()).ok_or_else(|| self.wrong(&number.to_string())),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        match self.shape {
            Shape::Of(Type::Float64) => Ok(Value::Float64(F64::new(number))),
            Shape::Of(Type::Float32) if (number as f32).is_finite() => {
                Ok(Value::Float32(F32::new(number as f32)))
            }
            _ => Err(self.wrong(&format!("{number:?}"))),
        }
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        let value = match self.shape {
            Shape::Of(Type::String) => Some(Value::String(text.to_owned())),
            Shape::Of(Type::Char) => only_character(text).map(Value::Char),
            Shape::Of(Type::U64) if is_decimal(text) => text.parse().ok().map(Value::U64),
            Shape::Of(Type::S64) if is_decimal(text) => text.parse().ok().map(Value::S64),
            Shape::Of(Type::Float32) => {
                special_float(text).map(|float| Value::Float32(F32::new(float as f32)))
            }
            Shape::Of(Type::Float64) => {
                special_float(text).map(|float| Value::Float64(F64::new(float)))
            }
            Shape::Of(Type::List(list)) if list.ty() == Type::U8 => {
                BASE64.decode(text).ok().map(Value::Bytes)
            }
            Shape::Of(Type::Enum(cases)) => {
                let names: Vec<&str> = cases.names().collect();
                find_name(&names, text).map(|(place, _)| Value::Enum(names[place].to_owned()))
            }
            Shape::Of(Type::Variant(variant)) => {
                let names: Vec<&str> = variant.cases().map(|case| case.name).collect();
                find_name(&names, text)
                    .and_then(|(place, _)| variant.cases().nth(place))
                    .filter(|case| case.ty.is_none())
                    .map(|case| Value::Variant(case.name.to_owned(), None))
            }
            Shape::Of(Type::Own(_) | Type::Borrow(_)) => {
                self.reading.urns.parse(text).map(Value::Handle)
            }
            _ => None,
        };
        value.ok_or_else(|| self.wrong(&shown(text)))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        Err(self.wrong("null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<Value, A::Error> {
        match self.shape {
            Shape::Of(Type::List(list)) => self.list(&list.ty(), elements),
            Shape::Of(Type::Tuple(tuple)) => self.tuple(tuple, elements),
            Shape::Of(Type::Flags(flags)) => self.flags(flags, elements),
            _ => Err(self.wrong("an array")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Value, A::Error> {
        match self.shape {
            Shape::Of(Type::Record(record)) => self.record(record, members),
            Shape::Of(Type::Variant(variant)) => {
                let (names, payloads): (Vec<&str>, Vec<_>) =
                    variant.cases().map(|case| (case.name, case.ty)).unzip();
                let (place, payload) = self.case(&names, &payloads, members)?;
                Ok(Value::Variant(names[place].to_owned(), payload))
            }
            Shape::Of(Type::Result(result)) => {
                let payloads = [result.ok(), result.err()];
                let (place, payload) = self.case(&["ok", "err"], &payloads, members)?;
                Ok(Value::Result(if place == 0 { Ok(payload) } else { Err(payload) }))
            }
            Shape::SomeOf(ty) => {
                let (_, payload) = self.case(&["some"], &[Some(ty.clone())], members)?;
                Ok(Value::Option(payload))
            }
            Shape::Of(_) => Err(self.wrong("an object")),
        }
    }
}

impl Expect<'_> {
    fn list<'de, A: SeqAccess<'de>>(self, ty: &Type, mut elements: A) -> Result<Value, A::Error> {
        let reading = self.reading;
        let mut values = Vec::new();
        let mut bytes = Vec::new();
        let mut index = 0;
        loop {
            match elements.next_element_seed(ValueSeed { ty, reading }) {
                Ok(Some(Value::U8(byte))) => bytes.push(byte),
                Ok(Some(value)) => values.push(value),
                Ok(None) => break,
                Err(error) => return Err(reading.in_element(index, error)),
            }
            index += 1;
        }
        Ok(if *ty == Type::U8 { Value::Bytes(bytes) } else { Value::List(values) })
    }

    fn tuple<'de, A: SeqAccess<'de>>(
        self,
        tuple: &Tuple,
        mut elements: A,
    ) -> Result<Value, A::Error> {
        let reading = self.reading;
        let mut values = Vec::with_capacity(tuple.types().len());
        for (index, ty) in tuple.types().enumerate() {
            match elements.next_element_seed(ValueSeed { ty: &ty, reading }) {
                Ok(Some(value)) => values.push(value),
                Ok(None) => return Err(self.wrong(&format!("an array of {index}"))),
                Err(error) => return Err(reading.in_element(index, error)),
            }
        }
        match elements.next_element::<serde::de::IgnoredAny>()? {
            Some(_) => Err(self.wrong("a longer array")),
            None => Ok(Value::Tuple(values)),
        }
    }

    fn flags<'de, A: SeqAccess<'de>>(
        self,
        flags: &Flags,
        mut elements: A,
    ) -> Result<Value, A::Error> {
        let reading = self.reading;
        let names: Vec<&str> = flags.names().collect();
        let mut set = vec![false; names.len()];
        for index in 0.. {
            let key = KeySeed { names: &names, noun: Noun::Flag, reading };
            match elements.next_element_seed(key) {
                Ok(Some(key)) if set[key.place] => {
                    return Err(reading.in_element(index, reading.fail("it is given twice")));
                }
                Ok(Some(key)) => set[key.place] = true,
                Ok(None) => break,
                Err(error) => return Err(reading.in_element(index, error)),
            }
        }
        let set = names.iter().zip(set).filter(|(_, is_set)| *is_set);
        Ok(Value::Flags(set.map(|(name, _)| (*name).to_owned()).collect()))
    }

    fn record<'de, A: MapAccess<'de>>(
        self,
        record: &Record,
        mut members: A,
    ) -> Result<Value, A::Error> {
        let reading = self.reading;
        let (names, types): (Vec<&str>, Vec<Type>) =
            record.fields().map(|field| (field.name, field.ty)).unzip();
        let mut values = Vec::new();
        values.resize_with(names.len(), || None);
        while let Some(key) =
            members.next_key_seed(KeySeed { names: &names, noun: Noun::Field, reading })?
        {
            members
                .next_value_seed(ValueSeed { ty: &types[key.place], reading })
                .and_then(|value| set_once(&mut values[key.place], value, reading))
                .map_err(|error| reading.in_member(key.text(&names), error))?;
        }
        let mut fields = Vec::with_capacity(names.len());
        for ((name, ty), value) in names.into_iter().zip(&types).zip(values) {
            let value = match (value, ty) {
                (Some(value), _) => value,
                (None, Type::Option(_)) => Value::Option(None),
                (None, ty) => {
                    let message = format!("the field {name} ({}) is missing", type_text(ty));
                    return Err(reading.in_member(name, reading.fail(message)));
                }
            };
            fields.push((name.to_owned(), value));
        }
        Ok(Value::Record(fields))
    }

    /// An object with one member: a case and its payload, `null` where the case has none.
    fn case<'de, A: MapAccess<'de>>(
        self,
        names: &[&str],
        payloads: &[Option<Type>],
        mut members: A,
    ) -> Result<(usize, Option<Box<Value>>), A::Error> {
        let reading = self.reading;
        let key_seed = KeySeed { names, noun: Noun::Case, reading };
        let Some(key) = members.next_key_seed(key_seed)? else {
            return Err(self.wrong("an empty object"));
        };
        let payload = match &payloads[key.place] {
            Some(ty) => members
                .next_value_seed(ValueSeed { ty, reading })
                .map(|value| Some(Box::new(value))),
            None => members.next_value::<Option<serde::de::IgnoredAny>>().and_then(|payload| {
                match payload {
                    Some(_) => Err(reading.fail("expected null, since the case has no payload")),
                    None => Ok(None),
                }
            }),
        };
        let payload = payload.map_err(|error| reading.in_member(key.text(names), error))?;
        match members.next_key::<serde::de::IgnoredAny>()? {
            Some(_) => Err(self.wrong("an object of several members")),
            None => Ok((key.place, payload)),
        }
    }

    fn integer(&self, number: i128) -> Option<Value> {
        let Shape::Of(ty) = self.shape else { return None };
        match ty {
            Type::S8 => i8::try_from(number).ok().map(Value::S8),
            Type::U8 => u8::try_from(number).ok().map(Value::U8),
            Type::S16 => i16::try_from(number).ok().map(Value::S16),
            Type::U16 => u16::try_from(number).ok().map(Value::U16),
            Type::S32 => i32::try_from(number).ok().map(Value::S32),
            Type::U32 => u32::try_from(number).ok().map(Value::U32),
            Type::S64 => i64::try_from(number).ok().map(Value::S64),
            Type::U64 => u64::try_from(number).ok().map(Value::U64),
            _ => None,
        }
    }

    fn wrong<E: serde::de::Error>(&self, found: &str) -> E {
        self.reading.fail(format!("expected {}, found {found}", self.expected()))
    }

    /// What would have been right, for messages.
    fn expected(&self) -> String {
        let ty = match self.shape {
            Shape::Of(ty) => ty,
            Shape::SomeOf(ty) => {
                return format!("null or {{\"some\": …}} around {}", type_text(ty));
            }
        };
        match ty {
            Type::S8 => range(i8::MIN, i8::MAX, ty),
            Type::U8 => range(u8::MIN, u8::MAX, ty),
            Type::S16 => range(i16::MIN, i16::MAX, ty),
            Type::U16 => range(u16::MIN, u16::MAX, ty),
            Type::S32 => range(i32::MIN, i32::MAX, ty),
            Type::U32 => range(u32::MIN, u32::MAX, ty),
            Type::S64 => range(i64::MIN, i64::MAX, ty),
            Type::U64 => range(u64::MIN, u64::MAX, ty),
            Type::Char => "char (a string of one character)".to_owned(),
            Type::Float32 | Type::Float64 => {
                format!("{} (a number, \"NaN\", \"Infinity\" or \"-Infinity\")", type_text(ty))
            }
            Type::List(list) if list.ty() == Type::U8 => {
                "list<u8> (an array of numbers or a base64 string)".to_owned()
            }
            Type::Own(_) | Type::Borrow(_) => {
                format!("a handle of this worker (\"{}…\")", self.reading.urns.prefix())
            }
            Type::Future(_)
            | Type::Stream(_)
            | Type::ErrorContext
            | Type::Map(_)
            | Type::FixedLengthList(_) => {
                format!("no call from outside, which cannot carry {}", type_text(ty))
            }
            _ => type_text(ty),
        }
    }
}

fn range<T: fmt::Display>(min: T, max: T, ty: &Type) -> String {
    format!("{} ({min} to {max})", type_text(ty))
}

fn only_character(text: &str) -> Option<char> {
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}

/// Stricter than Rust's own parser, which lets a plus sign through.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn special_float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN_CHARACTERS) {
        Some((end, _)) => format!("the string {:?}…", &text[..end]),
        None => format!("the string {text:?}"),
    }
}
