//! `wasi:filesystem/types.descriptor`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntryStream, ErrorCode,
    Filesize, HostDescriptor, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsResult};

use super::super::wall_clock::datetime;
use super::super::{Recipe, SharedCount, WorkerState};
use crate::files::{FileInput, FileOutput, MAX_CHUNK_BYTES, WriteAt};

impl HostDescriptor for WorkerState {
    fn read_via_stream(
        &mut self,
        descriptor: Resource<Descriptor>,
        offset: Filesize,
    ) -> FsResult<Resource<DynInputStream>> {
        let file = match self.table.get(&descriptor)? {
            Descriptor::File(file) => Arc::clone(&file.file),
            Descriptor::Dir(_) => return Err(ErrorCode::IsDirectory.into()),
        };
        let position = SharedCount::new(offset);
        let stream: DynInputStream = Box::new(FileInput::new(file, position.clone()));
        let recipe =
            self.stream_recipe(&descriptor, |path| Recipe::FileInput { path, position })?;
        Ok(self.push(stream, recipe)?)
    }

    fn write_via_stream(
        &mut self,
        descriptor: Resource<Descriptor>,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.output(&descriptor, WriteAt::Position(SharedCount::new(offset)))
    }

    fn append_via_stream(
        &mut self,
        descriptor: Resource<Descriptor>,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.output(&descriptor, WriteAt::End)
    }

    async fn advise(
        &mut self,
        descriptor: Resource<Descriptor>,
        offset: Filesize,
        length: Filesize,
        advice: Advice,
    ) -> FsResult<()> {
        HostDescriptor::advise(&mut self.file_calls(), descriptor, offset, length, advice).await
    }

    /// Syncs nothing: what survives a crash is the oplog, from which the files are made again.
    async fn sync_data(&mut self, descriptor: Resource<Descriptor>) -> FsResult<()> {
        self.table.get(&descriptor)?;
        Ok(())
    }

    async fn get_flags(&mut self, descriptor: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        HostDescriptor::get_flags(&mut self.file_calls(), descriptor).await
    }

    async fn get_type(&mut self, descriptor: Resource<Descriptor>) -> FsResult<DescriptorType> {
        HostDescriptor::get_type(&mut self.file_calls(), descriptor).await
    }

    async fn set_size(&mut self, descriptor: Resource<Descriptor>, size: Filesize) -> FsResult<()> {
        self.may_change_files()?;
        let file = self.file(&descriptor)?;
        self.files.quota.book(&file, size, || file.set_len(size))?;
        Ok(self.files.clock.date_back(&file)?)
    }

    async fn set_times(
        &mut self,
        descriptor: Resource<Descriptor>,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.may_change_files()?;
        self.reach(&descriptor).await?;
        let (accessed, modified) = (self.first(accessed), self.first(modified));
        HostDescriptor::set_times(&mut self.file_calls(), descriptor, accessed, modified).await
    }

    async fn read(
        &mut self,
        descriptor: Resource<Descriptor>,
        length: Filesize,
        offset: Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        HostDescriptor::read(&mut self.file_calls(), descriptor, length, offset).await
    }

    async fn write(
        &mut self,
        descriptor: Resource<Descriptor>,
        bytes: Vec<u8>,
        offset: Filesize,
    ) -> FsResult<Filesize> {
        self.may_change_files()?;
        let file = self.file(&descriptor)?;
        let bytes = &bytes[..bytes.len().min(MAX_CHUNK_BYTES)];
        let written = bytes.len() as u64;
        let end = offset.saturating_add(written);
        self.files.quota.book(&file, end, || file.write_all_at(bytes, offset))?;
        self.files.clock.date_back(&file)?;
        Ok(written)
    }

    async fn read_directory(
        &mut self,
        descriptor: Resource<Descriptor>,
    ) -> FsResult<Resource<DirectoryEntryStream>> {
        self.list(descriptor).await
    }

    /// As [`sync_data`](HostDescriptor::sync_data).
    async fn sync(&mut self, descriptor: Resource<Descriptor>) -> FsResult<()> {
        self.table.get(&descriptor)?;
        Ok(())
    }

