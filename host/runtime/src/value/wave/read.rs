//! WAVE nodes as values of a type.

use std::str::FromStr;

use wasm_wave::ast::{Node, NodeType};
use wasmtime::component::types::{ResultType, Type};

use super::syntax;
use crate::value::convert::mismatch;
use crate::value::{F32, F64, HandleUrns, Value, ValueError, type_text};

/// Reads the nodes of one text.
pub(super) struct Reader<'call> {
    pub(super) source: &'call str,
    pub(super) urns: &'call HandleUrns,
}

impl Reader<'_> {
    pub(super) fn value(&self, node: &Node, ty: &Type) -> Result<Value, ValueError> {
        match ty {
            Type::Bool => node.as_bool().map(Value::Bool).map_err(|_| wrong(node, ty)),
            Type::S8 => self.number(node, ty, Value::S8),
            Type::U8 => self.number(node, ty, Value::U8),
            Type::S16 => self.number(node, ty, Value::S16),
            Type::U16 => self.number(node, ty, Value::U16),
            Type::S32 => self.number(node, ty, Value::S32),
            Type::U32 => self.number(node, ty, Value::U32),
            Type::S64 => self.number(node, ty, Value::S64),
            Type::U64 => self.number(node, ty, Value::U64),
            Type::Float32 => self.float(node, ty, |number: f32| Value::Float32(F32::new(number))),
            Type::Float64 => self.float(node, ty, |number: f64| Value::Float64(F64::new(number))),
            Type::Char => match node.ty() {
                NodeType::Char => {
                    node.as_char(self.source).map(Value::Char).map_err(|error| syntax(&error))
                }
                _ => Err(wrong(node, ty)),
            },
            Type::String => Ok(Value::String(self.string(node, ty)?)),
            Type::List(list) => self.list(node, ty, &list.ty()),
            Type::Tuple(tuple) => {
                let elements = node.as_tuple().map_err(|_| wrong(node, ty))?;
                if elements.len() != tuple.types().len() {
                    let found = format!("a tuple of {}", elements.len());
                    return Err(ValueError::mismatch(type_text(ty), found));
                }
                let read = |(index, (node, ty)): (usize, (&Node, Type))| {
                    self.value(node, &ty).map_err(|error| error.in_element(index))
                };
                let pairs = elements.zip(tuple.types()).enumerate();
                Ok(Value::Tuple(pairs.map(read).collect::<Result<_, _>>()?))
            }
            Type::Record(_) => self.record(node, ty),
            Type::Variant(variant) => {
                let (case, payload) = node.as_variant(self.source).map_err(|_| wrong(node, ty))?;
                let known = variant.cases().find(|known| known.name == case);
                let known = known.ok_or_else(|| unknown(ty, case))?;
                let payload = self.payload(case, payload, known.ty.as_ref())?;
                Ok(Value::Variant(case.to_owned(), payload))
            }
            Type::Enum(cases) => {
                let case = node.as_enum(self.source).map_err(|_| wrong(node, ty))?;
                let known = cases.names().any(|known| known == case);
                if known { Ok(Value::Enum(case.to_owned())) } else { Err(unknown(ty, case)) }
            }
            Type::Flags(_) => self.flags(node, ty),
            Type::Option(option) => self.option(node, &option.ty()),
            Type::Result(result) => self.result(node, ty, result),
            Type::Own(_) | Type::Borrow(_) => {
                let text = self.string(node, ty)?;
                let id = self.urns.parse(&text).ok_or_else(|| {
                    let expected = format!("a handle of this worker, {}…", self.urns.prefix());
                    ValueError::mismatch(expected, format!("{text:?}"))
                })?;
                Ok(Value::Handle(id))
            }
            _ => Err(wrong(node, ty)),
        }
    }

    fn number<T: FromStr>(
        &self,
        node: &Node,
        ty: &Type,
        value: impl FnOnce(T) -> Value,
    ) -> Result<Value, ValueError> {
        match node.as_number(self.source) {
            Ok(number) => Ok(value(number)),
            Err(_) => Err(self.wrong_number(node, ty)),
        }
    }

    /// Rust reads digits beyond the largest float as infinity; here only `inf` is.
    fn float<T: FromStr + Copy + Into<f64>>(
        &self,
        node: &Node,
        ty: &Type,
        value: impl FnOnce(T) -> Value,
    ) -> Result<Value, ValueError> {
        match node.as_number::<T>(self.source) {
            Ok(number) if number.into().is_infinite() && !self.text(node).ends_with("inf") => {
                Err(self.wrong_number(node, ty))
            }
            Ok(number) => Ok(value(number)),
            Err(_) => Err(self.wrong_number(node, ty)),
        }
    }

    fn wrong_number(&self, node: &Node, ty: &Type) -> ValueError {
        match node.ty() {
            NodeType::Number => ValueError::mismatch(type_text(ty), self.text(node)),
            _ => wrong(node, ty),
        }
    }

    fn text(&self, node: &Node) -> &str {
        self.source.get(node.span()).unwrap_or_default()
    }

    fn string(&self, node: &Node, ty: &Type) -> Result<String, ValueError> {
        if !matches!(node.ty(), NodeType::String | NodeType::MultilineString) {
            return Err(wrong(node, ty));
        }
        let text = node.as_str(self.source).map_err(|error| syntax(&error))?;
        Ok(text.into_owned())
    }

    fn list(&self, node: &Node, ty: &Type, element: &Type) -> Result<Value, ValueError> {
        let nodes = node.as_list().map_err(|_| wrong(node, ty))?;
        let read = |(index, node)| {
            self.value(node, element).map_err(|error: ValueError| error.in_element(index))
        };
        let values = nodes.enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        if *element != Type::U8 {
            return Ok(Value::List(values));
        }
        let byte = |value: &Value| if let Value::U8(byte) = value { Some(*byte) } else { None };
        Ok(Value::Bytes(values.iter().filter_map(byte).collect()))
    }

    fn record(&self, node: &Node, ty: &Type) -> Result<Value, ValueError> {
        let Type::Record(record) = ty else { return Err(wrong(node, ty)) };
        let mut given: Vec<(&str, &Node)> =
            node.as_record(self.source).map_err(|_| wrong(node, ty))?.collect();
        let mut fields = Vec::with_capacity(record.fields().len());
        for field in record.fields() {
            let place = given.iter().position(|(name, _)| *name == field.name);
            let value = match (place.map(|place| given.swap_remove(place).1), &field.ty) {
                (Some(node), ty) => {
                    self.value(node, ty).map_err(|error| error.in_field(field.name))?
                }
                (None, Type::Option(_)) => Value::Option(None),
                (None, ty) => {
                    return Err(ValueError::mismatch(type_text(ty), "nothing").in_field(field.name));
                }
            };
            fields.push((field.name.to_owned(), value));
        }
        match given.first() {
            Some((name, _)) => Err(ValueError::mismatch(type_text(ty), format!("a field {name}"))),
            None => Ok(Value::Record(fields)),
        }
    }

    fn flags(&self, node: &Node, ty: &Type) -> Result<Value, ValueError> {
        let Type::Flags(flags) = ty else { return Err(wrong(node, ty)) };
        let given: Vec<&str> = node
            .as_flags(self.source)
            .map_err(|_| wrong(node, ty))?
            .map(|name| name.strip_prefix('%').unwrap_or(name))
            .collect();
        if let Some(name) = given.iter().find(|name| !flags.names().any(|known| known == **name)) {
            return Err(unknown(ty, name));
        }
        let set = flags.names().filter(|name| given.contains(name)).map(str::to_owned);
        Ok(Value::Flags(set.collect()))
    }

    /// WAVE lets `some` be left out where its payload cannot be mistaken for the option.
    fn option(&self, node: &Node, payload: &Type) -> Result<Value, ValueError> {
        let payload = match node.as_option() {
            Ok(given) => self.payload("some", given, given.map(|_| payload))?,
            Err(_) if matches!(payload, Type::Option(_) | Type::Result(_)) => {
                let expected = format!("some({}) or none", type_text(payload));
                return Err(ValueError::mismatch(expected, kind(node)));
            }
            Err(_) => Some(Box::new(self.value(node, payload)?)),
        };
        Ok(Value::Option(payload))
    }

    /// WAVE lets `ok` be left out where its payload cannot be mistaken for the result.
    fn result(&self, node: &Node, ty: &Type, result: &ResultType) -> Result<Value, ValueError> {
        Ok(Value::Result(match (node.as_result(), result.ok()) {
            (Ok(Ok(given)), ok) => Ok(self.payload("ok", given, ok.as_ref())?),
            (Ok(Err(given)), _) => Err(self.payload("err", given, result.err().as_ref())?),
            (Err(_), Some(ok)) if !matches!(ok, Type::Option(_) | Type::Result(_)) => {
                Ok(Some(Box::new(self.value(node, &ok)?)))
            }
            (Err(_), _) => return Err(wrong(node, ty)),
        }))
    }

    fn payload(
        &self,
        case: &str,
        node: Option<&Node>,
        ty: Option<&Type>,
    ) -> Result<Option<Box<Value>>, ValueError> {
        match (node, ty) {
            (Some(node), Some(ty)) => {
                let value = self.value(node, ty).map_err(|error| error.in_field(case))?;
                Ok(Some(Box::new(value)))
            }
            (None, None) => Ok(None),
            (Some(node), None) => {
                Err(ValueError::mismatch("no payload", kind(node)).in_field(case))
            }
            (None, Some(ty)) => {
                Err(ValueError::mismatch(type_text(ty), "no payload").in_field(case))
            }
        }
    }
}

fn wrong(node: &Node, ty: &Type) -> ValueError {
    mismatch(ty, kind(node))
}

fn unknown(ty: &Type, name: &str) -> ValueError {
    ValueError::mismatch(type_text(ty), name)
}

fn kind(node: &Node) -> &'static str {
    match node.ty() {
        NodeType::BoolTrue | NodeType::BoolFalse => "a bool",
        NodeType::Number => "a number",
        NodeType::Char => "a char",
        NodeType::String | NodeType::MultilineString => "a string",
        NodeType::Tuple => "a tuple",
        NodeType::List => "a list",
        NodeType::Record => "a record",
        NodeType::Label => "a label",
        NodeType::VariantWithPayload => "a variant",
        NodeType::OptionSome | NodeType::OptionNone => "an option",
        NodeType::ResultOk | NodeType::ResultErr => "a result",
        NodeType::Flags => "flags",
    }
}
