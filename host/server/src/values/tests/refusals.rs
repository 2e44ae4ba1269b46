//! What is refused: where the pointer points, and what the message says.

use super::{handle_parameter, parameter, read, urns};
use crate::values::{
    MAX_ARGUMENTS_BYTES, MAX_VALUES, MAX_WAVE_BYTES, decode_arguments, decode_wave,
};

fn refused(json: &str, definition: &str, pointer: &str, message: &str) {
    let invalid = read(json, definition).unwrap_err();
    assert_eq!(invalid.pointer, pointer, "{json} as {definition}: {invalid}");
    assert!(invalid.message.contains(message), "{json} as {definition}: {invalid}");
}

fn body_refused(body: &str, definition: &str, pointer: &str, message: &str) {
    let invalid = decode_arguments(body.as_bytes(), &parameter(definition), &urns()).unwrap_err();
    assert_eq!(invalid.pointer, pointer, "{body} as {definition}: {invalid}");
    assert!(invalid.message.contains(message), "{body} as {definition}: {invalid}");
}

#[test]
fn numbers_out_of_range() {
    refused("256", "u8", "/0", "expected u8 (0 to 255), found 256");
    refused("-1", "u64", "/0", "expected u64 (0 to 18446744073709551615), found -1");
    refused("18446744073709551616", "u64", "/0", "expected u64");
    refused("9223372036854775808", "s64", "/0", "found 9223372036854775808");
    refused("1.0", "u32", "/0", "found 1.0");
    refused("1e2", "s32", "/0", "found 100.0");
    refused("1e39", "float32", "/0", "expected f32");
    refused("1e400", "float64", "/0", "out of range");
    for text in ["\"+1\"", "\"1.0\"", "\"\"", "\"-\"", "\" 1\"", "\"18446744073709551616\""] {
        refused(text, "u64", "/0", "expected u64");
    }
    refused("\"1\"", "u32", "/0", "found the string \"1\"");
}

#[test]
fn values_of_another_kind() {
    let found = [
        ("true", "found a boolean"),
        ("1", "found 1"),
        ("\"x\"", "found the string \"x\""),
        ("null", "found null"),
        ("[]", "found an array"),
        ("{}", "found an object"),
    ];
    for (json, message) in found {
        refused(json, "(tuple u8 u8)", "/0", if json == "[]" { "an array of 0" } else { message });
    }
    refused("\"ab\"", "char", "/0", "expected char");
    refused("\"\"", "char", "/0", "expected char");
    refused("\"nan\"", "float64", "/0", "expected f64");
    refused("\"A=P\"", "(list u8)", "/0", "expected list<u8>");
    refused("1", "(option (option u8))", "/0", "{\"some\": …}");
    refused("{\"none\":1}", "(option (option u8))", "/0/none", "unknown case \"none\"");
    refused(&format!("\"{}\"", "x".repeat(1_000)), "u8", "/0", "xxx\"…");
}

#[test]
fn the_pointer_leads_inside() {
    let record = "(record (field \"a-b\" (option u8)) (field \"c\" bool))";
    refused("{\"c\":true,\"a_b\":256}", record, "/0/a_b", "expected u8");
    refused("{\"c\":1}", record, "/0/c", "expected bool");
    refused("{\"a-b\":1}", record, "/0/c", "the field c (bool) is missing");
    refused("{\"c\":true,\"d\":1}", record, "/0/d", "unknown field \"d\"; known: a-b, c");
    refused("{\"c\":true,\"c\":true}", record, "/0/c", "given twice");
    refused("{\"c\":true,\"a-b\":1,\"aB\":1}", record, "/0/aB", "given twice");
    refused("[1,2,\"3\"]", "(list u16)", "/0/2", "expected u16");
    refused("[[1,true],[2,3]]", "(list (tuple u8 bool))", "/0/1/1", "expected bool");
    refused("[1,2,3]", "(tuple u8 u8)", "/0", "a longer array");
    refused("{\"a\":\"x\"}", "(variant (case \"a\" u8))", "/0/a", "expected u8");
    refused("{\"a\":1}", "(variant (case \"a\"))", "/0/a", "has no payload");
    refused("{\"a\":null,\"b\":null}", "(variant (case \"a\") (case \"b\"))", "/0", "several");
    refused("{}", "(variant (case \"a\"))", "/0", "an empty object");
    refused("\"a\"", "(variant (case \"a\" u8))", "/0", "found the string \"a\"");
    refused("\"b\"", "(enum \"a\")", "/0", "expected enum { a }");
    refused("{\"err\":300}", "(result (error u8))", "/0/err", "expected u8");
    refused("[\"a\",\"c\"]", "(flags \"a\" \"b\")", "/0/1", "unknown flag \"c\"; known: a, b");
    refused("[\"a\",\"a\"]", "(flags \"a\" \"b\")", "/0/1", "given twice");
    refused("[1]", "(flags \"a\")", "/0/0", "expected the name of a flag, found a number");
}

