//! The settings of the state API of Dapr.

use super::keys::{Key, Kind};

/// The longest name of an application, in bytes.
const MAX_APP_ID_BYTES: usize = 128;

pub(super) const APP_ID: Key = Key {
    name: "app-id",
    kind: Kind::Value,
    help: "As which application the server presents itself to clients of Dapr's state API: what \
           `/v1.0/metadata` says, what scopes of component files name, and what keys begin with in \
           stores whose `keyPrefix` is `appid`.",
    set: |settings, text| {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if text.is_empty() || text.len() > MAX_APP_ID_BYTES || !text.bytes().all(is_name) {
            return Err(format!(
                "expected 1 to {MAX_APP_ID_BYTES} letters, digits, `-`, `_` and `.`, found `{text}`"
            ));
        }
        text.clone_into(&mut settings.app_id);
        Ok(())
    },
    get: |settings| settings.app_id.clone(),
};

pub(super) const RESOURCES_PATH: Key = Key {
    name: "resources-path",
    kind: Kind::Value,
    help: "Directory of component files (`*.yaml`, `*.yml`) in the format of Dapr, which set up state \
           stores of the types state.everlog, state.in-memory and state.redis. Without one there is \
           the store `statestore`.",
    set: |settings, text| {
        settings.resources_path = (!text.is_empty()).then(|| text.into());
        Ok(())
    },
    get: |settings| {
        let path = settings.resources_path.as_ref();
        path.map_or(String::new(), |path| path.display().to_string())
    },
};
