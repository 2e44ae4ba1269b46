//! The WIT of a client, made from what a component exports.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use wasmtime::component::Component;
use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};
use wasmtime::{Config, Engine, OptLevel};

use crate::value::type_text;

/// Words of WIT, which need a `%` before them where they are names.
const KEYWORDS: [&str; 43] = [
    "as",
    "async",
    "bool",
    "borrow",
    "char",
    "constructor",
    "enum",
    "error-context",
    "export",
    "f32",
    "f64",
    "flags",
    "from",
    "func",
    "future",
    "import",
    "include",
    "interface",
    "list",
    "map",
    "option",
    "own",
    "package",
    "record",
    "resource",
    "result",
    "s16",
    "s32",
    "s64",
    "s8",
    "static",
    "stream",
    "string",
    "tuple",
    "type",
    "u16",
    "u32",
    "u64",
    "u8",
    "use",
    "variant",
    "with",
    "world",
];

/// What every client's interface has.
const USED: [&str; 4] = ["pollable", "call-error", "sent-call", "start"];

/// Why there is no client for a component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The file is no component.
    #[error("not a component: {0}")]
    NotAComponent(String),
    /// The name can't be that of a WIT package.
    #[error(
        "{name:?} can't be the name of a WIT package: words of a-z and 0-9 with single '-' between \
         them, each beginning with a letter; name the component otherwise"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// There is nothing that a client could call.
    #[error("component {name} exports no function that a call between workers can carry{why}")]
    Nothing {
        /// The component.
        name: String,
        /// What it has instead.
        why: String,
    },
    /// Two interfaces would make the same resource.
    #[error(
        "component {name} exports two interfaces {interface}, which a client could not tell apart"
    )]
    Ambiguous {
        /// The component.
        name: String,
        /// Their short name.
        interface: String,
    },
}

/// A client, and what it lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientWit {
    /// The WIT.
    pub text: String,
    /// The functions that a client can't have, each with the reason.
    pub left_out: Vec<String>,
}

/// The WIT of the client of `wasm`, which is or will be deployed as `component`.
///
/// # Errors
/// [`ClientError`].
pub fn client_wit(wasm: &[u8], component: &str) -> Result<ClientWit, ClientError> {
    check_name(component)?;
    let unusable = |error: wasmtime::Error| ClientError::NotAComponent(format!("{error:#}"));
    let mut config = Config::new();
    config.wasm_component_model(true).cranelift_opt_level(OptLevel::None);
    let engine = Engine::new(&config).map_err(unusable)?;
    let compiled = Component::new(&engine, wasm).map_err(unusable)?;
    let mut writer = Writer::new(component);
    let mut world = Scope::default();
    for (name, _) in compiled.component_type().exports(&engine) {
        writer.names.push(short_name(name).to_owned());
    }
    for (name, item) in compiled.component_type().exports(&engine) {
        match item.ty {
            ComponentItem::ComponentInstance(instance) => {
                let mut scope = Scope::default();
                instance.exports(&engine).for_each(|(name, item)| scope.take(name, item.ty));
                writer.interface(name, &scope)?;
            }
            item => world.take(name, item),
        }
    }
    writer.world(&world)?;
    writer.finish()
}

/// The name of an interface without package and version.
fn short_name(name: &str) -> &str {
    let unversioned = name.split_once('@').map_or(name, |(name, _)| name);
    unversioned.rsplit_once('/').map_or(unversioned, |(_, name)| name)
}

/// Words with single hyphens between them.
fn check_name(name: &str) -> Result<(), ClientError> {
    let word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit())
    };
    if name.split('-').all(word) {
        return Ok(());
    }
    Err(ClientError::Name { name: name.to_owned() })
}

/// What an interface, or the world itself, exports.
#[derive(Default)]
struct Scope {
    types: Vec<(String, Type)>,
    functions: Vec<(String, ComponentFunc)>,
}

impl Scope {
    fn take(&mut self, name: &str, item: ComponentItem) {
        match item {
            ComponentItem::Type(ty) => self.types.push((name.to_owned(), ty)),
            ComponentItem::ComponentFunc(function) => {
                self.functions.push((name.to_owned(), function));
            }
            _ => {}
        }
    }

    /// The name of a type that needs one.
    fn name_of(&self, ty: &Type) -> Option<&str> {
        self.types.iter().find(|(_, known)| known == ty).map(|(name, _)| name.as_str())
    }
}

struct Writer<'a> {
    component: &'a str,
    /// Of the first interface.
    namespace: Option<String>,
    /// The resources that there are.
    resources: BTreeSet<String>,
    /// What no type may be called.
    names: Vec<String>,
    /// The types that are declared, and their text.
    declared: Vec<(String, Type)>,
    types: String,
    body: String,
    left_out: Vec<String>,
}

