//! Calls of other workers whose functions are known by name only. Typed clients, which `everlog wit
//! client` makes, are the better way where the component is known when the guest is compiled.
//!
//! ```
//! # use everlog::{calls, mock};
//! use everlog::calls::{Value, Worker};
//!
//! # let host = mock::Host::new().on_call(|call| {
//! #     assert_eq!((call.location.as_str(), call.function.as_str()), ("urn:worker:counter/mary", "add"));
//! #     assert_eq!(call.arguments, [Value::U64(5)]);
//! #     Ok(Some(Value::U64(12)))
//! # });
//! # host.run(|| -> Result<(), calls::Error> {
//! let total = Worker::named("counter", "mary").call("add", &[Value::U64(5)])?;
//! assert_eq!(total, Some(Value::U64(12)));
//! # Ok(())
//! # }).unwrap();
//! ```
//!
//! Each call happens exactly once, through crashes of both sides. Values are those of WIT; names of
//! fields and cases do not travel, so records are their fields in order, and cases are numbers.

use std::fmt;

use crate::host;

/// A value of WIT, as it travels.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `bool`
    Bool(bool),
    /// `u8`
    U8(u8),
    /// `u16`
    U16(u16),
    /// `u32`
    U32(u32),
    /// `u64`
    U64(u64),
    /// `s8`
    S8(i8),
    /// `s16`
    S16(i16),
    /// `s32`
    S32(i32),
    /// `s64`
    S64(i64),
    /// `f32`
    F32(f32),
    /// `f64`
    F64(f64),
    /// `char`
    Char(char),
    /// `string`
    Text(String),
    /// `list`
    List(Vec<Value>),
    /// `record`: its fields, in their order
    Record(Vec<Value>),
    /// `tuple`
    Tuple(Vec<Value>),
    /// `option`
    Optional(Option<Box<Value>>),
    /// `result`: either side may have no value
    Outcome(Result<Option<Box<Value>>, Option<Box<Value>>>),
    /// `variant`: the number of the case, from 0 on, and its payload
    Variant(u32, Option<Box<Value>>),
    /// `enum`: the number of the case, from 0 on
    Enum(u32),
    /// `flags`: each, in their order
    Flags(Vec<bool>),
    /// A resource of the worker that is called: where it is, and its number there
    Handle(String, u64),
}

/// Why a call has no result. What passes by itself is waited for and not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// There is no such component or function.
    NotFound(String),
    /// The arguments are not what the function takes, or something is too large.
    Mismatch(String),
    /// It must not be made: a worker would wait for itself, or workers for each other.
    Denied(String),
    /// The other worker failed in the call, or can't go on.
    Failed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::NotFound(detail)
        | Self::Mismatch(detail)
        | Self::Denied(detail)
        | Self::Failed(detail)) = self;
        formatter.write_str(detail)
    }
}

impl std::error::Error for Error {}

/// Lets `?` hand an error on where errors are texts.
impl From<Error> for String {
    fn from(error: Error) -> Self {
        error.to_string()
    }
}

/// Another worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    location: String,
}

impl Worker {
    /// The worker of this name, which is created when it is first called; the component by its name or
    /// its UUID.
    #[must_use]
    pub fn named(component: &str, worker: &str) -> Self {
        Self { location: format!("urn:worker:{component}/{worker}") }
    }

    /// A fresh worker for each call, gone after it.
    #[must_use]
    pub fn fresh(component: &str) -> Self {
        Self { location: format!("urn:worker:{component}") }
    }

    /// Calls a function, as in `add` or `shop:ticket/ticket.{reserve}`, and waits for what it returns:
    /// `None` where that is nothing.
    ///
    /// # Errors
    /// [`Error`]. The call counts as made.
    pub fn call(&self, function: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
        host::call_worker(&self.location, function, arguments)
    }

    /// Has a function called and waits until the other worker has taken the call, which then runs by
    /// itself. What one worker sends another is taken in its order.
    ///
    /// # Errors
    /// [`Error`]. Nothing is taken then.
    pub fn send(&self, function: &str, arguments: &[Value]) -> Result<(), Error> {
        host::send_to_worker(&self.location, function, arguments)
    }
}

macro_rules! conversions {
    ($($case:ident $type:ty),* $(,)?) => {
        $(
            impl From<$type> for Value {
                fn from(value: $type) -> Self {
                    Self::$case(value)
                }
            }

            impl TryFrom<Value> for $type {
                type Error = Error;

                fn try_from(value: Value) -> Result<Self, Error> {
                    match value {
                        Value::$case(value) => Ok(value),
                        other => {
                            let expected = stringify!($type);
                            Err(Error::Mismatch(format!("{expected} is expected, found {other:?}")))
                        }
                    }
                }
            }
        )*
    };
}

conversions! {
    Bool bool, U8 u8, U16 u16, U32 u32, U64 u64, S8 i8, S16 i16, S32 i32, S64 i64, F32 f32, F64 f64,
    Char char, Text String,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(elements: Vec<T>) -> Self {
        Self::List(elements.into_iter().map(T::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_from_what_they_are_and_back() {
        assert_eq!(Value::from(vec![1_u8, 2]), Value::List(vec![Value::U8(1), Value::U8(2)]));
        assert_eq!(String::try_from(Value::from("tea")), Ok("tea".to_owned()));
        assert_eq!(u64::try_from(Value::U64(7)), Ok(7));
        let misfit = u64::try_from(Value::U32(7));
        assert_eq!(misfit, Err(Error::Mismatch("u64 is expected, found U32(7)".to_owned())));
    }

    #[test]
    fn workers_have_locations() {
        assert_eq!(Worker::named("counter", "mary").location, "urn:worker:counter/mary");
        assert_eq!(Worker::fresh("counter").location, "urn:worker:counter");
    }
}
