//! `everlog oplog`.

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::output::{Format, Output, line};
use super::table::cell;
use super::worker::Named;
use crate::client::Client;

/// Entries asked for at a time.
const PAGE: usize = 1_000;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    worker: Named,
    /// Begin with the entry of this index
    #[arg(long)]
    from: Option<u64>,
    /// At most so many entries
    #[arg(long)]
    limit: Option<usize>,
    /// The newest first
    #[arg(long)]
    newest_first: bool,
    /// Only entries of this type; may repeat
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only entries that hold this text
    #[arg(long)]
    text: Option<String>,
}

/// Prints entries, page by page, so that a long oplog is not held in memory; but as JSON it is one
/// document.
///
/// # Errors
/// If the server refuses or cannot be reached.
pub(super) async fn run(
    arguments: Arguments,
    client: &Client,
    output: &Output,
) -> anyhow::Result<()> {
    let mut left = arguments.limit.unwrap_or(usize::MAX);
    let mut from = arguments.from;
    let mut whole = Vec::new();
    while left > 0 {
        let page = page(&arguments, client, from, left.min(PAGE)).await?;
        let entries = page["entries"].as_array().map(Vec::as_slice).unwrap_or_default();
        left -= entries.len().min(left);
        match output.format {
            Format::Text => entries.iter().try_for_each(|entry| line(&entry_text(entry)))?,
            Format::Jsonl => entries.iter().try_for_each(|entry| line(&entry.to_string()))?,
            Format::Json => whole.extend_from_slice(entries),
        }
        from = page["next"].as_u64();
        if from.is_none() {
            break;
        }
    }
    if output.format == Format::Json {
        line(&format!("{:#}", json!({ "entries": whole })))?;
    }
    Ok(())
}

async fn page(
    arguments: &Arguments,
    client: &Client,
    from: Option<u64>,
    limit: usize,
) -> anyhow::Result<Value> {
    let mut query = vec![("limit", limit.to_string())];
    query.extend(from.map(|from| ("from", from.to_string())));
    if arguments.newest_first {
        query.push(("order", "desc".to_owned()));
    }
    query.extend(arguments.types.iter().map(|name| ("type", name.clone())));
    query.extend(arguments.text.iter().map(|text| ("text", text.clone())));
    let request = client.request(Method::GET, &arguments.worker.path(&["oplog"]))?;
    Ok(client.json(request.query(&query)).await?)
}

/// Index, time and type in columns, then the rest as it is.
fn entry_text(entry: &Value) -> String {
    let mut rest = Vec::new();
    for (name, value) in entry.as_object().into_iter().flatten() {
        if !matches!(name.as_str(), "index" | "timestamp" | "type") {
            rest.push(format!("{name}={}", cell(value)));
        }
    }
    let [index, timestamp, kind] = ["index", "timestamp", "type"].map(|name| cell(&entry[name]));
    format!("{index:>6}  {timestamp:<30}  {kind:<20}  {}", rest.join(" ")).trim_end().to_owned()
}
