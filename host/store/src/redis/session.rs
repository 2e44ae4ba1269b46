//! The right to write: a session holds a lease, owns shards, and numbers its batches.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value};
use rustix::rand::{GetRandomFlags, getrandom};

use super::RedisOptions;
use super::link::{Link, Trouble, Waits, ask};
use crate::StoreError;
use crate::cluster::Shard;

/// The format of what is stored under a prefix.
const FORMAT: &str = "everlog redis 2";

/// The format before: one server at a time, and no shards. It is taken over as it is.
const FORMAT_BEFORE: &str = "everlog redis 1";

/// How often the store is asked for while another node keeps this one out: for longer than a lease, by
/// the times of [`Waits`].
const LOOKS_BEYOND_LEASE: u32 = 8;

/// Who writes, under which names.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// What every key begins with.
    pub(super) prefix: String,
    /// The number by which the server knows this process.
    pub(super) number: u64,
    /// How long this node may be unheard of.
    pub(super) lease: Duration,
    /// What only those who use this store know.
    pub(super) secret: String,
}

impl Session {
    /// Begins a session. Without an address it is for this process alone, which owns all shards then;
    /// the lease of another node is waited for.
    ///
    /// # Errors
    /// [`StoreError::Taken`], [`StoreError::Format`], [`StoreError::Unavailable`].
    pub(super) async fn open(
        link: &Link,
        connection: &mut MultiplexedConnection,
        options: &RedisOptions,
        node: &str,
    ) -> Result<Self, StoreError> {
        let (prefix, lease) = (&options.prefix, options.lease);
        let address = options.address_of_node.as_deref().unwrap_or_default();
        let lease_ms = milliseconds(lease);
        let last_look = u32::try_from(lease.as_secs()).unwrap_or(u32::MAX) + LOOKS_BEYOND_LEASE;
        let drawn = draw_secret().map_err(|error| link.unavailable(error.to_string()))?;
        let (mut waits, mut looks) = (Waits::default(), 0);
        loop {
            let arguments = [prefix, node, FORMAT, FORMAT_BEFORE, &lease_ms, address, &drawn];
            let command = script(
                concat!(include_str!("bury.lua"), include_str!("open.lua")),
                &arguments.map(str::as_bytes),
            );
            let answer = ask(connection, &command).await.map_err(|trouble| match trouble {
                Trouble::Passing(reason) | Trouble::Lasting(reason) => link.unavailable(reason),
            })?;
            let place = format!("{} under `{prefix}`", link.address());
            match redis::from_redis_value::<(String, String, String)>(answer) {
                Ok((kind, number, secret)) if kind == "open" => {
                    let number = number.parse().map_err(|_| link.unavailable("no session"))?;
                    return Ok(Self { prefix: prefix.clone(), number, lease, secret });
                }
                Ok((kind, found, _)) if kind == "format" => {
                    return Err(StoreError::Format {
                        directory: place.into(),
                        expected: FORMAT,
                        found,
                    });
                }
                Ok((_, holder, _)) if looks == last_look => {
                    return Err(StoreError::Taken { place, holder });
                }
                Ok((_, holder, _)) => {
                    if looks == 0 {
                        tracing::info!(holder, "waiting for the lease of another node to end");
                    }
                    looks += 1;
                    waits.wait().await;
                }
                Err(error) => return Err(link.unavailable(error.to_string())),
            }
        }
    }

    /// The key under which the server keeps how far this session came.
    pub(super) fn writer_key(&self) -> String {
        format!("{}writer:{}", self.prefix, self.number)
    }

    /// Asks who declared this session dead.
    pub(super) fn question(&self) -> Cmd {
        let mut command = redis::cmd("HGET");
        command.arg(self.writer_key()).arg("buried");
        command
    }

    /// Writes a mark behind all that was acknowledged.
    pub(super) fn mark(&self) -> Cmd {
        let number = self.number.to_string();
        script(include_str!("mark.lua"), &[self.prefix.as_bytes(), number.as_bytes()])
    }

