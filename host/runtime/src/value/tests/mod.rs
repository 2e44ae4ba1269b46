//! Values: their bytes in the log, their way to wasmtime and back, their WAVE text.

mod bytes;
mod conversion;
mod wave_text;

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentItem, Type};

use super::Value;

/// Compiles a component from text.
pub(crate) fn component(text: &str) -> Component {
    let bytes = wat::parse_str(text).expect("the text of the component is right");
    Component::new(&Engine::default(), bytes).expect("the component compiles")
}

/// The type that a component exports as `t`.
pub(crate) fn type_of(definitions: &str) -> Type {
    let component = component(&format!("(component {definitions})"));
    let ty = component.component_type();
    match ty.get_export(component.engine(), "t").map(|item| item.ty) {
        Some(ComponentItem::Type(ty)) => ty,
        other => panic!("t is not a type: {other:?}"),
    }
}

/// A type that needs no other named types.
pub(crate) fn simple_type(definition: &str) -> Type {
    type_of(&format!("(type $t {definition}) (export \"t\" (type $t))"))
}

/// A list in a list in a list, `levels` in all, the last one empty.
fn nested_lists(levels: usize) -> Value {
    (1..levels).fold(Value::List(Vec::new()), |inner, _| Value::List(vec![inner]))
}

/// One value of every kind, all within a tuple.
fn every_kind() -> Value {
    Value::Tuple(vec![
        Value::Bool(true),
        Value::S8(-1),
        Value::U8(200),
        Value::S16(-300),
        Value::U16(60_000),
        Value::S32(-70_000),
        Value::U32(4_000_000_000),
        Value::S64(i64::MIN),
        Value::U64(u64::MAX),
        Value::Float32(1.5.into()),
        Value::Float64(f64::NAN.into()),
        Value::Char('é'),
        Value::String("täxt".to_owned()),
        Value::Bytes(vec![0, 255]),
        Value::List(vec![Value::Bool(false), Value::Bool(true)]),
        Value::Record(vec![("key".to_owned(), Value::U8(1))]),
        Value::Variant("none".to_owned(), None),
        Value::Variant("some".to_owned(), Some(Box::new(Value::U8(2)))),
        Value::Enum("red".to_owned()),
        Value::Option(None),
        Value::Option(Some(Box::new(Value::Option(None)))),
        Value::Result(Ok(None)),
        Value::Result(Ok(Some(Box::new(Value::U8(3))))),
        Value::Result(Err(None)),
        Value::Result(Err(Some(Box::new(Value::U8(4))))),
        Value::Flags(vec!["read".to_owned(), "write".to_owned()]),
        Value::Handle(9),
    ])
}
