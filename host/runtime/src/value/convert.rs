//! Between our values and wasmtime's.
//!
//! Both directions walk value and type together: the type says which lists are bytes and which
//! resource a handle is of, and a value that does not fit is refused here, with the place,
//! and not within the call.

use wasmtime::component::Val;
use wasmtime::component::types::{Field, Record, Tuple, Type};

use super::{F32, F64, Handles, MAX_DEPTH, Ownership, Value, ValueError, ValueProblem, type_text};

/// `value` as wasmtime's, to be given to a guest as a `ty`.
///
/// Handles are lowered through `handles`, in the order of the value. When an error comes after
/// some of them, those are lowered already: check the types first where that matters.
///
/// # Errors
/// [`ValueError`]: the value does not fit the type, or a handle in it is not live.
pub fn to_val(value: &Value, ty: &Type, handles: &mut dyn Handles) -> Result<Val, ValueError> {
    lower(value, ty, handles, 1)
}

/// wasmtime's `val`, which a guest returned as a `ty`, as ours.
///
/// # Errors
/// [`ValueError`]: a type that calls cannot carry, or a resource that is not the component's own.
pub fn from_val(val: Val, ty: &Type, handles: &mut dyn Handles) -> Result<Value, ValueError> {
    lift(val, ty, handles, 1)
}

fn lower(
    value: &Value,
    ty: &Type,
    handles: &mut dyn Handles,
    level: usize,
) -> Result<Val, ValueError> {
    if level > MAX_DEPTH {
        return Err(ValueProblem::TooDeep.into());
    }
    Ok(match (value, ty) {
        (Value::List(elements), Type::List(list)) if list.ty() != Type::U8 => {
            lower_list(elements, &list.ty(), handles, level)?
        }
        (Value::Tuple(elements), Type::Tuple(tuple)) => {
            lower_tuple(elements, tuple, handles, level)?
        }
        (Value::Record(fields), Type::Record(record)) => {
            lower_record(fields, record, handles, level)?
        }
        (Value::Variant(case, payload), Type::Variant(variant)) => {
            let known = variant.cases().find(|known| known.name == case);
            let ty = known.ok_or_else(|| unknown_name(ty, case))?.ty;
            let payload = lower_payload(case, payload.as_deref(), ty.as_ref(), handles, level)?;
            Val::Variant(case.clone(), payload)
        }
        (Value::Option(None), Type::Option(_)) => Val::Option(None),
        (Value::Option(payload), Type::Option(option)) => {
            let ty = option.ty();
            Val::Option(lower_payload("some", payload.as_deref(), Some(&ty), handles, level)?)
        }
        (Value::Result(Ok(payload)), Type::Result(result)) => {
            let ty = result.ok();
            Val::Result(Ok(lower_payload("ok", payload.as_deref(), ty.as_ref(), handles, level)?))
        }
        (Value::Result(Err(payload)), Type::Result(result)) => {
            let ty = result.err();
            Val::Result(Err(lower_payload("err", payload.as_deref(), ty.as_ref(), handles, level)?))
        }
        (Value::Handle(id), Type::Own(resource)) => {
            Val::Resource(handles.lower(*id, resource, Ownership::Own)?)
        }
        (Value::Handle(id), Type::Borrow(resource)) => {
            Val::Resource(handles.lower(*id, resource, Ownership::Borrow)?)
        }
        (value, ty) => lower_leaf(value, ty)?,
    })
}

/// Lowers a value that has no other values and no handles in it.
fn lower_leaf(value: &Value, ty: &Type) -> Result<Val, ValueError> {
    Ok(match (value, ty) {
        (Value::Bool(content), Type::Bool) => Val::Bool(*content),
        (Value::S8(content), Type::S8) => Val::S8(*content),
        (Value::U8(content), Type::U8) => Val::U8(*content),
        (Value::S16(content), Type::S16) => Val::S16(*content),
        (Value::U16(content), Type::U16) => Val::U16(*content),
        (Value::S32(content), Type::S32) => Val::S32(*content),
        (Value::U32(content), Type::U32) => Val::U32(*content),
        (Value::S64(content), Type::S64) => Val::S64(*content),
        (Value::U64(content), Type::U64) => Val::U64(*content),
        (Value::Float32(content), Type::Float32) => Val::Float32(content.get()),
        (Value::Float64(content), Type::Float64) => Val::Float64(content.get()),
        (Value::Char(content), Type::Char) => Val::Char(*content),
        (Value::String(content), Type::String) => Val::String(content.clone()),
        (Value::Bytes(content), Type::List(list)) if list.ty() == Type::U8 => {
            Val::List(content.iter().copied().map(Val::U8).collect())
        }
        (Value::Enum(case), Type::Enum(cases)) => {
            known_name(ty, cases.names(), case)?;
            Val::Enum(case.clone())
        }
        (Value::Flags(set), Type::Flags(flags)) => {
            set.iter().try_for_each(|name| known_name(ty, flags.names(), name))?;
            Val::Flags(set.clone())
        }
        (value, ty) => return Err(mismatch(ty, value.kind())),
    })
}

