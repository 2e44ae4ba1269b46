//! The one list of a worker's live host resources, and of how each could be made again.
//!
//! A snapshot of a worker can be taken only where every live resource has a recipe, so a resource that is not in here
//! would be lost in silence. **Invariant:** the registry has exactly the keys of the resource table.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bincode::{Decode, Encode};
use everlog_oplog::Timestamp;

use super::SharedCount;
use super::http::RESPONSE_BODY;
use super::shared::SharedBytes;
use crate::golem::WorkerWalk;
use crate::keyvalue::StoredValue;

/// How a host resource could be made again.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) enum Recipe {
    /// Standard input.
    Stdin,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A pollable over the resource with this number.
    PollOf(u32),
    /// A wait for a time.
    Timer {
        /// When it ends, by the wall clock.
        deadline: Timestamp,
        /// Whether the log holds the deadline, so that a wait can go on after the worker has left memory.
        recorded: bool,
    },
    /// The worker's own directory.
    Preopen,
    /// A file or directory below it that is open.
    Opened {
        /// Its canonical name, relative to the worker's directory.
        path: String,
        /// It is a directory.
        directory: bool,
        /// Opened for reading.
        read: bool,
        /// Opened for writing.
        write: bool,
    },
    /// A stream that reads a file.
    FileInput {
        /// The file's canonical name, relative to the worker's directory.
        path: String,
        /// Where it reads next, in bytes from the beginning.
        position: SharedCount,
    },
    /// A stream that writes a file.
    FileOutput {
        /// The file's canonical name, relative to the worker's directory.
        path: String,
        /// Where it writes next, in bytes from the beginning; `None` if always at the end.
        position: Option<SharedCount>,
    },
    /// The permission to use the network.
    Network,
    /// The answer of a look-up.
    Addresses {
        /// All addresses.
        addresses: Vec<IpAddr>,
        /// Which of them the guest reads next.
        next: SharedCount,
    },
    /// A walk over workers, with where it stands.
    WorkerWalk(WorkerWalk),
    /// The error of a failed stream operation.
    Error {
        /// What went wrong.
        message: String,
        /// The operating system's number for it, if there is one.
        os_error: Option<i32>,
    },
    /// A bucket of `wasi:keyvalue`.
    Bucket {
        /// Its name.
        name: String,
    },
    /// A value that the guest puts together.
    OutgoingValue {
        /// What it has so far.
        body: BodyRecipe,
        /// The most it may have, in bytes.
        limit: u64,
        /// The key in the cache, and how many milliseconds it is to stay there, if it goes there when dropped.
        vacancy: Option<(String, Option<u32>)>,
    },
    /// A value that the guest may read.
    IncomingValue(ValueRecipe),
    /// A stream that writes a value.
    ValueOutput {
        /// What it writes.
        body: BodyRecipe,
    },
    /// A stream that reads a value.
    ValueInput {
        /// What it reads.
        body: BodyRecipe,
        /// Where it reads next, in bytes from the beginning.
        position: SharedCount,
    },
    /// An error of `wasi:keyvalue`.
    KeyValueError {
        /// What went wrong.
        message: String,
    },
    /// An answer of the cache.
    CacheAnswer(AnswerRecipe),
    /// A place in the cache that waits for a value.
    Vacancy {
        /// The key.
        key: String,
    },
    /// The right to put a value in place of the one that was seen.
    Swap {
        /// The bucket's name.
        bucket: String,
        /// The key.
        key: String,
        /// The version of the record that was seen, if there was one.
        version: Option<u64>,
        /// What it held.
        value: Option<ValueRecipe>,
    },
    /// A container of `wasi:blobstore`.
    Container {
        /// Its name.
        name: String,
        /// When it was created.
        created_at: Timestamp,
    },
    /// A listing of a container's objects.
    ObjectNames {
        /// The container's name.
        container: String,
        /// The name behind which it goes on; empty at the beginning.
        after: SharedBytes,
    },
    /// The way to another worker.
    Peer {
        /// Its location.
        location: String,
    },
    /// A call that another worker has taken.
    SentCall {
        /// The component.
        component: String,
        /// The worker.
        worker: String,
        /// The idempotency key.
        key: String,
    },
    /// Nothing that could be made again.
    Opaque {
        /// What it is.
        name: String,
        /// Why it can't be made again.
        reason: String,
    },
}

