//! What makes, moves and removes names: the registry follows, and the quota is kept.

use std::path::PathBuf;

use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, HostDescriptor, NewTimestamp, OpenFlags, PathFlags,
};

use super::super::state::again;
use super::super::wall_clock::datetime;
use super::super::{Recipe, WorkerState};
use crate::files::{ENTRY_BYTES, NamedFile, locate};

/// A name that a call is about: what it is called, and what it leads to, before the call.
struct Name {
    path: String,
    file: Option<NamedFile>,
}

impl WorkerState {
    /// `open-at`.
    pub(super) async fn open(
        &mut self,
        directory: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        how: OpenFlags,
        mode: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        self.reach(&directory).await?;
        let base = self.path_of(&directory)?;
        let follow = flags.contains(PathFlags::SYMLINK_FOLLOW);
        let before = locate(self.files.path(), &base, &path, follow).ok();
        let before = before.and_then(|path| NamedFile::at(&self.files.path().join(path)));
        let creates = how.contains(OpenFlags::CREATE) && before.is_none();
        if creates {
            self.files.quota.ensure_room_for_entry()?;
        }
        let mut calls = self.file_calls();
        let opened =
            HostDescriptor::open_at(&mut calls, directory, flags, path.clone(), how, mode).await?;
        if creates {
            self.files.quota.add_entry();
        }
        if let Some(before) = before.filter(|_| how.contains(OpenFlags::TRUNCATE)) {
            self.files.quota.release(before.bytes);
        }
        let recipe = match locate(self.files.path(), &base, &path, follow) {
            Ok(path) => Recipe::Opened {
                path,
                directory: matches!(self.table.get(&opened)?, Descriptor::Dir(_)),
                read: mode.contains(DescriptorFlags::READ),
                write: mode.contains(DescriptorFlags::WRITE),
            },
            Err(_) => Recipe::Opaque { name: path, reason: "its directory was removed".into() },
        };
        self.adopt(&opened, recipe);
        if let Descriptor::File(file) = self.table.get(&opened)?
            && (creates || how.contains(OpenFlags::TRUNCATE))
        {
            self.files.clock.date_back(&file.file)?;
        }
        if creates {
            self.date_back_directory_of(&self.path_of(&opened)?)?;
        }
        Ok(opened)
    }

    /// `create-directory-at`.
    pub(super) async fn make_directory(
        &mut self,
        directory: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        let name = self.name(&directory, &path).await?;
        self.files.quota.ensure_room_for_entry()?;
        let mut calls = self.file_calls();
        HostDescriptor::create_directory_at(&mut calls, again(&directory), path.clone()).await?;
        self.name_made(&name)?;
        self.date_back(directory, path).await
    }

    /// `symlink-at`.
    pub(super) async fn make_symbolic_link(
        &mut self,
        directory: Resource<Descriptor>,
        target: String,
        path: String,
    ) -> FsResult<()> {
        let name = self.name(&directory, &path).await?;
        self.files.quota.ensure_room_for_entry()?;
        let mut calls = self.file_calls();
        HostDescriptor::symlink_at(&mut calls, again(&directory), target, path.clone()).await?;
        self.name_made(&name)?;
        self.date_back(directory, path).await
    }

    /// `link-at`.
    pub(super) async fn make_link(
        &mut self,
        from: (Resource<Descriptor>, PathFlags, String),
        to: (Resource<Descriptor>, String),
    ) -> FsResult<()> {
        let ((old_directory, flags, old), (new_directory, new)) = (from, to);
        self.reach(&old_directory).await?;
        let name = self.name(&new_directory, &new).await?;
        self.files.quota.ensure_room_for_entry()?;
        let mut calls = self.file_calls();
        HostDescriptor::link_at(&mut calls, old_directory, flags, old, new_directory, new).await?;
        self.name_made(&name)
    }

    /// `unlink-file-at`.
    pub(super) async fn remove_file(
        &mut self,
        directory: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        let name = self.name(&directory, &path).await?;
        HostDescriptor::unlink_file_at(&mut self.file_calls(), directory, path).await?;
        self.name_removed(&name)
    }

    /// `remove-directory-at`.
    pub(super) async fn remove_directory(
        &mut self,
        directory: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        let name = self.name(&directory, &path).await?;
        HostDescriptor::remove_directory_at(&mut self.file_calls(), directory, path).await?;
        self.name_removed(&name)
    }

    /// `rename-at`.
    pub(super) async fn rename(
        &mut self,
        from: (Resource<Descriptor>, String),
        to: (Resource<Descriptor>, String),
    ) -> FsResult<()> {
        let ((old_directory, old_path), (new_directory, new_path)) = (from, to);
        let old = self.name(&old_directory, &old_path).await?;
        let new = self.name(&new_directory, &new_path).await?;
        let mut calls = self.file_calls();
        HostDescriptor::rename_at(&mut calls, old_directory, old_path, new_directory, new_path)
            .await?;
        let same = match (&old.file, &new.file) {
            (Some(old), Some(new)) => old.identity == new.identity,
            _ => false,
        };
        // Renaming a file to another name of itself does nothing at all.
        if same {
            return Ok(());
        }
        self.name_removed(&new)?;
        self.guest.resources.renamed(&old.path, &new.path);
        self.date_back_directory_of(&old.path)?;
        self.date_back_directory_of(&new.path)
    }

    async fn name(&mut self, directory: &Resource<Descriptor>, path: &str) -> FsResult<Name> {
        self.reach(&again(directory)).await?;
        let base = self.path_of(directory)?;
        // Where the name can't be found out, the call itself is about to say why.
        let path = locate(self.files.path(), &base, path, false).unwrap_or_default();
        let place: PathBuf = self.files.path().join(&path);
        Ok(Name { path, file: NamedFile::at(&place) })
    }

    /// Follows the making of a name.
    fn name_made(&mut self, name: &Name) -> FsResult<()> {
        self.files.quota.add_entry();
        self.date_back_directory_of(&name.path)
    }

    /// Follows the removal of a name, if it was one.
    fn name_removed(&mut self, Name { path, file }: &Name) -> FsResult<()> {
        let Some(file) = file else { return Ok(()) };
        // The bytes of a file that is still open stay on the disk, so they stay counted.
        let freed =
            if file.sole_name && !self.guest.resources.is_open(path) { file.bytes } else { 0 };
        self.files.quota.release(ENTRY_BYTES + freed);
        self.guest.resources.removed(path);
        self.date_back_directory_of(path)
    }

    /// In replay, gives what `path` leads to the time at which it was first made.
    async fn date_back(&mut self, directory: Resource<Descriptor>, path: String) -> FsResult<()> {
        let Some(time) = self.files.clock.first_time() else { return Ok(()) };
        let time = NewTimestamp::Timestamp(datetime(time));
        let flags = PathFlags::empty();
        HostDescriptor::set_times_at(&mut self.file_calls(), directory, flags, path, time, time)
            .await
    }

    /// In replay, gives the directory that holds `path` the time at which it was first changed.
    fn date_back_directory_of(&self, path: &str) -> FsResult<()> {
        Ok(self.files.clock.date_back_directory_of(&self.files.path().join(path))?)
    }
}
