//! The settings of the network as workers reach it.

use everlog_runtime::network::HostPattern;

use super::keys::{Key, Kind, parse_into, parse_size_into, parse_switch, parse_time};
use super::settings::Settings;
use crate::units::{format_duration, format_size};

pub(super) const ALLOW: Key = Key {
    name: "network-allow",
    kind: Kind::Value,
    help: "The hosts that workers may reach over HTTP, separated by commas: `api.example.com`, \
           `*.example.com`, `*` for all, each with a port if only that is meant, as in \
           `localhost:8080`; empty for none.",
    set: set_allow,
    get: |settings| {
        let allow = &settings.runtime.network.policy.allow;
        allow.iter().map(HostPattern::to_string).collect::<Vec<_>>().join(",")
    },
};

pub(super) const DENY_PRIVATE: Key = Key {
    name: "network-deny-private",
    kind: Kind::Switch,
    help: "Workers may not reach loopback, private and link-local addresses, over HTTP or with \
           sockets, whatever name leads to them.",
    set: |settings, text| parse_switch(&mut settings.runtime.network.policy.deny_private, text),
    get: |settings| settings.runtime.network.policy.deny_private.to_string(),
};

pub(super) const CONNECT_TIMEOUT: Key = Key {
    name: "http-connect-timeout",
    kind: Kind::Value,
    help: "A worker's HTTP request has a connection within this time; guests may ask for less.",
    set: |settings, text| parse_time(&mut settings.runtime.network.connect_timeout, text),
    get: |settings| format_duration(settings.runtime.network.connect_timeout),
};

pub(super) const FIRST_BYTE_TIMEOUT: Key = Key {
    name: "http-first-byte-timeout",
    kind: Kind::Value,
    help: "The head of the response is there within this time after the connection; guests may \
           ask for less.",
    set: |settings, text| parse_time(&mut settings.runtime.network.first_byte_timeout, text),
    get: |settings| format_duration(settings.runtime.network.first_byte_timeout),
};

pub(super) const BETWEEN_BYTES_TIMEOUT: Key = Key {
    name: "http-between-bytes-timeout",
    kind: Kind::Value,
    help: "The longest silence in the body of a response; guests may ask for less.",
    set: |settings, text| parse_time(&mut settings.runtime.network.between_bytes_timeout, text),
    get: |settings| format_duration(settings.runtime.network.between_bytes_timeout),
};

pub(super) const RESENT_BODY: Key = Key {
    name: "http-resent-body",
    kind: Kind::Value,
    help: "The largest body of a worker's HTTP request that can be sent again after a crash.",
    set: |settings, text| parse_size_into(&mut settings.runtime.network.resent_body_bytes, text),
    get: |settings| format_size(settings.runtime.network.resent_body_bytes),
};

pub(super) const RESPONSE_BODY: Key = Key {
    name: "http-response-body",
    kind: Kind::Value,
    help: "The largest body of a response that a worker reads.",
    set: |settings, text| parse_size_into(&mut settings.runtime.network.response_body_bytes, text),
    get: |settings| format_size(settings.runtime.network.response_body_bytes),
};

pub(super) const HEADERS: Key = Key {
    name: "http-headers",
    kind: Kind::Value,
    help: "The largest head of a worker's HTTP request, and of a response.",
    set: |settings, text| parse_size_into(&mut settings.runtime.network.header_bytes, text),
    get: |settings| format_size(u64::from(settings.runtime.network.header_bytes)),
};

pub(super) const REQUESTS_IN_FLIGHT: Key = Key {
    name: "http-requests-in-flight",
    kind: Kind::Value,
    help: "Most HTTP requests that one worker has in flight; one more fails.",
    set: |settings, text| {
        let place = &mut settings.runtime.network.max_requests_in_flight;
        parse_into(place, text, "a whole number")
    },
    get: |settings| settings.runtime.network.max_requests_in_flight.to_string(),
};

pub(super) const IDEMPOTENCY_HEADER: Key = Key {
    name: "http-idempotency-header",
    kind: Kind::Switch,
    help: "Give a worker's HTTP requests that change something an `Idempotency-Key` header, the \
           same one where a crash makes the worker send the request again.",
    set: |settings, text| parse_switch(&mut settings.runtime.network.idempotency_header, text),
    get: |settings| settings.runtime.network.idempotency_header.to_string(),
};

fn set_allow(settings: &mut Settings, text: &str) -> Result<(), String> {
    let patterns = text.split(',').map(str::trim).filter(|pattern| !pattern.is_empty());
    let allow: Result<_, _> = patterns.map(str::parse).collect();
    settings.runtime.network.policy.allow =
        allow.map_err(|error: everlog_runtime::network::PatternError| error.to_string())?;
    Ok(())
}
