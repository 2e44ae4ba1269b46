//! State in a Redis of its own, as Dapr lays it out there: a hash for each key, with `data` and `version`.
//!
//! So values that Dapr wrote are read, and it reads what is written here. What it does differently, and is not done
//! here: a version begins at a random number, so that an ETag does not come back for a key that was deleted; an ETag
//! that does not fit is refused with `last-write` too; a write without a time to live takes the old one off.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use everlog_oplog::Timestamp;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo, RedisError};
use tokio::sync::Mutex;

use super::decide::decide;
use super::{Decided, Mode, Operation, Rejection, Standing, State, StateError, StateStoreConfig};
use crate::entropy;

const LOOK: &str = include_str!("look.lua");
const APPLY: &str = include_str!("apply.lua");

/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// How long `WAIT` waits, in milliseconds. Whatever comes behind it on the connection waits too.
const WAIT_MS: u64 = 1_000;
/// Versions of new keys are below: enough of them, and far from what numbers of JSON and Lua hold.
const VERSION_BITS: u32 = 52;

/// Where a Redis is.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisAddress {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who we are there.
    pub username: Option<String>,
    /// The secret.
    pub password: Option<String>,
    /// Which of its databases.
    pub database: i64,
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "redis://{}:{}/{}", self.host, self.port, self.database)
    }
}

/// One store in a Redis.
pub(super) struct Redis {
    address: RedisAddress,
    prefix: String,
    /// Made when it is needed, and anew after it broke.
    connection: Mutex<Option<MultiplexedConnection>>,
}

/// What is under a key: data, version, when it ends in milliseconds since 1970.
type Found = (Option<Vec<u8>>, Option<String>, i64);

impl Redis {
    pub(super) fn new(config: &StateStoreConfig, address: &RedisAddress) -> Self {
        let prefix = config.key_prefix.clone();
        Self { address: address.clone(), prefix, connection: Mutex::default() }
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<State>, StateError> {
        let Some((data, version, end)) = self.look(&[key]).await?.pop() else { return Ok(None) };
        let Some(bytes) = data else { return Ok(None) };
        let expires_at =
            u64::try_from(end).ok().map(|end| Timestamp(end.saturating_mul(1_000_000)));
        // What something else wrote has no version, and so no ETag that ever fits.
        Ok(Some(State { bytes, etag: version.unwrap_or_else(|| "0".to_owned()), expires_at }))
    }

    pub(super) async fn try_apply(
        &self,
        operations: &[Operation],
        mode: Mode,
        config: &StateStoreConfig,
    ) -> Result<Option<Vec<Result<(), Rejection>>>, StateError> {
        let conditional = operations.iter().filter(|operation| operation.is_conditional());
        let keys: Vec<&str> = conditional.map(|operation| operation.key.as_str()).collect();
        let found = if keys.is_empty() { Vec::new() } else { self.look(&keys).await? };
        let seen: HashMap<&str, Standing> =
            keys.iter().copied().zip(found.iter().map(standing)).collect();
        let Decided { mut told, writes, checked } =
            decide(operations, mode, config.etag_on_missing, &seen);
        for (told, operation) in told.iter_mut().zip(operations) {
            let is_number = |etag: &String| etag.parse::<u64>().is_ok();
            if told.is_err() && !operation.etag.as_ref().is_none_or(is_number) {
                *told = Err(Rejection::EtagMalformed);
            }
        }
        if writes.is_empty() {
            return Ok(Some(told));
        }
        let mut command = redis::cmd("EVAL");
        command.arg(APPLY).arg(operations.len());
        for operation in operations {
            command.arg(self.key(&operation.key));
        }
        command.arg(checked.len());
        for place in checked {
            let standing = seen.get(operations[place].key.as_str());
            command.arg(place + 1).arg(match standing {
                Some(Standing::Version(version)) => version.to_string(),
                _ => String::new(),
            });
        }
        for place in writes {
            command.arg(place + 1);
            match &operations[place].value {
                None => command.arg("D"),
                Some(value) => {
                    let stays = value.ttl_seconds.map_or(0, |ttl| u64::from(ttl) * 1_000);
                    let version = (entropy::number() >> (u64::BITS - VERSION_BITS)) + 1;
                    command.arg("S").arg(&value.bytes).arg(stays).arg(version)
                }
            };
        }
        let written: u64 = self.ask(&command).await?;
        Ok((written == 1).then_some(told))
    }

    /// Waits until all replicas that are connected have what was written.
    pub(super) async fn wait_replicas(&self) -> Result<(), StateError> {
        let information: String = self.ask(redis::cmd("INFO").arg("replication")).await?;
        let count = information
            .lines()
            .find_map(|line| line.trim().strip_prefix("connected_slaves:")?.parse().ok())
            .unwrap_or(0_u64);
        if count == 0 {
            return Ok(());
        }
        let reached: u64 = self.ask(redis::cmd("WAIT").arg(count).arg(WAIT_MS)).await?;
        if reached >= count { Ok(()) } else { Err(StateError::NotReplicated) }
    }

    async fn look(&self, keys: &[&str]) -> Result<Vec<Found>, StateError> {
        let mut command = redis::cmd("EVAL");
        command.arg(LOOK).arg(keys.len());
        for key in keys {
            command.arg(self.key(key));
        }
        self.ask(&command).await
    }

    fn key(&self, key: &str) -> String {
        [self.prefix.as_str(), key].concat()
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StateError> {
        let failed = |error: &RedisError| StateError::Redis {
            address: format!("{:?}", self.address),
            reason: error.to_string(),
        };
        let mut connection = self.connect().await.map_err(|error| failed(&error))?;
        let answer: Result<T, RedisError> = command.query_async(&mut connection).await;
        if answer.as_ref().is_err_and(RedisError::is_unrecoverable_error) {
            // Whether it was done is unknown, so the caller is told and nothing is tried again.
            *self.connection.lock().await = None;
        }
        answer.map_err(|error| failed(&error))
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut held = self.connection.lock().await;
        if let Some(connection) = &*held {
            return Ok(connection.clone());
        }
        let RedisAddress { host, port, username, password, database } = &self.address;
        let information = (host.as_str(), *port).into_connection_info()?;
        let mut settings = information.redis_settings().clone().set_db(*database);
        if let Some(username) = username {
            settings = settings.set_username(username);
        }
        if let Some(password) = password {
            settings = settings.set_password(password);
        }
        let client = Client::open(information.set_redis_settings(settings))?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_LIMIT))
            .set_response_timeout(Some(ANSWER_LIMIT));
        let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        *held = Some(connection.clone());
        Ok(connection)
    }
}

fn standing((data, version, end): &Found) -> Standing {
    let is_absent = data.is_none() && version.is_none() && *end == -2;
    match version.as_ref().map(|version| version.parse()) {
        _ if is_absent => Standing::Absent,
        Some(Ok(version)) => Standing::Version(version),
        _ => Standing::Version(0),
    }
}
