//! Reads the exports off a compiled component.

use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};
use wasmtime::component::{Component, ComponentExportIndex, ResourceType};

use super::names::{Names, qualified};
use super::{Exports, Function, FunctionId, FunctionKind, MAX_EXPORTS, Resource, ResourceId};

/// A component whose exports cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportsError {
    /// More than [`MAX_EXPORTS`].
    #[error("the component exports more than {MAX_EXPORTS} functions and resources")]
    TooMany,
}

impl Exports {
    /// Lists what `component` exports.
    ///
    /// # Errors
    /// [`ExportsError::TooMany`].
    pub fn of(component: &Component) -> Result<Self, ExportsError> {
        let engine = component.engine();
        let ty = component.component_type();
        let mut collector = Collector {
            component,
            imported: imported_resources(component),
            functions: Vec::new(),
            resources: Vec::new(),
        };
        let world = ty.exports(engine).map(|(name, item)| (name, item.ty));
        collector.scope(None, None, world)?;
        for (interface, item) in ty.exports(engine) {
            if let ComponentItem::ComponentInstance(instance) = item.ty
                && let Some(index) = component.get_export_index(None, interface)
            {
                let items = instance.exports(engine).map(|(name, item)| (name, item.ty));
                collector.scope(Some(interface), Some(&index), items)?;
            }
        }
        Ok(collector.finish())
    }
}

/// The resource types that come from outside, also where an export names them again.
fn imported_resources(component: &Component) -> Vec<(ResourceType, String)> {
    let engine = component.engine();
    let mut resources = Vec::new();
    for (name, item) in component.component_type().imports(engine) {
        match item.ty {
            ComponentItem::Resource(ty) => resources.push((ty, name.to_owned())),
            ComponentItem::ComponentInstance(instance) => {
                for (name, item) in instance.exports(engine) {
                    if let ComponentItem::Resource(ty) = item.ty {
                        resources.push((ty, name.to_owned()));
                    }
                }
            }
            _ => {}
        }
    }
    resources
}

struct Collector<'component> {
    component: &'component Component,
    imported: Vec<(ResourceType, String)>,
    functions: Vec<Function>,
    resources: Vec<Resource>,
}

impl Collector<'_> {
    /// Takes what one interface exports, or with no `interface` the world itself.
    fn scope<'names>(
        &mut self,
        interface: Option<&str>,
        instance: Option<&ComponentExportIndex>,
        items: impl Iterator<Item = (&'names str, ComponentItem)>,
    ) -> Result<(), ExportsError> {
        let mut functions = Vec::new();
        let mut resources = Vec::new();
        for (name, item) in items {
            match item {
                ComponentItem::ComponentFunc(function) => functions.push((name, function)),
                ComponentItem::Resource(ty) => resources.push((name, ty)),
                _ => continue,
            }
            let listed = self.functions.len() + self.resources.len();
            if listed + functions.len() + resources.len() > MAX_EXPORTS {
                return Err(ExportsError::TooMany);
            }
        }
        // An interface that uses another's resource exports its type again, without its functions.
        let own = |name: &str| {
            functions.iter().any(|(function, _)| resource_part(function) == Some(name))
        };
        for (name, ty) in resources {
            self.resource(interface, name, ty, own(name));
        }
        for (name, function) in &functions {
            if let Some(index) = self.component.get_export_index(instance, *name) {
                self.function(interface, name, function, index);
            }
        }
        Ok(())
    }

    fn resource(&mut self, interface: Option<&str>, name: &str, ty: ResourceType, own: bool) {
        if self.imported.iter().any(|(imported, _)| *imported == ty) {
            return;
        }
        let resource = Resource {
            name: name.to_owned(),
            drop_name: qualified(interface, &format!("[drop]{name}")),
            ty,
            constructor: None,
            interface: interface.map(str::to_owned),
            drop_parameters: vec![("self".to_owned(), Type::Own(ty))],
        };
        match self.resources.iter_mut().find(|known| known.ty == ty) {
            Some(alias) if own => *alias = resource,
            Some(_) => {}
            None => self.resources.push(resource),
        }
    }

    fn function(
        &mut self,
        interface: Option<&str>,
        name: &str,
        function: &ComponentFunc,
        index: ComponentExportIndex,
    ) {
        let kind = self.kind(interface, name);
        if let FunctionKind::Constructor(ResourceId(resource)) = kind {
            let id = FunctionId(self.functions.len());
            self.resources[resource].constructor = Some(id);
        }
        self.functions.push(Function {
            name: qualified(interface, name),
            kind,
            parameters: function.params().map(|(name, ty)| (name.to_owned(), ty)).collect(),
            result: function.results().next(),
            index,
        });
    }

    fn kind(&self, interface: Option<&str>, name: &str) -> FunctionKind {
        let place = resource_part(name).and_then(|resource| {
            self.resources
                .iter()
                .position(|known| known.name == resource && known.interface.as_deref() == interface)
        });
        let Some(id) = place.map(ResourceId) else {
            return FunctionKind::Free;
        };
        match name.split_once(']') {
            Some(("[constructor", _)) => FunctionKind::Constructor(id),
            Some(("[method", _)) => FunctionKind::Method(id),
            Some(("[static", _)) => FunctionKind::Static(id),
            _ => FunctionKind::Free,
        }
    }

    fn finish(self) -> Exports {
        let names = Names::new(&self.functions, &self.resources);
        let Self { functions, resources, imported, .. } = self;
        Exports { functions, resources, imported, names }
    }
}

/// The resource in `[method]cart.add-item` and its like.
fn resource_part(function: &str) -> Option<&str> {
    let (_, name) = function.strip_prefix('[')?.split_once(']')?;
    Some(name.split_once('.').map_or(name, |(resource, _)| resource))
}
