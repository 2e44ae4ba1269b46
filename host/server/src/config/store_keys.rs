//! The settings of the store.

use std::time::Duration;

use everlog_store::{MAX_STORE_PREFIX_BYTES, RedisOptions};

use super::keys::{Key, Kind, parse_into};
use super::settings::{Settings, StoreKind};
use crate::units::{format_duration, parse_duration};

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

pub(super) const ADVERTISE: Key = Key {
    name: "advertise",
    kind: Kind::Value,
    help: "Where other servers on the same Redis reach this one, as `http://host:port`. By default \
           where it listens, or where it listens at all addresses, the one that leads to Redis.",
    set: set_advertise,
    get: |settings| settings.advertise.clone().unwrap_or_default(),
};

pub(super) const NODE_LEASE: Key = Key {
    name: "node-lease",
    kind: Kind::Value,
    help: "How long a server on a shared Redis may be unheard of before others take over its \
           workers.",
    set: set_lease,
    get: |settings| format_duration(settings.node_lease),
};

/// The shortest and the longest lease.
const LEASES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

fn set_lease(settings: &mut Settings, text: &str) -> Result<(), String> {
    let lease = parse_duration(text)?;
    if !(LEASES.0..=LEASES.1).contains(&lease) {
        let (least, most) = (format_duration(LEASES.0), format_duration(LEASES.1));
        return Err(format!("expected {least} to {most}"));
    }
    settings.node_lease = lease;
    Ok(())
}

fn set_advertise(settings: &mut Settings, text: &str) -> Result<(), String> {
    if text.is_empty() {
        settings.advertise = None;
        return Ok(());
    }
    let url = reqwest::Url::parse(text).ok().filter(|url| {
        url.scheme() == "http" && url.has_host() && url.path() == "/" && url.query().is_none()
    });
    url.ok_or("expected `http://host:port`")?;
    settings.advertise = Some(text.trim_end_matches('/').to_owned());
    Ok(())
}

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
