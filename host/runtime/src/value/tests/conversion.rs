//! Values to wasmtime's and back, led by the type.

use super::{every_kind, simple_type, type_of};
use crate::value::{NoHandles, Value, from_val, to_val, type_text};

/// A type for everything in [`every_kind`] but the handle.
const EVERY_TYPE: &str = r#"
    (type $record' (record (field "key" u8))) (export $record "record" (type $record'))
    (type $variant' (variant (case "none") (case "some" u8))) (export $variant "variant" (type $variant'))
    (type $enum' (enum "green" "red")) (export $enum "enum" (type $enum'))
    (type $flags' (flags "read" "never" "write")) (export $flags "flags" (type $flags'))
    (type $t (tuple bool s8 u8 s16 u16 s32 u32 s64 u64 float32 float64 char string (list u8) (list bool)
        $record $variant $variant $enum (option u8) (option (option u8))
        (result) (result u8) (result) (result (error u8)) $flags))
    (export "t" (type $t))
"#;

fn all_but_the_handle() -> Value {
    let Value::Tuple(mut elements) = every_kind() else { panic!("it is a tuple") };
    elements.pop();
    Value::Tuple(elements)
}

fn refusal(value: &Value, definition: &str) -> String {
    to_val(value, &simple_type(definition), &mut NoHandles).unwrap_err().to_string()
}

#[test]
fn every_kind_goes_there_and_back() {
    let ty = type_of(EVERY_TYPE);
    let value = all_but_the_handle();
    let val = to_val(&value, &ty, &mut NoHandles).unwrap();
    assert_eq!(from_val(val, &ty, &mut NoHandles).unwrap(), value);
}

#[test]
fn an_empty_list_of_bytes_stays_bytes() {
    let ty = simple_type("(list u8)");
    let value = Value::Bytes(Vec::new());
    let val = to_val(&value, &ty, &mut NoHandles).unwrap();
    assert_eq!(from_val(val, &ty, &mut NoHandles).unwrap(), value);
    let ty = simple_type("(list u16)");
    let val = to_val(&Value::List(Vec::new()), &ty, &mut NoHandles).unwrap();
    assert_eq!(from_val(val, &ty, &mut NoHandles).unwrap(), Value::List(Vec::new()));
}

#[test]
fn a_misfit_is_refused_with_its_place() {
    let deep = Value::List(vec![
        Value::Tuple(vec![Value::U8(1), Value::Bool(true)]),
        Value::Tuple(vec![Value::U8(1), Value::U8(2)]),
    ]);
    assert_eq!(refusal(&deep, "(list (tuple u8 bool))"), "at [1][1]: expected bool, found u8");
    assert_eq!(
        refusal(&Value::Record(vec![("a".into(), Value::U8(1))]), "(record (field \"b\" u8))"),
        "expected field b, found field a"
    );
    assert_eq!(
        refusal(&Value::Tuple(vec![Value::U8(1)]), "(tuple u8 u8)"),
        "expected 2 elements, found 1 element"
    );
    assert_eq!(
        refusal(&Value::Enum("blue".into()), "(enum \"red\")"),
        "expected enum { red }, found \"blue\""
    );
    assert_eq!(
        refusal(&Value::Result(Ok(Some(Box::new(Value::U8(1))))), "(result)"),
        "at ok: expected no payload, found u8"
    );
    assert_eq!(
        refusal(&Value::Flags(vec!["x".into()]), "(flags \"y\")"),
        "expected flags { y }, found \"x\""
    );
    assert_eq!(refusal(&Value::Bytes(vec![1]), "(list u16)"), "expected list<u16>, found list<u8>");
    assert_eq!(refusal(&Value::List(Vec::new()), "(list u8)"), "expected list<u8>, found list");
}

#[test]
fn types_read_as_wit() {
    assert_eq!(
        type_text(&type_of(EVERY_TYPE)),
        "tuple<bool, s8, u8, s16, u16, s32, u32, s64, u64, f32, f64, char, string, list<u8>, \
         list<bool>, record { key: u8 }, variant { none, some(u8) }, variant { none, some(u8) }, \
         enum { green, red }, option<u8>, option<option<u8>>, result, result<u8>, result, \
         result<_, u8>, flags { read, never, write }>"
    );
}
