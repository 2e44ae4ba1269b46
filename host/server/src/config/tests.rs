use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Command, FromArgMatches};

use super::error::ConfigError;
use super::resolve::{Source, resolve};
use super::{ConfigFlags, Effective, KEYS};

fn flags(arguments: &[&str]) -> ConfigFlags {
    let command = ConfigFlags::augment_args(Command::new("everlog").no_binary_name(true));
    let matches = command.try_get_matches_from(arguments).expect("valid flags");
    ConfigFlags::from_arg_matches(&matches).expect("valid flags")
}

fn load(
    arguments: &[&str],
    environment: &[(&str, &str)],
    file: Option<&str>,
) -> Result<Effective, ConfigError> {
    let variables: BTreeMap<_, _> = environment.iter().copied().collect();
    let file = file.map(|text| (Path::new("everlog.toml"), text));
    resolve(&flags(arguments), |name| variables.get(name).map(OsString::from), file)
}

fn error(arguments: &[&str], environment: &[(&str, &str)], file: &str) -> String {
    load(arguments, environment, Some(file)).expect_err("not valid").to_string()
}

#[test]
fn flags_go_over_environment_over_file_over_defaults() {
    let file = Some("max-queue = 1\nmax-requests = 1\nmax-connections = 1");
    let environment = [("EVERLOG_MAX_QUEUE", "2"), ("EVERLOG_MAX_REQUESTS", "2")];
    let effective = load(&["--max-queue", "3"], &environment, file).expect("valid");
    assert_eq!(effective.settings.runtime.max_queue, 3);
    assert_eq!(effective.settings.max_requests, 2);
    assert_eq!(effective.settings.max_connections, 1);
    assert_eq!(effective.settings.runtime.max_loaded_workers, 2_000);
    let source = |name| effective.sources[name].clone();
    assert_eq!(source("max-queue"), Source::Flag);
    assert_eq!(source("max-requests"), Source::Environment("EVERLOG_MAX_REQUESTS".to_owned()));
    assert_eq!(source("max-connections"), Source::File(PathBuf::from("everlog.toml")));
    assert_eq!(source("max-loaded-workers"), Source::Default);
}

#[test]
fn every_default_can_be_written_down_and_read_again() {
    let defaults = load(&[], &[], None).expect("valid").settings;
    for key in KEYS.iter().filter(|key| key.name != "tokens") {
        let text = (key.get)(&defaults);
        let mut settings = defaults.clone();
        (key.set)(&mut settings, &text).unwrap_or_else(|error| panic!("{}: {error}", key.name));
        assert_eq!((key.get)(&settings), text, "{}", key.name);
    }
}

#[test]
fn a_list_replaces_the_one_below_it() {
    let file = Some("tokens = [\"from-file\"]");
    let tokens = |arguments: &[&str], environment: &[(&str, &str)]| {
        load(arguments, environment, file).expect("valid").settings.tokens
    };
    assert_eq!(tokens(&[], &[]), ["from-file"]);
    assert_eq!(tokens(&[], &[("EVERLOG_TOKENS", "a, b")]), ["a", "b"]);
    assert_eq!(tokens(&["--tokens", "c,d", "--tokens", "e"], &[]), ["c", "d", "e"]);
}

#[test]
fn a_bare_switch_is_true() {
    assert!(load(&["--production"], &[], None).expect("valid").settings.production);
    let file = Some("production = true");
    assert!(!load(&["--production=false"], &[], file).expect("valid").settings.production);
}

#[test]
fn values_of_the_file_have_types_of_their_own() {
    let file =
        "retry-multiplier = 2.5\nidle-after = \"1m30s\"\nworker-memory = \"64MiB\"\nmax-queue = 7";
    let settings = load(&[], &[], Some(file)).expect("valid").settings;
    assert_eq!(settings.runtime.idle_after, Duration::from_secs(90));
    assert_eq!(settings.runtime.worker_memory_bytes, 64 << 20);
    assert_eq!(settings.runtime.max_queue, 7);
    assert!((settings.runtime.retry.multiplier - 2.5).abs() < f64::EPSILON);
}

