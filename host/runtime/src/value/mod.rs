//! WIT values as the host keeps them: in messages, in logs, and on their way to and from a guest.
//!
//! A [`Value`] says what it is, but needs its WIT type to be shown as JSON or given to a guest:
//! an option of an option, or a record's optional field, reads differently by type.
//! [`to_val`] and [`from_val`] are the bridge to wasmtime, [`wave`] is the text form, and
//! [`encode_values`] and [`decode_values`] are the form in the log, which is only ever appended to.

mod codec;
mod convert;
mod describe;
mod error;
mod float;
mod handles;
pub mod wave;

#[cfg(test)]
pub(crate) mod tests;

pub use codec::{decode_result, decode_values, encode_result, encode_values};
pub use convert::{from_val, to_val};
pub use describe::{type_text, type_text_with};
pub use error::{CodecError, ValueError, ValueProblem};
pub use float::{F32, F64};
pub use handles::{HandleError, HandleUrns, Handles, NoHandles, Ownership};

/// How deep a value may be nested; the value itself is level 1.
///
/// wasmparser accepts no type nested deeper than this, so a value that fits its type never meets
/// the limit. It bounds the recursion over bytes of unknown origin.
pub const MAX_DEPTH: usize = 100;

/// One WIT value.
///
/// Two values are equal when their encodings are: floats compare by their bits, and all NaNs are one.
/// Records and flags are in the order of their type, whatever order a caller wrote them in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// `bool`
    Bool(bool),
    /// `s8`
    S8(i8),
    /// `u8`, on its own; a list of them is [`Value::Bytes`]
    U8(u8),
    /// `s16`
    S16(i16),
    /// `u16`
    U16(u16),
    /// `s32`
    S32(i32),
    /// `u32`
    U32(u32),
    /// `s64`
    S64(i64),
    /// `u64`
    U64(u64),
    /// `f32`
    Float32(F32),
    /// `f64`
    Float64(F64),
    /// `char`
    Char(char),
    /// `string`
    String(String),
    /// `list<u8>`, always in this form, also when empty
    Bytes(Vec<u8>),
    /// `list<T>` of anything but `u8`
    List(Vec<Value>),
    /// `record`: every field of the type, in its order
    Record(Vec<(String, Value)>),
    /// `tuple`
    Tuple(Vec<Value>),
    /// `variant`: the case, and its payload if the case has one
    Variant(String, Option<Box<Value>>),
    /// `enum`: the case
    Enum(String),
    /// `option`
    Option(Option<Box<Value>>),
    /// `result`: either side may have no payload
    Result(Result<Option<Box<Value>>, Option<Box<Value>>>),
    /// `flags`: those that are set, in the order of the type
    Flags(Vec<String>),
    /// `own` or `borrow` of a resource that the guest exports: its number within the worker
    Handle(u64),
}

impl Value {
    /// The WIT keyword of this kind of value, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::S8(_) => "s8",
            Self::U8(_) => "u8",
            Self::S16(_) => "s16",
            Self::U16(_) => "u16",
            Self::S32(_) => "s32",
            Self::U32(_) => "u32",
            Self::S64(_) => "s64",
            Self::U64(_) => "u64",
            Self::Float32(_) => "f32",
            Self::Float64(_) => "f64",
            Self::Char(_) => "char",
            Self::String(_) => "string",
            Self::Bytes(_) => "list<u8>",
            Self::List(_) => "list",
            Self::Record(_) => "record",
            Self::Tuple(_) => "tuple",
            Self::Variant(..) => "variant",
            Self::Enum(_) => "enum",
            Self::Option(_) => "option",
            Self::Result(_) => "result",
            Self::Flags(_) => "flags",
            Self::Handle(_) => "resource handle",
        }
    }
}
