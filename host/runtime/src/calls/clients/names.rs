//! What the names in a client's interface mean.

use wasmtime::component::types::{ComponentFunc, Type};

/// What an import is called that is a client: the rest of the package's name is that of the component.
const SUFFIX: &str = "-client";
const INTERFACE: &str = "api";

/// The component that an import is a client of; `None` where it is something else.
pub(super) fn component_of(import: &str) -> Option<&str> {
    let (package, interface) = import.split_once('/')?;
    let interface = interface.split_once('@').map_or(interface, |(name, _)| name);
    let (_, name) = package.split_once(':')?;
    let component = name.strip_suffix(SUFFIX).filter(|component| !component.is_empty())?;
    (interface == INTERFACE).then_some(component)
}

/// What a function of a client does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Names a worker.
    Construct,
    /// Names a fresh worker.
    Fresh,
    /// Something with a function of the component that is called.
    Call(Called, Manner),
    /// Gives a pollable of a call that was begun.
    Subscribe,
    /// Gives the result of a call that was begun.
    Get,
}

/// Which function is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Called {
    /// The short name of its interface; the component's name for functions of the world itself.
    pub(super) interface: String,
    pub(super) function: String,
}

impl Called {
    /// The function's name as it is sent.
    pub(super) fn path(&self) -> String {
        format!("{}.{{{}}}", self.interface, self.function)
    }
}

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// The caller waits for the result.
    Wait,
    /// It looks at the result later.
    Begin,
    /// It does not wait.
    Send,
    /// It does not wait, and the first argument says when the call is to run.
    Schedule,
}

impl Manner {
    fn prefix(self) -> &'static str {
        match self {
            Self::Wait => "",
            Self::Begin => "begin-",
            Self::Send => "send-",
            Self::Schedule => "schedule-",
        }
    }
}

/// What a function does, given which resources are clients; `None` where no client has such a function.
///
/// Imports have only those functions that the guest uses, so it is the types that tell: no function that can be called
/// returns a resource.
pub(super) fn role_of(
    name: &str,
    ty: &ComponentFunc,
    is_client: impl Fn(&str) -> bool,
) -> Option<Role> {
    if name.starts_with("[constructor]") {
        return Some(Role::Construct);
    }
    if name.starts_with("[static]") {
        return name.ends_with(".fresh").then_some(Role::Fresh);
    }
    let (resource, member) = name.strip_prefix("[method]")?.split_once('.')?;
    if !is_client(resource) {
        return match member {
            "subscribe" => Some(Role::Subscribe),
            "get" => Some(Role::Get),
            _ => None,
        };
    }
    let manner = match ty.results().next() {
        Some(Type::Own(_)) => Manner::Begin,
        Some(Type::Result(result)) if matches!(result.ok(), Some(Type::Own(_))) => {
            let is_scheduled = member.starts_with(Manner::Schedule.prefix());
            if is_scheduled { Manner::Schedule } else { Manner::Send }
        }
        _ => Manner::Wait,
    };
    let function = member.strip_prefix(manner.prefix())?.to_owned();
    Some(Role::Call(Called { interface: resource.to_owned(), function }, manner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_of_clients_are_known_by_their_names() {
        assert_eq!(component_of("shop:ticket-client/api"), Some("ticket"));
        assert_eq!(component_of("shop:seat-ticket-client/api@0.1.0"), Some("seat-ticket"));
        for other in [
            "shop:ticket/api",
            "shop:ticket-client/types",
            "shop:-client/api",
            "api",
            "wasi:io/poll",
        ] {
            assert_eq!(component_of(other), None, "{other}");
        }
    }
}
