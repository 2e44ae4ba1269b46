//! What a component exports, by name.
//!
//! [`Exports`] is made once per component version and shared by all of its workers. It lists every
//! function that a call can name (of interfaces, of the world itself, and those of resources),
//! knows their types, and resolves the names that callers write to a [`Target`].
//!
//! A full name is `pkg:ns/iface@1.2.0.{func}`; of an export of the world itself it is just `func`.
//! That is the name in the log. Callers may leave out what is unambiguous: the version, the package
//! or the whole interface.

mod collect;
mod names;
mod near;
mod resolve;
mod target;

#[cfg(test)]
mod tests;

pub use collect::ExportsError;
pub use resolve::NameError;
pub use target::{Action, Indexed, Target};

use wasmtime::component::types::Type;
use wasmtime::component::{ComponentExportIndex, ResourceType};

use crate::value::type_text_with;
use names::{Callable, Names};

/// How many functions and resources a component may export, more than any real one does.
///
/// The index of names takes some hundred bytes for each.
pub const MAX_EXPORTS: usize = 10_000;

/// How long the name of a function may be, in bytes, with the constructor's arguments in it.
pub const MAX_NAME_BYTES: usize = 16 * 1_024;

/// The name in the log of what answers HTTP requests: without a version, since all of WASI 0.2 mean the same by it.
pub const HTTP_HANDLER: &str = "wasi:http/incoming-handler.{handle}";

/// A function of one [`Exports`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId(usize);

/// A resource type of one [`Exports`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceId(usize);

/// An exported function.
#[derive(Clone, Debug)]
pub struct Function {
    /// The full name.
    pub name: String,
    /// What kind of function it is, and of which resource.
    pub kind: FunctionKind,
    /// Names and types, in order; a method's first is the handle, `self`.
    pub parameters: Vec<(String, Type)>,
    /// The type of the result; `None` where it returns nothing.
    pub result: Option<Type>,
    /// Finds the function in an instance: `instance.get_func(&mut store, &index)`.
    pub index: ComponentExportIndex,
}

/// Whether a function belongs to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionKind {
    /// It does not.
    Free,
    /// `[constructor]`
    Constructor(ResourceId),
    /// `[method]`
    Method(ResourceId),
    /// `[static]`
    Static(ResourceId),
}

/// A resource type that the component defines and exports.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its own name, such as `cart`.
    pub name: String,
    /// The full name of its drop function, `pkg:ns/iface.{[drop]cart}`.
    pub drop_name: String,
    /// The type as [`Function::parameters`] and [`Function::result`] have it. Handles of a live
    /// instance have another one, different for each instance.
    pub ty: ResourceType,
    /// What makes one, if callers may.
    pub constructor: Option<FunctionId>,
    /// The interface that exports it; `None` where the world itself does.
    interface: Option<String>,
    /// The parameters of its drop function: one handle.
    drop_parameters: Vec<(String, Type)>,
}

/// All that a component exports. Immutable, and shared between threads.
#[derive(Debug)]
pub struct Exports {
    functions: Vec<Function>,
    resources: Vec<Resource>,
    /// Resource types that the component imports, with their names, for type texts.
    imported: Vec<(ResourceType, String)>,
    names: Names,
}

/// A function as metadata shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The full name.
    pub function: String,
    /// Names and types in WIT.
    pub parameters: Vec<(String, String)>,
    /// The result's type in WIT, if there is a result.
    pub result: Option<String>,
}

impl Exports {
    /// All functions, in the order of the component, each with its id.
    pub fn functions(&self) -> impl ExactSizeIterator<Item = (FunctionId, &Function)> {
        self.functions.iter().enumerate().map(|(id, function)| (FunctionId(id), function))
    }

    /// All resource types, each with its id.
    pub fn resources(&self) -> impl ExactSizeIterator<Item = (ResourceId, &Resource)> {
        self.resources.iter().enumerate().map(|(id, resource)| (ResourceId(id), resource))
    }

    /// The function `id`, which this `Exports` gave out.
    pub fn function(&self, id: FunctionId) -> &Function {
        &self.functions[id.0]
    }

    /// What answers HTTP requests, if the component does.
    pub fn http_handler(&self) -> Option<Target> {
        match self.names.find(HTTP_HANDLER) {
            [Callable::Function(id)] => Some(Target::Http(*id)),
            _ => None,
        }
    }

    /// The resource type `id`, which this `Exports` gave out.
    pub fn resource(&self, id: ResourceId) -> &Resource {
        &self.resources[id.0]
    }

    /// Which resource a type in a parameter or a result is; `None` for those of the host and of
    /// imports.
    pub fn resource_of(&self, ty: &ResourceType) -> Option<ResourceId> {
        self.resources().find(|(_, resource)| resource.ty == *ty).map(|(id, _)| id)
    }

    /// `ty` as WIT, with the names of resources.
    pub fn type_text(&self, ty: &Type) -> String {
        type_text_with(ty, &|ty| {
            let exported = self.resources.iter().map(|resource| (&resource.ty, &resource.name));
            let imported = self.imported.iter().map(|(ty, name)| (ty, name));
            exported.chain(imported).find(|(known, _)| *known == ty).map(|(_, name)| name.as_str())
        })
    }

    /// Every function that a call can name, those that drop a resource after the others.
    pub fn signatures(&self) -> Vec<Signature> {
        let functions = self.functions.iter().map(|function| {
            (function.name.as_str(), function.parameters.as_slice(), function.result.as_ref())
        });
        let drops = self.resources.iter().map(|resource| {
            (resource.drop_name.as_str(), resource.drop_parameters.as_slice(), None)
        });
        let signature = |(name, parameters, result): (&str, &[(String, Type)], Option<&Type>)| {
            let parameter = |(name, ty): &(String, Type)| (name.to_owned(), self.type_text(ty));
            Signature {
                function: name.to_owned(),
                parameters: parameters.iter().map(parameter).collect(),
                result: result.map(|ty| self.type_text(ty)),
            }
        };
        functions.chain(drops).map(signature).collect()
    }
}
