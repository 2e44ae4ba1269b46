//! What can be wrong with a component.

use everlog_store::StoreError;

/// Why a component can't be deployed, found or removed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComponentError {
    /// No component has this name or UUID.
    #[error("there is no component {name}; `GET /v1/components` lists what is deployed")]
    NotFound {
        /// The name or UUID that was asked for.
        name: String,
    },
    /// The component has no such version.
    #[error("component {name} has no version {version}; its newest is {newest}")]
    VersionNotFound {
        /// The component.
        name: String,
        /// What was asked for.
        version: u64,
        /// The newest there is.
        newest: u64,
    },
    /// The name breaks the rules.
    #[error(
        "{name:?} is no component name: 1 to 128 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"
    )]
    InvalidName {
        /// The name.
        name: String,
    },
    /// The upload is no WebAssembly component.
    #[error("not a component: {detail}")]
    NotAComponent {
        /// What the validator said, with the byte offset.
        detail: String,
    },
    /// The upload is a core module.
    #[error(
        "this is a core WebAssembly module, not a component; build for wasm32-wasip2, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// The upload is too large.
    #[error("the component has {size} bytes; at most {limit} are allowed")]
    TooLarge {
        /// Bytes of the upload.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The component imports what this host does not have.
    #[error("import {import} can't be satisfied: {detail}")]
    UnsatisfiedImport {
        /// The import.
        import: String,
        /// What is missing.
        detail: String,
    },
    /// What was said of the component does not fit it.
    #[error("the component can't be deployed like this: {detail}")]
    InvalidSetting {
        /// What is wrong.
        detail: String,
    },
    /// The stored binary can't be used.
    #[error("component {name} can't be used: {detail}; deploy it again")]
    Unusable {
        /// The component.
        name: String,
        /// Why.
        detail: String,
    },
    /// Two nodes deployed at the same time.
    #[error("component {name} was changed on another node at the same time; deploy it again")]
    DeployedElsewhere {
        /// The component.
        name: String,
    },
    /// The component still has workers.
    #[error("component {name} has workers ({example} among them); delete them first, or force")]
    HasWorkers {
        /// The component.
        name: String,
        /// One of them.
        example: String,
    },
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StoreError),
}
