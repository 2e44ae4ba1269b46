//! Values of `golem:rpc`: trees that only their types tell the meaning of.

use wasmtime::component::types::Type;

use super::bindings::golem::rpc::types::{Uri, WitNode, WitValue};
use crate::value::{F32, F64, HandleUrns, MAX_DEPTH, Value, ValueError, ValueProblem, type_text};
use crate::worker::WorkerId;

/// How many nodes a tree may have, counting those that are reached twice twice.
const MAX_NODES: usize = 1 << 20;

/// The value that a tree means as a `ty`; resources are those of `worker`.
///
/// # Errors
/// [`ValueError`] with the place where the tree does not fit, or is none.
pub(crate) fn from_tree(
    tree: &WitValue,
    ty: &Type,
    worker: &WorkerId,
) -> Result<Value, ValueError> {
    Reader { nodes: &tree.nodes, worker, left: MAX_NODES }.value(0, ty, 1)
}

/// What a function returned, as the tree of a tuple of its results.
///
/// # Errors
/// [`ValueError`] where the value is not of its type.
pub(crate) fn results_tree(
    value: Option<&Value>,
    ty: Option<&Type>,
    worker: &WorkerId,
) -> Result<WitValue, ValueError> {
    let mut writer = Writer { nodes: vec![WitNode::TupleValue(Vec::new())], worker };
    if let Some(value) = value {
        let ty = ty.ok_or_else(|| ValueError::mismatch("no result", value.kind()))?;
        let root = writer.value(value, ty)?;
        writer.nodes[0] = WitNode::TupleValue(vec![root]);
    }
    Ok(WitValue { nodes: writer.nodes })
}

struct Reader<'a> {
    nodes: &'a [WitNode],
    worker: &'a WorkerId,
    left: usize,
}

impl Reader<'_> {
    fn value(&mut self, index: i32, ty: &Type, level: usize) -> Result<Value, ValueError> {
        if level > MAX_DEPTH {
            return Err(ValueProblem::TooDeep.into());
        }
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            ValueError::mismatch(format!("at most {MAX_NODES} nodes"), "more of them")
        })?;
        let node = usize::try_from(index).ok().and_then(|index| self.nodes.get(index));
        let node = node
            .ok_or_else(|| ValueError::mismatch(format!("a node {index}"), "a tree without it"))?;
        let misfit = || ValueError::mismatch(type_text(ty), kind(node));
        Ok(match (node, ty) {
            (WitNode::RecordValue(fields), Type::Record(record)) => {
                same_length(fields.len(), record.fields().len(), "fields")?;
                let mut values = Vec::with_capacity(fields.len());
                for (index, field) in fields.iter().zip(record.fields()) {
                    let value = self.value(*index, &field.ty, level + 1);
                    values.push((
                        field.name.to_owned(),
                        value.map_err(|error| error.in_field(field.name))?,
                    ));
                }
                Value::Record(values)
            }
            (WitNode::TupleValue(elements), Type::Tuple(tuple)) => {
                same_length(elements.len(), tuple.types().len(), "elements")?;
                let pairs = elements.iter().zip(tuple.types()).enumerate();
                let element = |(place, (index, ty)): (usize, (&i32, Type))| {
                    let value = self.value(*index, &ty, level + 1);
                    value.map_err(|error| error.in_element(place))
                };
                Value::Tuple(pairs.map(element).collect::<Result<_, _>>()?)
            }
            (WitNode::ListValue(elements), Type::List(list)) => {
                self.list(elements, &list.ty(), level)?
            }
            (WitNode::VariantValue((case, payload)), Type::Variant(variant)) => {
                let case = variant.cases().nth(*case as usize).ok_or_else(misfit)?;
                let payload = self.payload(case.name, *payload, case.ty.as_ref(), level)?;
                Value::Variant(case.name.to_owned(), payload)
            }
            (WitNode::OptionValue(payload), Type::Option(option)) => {
                let ty = payload.map(|_| option.ty());
                Value::Option(self.payload("some", *payload, ty.as_ref(), level)?)
            }
            (WitNode::ResultValue(Ok(payload)), Type::Result(result)) => {
                Value::Result(Ok(self.payload("ok", *payload, result.ok().as_ref(), level)?))
            }
            (WitNode::ResultValue(Err(payload)), Type::Result(result)) => {
                Value::Result(Err(self.payload("err", *payload, result.err().as_ref(), level)?))
            }
            (WitNode::EnumValue(case), Type::Enum(cases)) => {
                let case = cases.names().nth(*case as usize).ok_or_else(misfit)?;
                Value::Enum(case.to_owned())
            }
            (WitNode::FlagsValue(set), Type::Flags(flags)) => {
                same_length(set.len(), flags.names().len(), "flags")?;
                let set = set.iter().zip(flags.names()).filter(|(set, _)| **set);
                Value::Flags(set.map(|(_, name)| name.to_owned()).collect())
            }
            (WitNode::Handle((uri, id)), Type::Own(_) | Type::Borrow(_)) => {
                self.check_owner(uri)?;
                Value::Handle(*id)
            }
            (node, ty) => primitive(node, ty).ok_or_else(misfit)?,
        })
    }

    fn list(&mut self, elements: &[i32], ty: &Type, level: usize) -> Result<Value, ValueError> {
        let mut values = Vec::with_capacity(elements.len().min(MAX_NODES));
        for (place, index) in elements.iter().enumerate() {
            let value = self.value(*index, ty, level + 1);
            values.push(value.map_err(|error| error.in_element(place))?);
        }
        if *ty != Type::U8 {
            return Ok(Value::List(values));
        }
        let byte = |value| match value {
            Value::U8(byte) => byte,
            _ => 0,
        };
        Ok(Value::Bytes(values.into_iter().map(byte).collect()))
    }

    fn payload(
        &mut self,
        case: &str,
        payload: Option<i32>,
        ty: Option<&Type>,
        level: usize,
    ) -> Result<Option<Box<Value>>, ValueError> {
        match (payload, ty) {
            (Some(index), Some(ty)) => {
                let value = self.value(index, ty, level + 1);
                Ok(Some(Box::new(value.map_err(|error| error.in_field(case))?)))
            }
            (None, None) => Ok(None),
            (Some(_), None) => Err(ValueError::mismatch("no payload", "one").in_field(case)),
            (None, Some(ty)) => {
                Err(ValueError::mismatch(type_text(ty), "no payload").in_field(case))
            }
        }
    }

    /// Numbers of resources mean something in their own worker only.
    fn check_owner(&self, uri: &Uri) -> Result<(), ValueError> {
        let own = uri_of(self.worker);
        if uri.value == own.value {
            return Ok(());
        }
        Err(ValueError::mismatch(
            format!("a resource of {}", own.value),
            format!("{:?}", uri.value),
        ))
    }
}

