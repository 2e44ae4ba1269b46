//! The server at the other end: whether it can be used, and what it promises to keep.

use std::collections::HashMap;

use redis::aio::MultiplexedConnection;

use super::link::{Link, Trouble, Waits, ask};
use crate::StoreError;
use crate::store::Replication;

/// The oldest version that executes our script as it must be: all or nothing.
const OLDEST_VERSION: u32 = 7;

/// How often a server that is just starting is tried.
const ATTEMPTS: u32 = 8;

/// The first connection; a server that starts at the same time is waited for a little.
pub(super) async fn connect(link: &Link) -> Result<MultiplexedConnection, StoreError> {
    let mut waits = Waits::default();
    let mut attempt = 1;
    loop {
        let failure = match link.connect().await {
            Ok(mut connection) => match ask(&mut connection, &redis::cmd("PING")).await {
                Ok(_) => return Ok(connection),
                Err(trouble) => trouble,
            },
            Err(trouble) => trouble,
        };
        match failure {
            // A large data set takes its time to load.
            Trouble::Passing(reason) if reason.contains("LOADING") => {
                tracing::info!("waiting for Redis, which is loading its data");
            }
            Trouble::Passing(_) if attempt < ATTEMPTS => attempt += 1,
            Trouble::Passing(reason) | Trouble::Lasting(reason) => {
                return Err(link.unavailable(reason));
            }
        }
        waits.wait().await;
    }
}

/// Refuses a server that cannot do what is needed, and warns about one that forgets.
pub(super) async fn examine(
    link: &Link,
    connection: &mut MultiplexedConnection,
) -> Result<(), StoreError> {
    let facts = information(link, connection).await?;
    let fact = |name: &str| facts.get(name).map(String::as_str).unwrap_or_default();
    let version = fact("redis_version");
    let major = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    if major < OLDEST_VERSION {
        return Err(link.unavailable(format!(
            "it is version {version}, but everlog needs {OLDEST_VERSION}.0 or later"
        )));
    }
    if fact("role") != "master" {
        return Err(link.unavailable(format!(
            "it is a replica of {}:{}; name the primary",
            fact("master_host"),
            fact("master_port")
        )));
    }
    if fact("cluster_enabled") == "1" {
        return Err(link.unavailable("it is part of a Redis Cluster, which is not supported"));
    }
    let fsync = setting(connection, "appendfsync").await;
    let save = setting(connection, "save").await;
    for warning in warnings(&facts, fsync.as_deref(), save.as_deref()) {
        tracing::warn!(address = link.address(), "{warning}");
    }
    Ok(())
}

/// What an operator must know about a server that may forget. `None`: the server does not tell.
fn warnings(
    facts: &HashMap<String, String>,
    fsync: Option<&str>,
    save: Option<&str>,
) -> Vec<String> {
    let fact = |name: &str| facts.get(name).map(String::as_str).unwrap_or_default();
    let mut warnings = Vec::new();
    let keeps_log = fact("aof_enabled") == "1";
    if !keeps_log && save == Some("") {
        warnings.push(
            "this Redis keeps NOTHING on disk: when it restarts, all workers and everything \
             acknowledged are gone. Set `appendonly yes` and `appendfsync always`, then restart \
             everlog"
                .to_owned(),
        );
    } else if !keeps_log {
        warnings.push(
            "this Redis writes snapshots only: a crash of it loses what was acknowledged since \
             the last one. Set `appendonly yes` and `appendfsync always`"
                .to_owned(),
        );
    } else if fsync.is_some_and(|fsync| fsync != "always") {
        warnings.push(format!(
            "this Redis has `appendfsync {}`: a crash of it loses what was acknowledged in the \
             last moments. Set `appendfsync always`, or wait for replicas",
            fsync.unwrap_or_default()
        ));
    }
    let policy = fact("maxmemory_policy");
    if !["", "noeviction"].contains(&policy) && fact("maxmemory") != "0" {
        warnings.push(format!(
            "this Redis throws keys away when its memory is full (`maxmemory-policy {policy}`), \
             and with them workers. Set `maxmemory-policy noeviction`"
        ));
    }
    warnings
}

