//! `golem:rpc/types`: calls of other workers, values as trees.

use super::bindings::golem::rpc::types::{RpcError, Uri, WasmRpc, WitNode, WitValue};
use crate::calls::{Error, Value};

pub(crate) fn call_worker(
    location: &str,
    function: &str,
    arguments: &[Value],
) -> Result<Option<Value>, Error> {
    let result = worker(location).invoke_and_await(function, &trees(arguments))?;
    match value(&result.nodes, 0)? {
        Value::Tuple(results) => Ok(results.into_iter().next()),
        other => Err(Error::Failed(format!("a call returned {other:?}"))),
    }
}

pub(crate) fn send_to_worker(
    location: &str,
    function: &str,
    arguments: &[Value],
) -> Result<(), Error> {
    Ok(worker(location).invoke(function, &trees(arguments))?)
}

fn worker(location: &str) -> WasmRpc {
    WasmRpc::new(&Uri { value: location.to_owned() })
}

fn trees(values: &[Value]) -> Vec<WitValue> {
    let tree = |value| {
        let mut nodes = Vec::new();
        add(value, &mut nodes);
        WitValue { nodes }
    };
    values.iter().map(tree).collect()
}

/// Adds a value, whose place comes before those of its parts.
fn add(value: &Value, nodes: &mut Vec<WitNode>) -> i32 {
    let place = nodes.len();
    nodes.push(WitNode::PrimBool(false));
    let mut all = |values: &[Value]| values.iter().map(|value| add(value, nodes)).collect();
    let node = match value {
        Value::List(values) => WitNode::ListValue(all(values)),
        Value::Record(values) => WitNode::RecordValue(all(values)),
        Value::Tuple(values) => WitNode::TupleValue(all(values)),
        Value::Optional(value) => WitNode::OptionValue(part(value, nodes)),
        Value::Outcome(Ok(value)) => WitNode::ResultValue(Ok(part(value, nodes))),
        Value::Outcome(Err(value)) => WitNode::ResultValue(Err(part(value, nodes))),
        Value::Variant(case, value) => WitNode::VariantValue((*case, part(value, nodes))),
        Value::Enum(case) => WitNode::EnumValue(*case),
        Value::Flags(flags) => WitNode::FlagsValue(flags.clone()),
        Value::Handle(location, id) => WitNode::Handle((Uri { value: location.clone() }, *id)),
        Value::Bool(value) => WitNode::PrimBool(*value),
        Value::U8(value) => WitNode::PrimU8(*value),
        Value::U16(value) => WitNode::PrimU16(*value),
        Value::U32(value) => WitNode::PrimU32(*value),
        Value::U64(value) => WitNode::PrimU64(*value),
        Value::S8(value) => WitNode::PrimS8(*value),
        Value::S16(value) => WitNode::PrimS16(*value),
        Value::S32(value) => WitNode::PrimS32(*value),
        Value::S64(value) => WitNode::PrimS64(*value),
        Value::F32(value) => WitNode::PrimFloat32(*value),
        Value::F64(value) => WitNode::PrimFloat64(*value),
        Value::Char(value) => WitNode::PrimChar(*value),
        Value::Text(value) => WitNode::PrimString(value.clone()),
    };
    nodes[place] = node;
    place as i32
}

fn part(value: &Option<Box<Value>>, nodes: &mut Vec<WitNode>) -> Option<i32> {
    value.as_ref().map(|value| add(value, nodes))
}

/// Reads a tree that the host made, which is one.
fn value(nodes: &[WitNode], place: i32) -> Result<Value, Error> {
    let node = usize::try_from(place).ok().and_then(|place| nodes.get(place));
    let node = node.ok_or_else(|| Error::Failed(format!("the result has no node {place}")))?;
    let all = |places: &[i32]| -> Result<Vec<Value>, Error> {
        places.iter().map(|place| value(nodes, *place)).collect()
    };
    let part = |place: &Option<i32>| -> Result<Option<Box<Value>>, Error> {
        place.map(|place| value(nodes, place).map(Box::new)).transpose()
    };
    Ok(match node {
        WitNode::ListValue(places) => Value::List(all(places)?),
        WitNode::RecordValue(places) => Value::Record(all(places)?),
        WitNode::TupleValue(places) => Value::Tuple(all(places)?),
        WitNode::OptionValue(place) => Value::Optional(part(place)?),
        WitNode::ResultValue(Ok(place)) => Value::Outcome(Ok(part(place)?)),
        WitNode::ResultValue(Err(place)) => Value::Outcome(Err(part(place)?)),
        WitNode::VariantValue((case, place)) => Value::Variant(*case, part(place)?),
        WitNode::EnumValue(case) => Value::Enum(*case),
        WitNode::FlagsValue(flags) => Value::Flags(flags.clone()),
        WitNode::Handle((location, id)) => Value::Handle(location.value.clone(), *id),
        WitNode::PrimBool(value) => Value::Bool(*value),
        WitNode::PrimU8(value) => Value::U8(*value),
        WitNode::PrimU16(value) => Value::U16(*value),
        WitNode::PrimU32(value) => Value::U32(*value),
        WitNode::PrimU64(value) => Value::U64(*value),
        WitNode::PrimS8(value) => Value::S8(*value),
        WitNode::PrimS16(value) => Value::S16(*value),
        WitNode::PrimS32(value) => Value::S32(*value),
        WitNode::PrimS64(value) => Value::S64(*value),
        WitNode::PrimFloat32(value) => Value::F32(*value),
        WitNode::PrimFloat64(value) => Value::F64(*value),
        WitNode::PrimChar(value) => Value::Char(*value),
        WitNode::PrimString(value) => Value::Text(value.clone()),
    })
}

impl From<RpcError> for Error {
    fn from(error: RpcError) -> Self {
        match error {
            RpcError::NotFound(detail) => Self::NotFound(detail),
            RpcError::ProtocolError(detail) => Self::Mismatch(detail),
            RpcError::Denied(detail) => Self::Denied(detail),
            RpcError::RemoteInternalError(detail) => Self::Failed(detail),
        }
    }
}
