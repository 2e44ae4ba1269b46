//! The table of settings.

use std::fmt::Display;
use std::mem::discriminant;
use std::str::FromStr;
use std::time::Duration;

use everlog_runtime::{Drill, SocketAccess};

use super::settings::{LogFormat, Settings};
use super::{network_keys, state_keys, store_keys};
use crate::units::{format_duration, format_size, parse_duration, parse_size};

/// The longest token, in bytes.
const MAX_TOKEN_BYTES: usize = 1_024;

/// How a setting is written on the command line and in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A text, a number, a length of time or a size.
    Value,
    /// `true` or `false`; the bare flag means `true`.
    Switch,
    /// Several texts that are never printed: an array in the file, separated by commas elsewhere.
    Secrets,
}

/// One setting.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name in the file, and as a flag behind `--`.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// What it does: one paragraph.
    pub(crate) help: &'static str,
    /// Reads a text into its place.
    pub(crate) set: fn(&mut Settings, &str) -> Result<(), String>,
    /// The text that [`Key::set`] would take; for secrets, how many there are.
    pub(crate) get: fn(&Settings) -> String,
}

impl Key {
    /// Its environment variable: `EVERLOG_` and the name in capitals.
    pub(crate) fn variable(&self) -> String {
        format!("EVERLOG_{}", self.name.replace('-', "_").to_uppercase())
    }
}