struct Writer<'a> {
    nodes: Vec<WitNode>,
    worker: &'a WorkerId,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, ty: &Type) -> Result<i32, ValueError> {
        let place = self.nodes.len();
        let index = i32::try_from(place).map_err(|_| ValueError::from(ValueProblem::TooDeep))?;
        // Its place comes before those of its parts.
        self.nodes.push(WitNode::TupleValue(Vec::new()));
        let node = self.node(value, ty)?;
        self.nodes[place] = node;
        Ok(index)
    }

    fn node(&mut self, value: &Value, ty: &Type) -> Result<WitNode, ValueError> {
        let misfit = || ValueError::mismatch(type_text(ty), value.kind());
        Ok(match (value, ty) {
            (Value::Record(fields), Type::Record(record)) => {
                let pairs = fields.iter().zip(record.fields());
                let nodes = pairs.map(|((_, value), field)| self.value(value, &field.ty));
                WitNode::RecordValue(nodes.collect::<Result<_, _>>()?)
            }
            (Value::Tuple(elements), Type::Tuple(tuple)) => {
                let pairs = elements.iter().zip(tuple.types());
                let nodes = pairs.map(|(value, ty)| self.value(value, &ty));
                WitNode::TupleValue(nodes.collect::<Result<_, _>>()?)
            }
            (Value::List(elements), Type::List(list)) => {
                let nodes = elements.iter().map(|value| self.value(value, &list.ty()));
                WitNode::ListValue(nodes.collect::<Result<_, _>>()?)
            }
            (Value::Bytes(bytes), Type::List(_)) => {
                let nodes = bytes.iter().map(|byte| self.value(&Value::U8(*byte), &Type::U8));
                WitNode::ListValue(nodes.collect::<Result<_, _>>()?)
            }
            (Value::Variant(name, payload), Type::Variant(variant)) => {
                let mut cases = variant.cases().enumerate();
                let (place, case) = cases.find(|(_, case)| case.name == name).ok_or_else(misfit)?;
                let payload = self.payload(payload.as_deref(), case.ty.as_ref())?;
                WitNode::VariantValue((number(place), payload))
            }
            (Value::Enum(name), Type::Enum(cases)) => {
                let place = cases.names().position(|case| case == name).ok_or_else(misfit)?;
                WitNode::EnumValue(number(place))
            }
            (Value::Option(payload), Type::Option(option)) => {
                WitNode::OptionValue(self.payload(payload.as_deref(), Some(&option.ty()))?)
            }
            (Value::Result(Ok(payload)), Type::Result(result)) => {
                WitNode::ResultValue(Ok(self.payload(payload.as_deref(), result.ok().as_ref())?))
            }
            (Value::Result(Err(payload)), Type::Result(result)) => {
                WitNode::ResultValue(Err(self.payload(payload.as_deref(), result.err().as_ref())?))
            }
            (Value::Flags(set), Type::Flags(flags)) => WitNode::FlagsValue(
                flags.names().map(|name| set.iter().any(|it| it == name)).collect(),
            ),
            (Value::Handle(id), _) => WitNode::Handle((uri_of(self.worker), *id)),
            (value, _) => leaf(value).ok_or_else(misfit)?,
        })
    }

    fn payload(
        &mut self,
        payload: Option<&Value>,
        ty: Option<&Type>,
    ) -> Result<Option<i32>, ValueError> {
        match (payload, ty) {
            (Some(value), Some(ty)) => self.value(value, ty).map(Some),
            (None, _) => Ok(None),
            (Some(value), None) => Err(ValueError::mismatch("no payload", value.kind())),
        }
    }
}

