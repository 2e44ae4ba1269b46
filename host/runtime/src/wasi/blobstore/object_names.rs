//! `wasi:blobstore/container.stream-object-names`: a listing, in order, that a guest reads in pages.

use std::sync::Arc;

use wasmtime::component::Resource;

use super::super::WorkerState;
use super::super::shared::SharedBytes;
use super::Answered;
use super::container_interface::HostStreamObjectNames;
use crate::keyvalue::Page;
use crate::keyvalue::limits::PAGE_KEYS;

/// A listing of a container's objects.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct ObjectNames {
    pub(super) container: String,
    /// The name behind which it goes on, shared with its recipe; empty at the beginning.
    pub(super) after: SharedBytes,
}

impl HostStreamObjectNames for WorkerState {
    /// Brings [`PAGE_KEYS`] names at most, even if more were asked for.
    async fn read_stream_object_names(
        &mut self,
        names: Resource<ObjectNames>,
        length: u64,
    ) -> Answered<(Vec<String>, bool)> {
        let function = "wasi:blobstore/container.stream-object-names.read-stream-object-names";
        let told = self.next_names(function, &names, length).await?;
        Ok(told.map(|page| (page.keys, page.next.is_none())))
    }

    /// Skips [`PAGE_KEYS`] names at most, even if more were asked for.
    async fn skip_stream_object_names(
        &mut self,
        names: Resource<ObjectNames>,
        count: u64,
    ) -> Answered<(u64, bool)> {
        let function = "wasi:blobstore/container.stream-object-names.skip-stream-object-names";
        let told = self.next_names(function, &names, count).await?;
        Ok(told.map(|page| (page.keys.len() as u64, page.next.is_none())))
    }

    fn drop(&mut self, names: Resource<ObjectNames>) -> wasmtime::Result<()> {
        self.delete(names)?;
        Ok(())
    }
}

impl WorkerState {
    async fn next_names(
        &mut self,
        function: &'static str,
        names: &Resource<ObjectNames>,
        count: u64,
    ) -> Answered<Page> {
        let ObjectNames { container, after } = self.table.get(names)?;
        let (container, place) = (container.clone(), after.clone());
        // What is kept there was a name, so it is text.
        let after = place.with(|name| String::from_utf8_lossy(name).into_owned());
        if count == 0 {
            return Ok(Ok(Page { keys: Vec::new(), next: Some(after) }));
        }
        let limit = usize::try_from(count).unwrap_or(PAGE_KEYS).min(PAGE_KEYS);
        let containers = Arc::clone(&self.environment.containers);
        let request = (container.as_str(), after.as_str(), limit as u64);
        let behind = Some(after.as_str()).filter(|name| !name.is_empty());
        let live = containers.page(&container, behind, limit);
        let told = self.read_shared(function, &request, live).await?;
        if let Ok(Page { keys, .. }) = &told
            && let Some(last) = keys.last()
        {
            place.with(|name| last.as_bytes().clone_into(name));
        }
        Ok(told)
    }
}
