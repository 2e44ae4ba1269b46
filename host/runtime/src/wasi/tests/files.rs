//! A worker's files: made again by replay, with the times that the guest has seen.

use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::FsError;
use wasmtime_wasi::p2::bindings::clocks::wall_clock;
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, DescriptorStat, ErrorCode, HostDescriptor, HostDirectoryEntryStream,
    NewTimestamp, OpenFlags, PathFlags,
};

use super::super::WorkerState;
use super::super::state::again;
use super::{FILES_BYTES, House, last_index};
use crate::clock;
use crate::files::ENTRY_BYTES;

/// A worker with its directory, and the file calls that a test makes.
struct Guest {
    worker: WorkerState,
    root: Resource<Descriptor>,
}

impl Guest {
    fn new(house: &House) -> Self {
        let mut worker = house.life();
        let (root, name) = preopens::Host::get_directories(&mut worker).unwrap().remove(0);
        assert_eq!(name, "/");
        Self { worker, root }
    }

    async fn open(&mut self, path: &str, how: OpenFlags) -> Result<Resource<Descriptor>, FsError> {
        let (root, path) = (again(&self.root), path.to_owned());
        let mode = DescriptorFlags::READ | DescriptorFlags::WRITE;
        self.worker.open_at(root, PathFlags::SYMLINK_FOLLOW, path, how, mode).await
    }

    async fn create(&mut self, path: &str) -> Resource<Descriptor> {
        self.open(path, OpenFlags::CREATE).await.unwrap()
    }

    async fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), FsError> {
        let file = self.open(path, OpenFlags::CREATE).await?;
        let written = self.worker.write(again(&file), bytes.to_vec(), 0).await;
        HostDescriptor::drop(&mut self.worker, file).unwrap();
        written.map(drop)
    }

    async fn stat(&mut self, path: &str) -> DescriptorStat {
        let (root, path) = (again(&self.root), path.to_owned());
        self.worker.stat_at(root, PathFlags::empty(), path).await.unwrap()
    }

    async fn names(&mut self) -> Vec<String> {
        let stream = self.worker.read_directory(again(&self.root)).await.unwrap();
        let mut names = Vec::new();
        loop {
            let stream = Resource::new_borrow(stream.rep());
            match self.worker.read_directory_entry(stream).await.unwrap() {
                Some(entry) => names.push(entry.name),
                None => break,
            }
        }
        HostDirectoryEntryStream::drop(&mut self.worker, stream).unwrap();
        names
    }

    async fn rename(&mut self, from: &str, to: &str) -> Result<(), FsError> {
        let (old, new) = (again(&self.root), again(&self.root));
        self.worker.rename_at(old, from.to_owned(), new, to.to_owned()).await
    }

    async fn remove(&mut self, path: &str) {
        self.worker.unlink_file_at(again(&self.root), path.to_owned()).await.unwrap();
    }

    async fn identity(&mut self, path: &str) -> (u64, u64) {
        let (root, path) = (again(&self.root), path.to_owned());
        let follow = PathFlags::SYMLINK_FOLLOW;
        let identity = self.worker.metadata_hash_at(root, follow, path).await.unwrap();
        (identity.lower, identity.upper)
    }

    async fn identity_of(&mut self, file: &Resource<Descriptor>) -> (u64, u64) {
        let identity = self.worker.metadata_hash(again(file)).await.unwrap();
        (identity.lower, identity.upper)
    }

    fn used(&self) -> u64 {
        self.worker.files.quota.used()
    }
}

fn times(stat: &DescriptorStat) -> impl PartialEq + std::fmt::Debug + use<> {
    let times = [
        stat.data_access_timestamp,
        stat.data_modification_timestamp,
        stat.status_change_timestamp,
    ];
    times.map(|time| time.map(|time| (time.seconds, time.nanoseconds)))
}

fn code(error: FsError) -> ErrorCode {
    error.downcast().unwrap()
}

