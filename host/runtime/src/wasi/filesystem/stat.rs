//! What is known about files: times are recorded, identities come from names.

use bincode::{Decode, Encode};
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorStat, DescriptorType, HostDescriptor, MetadataHashValue, NewTimestamp, PathFlags,
};
use wasmtime_wasi::p2::{FsError, FsResult};
use xxhash_rust::xxh3::xxh3_128;

use super::super::WorkerState;
use super::super::state::again;
use crate::files::locate;

/// Seconds and nanoseconds since the Unix epoch.
type Time = (u64, u32);

/// What a guest was told about a file and what another machine, or this one at another time, would say otherwise.
#[derive(Clone, Copy, Debug, Encode, Decode)]
struct Recorded {
    links: u64,
    size: u64,
    accessed: Option<Time>,
    modified: Option<Time>,
}

impl Recorded {
    fn of(stat: &DescriptorStat) -> Self {
        let time = |time: Option<Datetime>| time.map(|time| (time.seconds, time.nanoseconds));
        // How large a directory is depends on the file system, and whether it counts its subdirectories as links.
        let directory = stat.type_ == DescriptorType::Directory;
        Self {
            links: if directory { 1 } else { stat.link_count },
            size: if directory { 0 } else { stat.size },
            accessed: time(stat.data_access_timestamp),
            modified: time(stat.data_modification_timestamp),
        }
    }

    fn told(self, type_: DescriptorType) -> DescriptorStat {
        let datetime = |(seconds, nanoseconds)| Datetime { seconds, nanoseconds };
        DescriptorStat {
            type_,
            link_count: self.links,
            size: self.size,
            data_access_timestamp: self.accessed.map(datetime),
            data_modification_timestamp: self.modified.map(datetime),
            // It can't be set, so replay could not restore it; the last modification is a change too.
            status_change_timestamp: self.modified.map(datetime),
        }
    }

    /// The access and modification times as arguments of `set-times`.
    fn times(self) -> (NewTimestamp, NewTimestamp) {
        let new = |time: Option<Time>| match time {
            Some((seconds, nanoseconds)) => {
                NewTimestamp::Timestamp(Datetime { seconds, nanoseconds })
            }
            None => NewTimestamp::NoChange,
        };
        (new(self.accessed), new(self.modified))
    }
}

impl WorkerState {
    /// `stat` of an open file or directory.
    ///
    /// A failure needs no entry: the same calls have made the same files, so it fails again.
    pub(super) async fn stat_open(
        &mut self,
        descriptor: Resource<Descriptor>,
    ) -> FsResult<DescriptorStat> {
        self.reach(&descriptor).await?;
        let path = self.path_of(&descriptor)?;
        let real = HostDescriptor::stat(&mut self.file_calls(), again(&descriptor)).await?;
        let (recorded, replayed) = self.record("wasi:filesystem/types.stat", &path, &real)?;
        if replayed {
            let (accessed, modified) = recorded.times();
            HostDescriptor::set_times(&mut self.file_calls(), descriptor, accessed, modified)
                .await?;
        }
        Ok(recorded.told(real.type_))
    }

    /// `stat-at` of a name.
    pub(super) async fn stat_named(
        &mut self,
        directory: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        self.reach(&directory).await?;
        let request =
            (self.path_of(&directory)?, path.clone(), flags.contains(PathFlags::SYMLINK_FOLLOW));
        let real =
            HostDescriptor::stat_at(&mut self.file_calls(), again(&directory), flags, path.clone())
                .await?;
        let (recorded, replayed) = self.record("wasi:filesystem/types.stat-at", &request, &real)?;
        if replayed {
            let (accessed, modified) = recorded.times();
            let mut calls = self.file_calls();
            HostDescriptor::set_times_at(&mut calls, directory, flags, path, accessed, modified)
                .await?;
        }
        Ok(recorded.told(real.type_))
    }

    /// What the guest is told, and whether it was told so before: then the file must be given the same times, for
    /// later calls to agree.
    fn record(
        &mut self,
        function: &'static str,
        request: &impl Encode,
        real: &DescriptorStat,
    ) -> FsResult<(Recorded, bool)> {
        let mut replayed = true;
        let recorded = self.read_local(function, request, |_| {
            replayed = false;
            Ok(Recorded::of(real))
        });
        Ok((recorded.map_err(FsError::trap)?, replayed))
    }

    /// The identity of an open file or directory.
    pub(super) async fn identity_open(
        &mut self,
        descriptor: Resource<Descriptor>,
    ) -> FsResult<MetadataHashValue> {
        self.reach(&descriptor).await?;
        Ok(identity(&self.path_of(&descriptor)?))
    }

    /// The identity of what a name leads to.
    pub(super) async fn identity_named(
        &mut self,
        directory: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        self.reach(&directory).await?;
        let base = self.path_of(&directory)?;
        // Only for its errors: whether the name leads to something that the guest may reach.
        HostDescriptor::stat_at(&mut self.file_calls(), directory, flags, path.clone()).await?;
        let follow = flags.contains(PathFlags::SYMLINK_FOLLOW);
        Ok(identity(&locate(self.files.path(), &base, &path, follow)?))
    }
}

/// Inode numbers differ in each replay, canonical names do not.
fn identity(path: &str) -> MetadataHashValue {
    let hash = xxh3_128(path.as_bytes());
    MetadataHashValue { lower: hash as u64, upper: (hash >> 64) as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_never_changes() {
        let MetadataHashValue { lower, upper } = identity("a/b");
        assert_eq!(u128::from(upper) << 64 | u128::from(lower), xxh3_128(b"a/b"));
    }

    #[test]
    fn a_directory_is_the_same_on_every_file_system() {
        let stat = DescriptorStat {
            type_: DescriptorType::Directory,
            link_count: 7,
            size: 4096,
            data_access_timestamp: None,
            data_modification_timestamp: Some(Datetime { seconds: 5, nanoseconds: 6 }),
            status_change_timestamp: Some(Datetime { seconds: 9, nanoseconds: 9 }),
        };
        let told = Recorded::of(&stat).told(stat.type_);
        assert_eq!((told.link_count, told.size), (1, 0));
        let changed = told.status_change_timestamp.map(|time| (time.seconds, time.nanoseconds));
        assert_eq!(changed, Some((5, 6)));
    }
}