fn uri_of(worker: &WorkerId) -> Uri {
    let urns = HandleUrns::of_worker(&worker.component.to_string(), &worker.name);
    Uri { value: urns.prefix().trim_end_matches('/').to_owned() }
}

fn primitive(node: &WitNode, ty: &Type) -> Option<Value> {
    Some(match (node, ty) {
        (WitNode::PrimBool(content), Type::Bool) => Value::Bool(*content),
        (WitNode::PrimU8(content), Type::U8) => Value::U8(*content),
        (WitNode::PrimU16(content), Type::U16) => Value::U16(*content),
        (WitNode::PrimU32(content), Type::U32) => Value::U32(*content),
        (WitNode::PrimU64(content), Type::U64) => Value::U64(*content),
        (WitNode::PrimS8(content), Type::S8) => Value::S8(*content),
        (WitNode::PrimS16(content), Type::S16) => Value::S16(*content),
        (WitNode::PrimS32(content), Type::S32) => Value::S32(*content),
        (WitNode::PrimS64(content), Type::S64) => Value::S64(*content),
        (WitNode::PrimFloat32(content), Type::Float32) => Value::Float32(F32::new(*content)),
        (WitNode::PrimFloat64(content), Type::Float64) => Value::Float64(F64::new(*content)),
        (WitNode::PrimChar(content), Type::Char) => Value::Char(*content),
        (WitNode::PrimString(content), Type::String) => Value::String(content.clone()),
        _ => return None,
    })
}

fn leaf(value: &Value) -> Option<WitNode> {
    Some(match value {
        Value::Bool(content) => WitNode::PrimBool(*content),
        Value::U8(content) => WitNode::PrimU8(*content),
        Value::U16(content) => WitNode::PrimU16(*content),
        Value::U32(content) => WitNode::PrimU32(*content),
        Value::U64(content) => WitNode::PrimU64(*content),
        Value::S8(content) => WitNode::PrimS8(*content),
        Value::S16(content) => WitNode::PrimS16(*content),
        Value::S32(content) => WitNode::PrimS32(*content),
        Value::S64(content) => WitNode::PrimS64(*content),
        Value::Float32(content) => WitNode::PrimFloat32(content.get()),
        Value::Float64(content) => WitNode::PrimFloat64(content.get()),
        Value::Char(content) => WitNode::PrimChar(*content),
        Value::String(content) => WitNode::PrimString(content.clone()),
        _ => return None,
    })
}

/// What a node is, for messages.
fn kind(node: &WitNode) -> &'static str {
    match node {
        WitNode::RecordValue(_) => "record",
        WitNode::VariantValue(_) => "variant",
        WitNode::EnumValue(_) => "enum",
        WitNode::FlagsValue(_) => "flags",
        WitNode::TupleValue(_) => "tuple",
        WitNode::ListValue(_) => "list",
        WitNode::OptionValue(_) => "option",
        WitNode::ResultValue(_) => "result",
        WitNode::PrimU8(_) => "u8",
        WitNode::PrimU16(_) => "u16",
        WitNode::PrimU32(_) => "u32",
        WitNode::PrimU64(_) => "u64",
        WitNode::PrimS8(_) => "s8",
        WitNode::PrimS16(_) => "s16",
        WitNode::PrimS32(_) => "s32",
        WitNode::PrimS64(_) => "s64",
        WitNode::PrimFloat32(_) => "f32",
        WitNode::PrimFloat64(_) => "f64",
        WitNode::PrimChar(_) => "char",
        WitNode::PrimBool(_) => "bool",
        WitNode::PrimString(_) => "string",
        WitNode::Handle(_) => "resource handle",
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

fn same_length(found: usize, expected: usize, noun: &str) -> Result<(), ValueError> {
    if found == expected {
        return Ok(());
    }
    Err(ValueError::mismatch(format!("{expected} {noun}"), format!("{found}")))
}