#[test]
fn errors_name_the_place_and_the_setting() {
    let message = error(&[], &[], "max_queue = 1");
    assert!(
        message.contains("`max_queue`") && message.contains("did you mean `max-queue`"),
        "{message}"
    );
    let message = error(&[], &[], "max-queue = [1]");
    assert!(message.contains("`max-queue` in everlog.toml"), "{message}");
    let message = error(&["--idle-after", "5"], &[], "");
    assert!(message.contains("--idle-after") && message.contains("length of time"), "{message}");
    let message = error(&[], &[("EVERLOG_MAX_BODY", "much")], "");
    assert!(message.contains("EVERLOG_MAX_BODY") && message.contains("much"), "{message}");
    assert!(error(&[], &[], "max-queue = 0").contains("at least 1"));
    assert!(error(&[], &[], "retry-jitter = 2.0").contains("from 0 to 1"));
    assert!(error(&[], &[], "store = \"postgres\"").contains("embedded"));
    assert!(error(&[], &[], "max-queue = ").contains("not valid TOML"));
}

#[test]
fn a_bad_token_is_not_repeated_in_the_message() {
    let message = error(&["--tokens", "secret word"], &[], "");
    assert!(message.contains("--tokens") && !message.contains("secret word"), "{message}");
}

#[test]
fn the_password_of_a_store_is_never_printed() {
    let store = "redis://mary:se/cr@et@localhost:6380/3";
    for bad in [store.to_owned(), store.replace("redis", "http"), "redis://a:secret@b:x".into()] {
        let message = error(&["--store", &bad], &[], "");
        assert!(message.contains("--store"), "{message}");
        for part in ["mary", "se/", "cr@", "et@", "secret"] {
            assert!(!message.contains(part), "{message}");
        }
    }
    let good = "redis://mary:s3cret@localhost:6380/3";
    let settings = load(&["--store", good], &[], None).expect("valid").settings;
    let printed = KEYS.iter().map(|key| (key.get)(&settings)).collect::<Vec<_>>().join("\n");
    assert!(printed.contains("redis://***@localhost:6380/3"), "{printed}");
    assert!(!format!("{printed}{settings:?}").contains("s3cret"), "{printed} {settings:?}");
}

#[test]
fn a_server_without_tokens_listens_on_loopback_only() {
    let check = |arguments: &[&str]| load(arguments, &[], None).expect("valid").check();
    assert!(check(&[]).is_ok());
    assert!(check(&["--listen", "[::1]:7070"]).is_ok());
    assert!(matches!(
        check(&["--listen", "0.0.0.0:7070"]),
        Err(ConfigError::OpenToEverybody { .. })
    ));
    assert!(check(&["--listen", "0.0.0.0:7070", "--tokens", "x"]).is_ok());
    assert!(check(&["--listen", "0.0.0.0:7070", "--allow-unauthenticated-remote"]).is_ok());
}

#[test]
fn production_names_everything_that_is_missing() {
    let check = |arguments: &[&str]| load(arguments, &[], None).expect("valid").check();
    let message =
        check(&["--production", "--worker-memory", "1GiB"]).expect_err("refused").to_string();
    let unset = [
        "tokens",
        "host-memory",
        "worker-files",
        "max-loaded-workers",
        "network-allow",
        "network-sockets",
    ];
    for expected in unset {
        assert!(message.contains(expected), "{message}");
    }
    assert!(!message.contains("worker-memory"), "{message}");
    let limits = [
        "--production",
        "--worker-memory=1GiB",
        "--host-memory=4GiB",
        "--worker-files=1GiB",
        "--max-loaded-workers=100",
        "--network-allow=api.example.com,*.example.org",
        "--network-sockets=none",
    ];
    let with_token = |token: &str| check(&[&limits[..], &["--tokens", token]].concat());
    assert!(with_token("short").expect_err("refused").to_string().contains("32 characters"));
    assert!(with_token(&"x".repeat(32)).is_ok());
}
