//! A state store from what its component says.

use everlog_runtime::state_store::{EtagOnMissing, RedisAddress, StateStoreConfig, StateStoreKind};

use super::component::{Component, Datum};
use super::yaml::YamlError;
use crate::dapr::items::{SEPARATOR, ttl_seconds};

/// The longest name of a store, and the longest prefix of keys, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// What every store takes.
const COMMON: [&str; 4] = ["keyPrefix", "ttlInSeconds", "etagOnMissing", "actorStateStore"];
/// What a store in another Redis takes beside.
const REDIS: [&str; 6] =
    ["redisHost", "redisUsername", "redisPassword", "redisDB", "redisType", "enableTLS"];

/// Sets a store up for the application `app_id`.
pub(super) fn of(component: &Component, app_id: &str) -> Result<StateStoreConfig, YamlError> {
    let (name, name_line) = &component.name;
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(char::is_control) {
        let problem = format!(
            "metadata.name: it must have 1 to {MAX_NAME_BYTES} bytes without control characters"
        );
        return Err(YamlError::new(*name_line, problem));
    }
    let (kind, kind_line) = &component.kind;
    let settings = Settings(&component.metadata);
    let (kind, known) = match kind.as_str() {
        "state.everlog" => (StateStoreKind::Own, COMMON.to_vec()),
        "state.in-memory" => (StateStoreKind::Memory, COMMON.to_vec()),
        "state.redis" => {
            let known = [&COMMON[..], &REDIS].concat();
            settings.check_names(&known)?;
            (StateStoreKind::Redis(redis(&settings, component.line)?), known)
        }
        other => {
            let problem = format!(
                "spec.type: there is no {other} here; there are state.everlog, state.in-memory \
                 and state.redis"
            );
            return Err(YamlError::new(*kind_line, problem));
        }
    };
    settings.check_names(&known)?;
    // As Redis answers where it is Redis that callers are used to.
    let on_missing = match kind {
        StateStoreKind::Redis(_) => EtagOnMissing::Accept,
        _ => EtagOnMissing::Reject,
    };
    settings.one_of("actorStateStore", &[("true", ()), ("false", ())], ())?;
    let words = [("accept", EtagOnMissing::Accept), ("reject", EtagOnMissing::Reject)];
    let default_ttl_seconds = match settings.find("ttlInSeconds") {
        None => None,
        Some(datum) => ttl_seconds(&datum.value).map_err(|problem| datum.wrong(&problem))?,
    };
    Ok(StateStoreConfig {
        name: name.clone(),
        kind,
        key_prefix: key_prefix(component, &settings, app_id)?,
        etag_on_missing: settings.one_of("etagOnMissing", &words, on_missing)?,
        default_ttl_seconds,
    })
}

fn key_prefix(
    component: &Component,
    settings: &Settings<'_>,
    app_id: &str,
) -> Result<String, YamlError> {
    let datum = settings.find("keyPrefix");
    let prefix = match datum.map(|datum| datum.value.as_str()) {
        None | Some("appid" | "") => app_id.to_owned(),
        Some("none") => return Ok(String::new()),
        Some("name") => component.name.0.clone(),
        Some("namespace") => match &component.namespace {
            Some(namespace) => format!("{namespace}.{app_id}"),
            None => app_id.to_owned(),
        },
        Some(text) => text.to_owned(),
    };
    match datum {
        Some(datum) if prefix.contains(SEPARATOR) => {
            Err(datum.wrong(&format!("it must not contain `{SEPARATOR}`")))
        }
        Some(datum) if prefix.len() > MAX_NAME_BYTES => {
            Err(datum.wrong(&format!("it has more than {MAX_NAME_BYTES} bytes")))
        }
        _ => Ok(prefix + SEPARATOR),
    }
}

fn redis(settings: &Settings<'_>, line: usize) -> Result<RedisAddress, YamlError> {
    let Some(host) = settings.find("redisHost") else {
        return Err(YamlError::new(line, "spec.metadata.redisHost: it is missing"));
    };
    settings.one_of("redisType", &[("node", ()), ("", ())], ())?;
    settings.one_of("enableTLS", &[("false", ()), ("", ())], ())?;
    let (name, port) = host.value.rsplit_once(':').unwrap_or((&host.value, "6379"));
    let port = port.parse().map_err(|_| host.wrong("host:port was expected"))?;
    let text = |name| {
        settings.find(name).map(|datum| datum.value.clone()).filter(|value| !value.is_empty())
    };
    let database = match settings.find("redisDB") {
        None => 0,
        Some(datum) => datum.value.parse().map_err(|_| datum.wrong("a number was expected"))?,
    };
    Ok(RedisAddress {
        host: name.to_owned(),
        port,
        username: text("redisUsername"),
        password: text("redisPassword"),
        database,
    })
}

/// The metadata of a component.
struct Settings<'a>(&'a [Datum]);

impl Settings<'_> {
    fn find(&self, name: &str) -> Option<&Datum> {
        self.0.iter().find(|datum| datum.name == name)
    }

    fn check_names(&self, known: &[&str]) -> Result<(), YamlError> {
        for (place, datum) in self.0.iter().enumerate() {
            if !known.contains(&datum.name.as_str()) {
                let all = known.join(", ");
                return Err(datum.wrong(&format!("this type of store takes none; it takes {all}")));
            }
            if self.0[..place].iter().any(|earlier| earlier.name == datum.name) {
                return Err(datum.wrong("it stands twice"));
            }
        }
        Ok(())
    }

    fn one_of<T: Copy>(&self, name: &str, words: &[(&str, T)], default: T) -> Result<T, YamlError> {
        let Some(datum) = self.find(name) else { return Ok(default) };
        match words.iter().find(|(word, _)| *word == datum.value) {
            Some((_, meaning)) => Ok(*meaning),
            None => {
                let all: Vec<&str> =
                    words.iter().map(|(word, _)| *word).filter(|word| !word.is_empty()).collect();
                let found = &datum.value;
                Err(datum.wrong(&format!("it must be {}, it is {found}", all.join(" or "))))
            }
        }
    }
}

impl Datum {
    fn wrong(&self, problem: &str) -> YamlError {
        YamlError::new(self.line, format!("spec.metadata.{}: {problem}", self.name))
    }
}
