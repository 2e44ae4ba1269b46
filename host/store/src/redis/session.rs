//! The right to write: a session owns the fence, and numbers its batches.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value};

use super::encode::Fence;
use super::link::{Link, Trouble, Waits, ask};
use crate::StoreError;

/// The format of what is stored under a prefix.
const FORMAT: &str = "everlog redis 1";

/// How long a node that is not heard of keeps others out.
pub(super) const LEASE_MS: u64 = 6_000;

/// How often a lease that another node holds is looked at, before that node counts as alive: for
/// longer than a lease.
const LEASE_LOOKS: u32 = 14;

/// The fence of a store that one server has for itself. Nodes that share one will have a fence for
/// each shard.
const FENCE: &str = "store";

/// Who writes, under which names.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// What every key begins with.
    pub(super) prefix: String,
    /// The number by which the server knows this process.
    pub(super) number: u64,
    pub(super) node: String,
    pub(super) fences: Vec<Fence>,
}

impl Session {
    /// Takes the fence. A lease of another node is waited for.
    ///
    /// # Errors
    /// [`StoreError::Taken`], [`StoreError::Format`], [`StoreError::Unavailable`].
    pub(super) async fn open(
        link: &Link,
        connection: &mut MultiplexedConnection,
        prefix: &str,
        node: &str,
    ) -> Result<Self, StoreError> {
        let (mut waits, mut looks) = (Waits::default(), 0);
        loop {
            let command = script(
                include_str!("open.lua"),
                &[
                    prefix.as_bytes(),
                    node.as_bytes(),
                    FORMAT.as_bytes(),
                    LEASE_MS.to_string().as_bytes(),
                ],
            );
            let answer = ask(connection, &command).await.map_err(|trouble| match trouble {
                Trouble::Passing(reason) | Trouble::Lasting(reason) => link.unavailable(reason),
            })?;
            let place = format!("{} under `{prefix}`", link.address());
            match redis::from_redis_value::<(String, String)>(answer) {
                Ok((kind, number)) if kind == "open" => {
                    let number = number.parse().map_err(|_| link.unavailable("no session"))?;
                    let fences = vec![Fence { name: FENCE, epoch: number }];
                    let (prefix, node) = (prefix.to_owned(), node.to_owned());
                    return Ok(Self { prefix, number, node, fences });
                }
                Ok((kind, found)) if kind == "format" => {
                    return Err(StoreError::Format {
                        directory: place.into(),
                        expected: FORMAT,
                        found,
                    });
                }
                Ok((_, holder)) if looks == LEASE_LOOKS => {
                    return Err(StoreError::Taken { place, holder: format!("node {holder}") });
                }
                Ok((_, holder)) => {
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

    /// Asks who has the fence.
    pub(super) fn question(&self) -> Cmd {
        let mut command = redis::cmd("GET");
        command.arg(format!("{}fence:{FENCE}", self.prefix));
        command
    }

    /// Writes a mark behind all that was acknowledged.
    pub(super) fn mark(&self) -> Cmd {
        let number = self.number.to_string();
        script(include_str!("mark.lua"), &[self.prefix.as_bytes(), number.as_bytes()])
    }

    /// How far the session came, from the answer to [`Session::mark`] or [`Session::renewal`];
    /// otherwise who has the fence, if that is the reason.
    pub(super) fn reached(&self, answer: Value) -> Result<u64, Option<String>> {
        let (kind, detail) =
            redis::from_redis_value::<(String, String)>(answer).map_err(|_| None)?;
        if kind == "fenced" {
            return Err(Some(detail));
        }
        detail.parse().map_err(|_| None)
    }

    /// Keeps the lease.
    pub(super) fn renewal(&self) -> Cmd {
        let number = self.number.to_string();
        let lease = LEASE_MS.to_string();
        let (prefix, node) = (self.prefix.as_bytes(), self.node.as_bytes());
        script(include_str!("renew.lua"), &[prefix, number.as_bytes(), node, lease.as_bytes()])
    }

    /// Gives the lease back.
    pub(super) fn closing(&self) -> Cmd {
        let number = self.number.to_string();
        script(include_str!("close.lua"), &[self.prefix.as_bytes(), number.as_bytes()])
    }

    /// What to say when `holder` has the fence.
    pub(super) fn fenced(&self, link: &Link, holder: &str) -> StoreError {
        if holder == "nobody" {
            return self.lost(link, "nothing");
        }
        let place = format!("{} under `{}`", link.address(), self.prefix);
        StoreError::Fenced { place, holder: format!("session {holder}"), session: self.number }
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