/// Every setting there is, in the order in which `everlog config` prints them.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "listen",
        kind: Kind::Value,
        help: "Address and port of the HTTP API. Port 0 takes a free one. Addresses that are not \
               loopback need tokens.",
        set: |settings, text| {
            parse_into(&mut settings.listen, text, "an address such as 127.0.0.1:7070")
        },
        get: |settings| settings.listen.to_string(),
    },
    Key {
        name: "data-dir",
        kind: Kind::Value,
        help: "Directory of all state. One server at a time.",
        set: |settings, text| set_path(&mut settings.data_dir, text),
        get: |settings| settings.data_dir.display().to_string(),
    },
    Key {
        name: "accept-loss",
        kind: Kind::Switch,
        help: "Start although acknowledged data is missing in the data directory, and go on \
               without it. For once, after damage; what is missing is written to the log.",
        set: |settings, text| parse_switch(&mut settings.accept_loss, text),
        get: |settings| settings.accept_loss.to_string(),
    },
    store_keys::STORE,
    store_keys::STORE_PREFIX,
    store_keys::MIN_REPLICAS,
    store_keys::ADVERTISE,
    store_keys::NODE_LEASE,
    Key {
        name: "tokens",
        kind: Kind::Secrets,
        help: "Every route but /livez wants one of these as `Authorization: Bearer …`. Prefer \
               the file or the environment to the flag: other users of the machine see flags.",
        set: |settings, text| set_tokens(&mut settings.tokens, text),
        get: |settings| format!("{} secret", settings.tokens.len()),
    },
    Key {
        name: "allow-unauthenticated-remote",
        kind: Kind::Switch,
        help: "Listen on an address that is not loopback although there are no tokens: everybody \
               who reaches it may do everything.",
        set: |settings, text| parse_switch(&mut settings.allow_unauthenticated_remote, text),
        get: |settings| settings.allow_unauthenticated_remote.to_string(),
    },
    Key {
        name: "production",
        kind: Kind::Switch,
        help: "Refuse to start until tokens, limits and `network-allow` are set, and name what is \
               missing.",
        set: |settings, text| parse_switch(&mut settings.production, text),
        get: |settings| settings.production.to_string(),
    },
    Key {
        name: "max-connections",
        kind: Kind::Value,
        help: "Most open connections; further ones wait until one closes.",
        set: |settings, text| parse_count(&mut settings.max_connections, text),
        get: |settings| settings.max_connections.to_string(),
    },
    Key {
        name: "max-requests",
        kind: Kind::Value,
        help: "Most requests answered at once; further ones get 503. Followed logs and waiting \
               calls count.",
        set: |settings, text| parse_count(&mut settings.max_requests, text),
        get: |settings| settings.max_requests.to_string(),
    },
    Key {
        name: "max-body",
        kind: Kind::Value,
        help: "The largest request body that is not a component.",
        set: |settings, text| parse_size_into(&mut settings.max_body_bytes, text),
        get: |settings| format_size(settings.max_body_bytes as u64),
    },
    Key {
        name: "max-component",
        kind: Kind::Value,
        help: "The largest component.",
        set: |settings, text| parse_size_into(&mut settings.runtime.max_component_bytes, text),
        get: |settings| format_size(settings.runtime.max_component_bytes as u64),
    },
    Key {
        name: "max-loaded-workers",
        kind: Kind::Value,
        help: "Most workers in memory at once; beyond it the least recently used idle ones \
               leave. They come back by themselves.",
        set: |settings, text| parse_count(&mut settings.runtime.max_loaded_workers, text),
        get: |settings| settings.runtime.max_loaded_workers.to_string(),
    },
    Key {
        name: "max-queue",
        kind: Kind::Value,
        help: "Most calls that wait for one worker; one more gets 429.",
        set: |settings, text| parse_count(&mut settings.runtime.max_queue, text),
        get: |settings| settings.runtime.max_queue.to_string(),
    },
    Key {
        name: "worker-memory",
        kind: Kind::Value,
        help: "Linear memory of one worker; growing beyond it fails inside the guest.",
        set: |settings, text| parse_size_into(&mut settings.runtime.worker_memory_bytes, text),
        get: |settings| format_size(settings.runtime.worker_memory_bytes),
    },
    Key {
        name: "host-memory",
        kind: Kind::Value,
        help: "Linear memory of all loaded workers together; what needs more waits for room.",
        set: |settings, text| parse_size_into(&mut settings.runtime.host_memory_bytes, text),
        get: |settings| format_size(settings.runtime.host_memory_bytes),
    },
    Key {
        name: "worker-files",
        kind: Kind::Value,
        help: "What the files of one worker may take on disk.",
        set: |settings, text| parse_size_into(&mut settings.runtime.worker_files_bytes, text),
        get: |settings| format_size(settings.runtime.worker_files_bytes),
    },
    Key {
        name: "network-sockets",
        kind: Kind::Value,
        help: "What guests may do with sockets of their own: `none`; `outgoing`, which is to look \
               names up, to connect, and to exchange datagrams; or `all`, which is also to listen.",
        set: |settings, text| set_sockets(&mut settings.runtime.network_sockets, text),
        get: |settings| match settings.runtime.network_sockets {
            SocketAccess::None => "none".to_owned(),
            SocketAccess::Outgoing => "outgoing".to_owned(),
            SocketAccess::All => "all".to_owned(),
        },
    },
    Key {
        name: "idle-after",
        kind: Kind::Value,
        help: "A worker that has nothing to do leaves memory after this time.",
        set: |settings, text| parse_time(&mut settings.runtime.idle_after, text),
        get: |settings| format_duration(settings.runtime.idle_after),
    },
    Key {
        name: "suspend-after",
        kind: Kind::Value,
        help: "A worker that sleeps longer than this leaves memory and comes back by a timer.",
        set: |settings, text| parse_time(&mut settings.runtime.suspend_after, text),
        get: |settings| format_duration(settings.runtime.suspend_after),
    },
    Key {
        name: "commit-interval",
        kind: Kind::Value,
        help: "What a running invocation recorded is made durable this often, also when nobody \
               waits for it.",
        set: |settings, text| parse_time(&mut settings.runtime.commit_interval, text),
        get: |settings| format_duration(settings.runtime.commit_interval),
    },
    Key {
        name: "retry-max-attempts",
        kind: Kind::Value,
        help: "How often a failed invocation is tried again after the first time, where the \
               worker sets no policy of its own.",
        set: |settings, text| {
            parse_into(&mut settings.runtime.retry.max_attempts, text, "a whole number")
        },
        get: |settings| settings.runtime.retry.max_attempts.to_string(),
    },
    Key {
        name: "retry-min-delay",
        kind: Kind::Value,
        help: "Time before the first retry.",
        set: |settings, text| parse_nanos(&mut settings.runtime.retry.min_delay_nanos, text),
        get: |settings| {
            format_duration(Duration::from_nanos(settings.runtime.retry.min_delay_nanos))
        },
    },
    Key {
        name: "retry-max-delay",
        kind: Kind::Value,
        help: "The longest time before a retry.",
        set: |settings, text| parse_nanos(&mut settings.runtime.retry.max_delay_nanos, text),
        get: |settings| {
            format_duration(Duration::from_nanos(settings.runtime.retry.max_delay_nanos))
        },
    },
    Key {
        name: "retry-multiplier",
        kind: Kind::Value,
        help: "Each retry waits this many times as long as the one before; at least 1.",
        set: |settings, text| {
            parse_fraction(&mut settings.runtime.retry.multiplier, text, 1.0, 1_000.0)
        },
        get: |settings| settings.runtime.retry.multiplier.to_string(),
    },
    Key {
        name: "retry-jitter",
        kind: Kind::Value,
        help: "How much a delay may be longer by chance: 0.15 is up to 15 %.",
        set: |settings, text| parse_fraction(&mut settings.runtime.retry.jitter, text, 0.0, 1.0),
        get: |settings| settings.runtime.retry.jitter.to_string(),
    },
    state_keys::APP_ID,
    state_keys::RESOURCES_PATH,
    network_keys::ALLOW,
    network_keys::DENY_PRIVATE,
    network_keys::CONNECT_TIMEOUT,
    network_keys::FIRST_BYTE_TIMEOUT,
    network_keys::BETWEEN_BYTES_TIMEOUT,
    network_keys::RESENT_BODY,
    network_keys::RESPONSE_BODY,
    network_keys::HEADERS,
    network_keys::REQUESTS_IN_FLIGHT,
    network_keys::IDEMPOTENCY_HEADER,
    Key {
        name: "shutdown-limit",
        kind: Kind::Value,
        help: "How long open requests are waited for after SIGTERM.",
        set: |settings, text| parse_time(&mut settings.shutdown_limit, text),
        get: |settings| format_duration(settings.shutdown_limit),
    },
    Key {
        name: "otlp-endpoint",
        kind: Kind::Value,
        help: "Where a collector of OpenTelemetry takes spans by OTLP over gRPC, such as \
               http://127.0.0.1:4317. Where it is not set, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT and \
               OTEL_EXPORTER_OTLP_ENDPOINT of the environment say so; without any, no spans are \
               made.",
        set: |settings, text| {
            settings.otlp_endpoint = (!text.is_empty()).then(|| text.to_owned());
            Ok(())
        },
        get: |settings| settings.otlp_endpoint.clone().unwrap_or_default(),
    },
    Key {
        name: "log",
        kind: Kind::Value,
        help: "What the server writes about itself to stderr: error, warn, info, debug or trace, \
               also by module, such as `info,everlog_runtime=debug`.",
        set: |settings, text| set_log(&mut settings.log, text),
        get: |settings| settings.log.clone(),
    },
    Key {
        name: "log-format",
        kind: Kind::Value,
        help: "How it is written: text, or json with one object a line.",
        set: |settings, text| set_log_format(&mut settings.log_format, text),
        get: |settings| match settings.log_format {
            LogFormat::Text => "text".to_owned(),
            LogFormat::Json => "json".to_owned(),
        },
    },
    Key {
        name: "stop-after-entries",
        kind: Kind::Value,
        help: "A drill for tests: the process stops as if killed after it has stored this many \
               entries; `never` by default.",
        set: |settings, text| set_drill(settings, text, Drill::StopAfterEntries),
        get: |settings| match settings.runtime.drill {
            Some(Drill::StopAfterEntries(entries)) => entries.to_string(),
            _ => "never".to_owned(),
        },
    },
    Key {
        name: "refuse-batch",
        kind: Kind::Value,
        help: "A drill for tests: this one of the batches with entries is refused, as if another node \
               had changed the same data; `never` by default.",
        set: |settings, text| set_drill(settings, text, Drill::RefuseBatch),
        get: |settings| match settings.runtime.drill {
            Some(Drill::RefuseBatch(batch)) => batch.to_string(),
            _ => "never".to_owned(),
        },
    },
];

