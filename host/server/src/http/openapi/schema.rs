//! WIT types as JSON Schema, after the API's table of WIT values as JSON.

use serde_json::{Map, Value, json};
use wasmtime::component::types::{Case, Type};

/// What JSON a value of type `ty` is.
pub(super) fn schema(ty: &Type) -> Value {
    match ty {
        Type::Bool => json!({ "type": "boolean" }),
        Type::S8 => integer(i8::MIN.into(), i8::MAX.into()),
        Type::U8 => integer(0, u8::MAX.into()),
        Type::S16 => integer(i16::MIN.into(), i16::MAX.into()),
        Type::U16 => integer(0, u16::MAX.into()),
        Type::S32 => integer(i32::MIN.into(), i32::MAX.into()),
        Type::U32 => integer(0, u32::MAX.into()),
        // 64-bit numbers may come as decimal texts, for clients whose numbers are doubles.
        Type::S64 => json!({ "type": ["integer", "string"], "pattern": "^-?[0-9]+$" }),
        Type::U64 => json!({ "type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]+$" }),
        Type::Float32 | Type::Float64 => json!({
            "oneOf": [{ "type": "number" }, { "enum": ["NaN", "Infinity", "-Infinity"] }],
        }),
        Type::Char => json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
        Type::String | Type::Own(_) | Type::Borrow(_) => json!({ "type": "string" }),
        Type::List(list) => match list.ty() {
            Type::U8 => json!({ "oneOf": [
                { "type": "array", "items": schema(&Type::U8) },
                { "type": "string", "contentEncoding": "base64" },
            ] }),
            element => json!({ "type": "array", "items": schema(&element) }),
        },
        Type::Tuple(tuple) => {
            let items: Vec<Value> = tuple.types().map(|ty| schema(&ty)).collect();
            let count = items.len();
            json!({ "type": "array", "minItems": count, "prefixItems": items, "items": false })
        }
        Type::Record(record) => object(record.fields().map(|field| (field.name, field.ty))),
        Type::Variant(variant) => {
            json!({ "oneOf": variant.cases().map(|case| case_schema(&case)).collect::<Vec<_>>() })
        }
        Type::Enum(cases) => json!({ "enum": cases.names().collect::<Vec<_>>() }),
        Type::Flags(flags) => {
            let names: Vec<_> = flags.names().collect();
            json!({ "type": "array", "uniqueItems": true, "items": { "enum": names } })
        }
        Type::Option(option) => match option.ty() {
            // Some of none has to differ from none.
            inner @ Type::Option(_) => {
                json!({ "oneOf": [{ "type": "null" }, member("some", &schema(&inner))] })
            }
            inner => json!({ "oneOf": [{ "type": "null" }, schema(&inner)] }),
        },
        Type::Result(result) => json!({ "oneOf": [
            member("ok", &payload(result.ok().as_ref())),
            member("err", &payload(result.err().as_ref())),
        ] }),
        // Types that calls cannot carry: any JSON is refused with a reason.
        _ => json!({}),
    }
}

/// An object with these members, of which options may be left out.
pub(super) fn object<'a>(fields: impl Iterator<Item = (&'a str, Type)>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, ty) in fields {
        properties.insert(name.to_owned(), schema(&ty));
        if !matches!(ty, Type::Option(_)) {
            required.push(name);
        }
    }
    json!({
        "type": "object", "properties": properties, "required": required,
        "additionalProperties": false,
    })
}

fn integer(minimum: i64, maximum: i64) -> Value {
    json!({ "type": "integer", "minimum": minimum, "maximum": maximum })
}

fn payload(ty: Option<&Type>) -> Value {
    ty.map_or(json!({ "type": "null" }), schema)
}

fn case_schema(case: &Case<'_>) -> Value {
    match &case.ty {
        None => json!({ "const": case.name }),
        Some(ty) => member(case.name, &schema(ty)),
    }
}

fn member(name: &str, schema: &Value) -> Value {
    json!({
        "type": "object", "properties": { name: schema }, "required": [name],
        "additionalProperties": false,
    })
}