fn lower_list(
    elements: &[Value],
    ty: &Type,
    handles: &mut dyn Handles,
    level: usize,
) -> Result<Val, ValueError> {
    let lower = |(index, element)| {
        lower(element, ty, handles, level + 1).map_err(|error: ValueError| error.in_element(index))
    };
    Ok(Val::List(elements.iter().enumerate().map(lower).collect::<Result<_, _>>()?))
}

fn lower_tuple(
    elements: &[Value],
    tuple: &Tuple,
    handles: &mut dyn Handles,
    level: usize,
) -> Result<Val, ValueError> {
    same_length(elements.len(), tuple.types().len(), "element")?;
    let lower = |(index, (element, ty)): (usize, (&Value, Type))| {
        lower(element, &ty, handles, level + 1).map_err(|error| error.in_element(index))
    };
    let pairs = elements.iter().zip(tuple.types()).enumerate();
    Ok(Val::Tuple(pairs.map(lower).collect::<Result<_, _>>()?))
}

fn lower_record(
    fields: &[(String, Value)],
    record: &Record,
    handles: &mut dyn Handles,
    level: usize,
) -> Result<Val, ValueError> {
    same_length(fields.len(), record.fields().len(), "field")?;
    let mut vals = Vec::with_capacity(fields.len());
    for ((name, value), field) in fields.iter().zip(record.fields()) {
        same_name(name, field.name)?;
        let val = lower(value, &field.ty, handles, level + 1);
        vals.push((name.clone(), val.map_err(|error| error.in_field(name))?));
    }
    Ok(Val::Record(vals))
}

fn lower_payload(
    case: &str,
    payload: Option<&Value>,
    ty: Option<&Type>,
    handles: &mut dyn Handles,
    level: usize,
) -> Result<Option<Box<Val>>, ValueError> {
    match (payload, ty) {
        (Some(value), Some(ty)) => {
            let val = lower(value, ty, handles, level + 1).map_err(|error| error.in_field(case))?;
            Ok(Some(Box::new(val)))
        }
        (None, None) => Ok(None),
        (Some(value), None) => Err(ValueError::mismatch("no payload", value.kind()).in_field(case)),
        (None, Some(ty)) => Err(ValueError::mismatch(type_text(ty), "no payload").in_field(case)),
    }
}

