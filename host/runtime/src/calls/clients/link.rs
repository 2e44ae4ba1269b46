//! Gives a component that imports clients the functions of these.

use std::collections::HashSet;

use wasmtime::component::types::{ComponentFunc, ComponentInstance, ComponentItem, Type};
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};
use wasmtime::{Engine, StoreContextMut};

use super::names::{Role, component_of, role_of};
use super::run::{Client, run};
use crate::calls::CallFuture;
use crate::wasi::WorkerState;

/// Links every client that `component` imports.
///
/// # Errors
/// An interface that is called like a client and is none.
pub(crate) fn link(
    engine: &Engine,
    linker: &mut Linker<WorkerState>,
    component: &Component,
) -> wasmtime::Result<()> {
    for (import, item) in component.component_type().imports(engine) {
        if let (Some(called), ComponentItem::ComponentInstance(instance)) =
            (component_of(import), item.ty)
        {
            link_client(engine, &mut linker.instance(import)?, called, &instance)?;
        }
    }
    Ok(())
}

/// The functions that a client's interface has, by their names.
pub(super) fn functions_of(
    engine: &Engine,
    instance: &ComponentInstance,
) -> Vec<(String, ComponentFunc)> {
    let items = instance.exports(engine).filter_map(|(name, item)| match item.ty {
        ComponentItem::ComponentFunc(function) => Some((name.to_owned(), function)),
        _ => None,
    });
    items.collect()
}

/// The names of those resources of an interface that stand for workers.
pub(super) fn clients_of(functions: &[(String, ComponentFunc)]) -> HashSet<String> {
    let resources = functions.iter().filter_map(|(name, _)| {
        let of = name.strip_prefix("[constructor]");
        of.or_else(|| name.strip_prefix("[static]")?.strip_suffix(".fresh"))
    });
    resources.map(str::to_owned).collect()
}

fn link_client(
    engine: &Engine,
    linker: &mut LinkerInstance<'_, WorkerState>,
    component: &str,
    instance: &ComponentInstance,
) -> wasmtime::Result<()> {
    let functions = functions_of(engine, instance);
    let clients = clients_of(&functions);
    let futures: Vec<ResourceType> = functions
        .iter()
        .filter_map(|(_, function)| match function.results().next() {
            Some(Type::Own(resource)) => Some(resource),
            _ => None,
        })
        .collect();
    for (name, item) in instance.exports(engine) {
        match item.ty {
            ComponentItem::Resource(_) if clients.contains(name) => {
                let ty = ResourceType::host::<Client>();
                linker
                    .resource(name, ty, |mut store, number| store.data_mut().drop_client(number))?;
            }
            ComponentItem::Resource(ty) if futures.contains(&ty) => {
                let ty = ResourceType::host::<CallFuture>();
                linker
                    .resource(name, ty, |mut store, number| store.data_mut().drop_call(number))?;
            }
            _ => {}
        }
    }
    for (name, function) in functions {
        let role = role_of(&name, &function, |resource| clients.contains(resource));
        let Some(role) = role else {
            wasmtime::bail!("a client of component {component} has no function {name}");
        };
        link_function(linker, &name, component.to_owned(), role)?;
    }
    Ok(())
}

fn link_function(
    linker: &mut LinkerInstance<'_, WorkerState>,
    name: &str,
    component: String,
    role: Role,
) -> wasmtime::Result<()> {
    linker.func_new_async(
        name,
        move |store: StoreContextMut<'_, WorkerState>, ty, args, results| {
            let (component, role) = (component.clone(), role.clone());
            Box::new(async move {
                let Some(result) = results.first_mut() else {
                    wasmtime::bail!("a function of a client returns something");
                };
                *result = run(store, &component, role, &ty, args).await?;
                Ok(())
            })
        },
    )
}
