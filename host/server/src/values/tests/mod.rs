//! Values at the border: the rules of the JSON table, what is refused and where, and that
//! whatever is written is read back.

mod models;
mod refusals;
mod round_trip;
mod rules;

use everlog_runtime::value::{HandleUrns, Value};
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentItem, Type};

use super::{BytesAs, Invalid, Json, decode_arguments};

fn urns() -> HandleUrns {
    HandleUrns::of_worker("c0ffee", "mary")
}

/// The type that the component of these `definitions` exports as `t`.
fn type_of(definitions: &str) -> Type {
    let bytes = wat::parse_str(format!("(component {definitions})")).expect("the text is right");
    let component = Component::new(&Engine::default(), bytes).expect("the component compiles");
    let ty = component.component_type();
    match ty.get_export(component.engine(), "t").map(|item| item.ty) {
        Some(ComponentItem::Type(ty)) => ty,
        other => panic!("t is not a type: {other:?}"),
    }
}

/// One parameter, `it`, of a type that needs no other named types.
fn parameter(definition: &str) -> Vec<(String, Type)> {
    vec![("it".to_owned(), type_of(&format!("(type $t {definition}) (export \"t\" (type $t))")))]
}

/// A resource, and handles of it.
fn handle_parameter() -> Vec<(String, Type)> {
    let ty = type_of(
        "(type $r' (resource (rep i32))) (export $r \"r\" (type $r'))
         (type $t (own $r)) (export \"t\" (type $t))",
    );
    vec![("it".to_owned(), ty)]
}

/// Reads `json` as the only argument, of a type.
fn read(json: &str, definition: &str) -> Result<Value, Invalid> {
    let body = format!("[{json}]");
    decode_arguments(body.as_bytes(), &parameter(definition), &urns())
        .map(|mut values| values.remove(0))
}

/// Writes `value` with lists of bytes as arrays.
fn write(value: &Value) -> String {
    let json = Json { value, urns: &urns(), bytes: BytesAs::Array }.to_bytes();
    String::from_utf8(json).expect("JSON is UTF-8")
}
