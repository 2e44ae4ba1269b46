//! Buckets that are state stores too.

use std::collections::BTreeMap;

use super::error::Refusal;
use super::names::Bucket;
use crate::state_store::{StateStoreConfig, StateStoreKind};

/// What keys begin with in the buckets that are state stores, by the name of the bucket.
#[derive(Default)]
pub(crate) struct KeyPrefixes(BTreeMap<String, Place>);

enum Place {
    /// Here, behind this prefix.
    Own(String),
    /// Somewhere else.
    Elsewhere,
}

impl KeyPrefixes {
    /// Those of these stores.
    pub(crate) fn of(stores: &[StateStoreConfig]) -> Self {
        let place = |config: &StateStoreConfig| {
            let place = match config.kind {
                StateStoreKind::Own => Place::Own(config.key_prefix.clone()),
                _ => Place::Elsewhere,
            };
            (config.name.clone(), place)
        };
        Self(stores.iter().map(place).collect())
    }

    /// What the keys of `bucket` begin with.
    pub(super) fn prefix(&self, bucket: &Bucket) -> Result<&str, Refusal> {
        match self.0.get(bucket.name()) {
            None => Ok(""),
            Some(Place::Own(prefix)) => Ok(prefix),
            Some(Place::Elsewhere) => Err(Refusal::Elsewhere { bucket: bucket.name().to_owned() }),
        }
    }
}