impl<'a> Writer<'a> {
    fn new(component: &'a str) -> Self {
        Self {
            component,
            namespace: None,
            resources: BTreeSet::new(),
            names: USED.iter().chain([&component]).map(|name| (*name).to_owned()).collect(),
            declared: Vec::new(),
            types: String::new(),
            body: String::new(),
            left_out: Vec::new(),
        }
    }

    fn interface(&mut self, name: &str, scope: &Scope) -> Result<(), ClientError> {
        let short = short_name(name);
        let Some((package, _)) = name.split_once('/') else {
            return self.resource(short, name, scope);
        };
        // What the host calls, callers do not.
        if package.starts_with("wasi:") || package.starts_with("golem:") {
            return Ok(());
        }
        let namespace = package.split_once(':').map(|(namespace, _)| namespace.to_owned());
        self.namespace = self.namespace.take().or(namespace);
        self.resource(short, name, scope)
    }

    fn world(&mut self, scope: &Scope) -> Result<(), ClientError> {
        let component = self.component;
        self.resource(component, "the world itself", scope)
    }

    /// Writes the client of one interface, if that has functions.
    fn resource(&mut self, name: &str, of: &str, scope: &Scope) -> Result<(), ClientError> {
        let (mut methods, mut futures) = (String::new(), String::new());
        for (function, ty) in &scope.functions {
            match self.function(name, function, ty, scope) {
                Ok((method, future)) => {
                    methods.push_str(&method);
                    futures.push_str(&future);
                }
                Err(why) => self.left_out.push(format!("{function} of {of}: {why}")),
            }
        }
        if methods.is_empty() {
            return Ok(());
        }
        if !self.resources.insert(name.to_owned()) {
            let (name, interface) = (self.component.to_owned(), name.to_owned());
            return Err(ClientError::Ambiguous { name, interface });
        }
        let resource = identifier(name);
        let component = self.component;
        let _ = write!(
            self.body,
            "\n  /// A worker of component `{component}`, and its functions of {of}.\n  \
             resource {resource} {{\n    \
             /// The worker of this name, which is created when it is first called.\n    \
             constructor(worker: string);\n\n    \
             /// A fresh worker for each call, gone after it.\n    \
             fresh: static func() -> {resource};\n{methods}  }}\n{futures}"
        );
        Ok(())
    }

    /// A function in its four manners, and the resource of its result.
    fn function(
        &mut self,
        resource: &str,
        name: &str,
        ty: &ComponentFunc,
        scope: &Scope,
    ) -> Result<(String, String), String> {
        if name.starts_with('[') {
            return Err("it belongs to a resource, and those stay with their worker".to_owned());
        }
        let (parameters, result) = self.signature(name, ty, scope)?;
        let start =
            if ty.params().any(|(name, _)| name == "start") { "start-of-call" } else { "start" };
        let separator = if parameters.is_empty() { "" } else { ", " };
        let (function, future) = (identifier(name), format!("{resource}-{name}"));
        let methods = format!(
            "\n    {function}: func({parameters}) -> {result};\n    \
             begin-{name}: func({parameters}) -> {future};\n    \
             send-{name}: func({parameters}) -> result<sent-call, call-error>;\n    \
             schedule-{name}: func({start}: start{separator}{parameters}) -> result<sent-call, call-error>;\n"
        );
        let future = format!(
            "\n  /// The result of `begin-{name}`.\n  resource {future} {{\n    \
             /// Ready when the result is there.\n    subscribe: func() -> pollable;\n\n    \
             /// The result; none as long as it is not there. It can be had once.\n    \
             get: func() -> option<{result}>;\n  }}\n"
        );
        Ok((methods, future))
    }

    fn signature(
        &mut self,
        function: &str,
        ty: &ComponentFunc,
        scope: &Scope,
    ) -> Result<(String, String), String> {
        let mut parameters = Vec::new();
        for (name, ty) in ty.params() {
            parameters.push(format!("{}: {}", identifier(name), self.type_name(&ty, name, scope)?));
        }
        let hint = format!("{function}-result");
        let result = match ty.results().next() {
            Some(ty) => {
                format!("result<{}, call-error>", self.type_name(&ty, &hint, scope)?)
            }
            None => "result<_, call-error>".to_owned(),
        };
        Ok((parameters.join(", "), result))
    }