    async fn create_directory_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        self.may_change_files()?;
        self.make_directory(descriptor, path).await
    }

    async fn stat(&mut self, descriptor: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        self.stat_open(descriptor).await
    }

    async fn stat_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        self.stat_named(descriptor, flags, path).await
    }

    async fn set_times_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.may_change_files()?;
        self.reach(&descriptor).await?;
        let (accessed, modified) = (self.first(accessed), self.first(modified));
        let mut calls = self.file_calls();
        HostDescriptor::set_times_at(&mut calls, descriptor, flags, path, accessed, modified).await
    }

    async fn link_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        new_descriptor: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        self.may_change_files()?;
        self.make_link((descriptor, flags, path), (new_descriptor, new_path)).await
    }

    async fn open_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        how: OpenFlags,
        mode: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        let changes = how.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE)
            || mode.contains(DescriptorFlags::WRITE);
        if changes {
            self.may_change_files()?;
        }
        self.open(descriptor, flags, path, how, mode).await
    }

    async fn readlink_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        path: String,
    ) -> FsResult<String> {
        self.reach(&descriptor).await?;
        HostDescriptor::readlink_at(&mut self.file_calls(), descriptor, path).await
    }

    async fn remove_directory_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        self.may_change_files()?;
        self.remove_directory(descriptor, path).await
    }

    async fn rename_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        path: String,
        new_descriptor: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        self.may_change_files()?;
        self.rename((descriptor, path), (new_descriptor, new_path)).await
    }

    async fn symlink_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        target: String,
        path: String,
    ) -> FsResult<()> {
        self.may_change_files()?;
        self.make_symbolic_link(descriptor, target, path).await
    }

    async fn unlink_file_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        self.may_change_files()?;
        self.remove_file(descriptor, path).await
    }

    /// Inodes are compared, never shown, and that two names lead to one file is the same in every replay.
    async fn is_same_object(
        &mut self,
        one: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        self.reach(&one).await?;
        self.reach(&other).await?;
        HostDescriptor::is_same_object(&mut self.file_calls(), one, other).await
    }

    async fn metadata_hash(
        &mut self,
        descriptor: Resource<Descriptor>,
    ) -> FsResult<MetadataHashValue> {
        self.identity_open(descriptor).await
    }

    async fn metadata_hash_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        self.identity_named(descriptor, flags, path).await
    }

    fn drop(&mut self, descriptor: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.delete(descriptor)?;
        Ok(())
    }
}

impl WorkerState {
    /// Inside of an action, which replay skips, files stay as they are: what is in them is not recorded.
    fn may_change_files(&self) -> FsResult<()> {
        match self.open_action() {
            None => Ok(()),
            Some(_) => Err(ErrorCode::NotPermitted.into()),
        }
    }

    fn file(&self, descriptor: &Resource<Descriptor>) -> FsResult<Arc<File>> {
        match self.table.get(descriptor)? {
            Descriptor::File(file) => Ok(Arc::clone(&file.file)),
            Descriptor::Dir(_) => Err(ErrorCode::BadDescriptor.into()),
        }
    }

    fn output(
        &mut self,
        descriptor: &Resource<Descriptor>,
        at: WriteAt,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.may_change_files()?;
        let file = self.file(descriptor)?;
        let position = match &at {
            WriteAt::Position(position) => Some(position.clone()),
            WriteAt::End => None,
        };
        let recipe =
            self.stream_recipe(descriptor, |path| Recipe::FileOutput { path, position })?;
        let (quota, clock) = (self.files.quota.clone(), self.files.clock.clone());
        let stream = FileOutput::new(file, at, quota, clock);
        let stream: DynOutputStream = Box::new(stream);
        Ok(self.push(stream, recipe)?)
    }

    /// In replay, "now" is when the guest first said so.
    fn first(&self, time: NewTimestamp) -> NewTimestamp {
        match (time, self.files.clock.first_time()) {
            (NewTimestamp::Now, Some(first)) => NewTimestamp::Timestamp(datetime(first)),
            (time, _) => time,
        }
    }

    /// The recipe of a stream over `descriptor`: none, where the file itself has none.
    fn stream_recipe(
        &self,
        descriptor: &Resource<Descriptor>,
        over: impl FnOnce(String) -> Recipe,
    ) -> FsResult<Recipe> {
        match self.guest.resources.get(descriptor.rep()) {
            Some(opaque @ Recipe::Opaque { .. }) => Ok(opaque.clone()),
            _ => Ok(over(self.path_of(descriptor)?)),
        }
    }
}
