//! WAVE: what is written is read back, and misfits are named.

use super::{simple_type, type_of};
use crate::value::wave::{arguments_text, parse_arguments, parse_lines, to_text};
use crate::value::{HandleUrns, Value};

fn read(text: &str, definition: &str) -> Result<Value, String> {
    let parameters = [("it".to_owned(), simple_type(definition))];
    let values = parse_lines(text, &parameters, &HandleUrns::local());
    values.map(|mut values| values.remove(0)).map_err(|error| error.to_string())
}

/// `text` is canonical: it is what its value is written as.
fn canonical(text: &str, definition: &str) {
    let value = read(text, definition).unwrap();
    assert_eq!(to_text(&value, &HandleUrns::local()), text);
}

#[test]
fn canonical_texts_stay_as_they_are() {
    canonical("true", "bool");
    canonical("-128", "s8");
    canonical("18446744073709551615", "u64");
    canonical("1.5", "float32");
    canonical("3", "float64");
    canonical("-0", "float64");
    canonical("1e300", "float64");
    canonical("1.5e-7", "float64");
    canonical("nan", "float64");
    canonical("-inf", "float32");
    canonical(r"'\''", "char");
    canonical("'\"'", "char");
    canonical(r#""a \"b\" \\ \n ' é \u{7}""#, "string");
    canonical("[1, 2]", "(list u8)");
    canonical("[]", "(list u8)");
    canonical("(1, \"a\")", "(tuple u8 string)");
    canonical("%true", "(enum \"true\" \"false\")");
    canonical("%none(1)", "(variant (case \"none\" u8))");
    canonical("{read, write}", "(flags \"read\" \"write\")");
    canonical("{}", "(flags \"read\")");
    canonical("{a-b: 1}", "(record (field \"a-b\" u8) (field \"c\" (option u8)))");
    canonical("{:}", "(record (field \"c\" (option u8)))");
    canonical("some(some(1))", "(option (option u8))");
    canonical("some(none)", "(option (option u8))");
    canonical("ok", "(result)");
    canonical("err(\"no\")", "(result (error string))");
}

#[test]
fn shorter_ways_of_writing_mean_the_same() {
    let none = || Value::Option(None);
    assert_eq!(read("5", "(option u8)"), Ok(Value::Option(Some(Box::new(Value::U8(5))))));
    assert_eq!(read("5", "(result u8)"), Ok(Value::Result(Ok(Some(Box::new(Value::U8(5)))))));
    assert_eq!(read("none", "(option (option u8))"), Ok(none()));
    let flags = Value::Flags(vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!(read("{b, a}", "(flags \"a\" \"b\")"), Ok(flags));
}

#[test]
fn misfits_are_named() {
    let refusal = |text, definition| read(text, definition).unwrap_err();
    assert_eq!(refusal("256", "u8"), "at it: expected u8, found 256");
    assert_eq!(refusal("1.0", "u8"), "at it: expected u8, found 1.0");
    assert_eq!(refusal("-inf", "u8"), "at it: expected u8, found -inf");
    assert_eq!(refusal("1e999", "float64"), "at it: expected f64, found 1e999");
    assert_eq!(refusal("\"a\"", "bool"), "at it: expected bool, found a string");
    assert_eq!(refusal("[1, x]", "(list u8)"), "at it[1]: expected u8, found a label");
    assert_eq!(
        refusal("{a: 1, b: 2}", "(record (field \"a\" u8))"),
        "at it: expected record { a: u8 }, found a field b"
    );
    assert_eq!(refusal("{:}", "(record (field \"a\" u8))"), "at it.a: expected u8, found nothing");
    assert_eq!(refusal("c", "(enum \"a\")"), "at it: expected enum { a }, found c");
    assert_eq!(
        refusal("5", "(option (option u8))"),
        "at it: expected some(option<u8>) or none, found a number"
    );
    assert!(refusal("(", "u8").contains("not WAVE"));
    assert!(refusal("", "u8").contains("not WAVE"));
    assert_eq!(refusal("1 2", "u8"), "expected 1 value, found more text, beginning at byte 2");
}

#[test]
fn deep_nesting_is_refused_and_does_not_overflow() {
    for open in ["[", "(", "some(", "ok(", "{a:", "x("] {
        let text = open.repeat(100_000);
        assert!(read(&text, "(list u8)").unwrap_err().contains("not WAVE"), "{open}");
    }
}

#[test]
fn values_come_one_a_line() {
    let parameters = [
        ("name".to_owned(), simple_type("string")),
        (
            "point".to_owned(),
            type_of("(type $p' (record (field \"x\" s32))) (export $t \"t\" (type $p'))"),
        ),
    ];
    let values = parse_lines("\"a\"\n{\n  x: -1\n}\n", &parameters, &HandleUrns::local()).unwrap();
    let point = Value::Record(vec![("x".to_owned(), Value::S32(-1))]);
    assert_eq!(values, [Value::String("a".to_owned()), point]);
}

#[test]
fn arguments_have_parentheses() {
    let parameters =
        [("id".to_owned(), simple_type("string")), ("size".to_owned(), simple_type("u8"))];
    let urns = HandleUrns::local();
    let values = parse_arguments("( \"a).(b\" ,5,)", &parameters, &urns).unwrap();
    assert_eq!(arguments_text(&values, &urns), "\"a).(b\", 5");
    assert_eq!(parse_arguments("( )", &[], &urns), Ok(Vec::new()));
    let refusal = |text| parse_arguments(text, &parameters, &urns).unwrap_err().to_string();
    assert_eq!(refusal("()"), "expected 2 arguments, found 0");
    assert_eq!(refusal("(\"a\")"), "expected 2 arguments, found 1");
    assert_eq!(refusal("(\"a\", 256)"), "at size: expected u8, found 256");
    assert!(refusal("(\"a\", 2) (3)").contains("not WAVE"));
}

#[test]
fn urns_are_of_one_worker() {
    let urns = HandleUrns::of_worker("c-1", "a/b");
    let mut text = String::new();
    urns.write(12, &mut text);
    assert_eq!(text, "urn:worker:c-1/a/b/12");
    assert_eq!(urns.parse(&text), Some(12));
    for other in [
        "urn:worker:c-1/a/b/012",
        "urn:worker:c-1/a/b/",
        "urn:worker:c-1/a/b/+1",
        "urn:worker:c-1/a/12",
        "12",
        "urn:worker:c-1/a/b/99999999999999999999",
    ] {
        assert_eq!(urns.parse(other), None, "{other}");
    }
}