pub(super) fn parse_into<T: FromStr<Err: Display>>(
    place: &mut T,
    text: &str,
    expected: &str,
) -> Result<(), String> {
    *place =
        text.parse().map_err(|error| format!("expected {expected}, found `{text}` ({error})"))?;
    Ok(())
}

pub(super) fn parse_switch(place: &mut bool, text: &str) -> Result<(), String> {
    parse_into(place, text, "true or false")
}

fn parse_count(place: &mut usize, text: &str) -> Result<(), String> {
    parse_into(place, text, "a whole number")?;
    if *place == 0 { Err("expected at least 1, found 0".to_owned()) } else { Ok(()) }
}

pub(super) fn parse_size_into<T: TryFrom<u64>>(place: &mut T, text: &str) -> Result<(), String> {
    let size = parse_size(text)?;
    *place = T::try_from(size).map_err(|_| format!("`{text}` is too large a size"))?;
    Ok(())
}

pub(super) fn parse_time(place: &mut Duration, text: &str) -> Result<(), String> {
    *place = parse_duration(text)?;
    Ok(())
}

fn parse_nanos(place: &mut u64, text: &str) -> Result<(), String> {
    *place = u64::try_from(parse_duration(text)?.as_nanos())
        .map_err(|_| format!("`{text}` is too long a time"))?;
    Ok(())
}