    /// How far the session came, from the answer to [`Session::mark`]; otherwise who has declared it
    /// dead, if that is the reason.
    pub(super) fn reached(&self, answer: Value) -> Result<u64, Option<String>> {
        let (kind, detail) =
            redis::from_redis_value::<(String, String)>(answer).map_err(|_| None)?;
        if kind == "fenced" {
            return Err(Some(detail));
        }
        detail.parse().map_err(|_| None)
    }

    /// Keeps the lease, and asks for what changed since the view with this version.
    pub(super) fn look(&self, known: u64) -> Cmd {
        let (number, known) = (self.number.to_string(), known.to_string());
        let lease = milliseconds(self.lease);
        let arguments = [&self.prefix, &number, &lease, &known].map(String::as_bytes);
        script(concat!(include_str!("bury.lua"), include_str!("look.lua")), &arguments)
    }

    /// Changes the node's state (`""` keeps it) and the owners of shards.
    pub(super) fn change(&self, state: &str, shards: &[(Shard, u64)]) -> Cmd {
        let number = self.number.to_string();
        let arguments = [self.prefix.as_bytes(), number.as_bytes(), state.as_bytes()];
        let mut command = script(include_str!("move.lua"), &arguments);
        for (shard, to) in shards {
            command.arg(shard.number()).arg(*to);
        }
        command
    }

    /// Gives the lease back.
    pub(super) fn closing(&self) -> Cmd {
        let number = self.number.to_string();
        script(include_str!("close.lua"), &[self.prefix.as_bytes(), number.as_bytes()])
    }

    /// What to say when `holder` has declared this session dead.
    pub(super) fn fenced(&self, link: &Link, holder: &str) -> StoreError {
        if holder == "nobody" {
            return self.lost(link, "nothing");
        }
        let place = format!("{} under `{}`", link.address(), self.prefix);
        StoreError::Fenced { place, holder: format!("session {holder}"), session: self.number }
    }

    /// What to say when the server knows `last` batches of `answered`, of which `told` were acknowledged to others.
    pub(super) fn behind(&self, link: &Link, last: u64, answered: u64, told: u64) -> StoreError {
        if last < told {
            return self.lost(link, &format!("{last} batches of {answered}"));
        }
        let place = format!("{} under `{}`", link.address(), self.prefix);
        StoreError::Rewound { place, found: last, executed: answered, session: self.number }
    }

    /// What to say when the server forgot what it had acknowledged and knows only `found`.
    pub(super) fn lost(&self, link: &Link, found: &str) -> StoreError {
        StoreError::Poisoned {
            reason: format!(
                "Redis at {} lost what it had acknowledged to session {}: it knows {found} of it. \
                 It keeps too little on disk, was emptied, or a replica took over that had not \
                 received all",
                link.address(),
                self.number
            ),
        }
    }
}

/// A secret that nobody can guess.
fn draw_secret() -> Result<String, rustix::io::Errno> {
    let mut bytes = [0; 16];
    let mut filled = 0;
    while filled < bytes.len() {
        filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty())?;
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A duration as the scripts take it.
fn milliseconds(duration: Duration) -> String {
    duration.as_millis().to_string()
}

/// A call of a script with its whole text. For what is called seldom, or is long itself.
pub(super) fn script(text: &str, arguments: &[&[u8]]) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(text).arg(0);
    for argument in arguments {
        command.arg(*argument);
    }
    command
}

/// How far the session came, as the server knows: `None` if it does not know the session.
pub(super) async fn last_number(
    connection: &mut MultiplexedConnection,
    session: &Session,
) -> Result<Option<u64>, Trouble> {
    let command = redis::cmd("HGET").arg(session.writer_key()).arg("last").to_owned();
    match ask(connection, &command).await? {
        Value::Nil => Ok(None),
        value => redis::from_redis_value(value)
            .map(Some)
            .map_err(|error| Trouble::Lasting(error.to_string())),
    }
}