#[test]
fn arguments_that_do_not_match_the_parameters() {
    body_refused("[]", "u8", "", "expected 1 argument (it: u8), found 0");
    body_refused("[1,2,[3]]", "u8", "", "expected 1 argument (it: u8), found 3");
    body_refused("", "u8", "", "the body is empty; expected 1 argument (it: u8)");
    body_refused("{}", "u8", "/it", "the argument it (u8) is missing");
    body_refused("{\"it\":1,\"at\":2}", "u8", "/at", "unknown parameter \"at\"; known: it");
    body_refused("{\"it\":1,\"it\":2}", "u8", "/it", "given twice");
    body_refused("{\"it\":256}", "u8", "/it", "expected u8");
    body_refused(
        "5",
        "u8",
        "",
        "expected an array or an object of 1 argument (it: u8), found a number",
    );
    body_refused("null", "u8", "", "found null");
    let invalid = decode_arguments(b"[1]", &[], &urns()).unwrap_err();
    assert_eq!(invalid.message, "expected no arguments, found 1");
}

#[test]
fn bytes_that_are_not_json() {
    body_refused("[1", "u8", "", "not JSON: EOF");
    body_refused("[1]]", "u8", "", "not JSON: trailing characters");
    body_refused("[01]", "u8", "/0", "not JSON");
    body_refused("[1,]", "u8", "", "not JSON");
    let invalid = decode_arguments(b"[\"\xff\"]", &parameter("string"), &urns()).unwrap_err();
    assert!(invalid.message.contains("not JSON"), "{invalid}");
}

#[test]
fn keys_are_escaped_in_the_pointer() {
    let body = br#"{"it":{"a/b~c":1}}"#;
    let invalid = decode_arguments(body, &parameter("(record (field \"a\" u8))"), &urns());
    let invalid = invalid.unwrap_err();
    assert_eq!(invalid.pointer, "/it/a~1b~0c");
    assert!(invalid.message.contains("\"a/b~c\""), "{invalid}");
}

#[test]
fn handles_of_others() {
    for urn in ["urn:worker:c0ffee/jane/7", "urn:worker:c0ffee/mary/x", "7", ""] {
        let body = format!("[\"{urn}\"]");
        let invalid = decode_arguments(body.as_bytes(), &handle_parameter(), &urns()).unwrap_err();
        assert_eq!(invalid.pointer, "/0");
        assert!(invalid.message.contains("a handle of this worker"), "{invalid}");
    }
}

#[test]
fn deep_json_is_refused_where_it_leaves_the_type() {
    for open in ["[", "{\"a\":"] {
        let deep = open.repeat(1_000_000);
        let invalid = decode_arguments(deep.as_bytes(), &parameter("(list u8)"), &urns());
        assert!(invalid.unwrap_err().pointer.len() < 10);
        let invalid = decode_arguments(deep.as_bytes(), &[], &urns()).unwrap_err();
        assert!(invalid.message.contains("not JSON") || invalid.message.contains("unknown"));
    }
}

#[test]
fn sizes_are_limited() {
    let body = vec![b' '; MAX_ARGUMENTS_BYTES + 1];
    let invalid = decode_arguments(&body, &[], &urns()).unwrap_err();
    assert!(invalid.message.contains("more than 16777216"), "{invalid}");
    let invalid = decode_wave(&body[..=MAX_WAVE_BYTES], &[], &urns()).unwrap_err();
    assert!(invalid.message.contains("more than"), "{invalid}");

    // The list itself counts, too.
    let list = |length: usize| format!("[[{}]]", vec!["1"; length].join(","));
    let parameters = parameter("(list u16)");
    let most = list(MAX_VALUES - 1);
    assert!(decode_arguments(most.as_bytes(), &parameters, &urns()).is_ok());
    let invalid = decode_arguments(list(MAX_VALUES).as_bytes(), &parameters, &urns()).unwrap_err();
    assert_eq!(invalid.message, "the arguments have more than 1048576 values");
}

#[test]
fn wave_that_does_not_fit() {
    let refusal = |body: &[u8]| decode_wave(body, &parameter("u8"), &urns()).unwrap_err().message;
    assert_eq!(refusal(b"256"), "at it: expected u8, found 256");
    assert!(refusal(b"").contains("not WAVE"));
    assert!(refusal(b"\xff").contains("not UTF-8"));
    assert!(refusal(b"1\n2").contains("more text"));
}