fn parse_fraction(place: &mut f64, text: &str, least: f64, most: f64) -> Result<(), String> {
    parse_into(place, text, "a number")?;
    if (least..=most).contains(place) {
        return Ok(());
    }
    Err(format!("expected a number from {least} to {most}, found {text}"))
}

fn set_path(place: &mut std::path::PathBuf, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("expected a path, found nothing".to_owned());
    }
    *place = text.into();
    Ok(())
}

/// Adds to the tokens that are there: a list is set one by one, after it was emptied.
fn set_tokens(place: &mut Vec<String>, text: &str) -> Result<(), String> {
    if text.is_empty()
        || text.len() > MAX_TOKEN_BYTES
        || !text.bytes().all(|byte| byte.is_ascii_graphic())
    {
        // The token itself is a secret, so the message does not show it.
        return Err(format!(
            "a token has 1 to {MAX_TOKEN_BYTES} visible ASCII characters without spaces, one of \
             them does not"
        ));
    }
    place.push(text.to_owned());
    Ok(())
}

fn set_log(place: &mut String, text: &str) -> Result<(), String> {
    tracing_subscriber::EnvFilter::try_new(text)
        .map_err(|error| format!("`{text}` is not a log filter: {error}"))?;
    text.clone_into(place);
    Ok(())
}

fn set_log_format(place: &mut LogFormat, text: &str) -> Result<(), String> {
    *place = match text {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        _ => return Err(format!("expected text or json, found `{text}`")),
    };
    Ok(())
}

fn set_sockets(place: &mut SocketAccess, text: &str) -> Result<(), String> {
    *place = match text {
        "none" => SocketAccess::None,
        "outgoing" => SocketAccess::Outgoing,
        "all" => SocketAccess::All,
        _ => return Err(format!("expected none, outgoing or all, found `{text}`")),
    };
    Ok(())
}

fn set_drill(settings: &mut Settings, text: &str, drill: fn(u64) -> Drill) -> Result<(), String> {
    let place = &mut settings.runtime.drill;
    let is_other = |set: &Drill| discriminant(set) != discriminant(&drill(0));
    if text == "never" {
        place.take_if(|set| !is_other(set));
        return Ok(());
    }
    if place.as_ref().is_some_and(is_other) {
        return Err("expected one drill at a time, found a second".to_owned());
    }
    let mut number = 0;
    parse_into(&mut number, text, "a whole number or `never`")?;
    *place = Some(drill(number));
    Ok(())
}
