//! `wasi:filesystem`: the worker's own directory.
//!
//! Reads and writes are not recorded: the directory starts empty and they run again in replay. What would differ from
//! one time to the next is recorded (times) or has one answer on every machine (the order of listings, identities).
//! wasmtime-wasi does the work and keeps the guest inside the directory; here is what makes it repeatable.

mod descriptor;
mod listing;
mod names;
mod stat;

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p2::{FsError, FsResult};

use super::{HasWorker, Recipe, WorkerState};

/// The guest's name of its directory.
const ROOT: &str = "/";

/// Links the interfaces of `wasi:filesystem`.
pub(super) fn add_to_linker(linker: &mut Linker<WorkerState>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    preopens::add_to_linker::<_, HasWorker>(linker, |worker| worker)
}

impl preopens::Host for WorkerState {
    /// Many programs ask at their start and never use the answer, so nothing is made on the disk yet.
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let directory = Descriptor::Dir(self.files.placeholder());
        let directory = self.push(directory, Recipe::Preopen)?;
        Ok(vec![(directory, ROOT.to_owned())])
    }
}

impl types::Host for WorkerState {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        types::Host::filesystem_error_code(&mut self.file_calls(), error)
    }
}

impl WorkerState {
    /// Makes sure that `descriptor` is what it stands for: the worker's directory is made on its first use.
    async fn reach(&mut self, descriptor: &Resource<Descriptor>) -> FsResult<()> {
        let Descriptor::Dir(directory) = self.table.get(descriptor)? else { return Ok(()) };
        if self.files.is_placeholder(directory) {
            let directory = self.files.directory().await?;
            *self.table.get_mut(descriptor)? = Descriptor::Dir(directory);
        }
        Ok(())
    }

    /// The canonical name of what `descriptor` has open, relative to the worker's directory.
    fn path_of(&self, descriptor: &Resource<Descriptor>) -> FsResult<String> {
        match self.guest.resources.get(descriptor.rep()) {
            Some(Recipe::Opaque { name, .. }) => Ok(name.clone()),
            Some(recipe) if let Some(path) = recipe.path() => Ok(path.to_owned()),
            other => Err(FsError::trap(wasmtime::format_err!(
                "descriptor {} is registered as {other:?}",
                descriptor.rep()
            ))),
        }
    }
}
