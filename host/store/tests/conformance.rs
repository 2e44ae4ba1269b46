//! The embedded engine does what every engine must do.

use std::sync::Arc;

use everlog_store::{EmbeddedOptions, EmbeddedStore, Store};

async fn open() -> (tempfile::TempDir, Arc<dyn Store>) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = EmbeddedStore::open(&EmbeddedOptions::new(directory.path()));
    (directory, Arc::new(store.expect("an empty directory opens")))
}

everlog_store::conformance_suite!(open);
