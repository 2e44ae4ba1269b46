//! Whatever can be written is read back: JSON, WAVE, the log's bytes, and wasmtime's values, over
//! random types and random values of them.

use everlog_runtime::value::{NoHandles, decode_values, encode_values, from_val, to_val};
use proptest::prelude::*;

use super::models::model;
use super::{type_of, urns};
use crate::values::{BytesAs, Json, decode_arguments, decode_wave, encode_wave};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_form_of_a_value_is_read_back(
        (model, value) in model().prop_flat_map(|model| (Just(model.clone()), model.value()))
    ) {
        let parameters = [("it-self".to_owned(), type_of(&model.definitions()))];
        let values = vec![value];
        let value = &values[0];
        let urns = urns();
        for bytes in [BytesAs::Array, BytesAs::Base64] {
            let json = Json { value, urns: &urns, bytes }.to_bytes();
            let json = String::from_utf8(json).unwrap();
            let read = |body: String| decode_arguments(body.as_bytes(), &parameters, &urns);
            prop_assert_eq!(read(format!("[{json}]")), Ok(values.clone()));
            prop_assert_eq!(read(format!("{{\"itSelf\":{json}}}")), Ok(values.clone()));
        }
        let wave = encode_wave(Some(value), &urns);
        prop_assert_eq!(wave.lines().count(), 1);
        prop_assert_eq!(decode_wave(wave.as_bytes(), &parameters, &urns), Ok(values.clone()));
        prop_assert_eq!(decode_values(&encode_values(&values).unwrap()).unwrap(), values.clone());
        let val = to_val(value, &parameters[0].1, &mut NoHandles).unwrap();
        prop_assert_eq!(&from_val(val, &parameters[0].1, &mut NoHandles).unwrap(), value);
    }

    #[test]
    fn no_body_panics(model in model(), body in any::<Vec<u8>>(), json in "[\\[\\]{}\",:0-9a-z]{0,20}") {
        let parameters = [("it".to_owned(), type_of(&model.definitions()))];
        for body in [body.as_slice(), json.as_bytes()] {
            // Only that it returns is of interest.
            let _ = decode_arguments(body, &parameters, &urns());
            let _ = decode_wave(body, &parameters, &urns());
        }
    }
}