#[tokio::test]
async fn a_replay_writes_the_same_files_with_the_same_times() {
    let mut house = House::new();
    let mut guest = Guest::new(&house);
    guest.write("note", b"hello").await.unwrap();
    let first = guest.stat("note").await;
    let file = guest.create("note").await;
    let by_descriptor = guest.worker.stat(again(&file)).await.unwrap();
    assert_eq!(times(&first), times(&by_descriptor));
    house.end(guest.worker).await;

    let mut guest = Guest::new(&house);
    guest.write("note", b"hello").await.unwrap();
    let replayed = guest.stat("note").await;
    assert_eq!((times(&replayed), replayed.size), (times(&first), 5));
    let file = guest.create("note").await;
    guest.worker.stat(again(&file)).await.unwrap();
    assert!(!guest.worker.recorder.with(|journal, _| journal.is_replaying()));
    let live = guest.stat("note").await;
    assert_eq!(times(&live), times(&first), "a live stat agrees with the recorded one");
    let (bytes, _) = guest.worker.read(file, 100, 0).await.unwrap();
    assert_eq!(bytes, b"hello");
    house.end(guest.worker).await;
}

#[tokio::test]
async fn what_was_never_looked_at_is_as_old_as_it_was() {
    async fn change(guest: &mut Guest) {
        guest.write("note", b"hello").await.unwrap();
        let (root, path) = (again(&guest.root), "inner".to_owned());
        guest.worker.create_directory_at(root, path).await.unwrap();
        guest.write("inner/old", b"").await.unwrap();
        guest.rename("inner/old", "inner/new").await.unwrap();
        let (root, target) = (again(&guest.root), "note".to_owned());
        guest.worker.symlink_at(root, target, "link".to_owned()).await.unwrap();
        wall_clock::Host::now(&mut guest.worker).unwrap();
    }
    let mut house = House::new();
    let mut guest = Guest::new(&house);
    change(&mut guest).await;
    house.end(guest.worker).await;
    let first_life_ended = clock::now();
    clock::wait_until(first_life_ended.after(20_000_000)).await;

    let mut guest = Guest::new(&house);
    change(&mut guest).await;
    for path in ["note", "inner", "inner/new", "link", "."] {
        let modified = guest.stat(path).await.data_modification_timestamp.unwrap();
        let modified = modified.seconds * 1_000_000_000 + u64::from(modified.nanoseconds);
        assert!(modified <= first_life_ended.nanos(), "{path} is too young");
    }
}

#[tokio::test]
async fn a_failed_stat_is_no_entry_and_fails_in_replay_too() {
    let mut house = House::new();
    for _life in 0..2 {
        let mut guest = Guest::new(&house);
        let (root, path) = (again(&guest.root), "missing".to_owned());
        let error = guest.worker.stat_at(root, PathFlags::empty(), path).await.unwrap_err();
        assert_eq!(code(error), ErrorCode::NoEntry);
        let last = last_index(&guest.worker);
        house.end(guest.worker).await;
        assert_eq!(last, 1, "entry 1 and nothing else");
    }
}

#[tokio::test]
async fn a_worker_that_asks_for_its_directory_and_uses_it_not_has_none() {
    let house = House::new();
    let mut guest = Guest::new(&house);
    let flags = guest.worker.get_flags(again(&guest.root)).await.unwrap();
    assert!(flags.contains(DescriptorFlags::MUTATE_DIRECTORY));
    assert!(!guest.worker.files.path().exists());
    guest.write("note", b"").await.unwrap();
    assert!(guest.worker.files.path().join("note").exists());
}

