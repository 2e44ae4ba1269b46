//! `everlog component`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use futures::stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method};
use serde_json::{Value, json};

use super::output::Output;
use super::progress::{upload_bar, waiting};
use super::table::{cell, members, table};
use super::watch::Watch;
use crate::client::Client;

/// Bytes between two movements of the progress bar.
const UPLOAD_PIECE_BYTES: usize = 256 << 10;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Deploy a component: its first version, or the next one if its bytes are new
    Add {
        /// Its name
        name: String,
        /// The `.wasm` file
        file: PathBuf,
        /// Functions that change nothing, with commas between them: they need not wait for their turn
        #[arg(long, value_delimiter = ',', value_name = "FUNCTIONS")]
        read_only: Vec<String>,
        /// So many callers are served at once by each server
        #[arg(long)]
        max_concurrent: Option<u32>,
        /// So many more may wait for that, 1024 by default; the others are refused
        #[arg(long, requires = "max_concurrent")]
        max_waiting: Option<u32>,
    },
    /// List components
    List,
    /// Show a component: its functions and imports
    Get {
        /// Its name or UUID
        component: String,
        /// This version instead of the newest
        #[arg(long)]
        version: Option<u64>,
    },
    /// Show a component, its versions and how many workers it has in each status
    Describe {
        /// Its name or UUID
        component: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Try a version on every worker of a component, beside the workers
    CheckUpdate {
        /// Its name or UUID
        component: String,
        /// The version
        #[arg(long)]
        version: u64,
    },
    /// Delete a component
    Delete {
        /// Its name or UUID
        component: String,
        /// Delete its workers too
        #[arg(long)]
        force: bool,
    },
}

/// Does what was asked for.
///
/// # Errors
/// If the server refuses or cannot be reached, or the file cannot be read.
pub(super) async fn run(command: Command, client: &Client, output: &Output) -> anyhow::Result<()> {
    match command {
        Command::Add { name, file, read_only, max_concurrent, max_waiting } => {
            let mut said = Vec::new();
            if !read_only.is_empty() {
                said.push(("read-only", read_only.join(",")));
            }
            said.extend(max_concurrent.map(|count| ("max-concurrent", count.to_string())));
            said.extend(max_waiting.map(|count| ("max-waiting", count.to_string())));
            add(client, output, &name, &file, &said).await
        }
        Command::List => {
            let answer = client.json(client.request(Method::GET, &["v1", "components"])?).await?;
            Ok(output.list(&answer, "components", components_text)?)
        }
        Command::Get { component, version } => {
            let version = version.map(|version| version.to_string());
            let mut path = vec!["v1", "components", &component];
            path.extend(version.iter().flat_map(|version| ["versions", version]));
            let answer = client.json(client.request(Method::GET, &path)?).await?;
            Ok(output.one(&answer, component_text)?)
        }
        Command::Describe { component, watch } => {
            watch.repeat(async || describe(client, output, &component).await).await
        }
        Command::CheckUpdate { component, version } => {
            let path = ["v1", "components", &component, "check-update"];
            let request = client.request(Method::POST, &path)?;
            let answer = client.json(request.json(&json!({ "version": version }))).await?;
            Ok(output.list(&answer, "workers", checks_text)?)
        }
        Command::Delete { component, force } => {
            let request = client.request(Method::DELETE, &["v1", "components", &component])?;
            client.json(request.query(&[("force", force)])).await?;
            Ok(output.done(&format!("deleted {component}"))?)
        }
    }
}