/// What the server says about itself.
pub(super) async fn information(
    link: &Link,
    connection: &mut MultiplexedConnection,
) -> Result<HashMap<String, String>, StoreError> {
    let answer = ask(connection, &redis::cmd("INFO")).await;
    let text: Result<String, String> = match answer {
        Ok(value) => redis::from_redis_value(value).map_err(|error| error.to_string()),
        Err(Trouble::Passing(reason) | Trouble::Lasting(reason)) => Err(reason),
    };
    text.map(|text| facts(&text)).map_err(|reason| link.unavailable(reason))
}

/// A setting of the server, if it tells.
pub(super) async fn setting(connection: &mut MultiplexedConnection, name: &str) -> Option<String> {
    let answer = ask(connection, redis::cmd("CONFIG").arg("GET").arg(name)).await.ok()?;
    redis::from_redis_value::<HashMap<String, String>>(answer).ok()?.remove(name)
}

pub(super) fn facts(text: &str) -> HashMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.trim_end().split_once(':'));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Replicas that receive what is written, and how far the last of them is behind.
pub(super) fn replication(facts: &HashMap<String, String>) -> Replication {
    let number = |text: &str| text.parse::<u64>().ok();
    let written = facts.get("master_repl_offset").and_then(|text| number(text)).unwrap_or(0);
    let slaves = facts.iter().filter(|(name, value)| {
        let digits = name.strip_prefix("slave").unwrap_or_default();
        digits.parse::<u32>().is_ok() && value.contains("state=online")
    });
    let mut replication = Replication::default();
    for (_, slave) in slaves {
        let offset = slave.split(',').find_map(|part| number(part.strip_prefix("offset=")?));
        let lag = written.saturating_sub(offset.unwrap_or(0));
        replication.replicas += 1;
        replication.lag_bytes = replication.lag_bytes.max(lag);
    }
    replication
}

/// What operators are shown.
pub(super) fn shown(
    link: &Link,
    facts: &HashMap<String, String>,
    fsync: Option<String>,
    replication: Replication,
) -> Vec<(&'static str, String)> {
    let fact = |name: &str| facts.get(name).cloned().unwrap_or_else(|| "unknown".to_owned());
    let appends = if fact("aof_enabled") == "1" { "yes" } else { "no" };
    vec![
        ("address", link.address().to_owned()),
        ("version", fact("redis_version")),
        ("role", fact("role")),
        ("appendonly", appends.to_owned()),
        ("appendfsync", fsync.unwrap_or_else(|| "unknown".to_owned())),
        ("usedMemoryBytes", fact("used_memory")),
        ("maxMemoryBytes", fact("maxmemory")),
        ("replicas", replication.replicas.to_string()),
        ("lagBytes", replication.lag_bytes.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_counted_when_they_receive() {
        let facts = facts(
            "role:master\r\nconnected_slaves:3\r\n\
             slave0:ip=::1,port=1,state=online,offset=90,lag=0\r\n\
             slave1:ip=::1,port=2,state=wait_bgsave,offset=0,lag=0\r\n\
             slave2:ip=::1,port=3,state=online,offset=70,lag=1\r\n\
             master_repl_offset:100\r\n",
        );
        assert_eq!(replication(&facts), Replication { replicas: 2, lag_bytes: 30 });
    }

    #[test]
    fn a_server_that_forgets_is_warned_about() {
        let warned = |text: &str, fsync, save| warnings(&facts(text), fsync, save).join("\n");
        assert!(warned("aof_enabled:0", Some("always"), Some("")).contains("NOTHING"));
        assert!(warned("aof_enabled:0", None, Some("3600 1")).contains("snapshots only"));
        assert!(warned("aof_enabled:1", Some("everysec"), None).contains("appendfsync everysec"));
        assert_eq!(warned("aof_enabled:1", Some("always"), Some("")), "");
        let evicting = "aof_enabled:1\nmaxmemory:1000\nmaxmemory_policy:allkeys-lru";
        assert!(warned(evicting, Some("always"), None).contains("allkeys-lru"));
    }
}
