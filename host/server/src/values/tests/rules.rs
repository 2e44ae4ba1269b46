//! The rules of the JSON table, one after the other.

use everlog_runtime::value::Value;

use super::{handle_parameter, parameter, read, type_of, urns, write};
use crate::values::{BytesAs, Json, decode_arguments, decode_wave, encode_wave};

/// `json` is what its value is written as.
fn same(json: &str, definition: &str) {
    let value = read(json, definition).unwrap();
    assert_eq!(write(&value), json, "{definition}");
}

/// `json` means the same as `canonical`.
fn means(json: &str, canonical: &str, definition: &str) {
    let value = read(json, definition).unwrap();
    assert_eq!(write(&value), canonical, "{definition}");
}

#[test]
fn scalars() {
    same("true", "bool");
    same("\"täxt\\n\"", "string");
    same("\"é\"", "char");
    same("-128", "s8");
    same("255", "u8");
    same("-32768", "s16");
    same("65535", "u16");
    same("-2147483648", "s32");
    same("4294967295", "u32");
    same("-9223372036854775808", "s64");
    same("18446744073709551615", "u64");
    means("\"18446744073709551615\"", "18446744073709551615", "u64");
    means("\"-9223372036854775808\"", "-9223372036854775808", "s64");
}

#[test]
fn floats() {
    same("1.5", "float32");
    same("0.1", "float32");
    same("1e+300", "float64");
    same("5e-324", "float64");
    same("-0.0", "float64");
    same("\"NaN\"", "float64");
    same("\"Infinity\"", "float32");
    same("\"-Infinity\"", "float64");
    means("3", "3.0", "float64");
    means("-3", "-3.0", "float32");
}

#[test]
fn lists_and_tuples() {
    same("[1,2]", "(list u16)");
    same("[]", "(list string)");
    same("[1,\"a\"]", "(tuple u8 string)");
    same("[0,255]", "(list u8)");
    means("\"AP8=\"", "[0,255]", "(list u8)");
    means("\"AP8\"", "[0,255]", "(list u8)");
    let value = Value::Bytes(vec![0, 255]);
    let json = Json { value: &value, urns: &urns(), bytes: BytesAs::Base64 };
    assert_eq!(json.to_bytes(), b"\"AP8=\"");
}

#[test]
fn records_take_names_of_other_languages_and_leave_options_out() {
    let ty = "(record (field \"item-name\" string) (field \"vat-2-rate\" (option u8)))";
    same(r#"{"item-name":"a","vat-2-rate":7}"#, ty);
    for json in [
        r#"{"vat_2_rate":7,"item_name":"a"}"#,
        r#"{"itemName":"a","vat2Rate":7}"#,
        r#"{"item-name":"a","vat-2-rate":7}"#,
    ] {
        means(json, r#"{"item-name":"a","vat-2-rate":7}"#, ty);
    }
    means(r#"{"item-name":"a"}"#, r#"{"item-name":"a","vat-2-rate":null}"#, ty);
}

#[test]
fn a_name_that_fits_exactly_goes_first() {
    let ty = "(record (field \"a2\" (option u8)) (field \"a-2\" (option u8)))";
    means(r#"{"a2":1}"#, r#"{"a2":1,"a-2":null}"#, ty);
    means(r#"{"a-2":1}"#, r#"{"a2":null,"a-2":1}"#, ty);
}

#[test]
fn variants_enums_and_flags() {
    let variant = "(variant (case \"empty-box\") (case \"full\" u8) (case \"maybe\" (option u8)))";
    same("\"empty-box\"", variant);
    means("\"emptyBox\"", "\"empty-box\"", variant);
    means("{\"empty-box\":null}", "\"empty-box\"", variant);
    same("{\"full\":1}", variant);
    same("{\"maybe\":null}", variant);
    same("\"dark-red\"", "(enum \"green\" \"dark-red\")");
    same("[\"read\",\"write\"]", "(flags \"read\" \"write\")");
    means("[\"write\",\"read\"]", "[\"read\",\"write\"]", "(flags \"read\" \"write\")");
    same("[]", "(flags \"read\")");
}

#[test]
fn options_and_results() {
    same("null", "(option u8)");
    same("1", "(option u8)");
    same("null", "(option (option u8))");
    same("{\"some\":null}", "(option (option u8))");
    same("{\"some\":1}", "(option (option u8))");
    same("{\"some\":{\"some\":null}}", "(option (option (option u8)))");
    same("{\"ok\":1}", "(result u8 (error string))");
    same("{\"err\":\"no\"}", "(result u8 (error string))");
    same("{\"ok\":null}", "(result)");
    same("{\"err\":null}", "(result u8)");
    same("{\"ok\":null}", "(result (option u8))");
}

#[test]
fn handles_are_urns_of_the_worker() {
    let body = br#"["urn:worker:c0ffee/mary/7"]"#;
    let values = decode_arguments(body, &handle_parameter(), &urns()).unwrap();
    assert_eq!(values, [Value::Handle(7)]);
    assert_eq!(write(&values[0]), r#""urn:worker:c0ffee/mary/7""#);
}

#[test]
fn arguments_come_by_position_or_by_name() {
    let parameters = vec![
        ("first-name".to_owned(), type_of("(type $t string) (export \"t\" (type $t))")),
        ("age".to_owned(), type_of("(type $t (option u8)) (export \"t\" (type $t))")),
    ];
    let mary = Value::String("Mary".to_owned());
    let age = Value::Option(Some(Box::new(Value::U8(9))));
    let read = |body: &str| decode_arguments(body.as_bytes(), &parameters, &urns()).unwrap();
    assert_eq!(read(r#"["Mary", 9]"#), [mary.clone(), age.clone()]);
    assert_eq!(read(r#" {"age": 9, "firstName": "Mary"} "#), [mary.clone(), age]);
    assert_eq!(read(r#"{"first_name": "Mary"}"#), [mary, Value::Option(None)]);
    for empty in ["", " \n", "[]", "{}"] {
        assert_eq!(decode_arguments(empty.as_bytes(), &[], &urns()), Ok(Vec::new()));
    }
}

#[test]
fn wave_comes_one_value_a_line() {
    let values = decode_wave(b"[1, 2]\n", &parameter("(list u8)"), &urns()).unwrap();
    assert_eq!(values, [Value::Bytes(vec![1, 2])]);
    assert_eq!(encode_wave(values.first(), &urns()), "[1, 2]\n");
    assert_eq!(encode_wave(None, &urns()), "");
    assert_eq!(decode_wave(b"", &[], &urns()), Ok(Vec::new()));
    assert_eq!(encode_wave(Some(&Value::Handle(7)), &urns()), "\"urn:worker:c0ffee/mary/7\"\n");
}
