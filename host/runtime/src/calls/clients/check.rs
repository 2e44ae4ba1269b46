//! Whether a component's clients fit what they call, as far as that is deployed.

use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};

use super::link::{clients_of, functions_of};
use super::names::{Called, Manner, Role, component_of, role_of};
use crate::calls::convert::resolve;
use crate::component::ComponentVersion;
use crate::error::ComponentError;
use crate::value::type_text;

/// Compares every client that `version` imports with what `find` says is deployed under its name; what is not there yet
/// may come later. A component may be its own client.
///
/// # Errors
/// [`ComponentError::UnsatisfiedImport`] with the function that does not fit, and how.
pub(crate) fn check(
    engine: &Engine,
    version: &ComponentVersion,
    find: impl Fn(&str) -> Option<Arc<ComponentVersion>>,
) -> Result<(), ComponentError> {
    for (import, item) in version.pre.component().component_type().imports(engine) {
        let (Some(called), ComponentItem::ComponentInstance(instance)) =
            (component_of(import), item.ty)
        else {
            continue;
        };
        let found = find(called);
        let deployed = if called == version.name { Some(version) } else { found.as_deref() };
        let Some(deployed) = deployed else { continue };
        let functions = functions_of(engine, &instance);
        let clients = clients_of(&functions);
        for (name, function) in &functions {
            let role = role_of(name, function, |resource| clients.contains(resource));
            if let Some(Role::Call(function_called, manner)) = role {
                compare(&function_called, manner, function, deployed).map_err(|detail| {
                    let (import, version) = (import.to_owned(), deployed.version);
                    let detail = format!("version {version} of component {called} {detail}");
                    ComponentError::UnsatisfiedImport { import, detail }
                })?;
            }
        }
    }
    Ok(())
}

fn compare(
    called: &Called,
    manner: Manner,
    function: &ComponentFunc,
    deployed: &ComponentVersion,
) -> Result<(), String> {
    let exports = deployed.exports();
    let name = &called.function;
    let found = resolve(&deployed.name, exports, &called.path()).map_err(|error| {
        format!("does not have what the client calls: {error}; make the client anew")
    })?;
    let skipped = if manner == Manner::Schedule { 2 } else { 1 };
    let given: Vec<Type> = function.params().skip(skipped).map(|(_, ty)| ty).collect();
    let taken: Vec<&Type> = exports.parameters_of(&found).iter().map(|(_, ty)| ty).collect();
    if given.len() != taken.len() {
        let (given, taken) = (given.len(), taken.len());
        return Err(format!(
            "takes {taken} arguments in {name} and the client gives {given}; make the client anew"
        ));
    }
    for (given, (parameter, taken)) in given.iter().zip(exports.parameters_of(&found)) {
        if given != taken {
            let (given, taken) = (type_text(given), exports.type_text(taken));
            return Err(format!(
                "takes {taken} as {parameter} of {name} and the client gives {given}; make the \
                 client anew"
            ));
        }
    }
    let Some(expected) = expected_result(function, manner) else { return Ok(()) };
    let returned = exports.result_of(&found);
    if expected.as_ref() == returned {
        return Ok(());
    }
    let text =
        |ty: Option<&Type>| ty.map_or_else(|| "nothing".to_owned(), |ty| exports.type_text(ty));
    let (expected, returned) = (text(expected.as_ref()), text(returned));
    Err(format!(
        "returns {returned} from {name} and the client expects {expected}; make the client anew"
    ))
}

/// What the client expects the function to return; `None` where its type does not say.
fn expected_result(function: &ComponentFunc, manner: Manner) -> Option<Option<Type>> {
    match (manner, function.results().next()) {
        (Manner::Wait, Some(Type::Result(result))) => Some(result.ok()),
        _ => None,
    }
}