/// Bytes in memory that several resources may share.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) struct BodyRecipe {
    /// Which: the same in all that share it.
    pub(crate) id: u64,
    /// The bytes.
    pub(crate) bytes: SharedBytes,
}

/// How a value that is read is made again.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) enum ValueRecipe {
    /// From memory.
    Bytes(BodyRecipe),
    /// From a blob.
    Blob {
        /// The whole.
        whole: StoredValue,
        /// Where the part starts, in bytes.
        start: u64,
        /// How many bytes it has.
        length: u64,
    },
}

/// How an answer of the cache is made again.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) enum AnswerRecipe {
    /// A value or none, and the key under which the guest may then put one.
    Value(Option<ValueRecipe>, Option<String>),
    /// Whether there is a value.
    Exists(bool),
    /// It is done.
    Done,
    /// It is not.
    Failed(String),
}

impl Recipe {
    /// Of what belongs to a connection.
    pub(crate) fn connection(name: &str) -> Self {
        Self::Opaque {
            name: name.to_owned(),
            reason: "a connection does not outlive its process".to_owned(),
        }
    }

    /// What sort of resource it is, for people.
    pub(crate) fn kind(&self) -> String {
        if let Self::Opaque { name, .. } = self {
            return name.clone();
        }
        let shown = format!("{self:?}");
        shown
            .split(|character: char| !character.is_alphanumeric())
            .next()
            .unwrap_or("")
            .to_lowercase()
    }

    /// The recipe of a stream's error.
    pub(crate) fn of_error(error: &wasmtime::Error) -> Self {
        let os_error =
            error.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
        Self::Error { message: format!("{error:#}"), os_error }
    }

    /// The name of the file or directory that the resource is about, relative to the worker's directory.
    pub(crate) fn path(&self) -> Option<&str> {
        match self {
            Self::Preopen => Some(""),
            Self::Opened { path, .. }
            | Self::FileInput { path, .. }
            | Self::FileOutput { path, .. } => Some(path),
            _ => None,
        }
    }

    fn path_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Opened { path, .. }
            | Self::FileInput { path, .. }
            | Self::FileOutput { path, .. } => Some(path),
            _ => None,
        }
    }
}

/// The recipes of all live resources, by their number in the resource table.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct ResourceRegistry {
    live: BTreeMap<u32, Recipe>,
    /// How many files were removed while they were open; it tells them apart.
    removed_files: u64,
}

impl ResourceRegistry {
    /// Notes that resource `number` is live.
    pub(crate) fn insert(&mut self, number: u32, recipe: Recipe) {
        let former = self.live.insert(number, recipe);
        debug_assert!(former.is_none(), "resource {number} was dropped behind the registry's back");
    }

    /// Notes that resource `number` is gone, and says what it was.
    pub(crate) fn remove(&mut self, number: u32) -> Option<Recipe> {
        self.live.remove(&number)
    }

    /// What resource `number` is.
    pub(crate) fn get(&self, number: u32) -> Option<&Recipe> {
        self.live.get(&number)
    }

    /// Follows a walk that has returned the worker called `name` last.
    pub(crate) fn advance_walk(&mut self, number: u32, name: String) {
        if let Some(Recipe::WorkerWalk(walk)) = self.live.get_mut(&number) {
            walk.after = Some(name);
        }
    }

