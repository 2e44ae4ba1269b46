//! Directory listings, sorted by name: file systems list in orders of their own.

use std::vec;

use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DirectoryEntry, DirectoryEntryStream, HostDescriptor, HostDirectoryEntryStream,
};

use super::super::{Recipe, WorkerState};

/// What stands in the table for a `directory-entry-stream`. wasmtime-wasi's own type can't be made outside of it, so
/// the guest's handles carry that type and lead to this one.
struct Listing {
    entries: vec::IntoIter<DirectoryEntry>,
}

impl WorkerState {
    /// Lists `directory`.
    pub(super) async fn list(
        &mut self,
        directory: Resource<Descriptor>,
    ) -> FsResult<Resource<DirectoryEntryStream>> {
        self.reach(&directory).await?;
        let name = self.path_of(&directory)?;
        let unsorted = HostDescriptor::read_directory(&mut self.file_calls(), directory).await?;
        let unsorted = self.table.delete(unsorted)?;
        let mut entries = unsorted.into_iter().collect::<FsResult<Vec<DirectoryEntry>>>()?;
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        let reason = "a directory is being listed".into();
        let listing = Listing { entries: entries.into_iter() };
        let listing = self.push(listing, Recipe::Opaque { name, reason })?;
        Ok(Resource::new_own(listing.rep()))
    }
}

impl HostDirectoryEntryStream for WorkerState {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        let listing = Resource::<Listing>::new_borrow(stream.rep());
        Ok(self.table.get_mut(&listing)?.entries.next())
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.delete(Resource::<Listing>::new_own(stream.rep()))?;
        Ok(())
    }
}