    /// A type as it is written in the client, which has its own declarations: types of components are the same if they
    /// look the same.
    fn type_name(&mut self, ty: &Type, hint: &str, scope: &Scope) -> Result<String, String> {
        Ok(match ty {
            Type::List(list) => format!("list<{}>", self.type_name(&list.ty(), hint, scope)?),
            Type::Option(option) => {
                format!("option<{}>", self.type_name(&option.ty(), hint, scope)?)
            }
            Type::Tuple(tuple) => {
                let types = tuple.types().map(|ty| self.type_name(&ty, hint, scope));
                format!("tuple<{}>", types.collect::<Result<Vec<_>, _>>()?.join(", "))
            }
            Type::Result(result) => match (result.ok(), result.err()) {
                (None, None) => "result".to_owned(),
                (Some(ok), None) => format!("result<{}>", self.type_name(&ok, hint, scope)?),
                (ok, Some(err)) => {
                    let ok =
                        ok.map_or(Ok("_".to_owned()), |ok| self.type_name(&ok, hint, scope))?;
                    format!("result<{ok}, {}>", self.type_name(&err, hint, scope)?)
                }
            },
            Type::Record(_) | Type::Variant(_) | Type::Enum(_) | Type::Flags(_) => {
                identifier(&self.declare(ty, hint, scope)?)
            }
            Type::Own(_) | Type::Borrow(_) => {
                return Err("it carries a resource, and those stay with their worker".to_owned());
            }
            Type::Bool | Type::Char | Type::String => type_text(ty),
            Type::S8 | Type::S16 | Type::S32 | Type::S64 => type_text(ty),
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => type_text(ty),
            Type::Float32 | Type::Float64 => type_text(ty),
            other => {
                return Err(format!("calls between workers do not carry {}", type_text(other)));
            }
        })
    }

    /// Declares a type under its name, unless it is declared.
    fn declare(&mut self, ty: &Type, hint: &str, scope: &Scope) -> Result<String, String> {
        if let Some((name, _)) = self.declared.iter().find(|(_, known)| known == ty) {
            return Ok(name.clone());
        }
        // Types of the world itself keep no name, and are called after what is of such a type.
        let mut free = scope.name_of(ty).unwrap_or(hint).to_owned();
        while self.names.contains(&free) {
            free.push_str("-value");
        }
        self.names.push(free.clone());
        let parts = self.parts(ty, scope)?;
        let keyword = match ty {
            Type::Record(_) => "record",
            Type::Variant(_) => "variant",
            Type::Enum(_) => "enum",
            _ => "flags",
        };
        let _ = write!(self.types, "\n  {keyword} {} {{\n", identifier(&free));
        for part in parts {
            let _ = writeln!(self.types, "    {part},");
        }
        self.types.push_str("  }\n");
        self.declared.push((free.clone(), ty.clone()));
        Ok(free)
    }

    fn parts(&mut self, ty: &Type, scope: &Scope) -> Result<Vec<String>, String> {
        match ty {
            Type::Record(record) => record
                .fields()
                .map(|field| {
                    let ty = self.type_name(&field.ty, field.name, scope)?;
                    Ok(format!("{}: {ty}", identifier(field.name)))
                })
                .collect(),
            Type::Variant(variant) => variant
                .cases()
                .map(|case| match case.ty {
                    Some(ty) => {
                        let ty = self.type_name(&ty, case.name, scope)?;
                        Ok(format!("{}({ty})", identifier(case.name)))
                    }
                    None => Ok(identifier(case.name)),
                })
                .collect(),
            Type::Enum(cases) => Ok(cases.names().map(identifier).collect()),
            Type::Flags(flags) => Ok(flags.names().map(identifier).collect()),
            _ => Ok(Vec::new()),
        }
    }

    fn finish(self) -> Result<ClientWit, ClientError> {
        let Self { component, namespace, types, body, left_out, .. } = self;
        if body.is_empty() {
            let why = left_out.first().map_or_else(String::new, |why| format!(" ({why})"));
            return Err(ClientError::Nothing { name: component.to_owned(), why });
        }
        let namespace = namespace.unwrap_or_else(|| "everlog".to_owned());
        let text = format!(
            "// Made by `everlog wit client`; make it anew when the component changes.\n\
             package {namespace}:{component}-client;\n\n\
             /// Calls of component `{component}`; what `begin-`, `send-` and `schedule-` mean is told in\n\
             /// `everlog:api/calls`.\n\
             interface api {{\n  \
             use wasi:io/poll@0.2.0.{{pollable}};\n  \
             use everlog:api/calls@0.1.0.{{call-error, sent-call, start}};\n{types}{body}}}\n"
        );
        Ok(ClientWit { text, left_out })
    }
}

/// A name, marked as such where it is a word of WIT.
fn identifier(name: &str) -> String {
    if KEYWORDS.contains(&name) { format!("%{name}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_packages() {
        for good in ["ticket", "seat-ticket", "a1-b2"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "-", "Ticket", "seat_ticket", "seat--ticket", "1a", "a.b"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
