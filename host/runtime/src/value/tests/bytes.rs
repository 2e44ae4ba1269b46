//! The bytes of values are a format of the log: fixed for ever, and read with suspicion.

use std::slice;

use super::{every_kind, nested_lists, type_of};
use crate::value::{
    CodecError, MAX_DEPTH, NoHandles, Value, decode_result, decode_values, encode_result,
    encode_values, from_val, to_val,
};

/// What 0.1.0 writes for [`every_kind`]. A change here makes old logs unreadable.
const GOLDEN: &str = "01101b\
    0001 01ff 02c8 03fb5702 04fb60ea 05fcdf220200 06fc00286bee 07fdffffffffffffffff \
    08fdffffffffffffffff 090000c03f 0a000000000000f87f 0bc3a9 0c0574c3a47874 0d0200ff \
    0e0200000001 0f01036b65790201 11046e6f6e6500 1104736f6d65010202 1203726564 \
    1300 13011300 1400 14010203 1402 14030204 15020472656164057772697465 1609";

fn golden() -> Vec<u8> {
    let digits: Vec<char> = GOLDEN.chars().filter(|digit| !digit.is_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
        .collect()
}

#[test]
fn bytes_are_those_of_the_golden_value() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&encode_values(&[every_kind()]).unwrap()), hex(&golden()));
    assert_eq!(decode_values(&golden()).unwrap(), [every_kind()]);
}

#[test]
fn results_come_back() {
    for result in [None, Some(every_kind())] {
        let bytes = encode_result(result.as_ref()).unwrap();
        assert_eq!(decode_result(&bytes).unwrap(), result);
    }
}

#[test]
fn a_cut_or_lengthened_value_is_refused() {
    let bytes = golden();
    for length in 0..bytes.len() {
        let cut = decode_values(&bytes[..length]);
        assert!(matches!(cut, Err(CodecError::Unreadable(_))), "cut to {length}: {cut:?}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    let (expected, found) = (bytes.len(), bytes.len() + 1);
    assert_eq!(decode_values(&longer), Err(CodecError::TrailingBytes { expected, found }));
}

#[test]
fn a_flipped_bit_never_panics() {
    let bytes = golden();
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        // Some flips give another value, which is for the log's checksum to find.
        if let Ok(values) = decode_values(&damaged) {
            encode_values(&values).unwrap();
        }
    }
}

#[test]
fn a_forged_length_asks_for_no_memory() {
    // 253 and eight bytes: a length of 2^62 elements or bytes.
    let length = [253, 0, 0, 0, 0, 0, 0, 0, 64];
    for tag in [12, 13, 14, 15, 16, 18, 21] {
        let bytes = [&[1, tag][..], &length].concat();
        assert!(matches!(decode_values(&bytes), Err(CodecError::Unreadable(_))), "tag {tag}");
    }
    assert!(matches!(decode_values(&length), Err(CodecError::Unreadable(_))));
}

#[test]
fn an_unknown_tag_is_named() {
    let error = decode_values(&[1, 23]).unwrap_err();
    assert!(error.to_string().contains("23"), "{error}");
}

#[test]
fn nesting_is_limited_both_ways() {
    let deepest = [nested_lists(MAX_DEPTH)];
    assert_eq!(decode_values(&encode_values(&deepest).unwrap()).unwrap(), deepest);
    assert_eq!(encode_values(&[nested_lists(MAX_DEPTH + 1)]), Err(CodecError::TooDeep));
    // A list of one element, a million times.
    let bytes: Vec<u8> = std::iter::once(1).chain([14, 1].repeat(1_000_000)).collect();
    assert!(matches!(decode_values(&bytes), Err(CodecError::Unreadable(_))));
}

/// So [`MAX_DEPTH`] never stands in the way of a value that a component can have.
#[test]
fn no_type_is_deeper_than_a_value_may_be() {
    let is_valid = |levels: &usize| {
        let bytes = wat::parse_str(format!("(component {})", list_types(*levels))).unwrap();
        wasmparser::Validator::new().validate_all(&bytes).is_ok()
    };
    let deepest = (1..=2 * MAX_DEPTH).take_while(is_valid).last().unwrap();
    assert!(deepest < 2 * MAX_DEPTH, "the validator has a limit");
    let ty = type_of(&list_types(deepest));
    let value = (0..deepest).fold(Value::Bool(true), |inner, _| Value::List(vec![inner]));
    let val = to_val(&value, &ty, &mut NoHandles).unwrap();
    assert_eq!(from_val(val, &ty, &mut NoHandles).unwrap(), value);
    assert_eq!(decode_values(&encode_values(slice::from_ref(&value)).unwrap()).unwrap(), [value]);
}

/// A list of lists, `levels` deep, around `bool`.
fn list_types(levels: usize) -> String {
    let list = |level| match level {
        1 => "(type $list1 (list bool))".to_owned(),
        level => format!("(type $list{level} (list $list{}))", level - 1),
    };
    let lists: String = (1..=levels).map(list).collect();
    format!("{lists} (export \"t\" (type $list{levels}))")
}

#[test]
fn every_nan_is_the_same() {
    let odd = f64::from_bits(0x7ff8_0000_0000_0001);
    let value = Value::Float64((-odd).into());
    assert_eq!(value, Value::Float64(f64::NAN.into()));
    assert_ne!(Value::Float64(0.0.into()), Value::Float64((-0.0).into()));
    let bytes = encode_values(slice::from_ref(&value)).unwrap();
    assert_eq!(bytes, encode_values(&[Value::Float64(f64::NAN.into())]).unwrap());
}
