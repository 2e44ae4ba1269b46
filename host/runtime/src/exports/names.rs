//! The index from every name that a caller may write to what it stands for.

use std::collections::HashMap;

use super::{Function, FunctionId, FunctionKind, Resource, ResourceId};

/// What a name without constructor arguments stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callable {
    Function(FunctionId),
    Drop(ResourceId),
}

/// Full names are looked up first, then shorter ones, so that a full name is never ambiguous.
#[derive(Debug)]
pub(super) struct Names {
    full: HashMap<String, Callable>,
    short: HashMap<String, Vec<Callable>>,
    /// Resources by every form of their name: `cart`, `iface.{cart}`, …
    resources: HashMap<String, Vec<ResourceId>>,
}

impl Names {
    pub(super) fn new(functions: &[Function], resources: &[Resource]) -> Self {
        let mut names =
            Self { full: HashMap::new(), short: HashMap::new(), resources: HashMap::new() };
        for (id, function) in functions.iter().enumerate() {
            let callable = Callable::Function(FunctionId(id));
            names.full.insert(function.name.clone(), callable);
            let (interface, _) = function.split_name();
            for form in function_forms(function, resources) {
                names.add(interface, &form, callable);
            }
        }
        for (id, resource) in resources.iter().enumerate() {
            let callable = Callable::Drop(ResourceId(id));
            names.full.insert(resource.drop_name.clone(), callable);
            let interface = resource.interface.as_deref();
            names.add(interface, &format!("[drop]{}", resource.name), callable);
            names.add(interface, &format!("{}.drop", resource.name), callable);
            for name in all_forms(interface, &resource.name) {
                names.resources.entry(name).or_default().push(ResourceId(id));
            }
        }
        names
    }

    fn add(&mut self, interface: Option<&str>, form: &str, callable: Callable) {
        for name in all_forms(interface, form) {
            let callables = self.short.entry(name).or_default();
            if !callables.contains(&callable) {
                callables.push(callable);
            }
        }
    }

    /// What `name` may stand for; one element unless it is unknown or ambiguous.
    pub(super) fn find(&self, name: &str) -> &[Callable] {
        match self.full.get(name) {
            Some(callable) => std::slice::from_ref(callable),
            None => self.short.get(name).map_or(&[], Vec::as_slice),
        }
    }

    /// The resources that `name` may mean.
    pub(super) fn find_resources(&self, interface: Option<&str>, name: &str) -> &[ResourceId] {
        self.resources.get(&qualified(interface, name)).map_or(&[], Vec::as_slice)
    }
}

impl Function {
    /// The interface and the name within it.
    pub(super) fn split_name(&self) -> (Option<&str>, &str) {
        match self.name.strip_suffix('}').and_then(|name| name.split_once(".{")) {
            Some((interface, name)) => (Some(interface), name),
            None => (None, &self.name),
        }
    }

    /// `add-item` of `[method]cart.add-item`; `None` for a constructor or a free function.
    pub(super) fn member(&self) -> Option<&str> {
        match self.kind {
            FunctionKind::Method(_) | FunctionKind::Static(_) => {
                self.split_name().1.split_once('.').map(|(_, member)| member)
            }
            FunctionKind::Free | FunctionKind::Constructor(_) => None,
        }
    }
}

/// `name` in `interface`, or of the world itself.
pub(super) fn qualified(interface: Option<&str>, name: &str) -> String {
    match interface {
        Some(interface) => format!("{interface}.{{{name}}}"),
        None => name.to_owned(),
    }
}

/// The ways to write `form` with its interface: in full, without version, without package, bare.
fn all_forms(interface: Option<&str>, form: &str) -> Vec<String> {
    let mut names = vec![form.to_owned()];
    if let Some(interface) = interface {
        names.push(qualified(Some(interface), form));
        let unversioned = interface.split_once('@').map_or(interface, |(name, _)| name);
        let short = unversioned.rsplit_once('/').map_or(unversioned, |(_, name)| name);
        names.extend([unversioned, short].map(|interface| qualified(Some(interface), form)));
        names.dedup();
    }
    names
}

/// The ways to write a function within its interface: `[method]cart.add-item`, `cart.add-item`.
///
/// `cart.new` is the constructor and `cart.drop` drops; members of those names need the brackets.
fn function_forms(function: &Function, resources: &[Resource]) -> Vec<String> {
    let (_, name) = function.split_name();
    let mut forms = vec![name.to_owned()];
    match function.kind {
        FunctionKind::Free => {}
        FunctionKind::Constructor(ResourceId(resource)) => {
            forms.push(format!("{}.new", resources[resource].name));
        }
        FunctionKind::Method(ResourceId(id)) | FunctionKind::Static(ResourceId(id)) => {
            let resource = &resources[id];
            let taken = match function.member() {
                Some("new") => resource.constructor.is_some(),
                Some("drop") => true,
                _ => false,
            };
            if let Some(member) = function.member().filter(|_| !taken) {
                forms.push(format!("{}.{member}", resource.name));
            }
        }
    }
    forms
}
