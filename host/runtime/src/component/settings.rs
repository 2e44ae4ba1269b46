//! What a deployer says of a version, beside its bytes.

use bincode::{Decode, Encode};
use everlog_store::{Change, StoreError};
use uuid::Uuid;

use crate::error::ComponentError;
use crate::exports::{Exports, Target};
use crate::spaces;

/// What was said of a version when it was deployed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComponentSettings {
    /// The full names of functions that change nothing, in alphabetical order.
    pub read_only: Vec<String>,
    /// How many callers may be served at once, and how many may wait for that.
    pub limit: Option<ConcurrencyLimit>,
}

/// How many callers of a component a server has at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ConcurrencyLimit {
    /// So many are served.
    pub concurrent: u32,
    /// So many more wait for their turn.
    pub waiting: u32,
}

/// One thing that is said. Only added to at the end: this is the storage format.
#[derive(Encode, Decode)]
enum Setting {
    ReadOnly(Vec<String>),
    Limit(ConcurrencyLimit),
}

impl ComponentSettings {
    /// The same with the full names of functions, if it makes sense.
    ///
    /// # Errors
    /// [`ComponentError::InvalidSetting`] for a name that stands for no function.
    pub(super) fn resolved(&self, exports: &Exports) -> Result<Self, ComponentError> {
        let full = |name: &String| match exports.resolve(name) {
            Ok(target @ Target::Function(_)) => Ok(exports.name_of(&target).into_owned()),
            Ok(_) => Err(invalid(format!("{name} is not a function that could be read-only"))),
            Err(error) => Err(invalid(error.to_string())),
        };
        let mut read_only = self.read_only.iter().map(full).collect::<Result<Vec<_>, _>>()?;
        read_only.sort();
        read_only.dedup();
        if self.limit.is_some_and(|limit| limit.concurrent == 0) {
            return Err(invalid(
                "a component that serves 0 callers at once serves none".to_owned(),
            ));
        }
        Ok(Self { read_only, limit: self.limit })
    }

    /// The record of a version; none where there is nothing to say.
    pub(super) fn put(&self, component: Uuid, version: u64) -> Option<Change> {
        if *self == Self::default() {
            return None;
        }
        let mut settings = vec![Setting::ReadOnly(self.read_only.clone())];
        settings.extend(self.limit.map(Setting::Limit));
        // Encoding into memory a structure without maps or borrowed cells has no way to fail.
        let value = bincode::encode_to_vec(settings, bincode::config::standard());
        let key = Self::key(component, version);
        Some(Change::Put { space: spaces::DEPLOYMENTS, key, value: value.unwrap_or_default() })
    }

    pub(super) fn decode(name: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        let decoded = bincode::decode_from_slice(bytes, bincode::config::standard());
        let (settings, _): (Vec<Setting>, usize) =
            decoded.map_err(|error| StoreError::Corrupt {
                place: format!("the settings of component {name}"),
                detail: error.to_string(),
                advice: "Restore the data directory from a backup, or deploy the component again",
            })?;
        let mut all = Self::default();
        for setting in settings {
            match setting {
                Setting::ReadOnly(names) => all.read_only = names,
                Setting::Limit(limit) => all.limit = Some(limit),
            }
        }
        Ok(all)
    }

    /// Component, then version.
    pub(crate) fn key(component: Uuid, version: u64) -> Vec<u8> {
        [&component.into_bytes()[..], &version.to_be_bytes()].concat()
    }
}

fn invalid(detail: String) -> ComponentError {
    ComponentError::InvalidSetting { detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_from_their_record() {
        let limit = Some(ConcurrencyLimit { concurrent: 2, waiting: 3 });
        let settings = ComponentSettings { read_only: vec!["get".to_owned()], limit };
        let Some(Change::Put { value, .. }) = settings.put(Uuid::nil(), 3) else {
            panic!("no record");
        };
        assert_eq!(ComponentSettings::decode("counter", &value).unwrap(), settings);
        assert!(ComponentSettings::decode("counter", &[9, 9]).is_err());
        assert!(ComponentSettings::default().put(Uuid::nil(), 3).is_none());
    }
}
