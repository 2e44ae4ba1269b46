//! `everlog state`.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use everlog_runtime::clock;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, ETAG};
use serde_json::{Value, json};

use super::output::{Format, Output, line};
use super::table::{cell, table};
use super::worker::Named;
use crate::client::Client;

/// Entries asked for at a time.
const PAGE: usize = 1_000;
/// Between two looks of `--watch`.
const INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the value of a key
    Get {
        #[command(flatten)]
        worker: Named,
        /// The key
        key: String,
        /// Print it again whenever it has changed
        #[arg(long)]
        watch: bool,
    },
    /// Set the value of a key
    Set {
        #[command(flatten)]
        worker: Named,
        /// The key
        key: String,
        /// The value, as JSON; `-` reads it from standard input
        value: String,
    },
    /// List keys and values
    List {
        #[command(flatten)]
        worker: Named,
        /// Only keys that begin so
        #[arg(long, default_value = "")]
        prefix: String,
        /// Go on with what changes
        #[arg(long)]
        watch: bool,
    },
    /// Remove one key, or all
    #[command(group = clap::ArgGroup::new("what").required(true))]
    Clear {
        #[command(flatten)]
        worker: Named,
        /// The key
        #[arg(group = "what")]
        key: Option<String>,
        /// All keys
        #[arg(long, group = "what")]
        all: bool,
    },
}

/// Does what was asked for.
///
/// # Errors
/// If the server refuses or cannot be reached.
pub(super) async fn run(command: Command, client: &Client, output: &Output) -> anyhow::Result<()> {
    match command {
        Command::Get { worker, key, watch: false } => {
            let request = client.request(Method::GET, &worker.path(&["state", &key]))?;
            Ok(line(&client.text(request).await?)?)
        }
        Command::Get { worker, key, watch: true } => watch_key(&worker, &key, client).await,
        Command::Set { worker, key, value } => {
            let value = if value == "-" { standard_input()? } else { value.into_bytes() };
            let request = client.request(Method::PUT, &worker.path(&["state", &key]))?;
            client.send(request.header(CONTENT_TYPE, "application/json").body(value)).await?;
            Ok(output.done(&format!("{key} is set"))?)
        }
        Command::List { worker, prefix, watch: false } => {
            let state = list(&worker, &prefix, client).await?;
            Ok(output.list(&json!({ "state": state }), "state", text)?)
        }
        Command::List { worker, prefix, watch: true } => {
            watch_list(&worker, &prefix, client, *output).await
        }
        Command::Clear { worker, key: Some(key), .. } => {
            let request = client.request(Method::DELETE, &worker.path(&["state", &key]))?;
            client.send(request).await?;
            Ok(output.done(&format!("{key} is cleared"))?)
        }
        Command::Clear { worker, key: None, .. } => {
            let request = client.request(Method::DELETE, &worker.path(&["state"]))?;
            let answer = client.json(request).await?;
            Ok(output.one(&answer, |answer| format!("{} keys are cleared", answer["cleared"]))?)
        }
    }
}

async fn list(worker: &Named, prefix: &str, client: &Client) -> anyhow::Result<Vec<Value>> {
    let mut state = Vec::new();
    let mut cursor = None;
    loop {
        let mut query = vec![("prefix", prefix.to_owned()), ("limit", PAGE.to_string())];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let request = client.request(Method::GET, &worker.path(&["state"]))?;
        let mut page = client.json(request.query(&query)).await?;
        if let Some(entries) = page["state"].as_array_mut() {
            state.append(entries);
        }
        cursor = page["cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(state);
        }
    }
}

fn text(state: &[Value]) -> String {
    let row = |entry: &Value| {
        vec![cell(&entry["key"]), cell(&entry["writtenAt"]), cell(&entry["size"]), shown(entry)]
    };
    let rows: Vec<_> = state.iter().map(row).collect();
    table(&["KEY", "WRITTEN", "BYTES", "VALUE"], &rows)
}

/// The value on one line: JSON, or bytes in base64; nothing where a listing leaves it out.
fn shown(entry: &Value) -> String {
    match entry.get("value") {
        Some(value) => value.to_string(),
        None => cell(&entry["bytes"]),
    }
}

/// Prints the value of a key whenever it is another than before.
async fn watch_key(worker: &Named, key: &str, client: &Client) -> anyhow::Result<()> {
    let mut seen = None;
    loop {
        let request = client.request(Method::GET, &worker.path(&["state", key]))?;
        let now = match client.send(request).await {
            Ok(response) => {
                let version = response.headers().get(ETAG).cloned();
                Some((version, response.text().await.context("the answer broke off")?))
            }
            Err(error) if seen.is_some() && error.is_problem("state-not-found") => None,
            Err(error) => return Err(error.into()),
        };
        let version = now.as_ref().map(|(version, _)| version.clone());
        if seen.as_ref() != Some(&version) {
            line(now.as_ref().map_or("(cleared)", |(_, text)| text))?;
            seen = Some(version);
        }
        clock::pause(INTERVAL).await;
    }
}

/// Prints each entry that is new or another than before, and the keys that are gone.
async fn watch_list(
    worker: &Named,
    prefix: &str,
    client: &Client,
    output: Output,
) -> anyhow::Result<()> {
    let mut seen: BTreeMap<String, Value> = BTreeMap::new();
    loop {
        let state = list(worker, prefix, client).await?;
        let now: BTreeMap<String, Value> =
            state.into_iter().map(|entry| (cell(&entry["key"]), entry)).collect();
        for (key, entry) in &now {
            if seen.get(key).is_none_or(|before| before["version"] != entry["version"]) {
                match output.format {
                    Format::Text => line(&format!("{key} = {}", shown(entry)))?,
                    Format::Json | Format::Jsonl => line(&entry.to_string())?,
                }
            }
        }
        for key in seen.keys().filter(|key| !now.contains_key(*key)) {
            match output.format {
                Format::Text => line(&format!("{key} is cleared"))?,
                Format::Json | Format::Jsonl => {
                    line(&json!({ "key": key, "cleared": true }).to_string())?;
                }
            }
        }
        seen = now;
        clock::pause(INTERVAL).await;
    }
}

fn standard_input() -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).context("standard input cannot be read")?;
    Ok(bytes)
}
