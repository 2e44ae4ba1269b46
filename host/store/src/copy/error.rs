use crate::StoreError;

/// Why a copy was not made, or cannot be relied on.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// One of the stores failed.
    #[error(transparent)]
    Store(#[from] StoreError),

    /// There is nothing to copy.
    #[error("{place} holds nothing; is it the right place and prefix? Nothing was copied")]
    NothingThere {
        /// The source.
        place: String,
    },

    /// The target is in use for something else.
    #[error(
        "{place} already holds {found}; copy into an empty place, or delete it there first. \
         Nothing was changed"
    )]
    NotEmpty {
        /// The target.
        place: String,
        /// Something that it holds.
        found: String,
    },

    /// Another copy into the target was begun.
    #[error(
        "a copy of {begun} into {place} was begun and is not finished; finish that one first (the \
         same command again), or discard it"
    )]
    Other {
        /// The target.
        place: String,
        /// What that copy is of.
        begun: String,
    },

    /// A store that only holds part of what it should.
    #[error(
        "{place} is the target of a copy of {begun} that is not finished; run `everlog store copy` \
         with the same arguments again to finish it, or with `--discard` to give it up"
    )]
    Unfinished {
        /// The store.
        place: String,
        /// What the copy is of.
        begun: String,
    },

    /// No copy was begun.
    #[error("no copy into {place} was begun, so there is none to discard; nothing was changed")]
    NotBegun {
        /// The store.
        place: String,
    },

    /// What the source holds of an oplog is damaged.
    #[error(
        "worker {worker}, entries {first} to {last} in {place}: {detail}. Delete this worker there, \
         or restore it from a backup; then run the copy again"
    )]
    Damaged {
        /// Whose oplog.
        worker: String,
        /// The first entry of the damaged record.
        first: u64,
        /// The last one.
        last: u64,
        /// Where it is.
        place: String,
        /// What is wrong with it.
        detail: String,
    },

    /// A blob that the source lists cannot be read there.
    #[error("blob {digest} is listed in {place}, but is not there; somebody else writes to it")]
    BlobMissing {
        /// Its digest.
        digest: String,
        /// The source.
        place: String,
    },

    /// After the copy both sides are not the same.
    #[error(
        "the copy in {place} is not right: {what}: the source has {source_holds}, the copy has \
         {target_holds}. Nobody else may write to either meanwhile; run the same command again, \
         which mends it"
    )]
    Differs {
        /// The target.
        place: String,
        /// The worker and entry, the record or the blob.
        what: String,
        /// What the source has of it.
        source_holds: String,
        /// What the target has of it.
        target_holds: String,
    },
}
