//! Connections to the Redis server, and what its errors mean for us.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, RedisError, Value};

use crate::StoreError;

/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How many times as long blobs may take, which are larger than batches.
const BLOB_PATIENCE: u32 = 5;

/// Waits between attempts double from the first to the second.
const WAITS_MS: (u64, u64) = (10, 1_000);

/// Codes of errors that come before a command was executed and may pass by themselves: Redis is
/// starting, is busy, may not write now, is full, or was told to forget our scripts.
const PASSING_CODES: [&str; 11] = [
    "LOADING",
    "BUSY",
    "MASTERDOWN",
    "READONLY",
    "NOREPLICAS",
    "MISCONF",
    "OOM",
    "TRYAGAIN",
    "CLUSTERDOWN",
    "NOSCRIPT",
    "UNBLOCKED",
];

/// Why something could not be done now.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It may work later, on another connection. Whether it was done is unknown.
    Passing(String),
    /// It will not work as long as nobody changes something.
    Lasting(String),
}

/// Where the server is, and how to get a connection to it.
#[derive(Clone, Debug)]
pub(super) struct Link {
    client: Client,
    /// The server and its database, without the secrets of the URL.
    address: String,
    /// After this time without an answer a connection counts as lost.
    answer_limit: Duration,
}

impl Link {
    /// # Errors
    /// [`StoreError::Unavailable`] if `url` is none that can be used; the URL itself, which may
    /// hold a password, is in no message.
    pub(super) fn new(url: &str, answer_limit: Duration) -> Result<Self, StoreError> {
        let client = Client::open(url).map_err(|error| StoreError::Unavailable {
            address: "the given URL".to_owned(),
            reason: format!("expected redis://host:port[/database] ({})", error.category()),
        })?;
        let information = client.get_connection_info();
        let database = information.redis_settings().db();
        let address = format!("redis://{}/{database}", information.addr());
        Ok(Self { client, address, answer_limit })
    }

    /// The same for large blobs.
    pub(super) fn for_blobs(&self) -> Self {
        Self { answer_limit: self.answer_limit * BLOB_PATIENCE, ..self.clone() }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn unavailable(&self, reason: impl Into<String>) -> StoreError {
        StoreError::Unavailable { address: self.address.clone(), reason: reason.into() }
    }

    /// A new connection. Must run on the runtime that is to drive it.
    pub(super) async fn connect(&self) -> Result<MultiplexedConnection, Trouble> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_LIMIT))
            .set_response_timeout(Some(self.answer_limit));
        let connection = self.client.get_multiplexed_async_connection_with_config(&config);
        connection.await.map_err(|error| trouble(&error))
    }
}

/// Asks one thing; an error of the server is an error here.
pub(super) async fn ask(
    connection: &mut MultiplexedConnection,
    command: &Cmd,
) -> Result<Value, Trouble> {
    match connection.send_packed_command(command).await {
        Ok(Value::ServerError(error)) => Err(trouble(&error.into())),
        Ok(value) => Ok(value),
        Err(error) => Err(trouble(&error)),
    }
}

/// Loads a script and returns by which name it is called.
pub(super) async fn load(
    connection: &mut MultiplexedConnection,
    script: &str,
) -> Result<String, Trouble> {
    let value = ask(connection, redis::cmd("SCRIPT").arg("LOAD").arg(script)).await?;
    redis::from_redis_value(value).map_err(|error| Trouble::Lasting(error.to_string()))
}

pub(super) fn trouble(error: &RedisError) -> Trouble {
    // As the server said it: operators know its codes.
    let text = match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    };
    if error.code().is_some_and(|code| PASSING_CODES.contains(&code)) {
        return Trouble::Passing(text);
    }
    match error.kind() {
        ErrorKind::Io => Trouble::Passing(text),
        _ if error.is_unrecoverable_error() || error.is_timeout() => Trouble::Passing(text),
        _ => Trouble::Lasting(text),
    }
}

/// Waits that grow.
#[derive(Default)]
pub(super) struct Waits {
    attempts: u32,
}

impl Waits {
    /// Waits a little longer than the last time.
    #[expect(clippy::disallowed_methods, reason = "waits for the store, seen by no guest")]
    pub(super) async fn wait(&mut self) {
        let (first, longest) = WAITS_MS;
        let wait = (first << self.attempts.min(16)).min(longest);
        self.attempts += 1;
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }

    /// Whether it was waited for the longest time already.
    pub(super) fn are_long(&self) -> bool {
        WAITS_MS.0 << self.attempts.min(16) >= WAITS_MS.1
    }

    /// Begins with the shortest wait again.
    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_no_secrets() {
        let link = |url| Link::new(url, Duration::from_secs(1));
        let good = link("redis://mary:secret@localhost:6380/3").unwrap();
        assert_eq!(good.address(), "redis://localhost:6380/3");
        for url in ["redis://mary:secret@localhost:x", "http://mary:secret@localhost"] {
            let refusal = link(url).unwrap_err().to_string();
            assert!(!refusal.contains("secret"), "{refusal}");
        }
    }
}