#[tokio::test]
async fn listings_are_sorted() {
    let house = House::new();
    let mut guest = Guest::new(&house);
    for name in ["c", "a", "d", "b"] {
        guest.write(name, b"").await.unwrap();
    }
    assert_eq!(guest.names().await, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn nothing_outside_the_directory_is_reached() {
    let house = House::new();
    let mut guest = Guest::new(&house);
    for path in ["../x", "/etc/passwd", "a/../../x"] {
        let error = guest.open(path, OpenFlags::CREATE).await.unwrap_err();
        assert!(matches!(code(error), ErrorCode::NotPermitted | ErrorCode::NoEntry), "{path}");
    }
    let (root, target) = (again(&guest.root), "../../..".to_owned());
    guest.worker.symlink_at(root, target, "out".to_owned()).await.unwrap();
    let error = guest.open("out/x", OpenFlags::CREATE).await.unwrap_err();
    assert_eq!(code(error), ErrorCode::NotPermitted);
}

#[tokio::test]
async fn an_identity_follows_the_file_through_renames() {
    let house = House::new();
    let mut guest = Guest::new(&house);
    let file = guest.create("a").await;
    assert_eq!(guest.identity_of(&file).await, guest.identity("a").await);
    guest.rename("a", "b").await.unwrap();
    assert_eq!(guest.identity_of(&file).await, guest.identity("b").await);

    guest.write("a", b"").await.unwrap();
    assert_ne!(guest.identity_of(&file).await, guest.identity("a").await);
    let (root, target) = (again(&guest.root), "b".to_owned());
    guest.worker.symlink_at(root, target, "link".to_owned()).await.unwrap();
    assert_eq!(guest.identity("link").await, guest.identity("b").await);

    guest.remove("b").await;
    guest.write("b", b"").await.unwrap();
    assert_ne!(guest.identity_of(&file).await, guest.identity("b").await, "another file");
    let other = guest.create("b").await;
    assert!(!guest.worker.is_same_object(again(&file), again(&other)).await.unwrap());
    assert!(
        guest.worker.guest.resources.opaque().is_some(),
        "an unlinked file can't be made again"
    );
}

#[tokio::test]
async fn what_is_removed_makes_room_unless_it_is_open() {
    let house = House::new();
    let mut guest = Guest::new(&house);
    guest.write("a", &[0; 1000]).await.unwrap();
    assert_eq!(guest.used(), ENTRY_BYTES + 1000);
    guest.write("b", &[0; 10]).await.unwrap();
    guest.rename("a", "b").await.unwrap();
    assert_eq!(guest.used(), ENTRY_BYTES + 1000, "the replaced file is gone");
    guest.open("b", OpenFlags::TRUNCATE).await.unwrap();
    assert_eq!(guest.used(), ENTRY_BYTES);

    let open = guest.create("c").await;
    guest.worker.set_size(again(&open), 500).await.unwrap();
    guest.remove("c").await;
    assert_eq!(guest.used(), ENTRY_BYTES + 500);
}

#[tokio::test]
async fn a_full_directory_says_so() {
    let house = House::new();
    let mut guest = Guest::new(&house);
    let file = guest.create("a").await;
    for size in [FILES_BYTES, u64::MAX >> 1] {
        let error = guest.worker.set_size(again(&file), size).await.unwrap_err();
        assert_eq!(code(error), ErrorCode::InsufficientSpace);
    }
    let error = guest.worker.write(again(&file), vec![1], u64::MAX).await.unwrap_err();
    assert_eq!(code(error), ErrorCode::InsufficientSpace);
    guest.worker.set_size(again(&file), FILES_BYTES - ENTRY_BYTES).await.unwrap();
    let error = guest.write("b", b"").await.unwrap_err();
    assert_eq!(code(error), ErrorCode::InsufficientSpace);
    assert_eq!(guest.names().await, ["a"]);
}

#[tokio::test]
async fn times_that_the_guest_sets_are_what_it_sees() {
    let house = House::new();
    let mut guest = Guest::new(&house);
    let file = guest.create("a").await;
    let time = wall_clock::Datetime { seconds: 1_000_000_000, nanoseconds: 7 };
    let set = NewTimestamp::Timestamp(time);
    guest.worker.set_times(file, NewTimestamp::NoChange, set).await.unwrap();
    let modified = guest.stat("a").await.data_modification_timestamp.unwrap();
    assert_eq!((modified.seconds, modified.nanoseconds), (1_000_000_000, 7));
}
