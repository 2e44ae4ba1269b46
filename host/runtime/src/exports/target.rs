//! What a name stands for.

use std::borrow::Cow;

use wasmtime::component::types::Type;

use super::{Exports, FunctionId, HTTP_HANDLER, ResourceId};
use crate::value::{HandleUrns, Value, wave};

/// What a call is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Call a function with the caller's arguments. Methods among them get their handle as the
    /// first argument; a constructor's result is a handle.
    Function(FunctionId),
    /// Have a handler of `wasi:http` answer a request, which is the only argument; see
    /// [`HttpRequest`](crate::HttpRequest).
    Http(FunctionId),
    /// Drop the resource whose handle is the only argument.
    Drop(ResourceId),
    /// Act on the one resource that was made with certain arguments.
    Indexed(Box<Indexed>),
}

/// A resource named by the arguments it was constructed with, `cart("id")`.
///
/// A worker has at most one such resource per (`resource`, `key`), made when it is first needed.
/// The constructor may return the resource in a `result`; its `err` is then the call's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indexed {
    /// The type of resource.
    pub resource: ResourceId,
    /// What makes it.
    pub constructor: FunctionId,
    /// The constructor's arguments, which fit its types.
    pub arguments: Vec<Value>,
    /// The arguments as canonical WAVE without parentheses, as worker metadata shows them.
    pub key: String,
    /// What to do with the resource.
    pub action: Action,
}

/// What to do with a resource that was named by its constructor's arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Only see to it that it exists. The result is its handle.
    New,
    /// Call a method, with the handle put before the caller's arguments.
    Method(FunctionId),
    /// Drop it; nothing happens if it does not exist.
    Drop,
}

impl Exports {
    /// The full name of `target`, which [`Exports::resolve`] takes back. This is the name in the log.
    pub fn name_of<'exports>(&'exports self, target: &Target) -> Cow<'exports, str> {
        match target {
            Target::Function(id) => Cow::Borrowed(&self.function(*id).name),
            Target::Http(_) => Cow::Borrowed(HTTP_HANDLER),
            Target::Drop(id) => Cow::Borrowed(&self.resource(*id).drop_name),
            Target::Indexed(indexed) => Cow::Owned(self.indexed_name(indexed)),
        }
    }

    /// The parameters that the caller of `target` has to give.
    pub fn parameters_of(&self, target: &Target) -> &[(String, Type)] {
        match target {
            Target::Function(id) | Target::Http(id) => &self.function(*id).parameters,
            Target::Drop(id) => &self.resource(*id).drop_parameters,
            Target::Indexed(indexed) => match indexed.action {
                Action::Method(id) => {
                    self.function(id).parameters.split_first().map_or(&[], |(_, rest)| rest)
                }
                Action::New | Action::Drop => &[],
            },
        }
    }

    /// The type of what `target` returns; `None` where it returns nothing.
    pub fn result_of(&self, target: &Target) -> Option<&Type> {
        let function = match target {
            Target::Function(id) => *id,
            Target::Http(_) | Target::Drop(_) => return None,
            Target::Indexed(indexed) => match indexed.action {
                Action::New => indexed.constructor,
                Action::Method(id) => id,
                Action::Drop => return None,
            },
        };
        self.function(function).result.as_ref()
    }

    fn indexed_name(&self, indexed: &Indexed) -> String {
        let resource = self.resource(indexed.resource);
        let action = match indexed.action {
            Action::New => "new",
            Action::Drop => "drop",
            Action::Method(id) => self.function(id).member().unwrap_or_default(),
        };
        let name = format!("{}({}).{action}", resource.name, indexed.key);
        match &resource.interface {
            Some(interface) => format!("{interface}.{{{name}}}"),
            None => name,
        }
    }
}

impl Indexed {
    /// Puts together what [`Exports::resolve`] found.
    pub(super) fn new(
        resource: ResourceId,
        constructor: FunctionId,
        arguments: Vec<Value>,
        action: Action,
    ) -> Self {
        let key = wave::arguments_text(&arguments, &HandleUrns::local());
        Self { resource, constructor, arguments, key, action }
    }
}
