//! Values whose time has ended are removed in the background; until then nobody sees them.
//!
//! When a value ends stands in a record of its own, in the order of time, stored with the value. A value that was
//! overwritten or deleted meanwhile leaves that record behind, and it is removed when its time comes.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use everlog_oplog::Timestamp;
use everlog_store::{Batch, Change, Expectation, KeyRange, Order, Store, StoreError, commit};
use futures::stream::{self, StreamExt as _};

use super::{Backend, StateStores};
use crate::clock;
use crate::keyvalue::{Claim, Record};
use crate::shared::Shared;
use crate::spaces::{ENDS, KEY_VALUES};

/// How often ended values are looked for.
const INTERVAL: Duration = Duration::from_secs(5);
/// Values that are looked at together.
const PAGE: usize = 256;
/// Values that are removed at the same time, which share syncs.
const AT_ONCE: usize = 32;

/// Removes ended values now and then.
pub(crate) async fn run_sweeper(shared: Arc<Shared>) {
    loop {
        clock::pause(INTERVAL).await;
        match shared.state_stores.remove_ended(&*shared.store).await {
            Ok(0) => {}
            Ok(removed) => tracing::debug!(removed, "values of state stores have ended"),
            Err(error) => tracing::warn!(%error, "state that has ended stays for now"),
        }
        shared.state_stores.remove_ended_in_memory();
    }
}

impl StateStores {
    /// Removes what has ended by now; returns how many values that were.
    pub(super) async fn remove_ended(&self, store: &dyn Store) -> Result<usize, StoreError> {
        let mut removed = 0;
        loop {
            let end = Bound::Excluded(clock::now().0.to_be_bytes().to_vec());
            let range = KeyRange { start: Bound::Unbounded, end };
            let due = store.scan(ENDS, range, Order::Forward, PAGE).await?;
            let count = due.len();
            let removing = due.into_iter().map(|(key, _)| self.remove_if_ended(store, key));
            let mut outcomes = stream::iter(removing).buffer_unordered(AT_ONCE);
            while let Some(outcome) = outcomes.next().await {
                removed += usize::from(outcome?);
            }
            if count < PAGE {
                return Ok(removed);
            }
        }
    }

    fn remove_ended_in_memory(&self) {
        for store in self.all() {
            if let Backend::Memory(memory) = &store.backend {
                memory.remove_ended();
            }
        }
    }
}

impl StateStores {
    /// Removes the value that this record of its end names, unless it was written anew, and the record.
    async fn remove_if_ended(
        &self,
        store: &dyn Store,
        end_key: Vec<u8>,
    ) -> Result<bool, StoreError> {
        let key = end_key.get(size_of::<Timestamp>()..).unwrap_or_default().to_vec();
        // A guest that has decided on what is stored must find it so.
        let _held = self.locks.hold([(Claim::Change, KEY_VALUES, key.as_slice())]).await;
        let mut batch = Batch::default();
        let stored = store.get(KEY_VALUES, &key).await?;
        // Whoever reads a damaged record is told; here nobody asks.
        let record = stored.as_ref().and_then(|bytes| Record::decode(bytes, String::new).ok());
        let has_ended = record.is_some_and(|record| !record.is_alive(clock::now()));
        if has_ended {
            let expected = Expectation { space: KEY_VALUES, key: key.clone(), value: stored };
            batch.expectations.push(expected);
            batch.changes.push(Change::Delete { space: KEY_VALUES, key });
        }
        batch.changes.push(Change::Delete { space: ENDS, key: end_key });
        match commit(store, batch).await {
            Ok(()) => Ok(has_ended),
            // It was written anew just now; the next round finds that.
            Err(StoreError::Unexpected { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
