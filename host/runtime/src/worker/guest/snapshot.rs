//! Saving an instance, and making another from what was saved.

use wasmtime::component::{ComponentNamedList, Lift, Lower, TypedFunc};

use super::Guest;
use crate::exports::Target;

/// What a guest exports that can be updated by snapshot.
pub(crate) const SAVE_SNAPSHOT: &str = "golem:api/save-snapshot@0.2.0.{save}";
/// What a guest exports that can take over from one that was saved.
pub(crate) const LOAD_SNAPSHOT: &str = "golem:api/load-snapshot@0.2.0.{load}";

impl Guest {
    /// Has the guest say all that the next version needs to know.
    ///
    /// # Errors
    /// The guest's trap, an interruption, or an export of another type.
    pub(crate) async fn save(&mut self) -> wasmtime::Result<Vec<u8>> {
        let save = self.exported::<(), (Vec<u8>,)>(SAVE_SNAPSHOT)?;
        let (bytes,) = save.call_async(&mut self.store, ()).await?;
        Ok(bytes)
    }

    /// Gives the guest what the version before it has saved; `Err` inside is the guest's own.
    ///
    /// # Errors
    /// The guest's trap, an interruption, or an export that is missing or of another type.
    pub(crate) async fn load(&mut self, bytes: &[u8]) -> wasmtime::Result<Result<(), String>> {
        let load = self.exported::<(&[u8],), (Result<(), String>,)>(LOAD_SNAPSHOT)?;
        let (loaded,) = load.call_async(&mut self.store, (bytes,)).await?;
        Ok(loaded)
    }

    /// The highest number that was given to a resource in callers' hands.
    pub(crate) fn last_resource(&self) -> u64 {
        self.handles.last()
    }

    /// Resources get higher numbers than `last`.
    pub(crate) fn number_resources_after(&mut self, last: u64) {
        self.handles.number_after(last);
    }

    fn exported<Params, Results>(
        &mut self,
        name: &str,
    ) -> wasmtime::Result<TypedFunc<Params, Results>>
    where
        Params: ComponentNamedList + Lower,
        Results: ComponentNamedList + Lift,
    {
        match self.version.exports().resolve(name) {
            Ok(Target::Function(id)) => self.function(id)?.typed(&self.store),
            Ok(_) => Err(wasmtime::format_err!("{name} is no function")),
            Err(error) => Err(wasmtime::format_err!("{error}")),
        }
    }
}
