//! Handles of resources that a guest exports: a number within the worker, a urn outside of it.

use std::fmt::Write as _;

use wasmtime::component::{ResourceAny, ResourceType};

/// Whether a parameter takes the resource away from its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// `own`: the guest keeps it, and the handle is gone.
    Own,
    /// `borrow`: lent for the length of the call.
    Borrow,
}

/// Why a handle cannot be given to a guest or taken from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// Never given out, or dropped, or taken away by a call.
    #[error("the worker holds no resource {id}; it may have been dropped or given away")]
    Unknown {
        /// The number that was asked for.
        id: u64,
    },
    /// The handle is of another resource type.
    #[error("resource {id} is a {found}, not a {expected}")]
    WrongResource {
        /// The number that was asked for.
        id: u64,
        /// The resource that the parameter wants.
        expected: String,
        /// The resource that the handle is.
        found: String,
    },
    /// The resource type belongs to the host or to an import, which callers hold no handles of.
    #[error("{resource} is not a resource that the component exports, so a call cannot carry it")]
    NotExported {
        /// What is known of the resource type.
        resource: String,
    },
}

/// The live resources of one worker, by number. The runtime owns the table.
///
/// `ty` is the type as written in the component (see `Exports::resource_of`), not the one that
/// `ResourceAny::ty` gives, which differs between instances.
pub trait Handles {
    /// Enters a resource that the guest returned, and says its number.
    ///
    /// # Errors
    /// Refuses resources that the component does not export.
    fn lift(&mut self, resource: ResourceAny, ty: &ResourceType) -> Result<u64, HandleError>;

    /// The resource `id`, to be given to the guest; with [`Ownership::Own`] it leaves the table.
    ///
    /// # Errors
    /// Refuses numbers that are not live and resources of another type.
    fn lower(
        &mut self,
        id: u64,
        ty: &ResourceType,
        ownership: Ownership,
    ) -> Result<ResourceAny, HandleError>;
}

/// For calls whose types have no resources in them.
#[derive(Debug)]
pub struct NoHandles;

impl Handles for NoHandles {
    fn lift(&mut self, _: ResourceAny, _: &ResourceType) -> Result<u64, HandleError> {
        Err(HandleError::NotExported { resource: "the returned resource".to_owned() })
    }

    fn lower(
        &mut self,
        id: u64,
        _: &ResourceType,
        _: Ownership,
    ) -> Result<ResourceAny, HandleError> {
        Err(HandleError::Unknown { id })
    }
}

/// The text of one worker's handles: a fixed prefix and the number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandleUrns {
    prefix: String,
}

impl HandleUrns {
    /// `urn:worker:{component_id}/{worker}/{number}`, the form that callers see.
    pub fn of_worker(component_id: &str, worker: &str) -> Self {
        Self { prefix: format!("urn:worker:{component_id}/{worker}/") }
    }

    /// The bare number, for texts that never leave the worker.
    pub fn local() -> Self {
        Self { prefix: String::new() }
    }

    /// What comes before the number.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Appends the text of handle `id`.
    pub fn write(&self, id: u64, out: &mut String) {
        out.push_str(&self.prefix);
        write!(out, "{id}").unwrap_or_default();
    }

    /// The number in a text that [`write`](Self::write) made; `None` for any other text, also for
    /// the handle of another worker or a number with leading zeros.
    pub fn parse(&self, text: &str) -> Option<u64> {
        let number = text.strip_prefix(self.prefix.as_str())?;
        let canonical = number == "0"
            || (!number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit()));
        if canonical { number.parse().ok() } else { None }
    }
}
