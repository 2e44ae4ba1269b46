//! Whole oplogs in files: `everlog worker export` and `import`.

use std::io;
use std::path::Path;

use anyhow::Context;
use futures::stream;
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, Method};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::output::Output;
use super::table::members;
use super::worker::Named;
use crate::client::Client;

/// What is sent at once, in bytes.
const PIECE_BYTES: usize = 256 << 10;

/// Writes the oplog of a worker to a file that must not exist.
///
/// # Errors
/// If the server refuses or cannot be reached, or the file cannot be written. What the file holds
/// then is not whole, and no server takes it.
pub(super) async fn export(
    client: &Client,
    output: &Output,
    worker: &Named,
    path: &Path,
) -> anyhow::Result<()> {
    let request = client.request(Method::GET, &worker.path(&["oplog.bin"]))?;
    let mut response = client.send(request).await?;
    let name = path.display();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .await
        .with_context(|| format!("cannot create {name}"))?;
    let mut size = 0;
    while let Some(piece) = response.chunk().await.context("the server broke the export off")? {
        size += piece.len();
        file.write_all(&piece).await.with_context(|| format!("cannot write {name}"))?;
    }
    file.sync_all().await.with_context(|| format!("cannot write {name}"))?;
    let Named { component, worker } = worker;
    Ok(output.done(&format!("exported {component}/{worker} to {name}, {size} bytes"))?)
}

/// Makes a worker from the oplog in a file.
///
/// # Errors
/// If the server refuses or cannot be reached, or the file cannot be read.
pub(super) async fn import(
    client: &Client,
    output: &Output,
    worker: &Named,
    path: &Path,
) -> anyhow::Result<()> {
    let cannot_read = || format!("cannot read {}", path.display());
    let file = File::open(path).await.with_context(cannot_read)?;
    let length = file.metadata().await.with_context(cannot_read)?.len();
    let request = client.request(Method::PUT, &worker.path(&["oplog.bin"]))?;
    let request = request.header(CONTENT_LENGTH, length).body(pieces(file));
    Ok(output.one(&client.json(request).await?, members)?)
}

fn pieces(file: File) -> Body {
    let next = async |mut file: File| {
        let mut piece = vec![0; PIECE_BYTES];
        let read = file.read(&mut piece).await?;
        piece.truncate(read);
        Ok::<_, io::Error>((read > 0).then_some((piece, file)))
    };
    Body::wrap_stream(stream::try_unfold(file, next))
}