    /// All live resources, in order.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.live.keys().copied()
    }

    /// How many resources are live.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }

    /// Why the resources can't all be made again, if so: the first one that can't.
    #[cfg(test)]
    pub(crate) fn opaque(&self) -> Option<(&str, &str)> {
        self.live.values().find_map(|recipe| match recipe {
            Recipe::Opaque { name, reason } => Some((name.as_str(), reason.as_str())),
            _ => None,
        })
    }

    /// When a poll of `pollables` ends, if it waits for nothing but timers that outlive a stay outside memory.
    pub(crate) fn earliest_deadline(&self, pollables: &[u32]) -> Option<Timestamp> {
        let mut earliest = None;
        for pollable in pollables {
            let Some(Recipe::PollOf(source)) = self.get(*pollable) else { return None };
            let Some(Recipe::Timer { deadline, recorded: true }) = self.get(*source) else {
                return None;
            };
            earliest =
                Some(earliest.map_or(*deadline, |earliest: Timestamp| earliest.min(*deadline)));
        }
        earliest
    }

    /// The first deadline of the timers among `pollables`.
    pub(crate) fn first_deadline(&self, pollables: &[u32]) -> Option<Timestamp> {
        let deadline = |pollable: &u32| {
            let Some(Recipe::PollOf(source)) = self.get(*pollable) else { return None };
            match self.get(*source) {
                Some(Recipe::Timer { deadline, .. }) => Some(*deadline),
                _ => None,
            }
        };
        pollables.iter().filter_map(deadline).min()
    }

    /// Whether resource `number` is the stream of a response's body.
    pub(crate) fn is_response_body(&self, number: u32) -> bool {
        matches!(self.get(number), Some(Recipe::Opaque { name, .. }) if name == RESPONSE_BODY)
    }

    /// Whether a file or directory is open under this name.
    pub(crate) fn is_open(&self, path: &str) -> bool {
        self.live.values().any(|recipe| recipe.path() == Some(path))
    }

    /// Follows a rename: whatever is open under `from` or below it is now found under `to`.
    pub(crate) fn renamed(&mut self, from: &str, to: &str) {
        for path in self.live.values_mut().filter_map(Recipe::path_mut) {
            if let Some(rest) = path.strip_prefix(from)
                && (rest.is_empty() || rest.starts_with('/'))
            {
                *path = format!("{to}{rest}");
            }
        }
    }

    /// Follows a removal: whatever is open under `path` has no name any more.
    pub(crate) fn removed(&mut self, path: &str) {
        let mut found = false;
        for recipe in self.live.values_mut().filter(|recipe| recipe.path() == Some(path)) {
            *recipe = Recipe::Opaque {
                name: format!("{path} (removed {})", self.removed_files),
                reason: "it was removed while open".to_owned(),
            };
            found = true;
        }
        self.removed_files += u64::from(found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(path: &str) -> Recipe {
        Recipe::Opened { path: path.to_owned(), directory: false, read: true, write: false }
    }

    fn timer(deadline: u64, recorded: bool) -> Recipe {
        Recipe::Timer { deadline: Timestamp(deadline), recorded }
    }

    fn registry(recipes: Vec<Recipe>) -> ResourceRegistry {
        let mut registry = ResourceRegistry::default();
        for (number, recipe) in (0..).zip(recipes) {
            registry.insert(number, recipe);
        }
        registry
    }

    #[test]
    fn a_rename_moves_what_is_open_below() {
        let mut registry =
            registry(vec![opened("a"), opened("a/b"), opened("ab"), Recipe::Preopen]);
        registry.renamed("a", "c/d");
        let paths: Vec<_> = (0..4).filter_map(|number| registry.get(number)?.path()).collect();
        assert_eq!(paths, ["c/d", "c/d/b", "ab", ""]);
    }

    #[test]
    fn a_removed_file_becomes_opaque_under_a_name_of_its_own() {
        let mut registry = registry(vec![opened("a"), opened("b")]);
        assert!(registry.opaque().is_none());
        registry.removed("a");
        assert_eq!(registry.opaque(), Some(("a (removed 0)", "it was removed while open")));
        assert!(!registry.is_open("a"));

        registry.insert(2, opened("a"));
        registry.removed("a");
        assert!(
            matches!(registry.get(2), Some(Recipe::Opaque { name, .. }) if name == "a (removed 1)")
        );
    }

    #[test]
    fn only_recorded_timers_let_a_worker_leave_memory() {
        let registry = registry(vec![
            timer(30, true),
            Recipe::PollOf(0),
            timer(20, true),
            Recipe::PollOf(2),
            timer(10, false),
            Recipe::PollOf(4),
            Recipe::Stdin,
            Recipe::PollOf(6),
        ]);
        assert_eq!(registry.earliest_deadline(&[1]), Some(Timestamp(30)));
        assert_eq!(registry.earliest_deadline(&[1, 3]), Some(Timestamp(20)));
        assert_eq!(registry.earliest_deadline(&[1, 5]), None);
        assert_eq!(registry.earliest_deadline(&[1, 7]), None);
        assert_eq!(registry.earliest_deadline(&[]), None);
    }

    #[test]
    fn recipes_survive_encoding() {
        let position = SharedCount::new(42);
        let registry = registry(vec![Recipe::FileInput { path: "a".to_owned(), position }]);
        let bytes = bincode::encode_to_vec(&registry, bincode::config::standard()).unwrap();
        let (decoded, _): (ResourceRegistry, _) =
            bincode::decode_from_slice(&bytes, bincode::config::standard()).unwrap();
        assert!(
            matches!(decoded.get(0), Some(Recipe::FileInput { position, .. }) if position.get() == 42)
        );
    }
}
