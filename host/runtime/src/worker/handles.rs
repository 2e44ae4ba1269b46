//! Resources that the guest exports and that callers hold: numbers outside, handles inside.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use wasmtime::component::{ResourceAny, ResourceType};

use crate::component::ComponentVersion;
use crate::exports::ResourceId;
use crate::value::{HandleError, Handles, Ownership};

struct Held {
    any: ResourceAny,
    /// The type as the component's exports have it.
    ty: ResourceType,
}

/// All held resources of one instance. Numbers are drawn in order, so that replay draws the same.
pub(crate) struct HandleTable {
    version: Arc<ComponentVersion>,
    held: BTreeMap<u64, Held>,
    last: u64,
    /// The resources that callers name by their constructor's arguments.
    indexed: HashMap<(ResourceId, String), u64>,
    /// Given away by the arguments that are just being lowered.
    taken: Vec<u64>,
    /// Lifted since [`HandleTable::take_lifted`] was asked last.
    lifted: Vec<(u64, ResourceType)>,
}

impl HandleTable {
    /// No resources yet, of an instance of `version`.
    pub(crate) fn new(version: Arc<ComponentVersion>) -> Self {
        Self {
            version,
            held: BTreeMap::new(),
            last: 0,
            indexed: HashMap::new(),
            taken: Vec::new(),
            lifted: Vec::new(),
        }
    }

    /// The highest number that was drawn.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Draws higher numbers than `last` from here on.
    pub(crate) fn number_after(&mut self, last: u64) {
        self.last = last;
    }

    /// What the component calls a resource type.
    pub(crate) fn name_of(&self, ty: &ResourceType) -> String {
        let exports = self.version.exports();
        let known = exports.resource_of(ty).map(|id| exports.resource(id).name.clone());
        known.unwrap_or_else(|| "resource of another component".to_owned())
    }

    /// The resource that was made with these arguments.
    pub(crate) fn find(&self, resource: ResourceId, key: &str) -> Option<u64> {
        self.indexed.get(&(resource, key.to_owned())).copied()
    }

    /// Lets callers name `id` by its constructor's arguments.
    pub(crate) fn index(&mut self, resource: ResourceId, key: &str, id: u64) {
        self.indexed.insert((resource, key.to_owned()), id);
    }

    /// Takes a resource out, to be dropped.
    pub(crate) fn remove(&mut self, id: u64) -> Option<ResourceAny> {
        self.indexed.retain(|_, indexed| *indexed != id);
        self.held.remove(&id).map(|held| held.any)
    }

    /// The arguments were lowered: what they give away is gone. Returns it.
    pub(crate) fn give_away(&mut self) -> Vec<u64> {
        let taken = std::mem::take(&mut self.taken);
        for id in &taken {
            self.remove(*id);
        }
        taken
    }

    /// The arguments could not be lowered: nothing is given away.
    pub(crate) fn keep_all(&mut self) {
        self.taken.clear();
    }

    /// What the guest has handed out since this was asked last.
    pub(crate) fn take_lifted(&mut self) -> Vec<(u64, ResourceType)> {
        std::mem::take(&mut self.lifted)
    }
}

impl Handles for HandleTable {
    fn lift(&mut self, any: ResourceAny, ty: &ResourceType) -> Result<u64, HandleError> {
        self.last += 1;
        self.held.insert(self.last, Held { any, ty: *ty });
        self.lifted.push((self.last, *ty));
        Ok(self.last)
    }

    fn lower(
        &mut self,
        id: u64,
        ty: &ResourceType,
        ownership: Ownership,
    ) -> Result<ResourceAny, HandleError> {
        let held = self.held.get(&id).filter(|_| !self.taken.contains(&id));
        let held = held.ok_or(HandleError::Unknown { id })?;
        if held.ty != *ty {
            return Err(HandleError::WrongResource {
                id,
                expected: self.name_of(ty),
                found: self.name_of(&held.ty),
            });
        }
        let any = held.any;
        if ownership == Ownership::Own {
            self.taken.push(id);
        }
        Ok(any)
    }
}