fn lift(val: Val, ty: &Type, handles: &mut dyn Handles, level: usize) -> Result<Value, ValueError> {
    if level > MAX_DEPTH {
        return Err(ValueProblem::TooDeep.into());
    }
    Ok(match (val, ty) {
        (Val::Bool(content), _) => Value::Bool(content),
        (Val::S8(content), _) => Value::S8(content),
        (Val::U8(content), _) => Value::U8(content),
        (Val::S16(content), _) => Value::S16(content),
        (Val::U16(content), _) => Value::U16(content),
        (Val::S32(content), _) => Value::S32(content),
        (Val::U32(content), _) => Value::U32(content),
        (Val::S64(content), _) => Value::S64(content),
        (Val::U64(content), _) => Value::U64(content),
        (Val::Float32(content), _) => Value::Float32(F32::new(content)),
        (Val::Float64(content), _) => Value::Float64(F64::new(content)),
        (Val::Char(content), _) => Value::Char(content),
        (Val::String(content), _) => Value::String(content),
        (Val::Enum(case), _) => Value::Enum(case),
        (Val::Flags(set), _) => Value::Flags(set),
        (Val::List(elements), Type::List(list)) => lift_list(elements, &list.ty(), handles, level)?,
        (Val::Tuple(elements), Type::Tuple(tuple)) => {
            let pairs = elements.into_iter().zip(tuple.types()).enumerate();
            let lift = |(index, (element, ty)): (usize, (Val, Type))| {
                lift(element, &ty, handles, level + 1).map_err(|error| error.in_element(index))
            };
            Value::Tuple(pairs.map(lift).collect::<Result<_, _>>()?)
        }
        (Val::Record(fields), Type::Record(record)) => {
            let pairs = fields.into_iter().zip(record.fields());
            let lift = |((name, val), field): ((String, Val), Field<'_>)| match lift(
                val,
                &field.ty,
                handles,
                level + 1,
            ) {
                Ok(value) => Ok((name, value)),
                Err(error) => Err(error.in_field(&name)),
            };
            Value::Record(pairs.map(lift).collect::<Result<_, ValueError>>()?)
        }
        (Val::Variant(case, payload), Type::Variant(variant)) => {
            let ty = variant.cases().find(|known| known.name == case).and_then(|known| known.ty);
            let payload = lift_payload(&case, payload, ty.as_ref(), handles, level)?;
            Value::Variant(case, payload)
        }
        (Val::Option(payload), Type::Option(option)) => {
            Value::Option(lift_payload("some", payload, Some(&option.ty()), handles, level)?)
        }
        (Val::Result(Ok(payload)), Type::Result(result)) => {
            Value::Result(Ok(lift_payload("ok", payload, result.ok().as_ref(), handles, level)?))
        }
        (Val::Result(Err(payload)), Type::Result(result)) => {
            Value::Result(Err(lift_payload("err", payload, result.err().as_ref(), handles, level)?))
        }
        (Val::Resource(resource), Type::Own(ty) | Type::Borrow(ty)) => {
            Value::Handle(handles.lift(resource, ty)?)
        }
        (_, ty) => return Err(ValueProblem::Unsupported { type_text: type_text(ty) }.into()),
    })
}

fn lift_list(
    elements: Vec<Val>,
    ty: &Type,
    handles: &mut dyn Handles,
    level: usize,
) -> Result<Value, ValueError> {
    if *ty == Type::U8 {
        let bytes = elements.iter().map(|element| match element {
            Val::U8(byte) => Ok(*byte),
            _ => Err(ValueError::mismatch("u8", "another value")),
        });
        return Ok(Value::Bytes(bytes.collect::<Result<_, _>>()?));
    }
    let lift = |(index, element)| {
        lift(element, ty, handles, level + 1).map_err(|error: ValueError| error.in_element(index))
    };
    Ok(Value::List(elements.into_iter().enumerate().map(lift).collect::<Result<_, _>>()?))
}

fn lift_payload(
    case: &str,
    payload: Option<Box<Val>>,
    ty: Option<&Type>,
    handles: &mut dyn Handles,
    level: usize,
) -> Result<Option<Box<Value>>, ValueError> {
    match (payload, ty) {
        (Some(val), Some(ty)) => {
            let value = lift(*val, ty, handles, level + 1).map_err(|error| error.in_field(case))?;
            Ok(Some(Box::new(value)))
        }
        (None, _) => Ok(None),
        (Some(_), None) => Err(ValueError::mismatch("no payload", "a payload").in_field(case)),
    }
}

pub(super) fn mismatch(ty: &Type, found: &str) -> ValueError {
    match ty {
        Type::Map(_)
        | Type::FixedLengthList(_)
        | Type::Future(_)
        | Type::Stream(_)
        | Type::ErrorContext => ValueProblem::Unsupported { type_text: type_text(ty) }.into(),
        _ => ValueError::mismatch(type_text(ty), found),
    }
}

fn same_length(found: usize, expected: usize, noun: &str) -> Result<(), ValueError> {
    if found == expected {
        return Ok(());
    }
    Err(ValueError::mismatch(counted(expected, noun), counted(found, noun)))
}

pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn same_name(found: &str, expected: &str) -> Result<(), ValueError> {
    if found == expected {
        return Ok(());
    }
    Err(ValueError::mismatch(format!("field {expected}"), format!("field {found}")))
}

fn known_name<'names>(
    ty: &Type,
    mut names: impl Iterator<Item = &'names str>,
    name: &str,
) -> Result<(), ValueError> {
    if names.any(|known| known == name) { Ok(()) } else { Err(unknown_name(ty, name)) }
}

fn unknown_name(ty: &Type, name: &str) -> ValueError {
    ValueError::mismatch(type_text(ty), format!("{name:?}"))
}
