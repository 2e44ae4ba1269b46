//! Which node this is: a number in its directory, drawn once from the server.

use std::path::Path;

use redis::Value;
use redis::aio::MultiplexedConnection;

use super::link::{Link, Trouble, ask};
use crate::StoreError;
use crate::embedded::{DirectoryLock, create_directory, io_error};

/// Locks the directory of a node, so that it is one process at most.
pub(super) fn lock(directory: &Path) -> Result<DirectoryLock, StoreError> {
    create_directory(directory)?;
    DirectoryLock::acquire(directory)
}

/// The number of the node that has `directory`.
///
/// # Errors
/// [`StoreError::Io`], [`StoreError::Unavailable`].
#[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
pub(super) async fn number(
    link: &Link,
    connection: &mut MultiplexedConnection,
    prefix: &str,
    directory: &Path,
) -> Result<String, StoreError> {
    let path = directory.join("node");
    if let Ok(bytes) = std::fs::read(&path)
        && let Ok(number) = String::from_utf8(bytes)
        && number.parse::<u64>().is_ok()
    {
        return Ok(number);
    }
    let drawn = ask(connection, redis::cmd("INCR").arg(format!("{prefix}nodes"))).await;
    let number = match drawn {
        Ok(Value::Int(number)) => number.to_string(),
        Ok(other) => return Err(link.unavailable(format!("INCR answers {other:?}"))),
        Err(Trouble::Passing(reason) | Trouble::Lasting(reason)) => {
            return Err(link.unavailable(reason));
        }
    };
    std::fs::write(&path, &number).map_err(io_error("write", &path))?;
    Ok(number)
}