/// Counts the workers of a component, page by page.
async fn describe(client: &Client, output: &Output, component: &str) -> anyhow::Result<()> {
    let mut answer =
        client.json(client.request(Method::GET, &["v1", "components", component])?).await?;
    let mut statuses = serde_json::Map::new();
    let mut versions = serde_json::Map::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = vec![("component", component.to_owned()), ("limit", "1000".to_owned())];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let request = client.request(Method::GET, &["v1", "workers"])?.query(&query);
        let page = client.json(request).await?;
        for worker in page["workers"].as_array().into_iter().flatten() {
            count(&mut statuses, cell(&worker["status"]));
            count(&mut versions, cell(&worker["version"]));
        }
        cursor = page["cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    answer["workersByStatus"] = statuses.into();
    answer["workersByVersion"] = versions.into();
    Ok(output.one(&answer, component_text)?)
}

fn count(counts: &mut serde_json::Map<String, Value>, name: String) {
    let before = counts.get(&name).and_then(Value::as_u64).unwrap_or_default();
    counts.insert(name, (before + 1).into());
}

async fn add(
    client: &Client,
    output: &Output,
    name: &str,
    file: &Path,
    said: &[(&str, String)],
) -> anyhow::Result<()> {
    let bytes = read_component(file)?;
    let request = client.request(Method::PUT, &["v1", "components", name])?.query(said);
    let bar = upload_bar(bytes.len() as u64);
    let request = request
        .header(CONTENT_TYPE, "application/wasm")
        .header(CONTENT_LENGTH, bytes.len())
        .body(pieces(bytes, bar.clone()));
    // When the last piece is out, the server compiles.
    let answer = waiting("compiling", client.json(request)).await;
    bar.finish_and_clear();
    Ok(output.one(&answer?, |answer| {
        let version = cell(&answer["version"]);
        format!("{name} version {version} ({})", cell(&answer["componentId"]))
    })?)
}

/// Reads a component from a file.
///
/// # Errors
/// Names the file.
#[expect(clippy::disallowed_methods, reason = "the file is the user's, not part of the state")]
pub(super) fn read_component(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

fn pieces(bytes: Vec<u8>, bar: indicatif::ProgressBar) -> Body {
    let pieces = stream::unfold((bytes, 0), move |(bytes, start)| {
        let end = bytes.len().min(start + UPLOAD_PIECE_BYTES);
        let piece = bytes[start..end].to_vec();
        bar.set_position(end as u64);
        async move { (start < end).then_some((Ok::<_, std::io::Error>(piece), (bytes, end))) }
    });
    Body::wrap_stream(pieces)
}

fn components_text(components: &[Value]) -> String {
    let row = |component: &Value| {
        ["component", "version", "size", "createdAt", "componentId"]
            .map(|member| cell(&component[member]))
            .to_vec()
    };
    let rows: Vec<_> = components.iter().map(row).collect();
    table(&["COMPONENT", "VERSION", "BYTES", "CREATED", "ID"], &rows)
}

fn checks_text(workers: &[Value]) -> String {
    let row = |worker: &Value| {
        let divergence = &worker["divergence"];
        let problem = match (divergence["entry"].as_u64(), &worker["error"]) {
            (Some(entry), _) => format!(
                "at entry {entry}: recorded is {}, but the version asks for {}",
                cell(&divergence["expected"]),
                cell(&divergence["found"])
            ),
            (None, Value::Null) => String::new(),
            (None, error) => cell(error),
        };
        vec![cell(&worker["worker"]), cell(&worker["ok"]), problem]
    };
    let rows: Vec<_> = workers.iter().map(row).collect();
    table(&["WORKER", "OK", "PROBLEM"], &rows)
}

fn component_text(component: &Value) -> String {
    let mut head = component.clone();
    if let Some(head) = head.as_object_mut() {
        head.retain(|_, value| !value.is_array());
    }
    let mut text = members(&head);
    text.push_str("\nexports\n");
    for export in component["exports"].as_array().into_iter().flatten() {
        text.push_str(&format!("  {}\n", signature(export)));
    }
    text.push_str("\nimports\n");
    for import in component["imports"].as_array().into_iter().flatten() {
        text.push_str(&format!("  {}\n", cell(import)));
    }
    text
}

fn signature(export: &Value) -> String {
    let parameters: Vec<String> = export["params"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|parameter| format!("{}: {}", cell(&parameter["name"]), cell(&parameter["type"])))
        .collect();
    let result = match &export["result"] {
        Value::Null => String::new(),
        result => format!(" -> {}", cell(result)),
    };
    format!("{}({}){result}", cell(&export["function"]), parameters.join(", "))
}
