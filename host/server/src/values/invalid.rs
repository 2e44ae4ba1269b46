//! Why arguments are refused, and where.

use std::cell::{Cell, RefCell};

use everlog_runtime::value::HandleUrns;

use super::MAX_VALUES;

/// Arguments that do not fit the function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", at(pointer))]
pub(crate) struct Invalid {
    /// JSON pointer (RFC 6901) to the value that does not fit or is missing; empty for the body as
    /// a whole.
    pub(crate) pointer: String,
    /// What was expected there, and what was found.
    pub(crate) message: String,
}

impl Invalid {
    /// Something about the body as a whole.
    pub(crate) fn body(message: impl Into<String>) -> Self {
        Self { pointer: String::new(), message: message.into() }
    }
}

fn at(pointer: &str) -> String {
    if pointer.is_empty() { String::new() } else { format!("at {pointer}: ") }
}

/// What one reading of a body shares: its limits, and the failure once there is one.
///
/// serde passes an error up as text only, so the failure is noted here where it is found, and each
/// level that it passes adds its step to the pointer. The way without errors costs nothing.
pub(super) struct Reading<'call> {
    pub(super) urns: &'call HandleUrns,
    values_left: Cell<usize>,
    message: RefCell<Option<String>>,
    pointer: RefCell<String>,
}

impl<'call> Reading<'call> {
    pub(super) fn new(urns: &'call HandleUrns) -> Self {
        Self {
            urns,
            values_left: Cell::new(MAX_VALUES),
            message: RefCell::default(),
            pointer: RefCell::default(),
        }
    }

    /// Counts one value.
    pub(super) fn count<E: serde::de::Error>(&self) -> Result<(), E> {
        match self.values_left.get().checked_sub(1) {
            Some(left) => {
                self.values_left.set(left);
                Ok(())
            }
            None => Err(self.fail(format!("the arguments have more than {MAX_VALUES} values"))),
        }
    }

    /// Notes `message` as the failure. The error only stops serde.
    pub(super) fn fail<E: serde::de::Error>(&self, message: impl Into<String>) -> E {
        *self.message.borrow_mut() = Some(message.into());
        E::custom("")
    }

    /// Puts the failure below element `index`.
    pub(super) fn in_element<E>(&self, index: usize, error: E) -> E {
        self.pointer.borrow_mut().insert_str(0, &format!("/{index}"));
        error
    }

    /// Puts the failure below the member `key`.
    pub(super) fn in_member<E>(&self, key: &str, error: E) -> E {
        let step = format!("/{}", key.replace('~', "~0").replace('/', "~1"));
        self.pointer.borrow_mut().insert_str(0, &step);
        error
    }

    /// The failure that `error` stands for: one that was noted, or bytes that are not JSON.
    pub(super) fn failure(self, error: &serde_json::Error) -> Invalid {
        let message = self.message.into_inner().unwrap_or_else(|| format!("not JSON: {error}"));
        Invalid { pointer: self.pointer.into_inner(), message }
    }
}
