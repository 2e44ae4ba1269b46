//! Reads, which may be asked again: on one connection that all share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::FutureExt as _;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value};
use tokio::runtime::Handle;

use super::link::{Link, Trouble, Waits, ask};
use crate::StoreError;

/// How long a read is tried again while Redis cannot be reached. As batches wait too, and `/readyz`
/// tells load balancers meanwhile, it is better late than not at all: a worker whose timer is due
/// shall come back by itself.
const PATIENCE: Duration = Duration::from_secs(300);

/// A connection for what changes nothing, or changes the same when it is done twice.
#[derive(Debug)]
pub(super) struct Reader {
    link: Link,
    /// Drives the connection, so that it is independent of who asks.
    handle: Handle,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Reader {
    pub(super) fn new(link: Link, handle: Handle) -> Arc<Self> {
        Arc::new(Self { link, handle, connection: Mutex::default() })
    }

    /// The answer to `command`, tried again while it may pass by itself that there is none.
    pub(super) async fn ask(&self, command: Cmd) -> Result<Value, StoreError> {
        let reason = Mutex::new(String::new());
        let trying = async {
            let mut waits = Waits::default();
            loop {
                match self.ask_once(&command).await {
                    Ok(value) => return Ok(value),
                    Err(Trouble::Lasting(reason)) => return Err(self.link.unavailable(reason)),
                    Err(Trouble::Passing(text)) => {
                        *reason.lock().unwrap_or_else(PoisonError::into_inner) = text;
                    }
                }
                waits.wait().await;
            }
        };
        let answer = tokio::time::timeout(PATIENCE, trying).await;
        answer.unwrap_or_else(|_| {
            let reason = reason.into_inner().unwrap_or_else(PoisonError::into_inner);
            Err(self.link.unavailable(reason))
        })
    }

    /// One attempt; a connection on which it fails is not used again.
    pub(super) async fn ask_once(&self, command: &Cmd) -> Result<Value, Trouble> {
        let mut connection = self.connection().await?;
        let answer = ask(&mut connection, command).await;
        if answer.is_err() {
            self.keep(None);
        }
        answer
    }

    /// The connection, made anew if there is none.
    pub(super) async fn connection(&self) -> Result<MultiplexedConnection, Trouble> {
        let kept = self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(connection) = kept {
            return Ok(connection);
        }
        let link = self.link.clone();
        let connecting = self.handle.spawn(async move { link.connect().await });
        // The task is only lost when the store is closed.
        let made = connecting.map(|joined| {
            joined.unwrap_or_else(|_| Err(Trouble::Lasting("the store is closed".to_owned())))
        });
        let connection = made.await?;
        self.keep(Some(connection.clone()));
        Ok(connection)
    }

    pub(super) fn keep(&self, connection: Option<MultiplexedConnection>) {
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = connection;
    }
}
