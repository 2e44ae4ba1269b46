//! The settings of the store.

use everlog_store::{MAX_STORE_PREFIX_BYTES, RedisOptions};

use super::keys::{Key, Kind, parse_into};
use super::settings::{Settings, StoreKind};

pub(crate) const STORE: Key = Key {
    name: "store",
    kind: Kind::Value,
    help: "Which engine keeps the state: `embedded`, files in the data directory; or a Redis \
           server (7.0 or later), as `redis://[user:password@]host[:port][/database]`. Prefer the \
           file or the environment to the flag where there is a password; it is never printed.",
    set: |settings, text| set_store(&mut settings.store, text),
    get: |settings| match &settings.store {
        StoreKind::Embedded => "embedded".to_owned(),
        StoreKind::Redis { url } => without_secrets(url),
    },
};

pub(crate) const STORE_PREFIX: Key = Key {
    name: "store-prefix",
    kind: Kind::Value,
    help: "What every key in Redis begins with, so that several servers, each with its own, can \
           use one Redis.",
    set: set_prefix,
    get: |settings| settings.store_prefix.clone(),
};

pub(super) const MIN_REPLICAS: Key = Key {
    name: "min-replicas",
    kind: Kind::Value,
    help: "On how many replicas of Redis everything must be before it counts as durable; on all \
           that are connected, if they are fewer. Embedded state has no replicas.",
    set: |settings, text| parse_into(&mut settings.min_replicas, text, "a whole number"),
    get: |settings| settings.min_replicas.to_string(),
};

fn set_store(place: &mut StoreKind, text: &str) -> Result<(), String> {
    if text == "embedded" {
        *place = StoreKind::Embedded;
        return Ok(());
    }
    // No message repeats the text, which may hold a password.
    if !text.contains("://") {
        return Err("expected `embedded` or `redis://host:port`".to_owned());
    }
    let options = RedisOptions::new(text, ".");
    options.address().map_err(|error| error.to_string())?;
    *place = StoreKind::Redis { url: options.url };
    Ok(())
}

fn set_prefix(settings: &mut Settings, text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > MAX_STORE_PREFIX_BYTES || text.contains(char::is_control) {
        return Err(format!(
            "expected 1 to {MAX_STORE_PREFIX_BYTES} bytes of text without control characters"
        ));
    }
    text.clone_into(&mut settings.store_prefix);
    Ok(())
}

/// A URL whose user and password are stars.
fn without_secrets(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://***@{place}"),
        _ => url.to_owned(),
    }
}
