//! `everlog worker`.

use std::path::PathBuf;

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::call_tree;
use super::output::{Format, Output, line};
use super::table::{cell, members, table};
use super::transfer::{export, import};
use super::watch::Watch;
use crate::client::Client;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a worker
    Create {
        #[command(flatten)]
        worker: Named,
        /// An environment variable of the worker
        #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
        env: Vec<(String, String)>,
        /// This version of the component instead of the newest
        #[arg(long)]
        version: Option<u64>,
        /// Command-line arguments of the worker, the first is its own name
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// List workers
    List {
        /// Only those of this component
        #[arg(long)]
        component: Option<String>,
        /// Only those that match, such as `status = failed and name like "cart-*"`; may repeat
        #[arg(long)]
        filter: Vec<String>,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Go on where the list before ended
        #[arg(long)]
        cursor: Option<String>,
        #[command(flatten)]
        watch: Watch,
    },
    /// Show a worker
    Get(Named),
    /// Show what a worker is doing and what it waits for
    Describe {
        #[command(flatten)]
        worker: Named,
        #[command(flatten)]
        watch: Watch,
    },
    /// Delete a worker with all that it owns
    Delete(Named),
    /// Stop a worker at the next safe point
    Interrupt(Named),
    /// Let an interrupted, failed or stalled worker go on
    Resume(Named),
    /// Drop the instance of a worker and recover it at once, as a drill
    Crash(Named),
    /// Take a worker back: to an entry of its oplog, or to before its last invocations
    #[command(group = clap::ArgGroup::new("target").required(true))]
    Revert {
        #[command(flatten)]
        worker: Named,
        /// The last entry that stays
        #[arg(long, group = "target", value_name = "INDEX")]
        to_index: Option<u64>,
        /// So many invocations go, the one that is running counts
        #[arg(long, group = "target", value_name = "COUNT")]
        last_invocations: Option<u64>,
    },
    /// Make a new worker with the history of this one
    Fork {
        #[command(flatten)]
        worker: Named,
        /// Name of the new worker
        new: String,
        /// The last entry of the history that it gets, instead of the newest
        #[arg(long, value_name = "INDEX")]
        at_index: Option<u64>,
    },
    /// Have a worker go over to another version of its component
    Update {
        #[command(flatten)]
        worker: Named,
        /// The version
        #[arg(long)]
        version: u64,
        /// How: the new version replays the whole history, or loads what the old one saves
        #[arg(long, value_enum, default_value_t = Mode::Automatic)]
        mode: Mode,
    },
    /// Write the whole oplog of a worker to a file
    Export {
        #[command(flatten)]
        worker: Named,
        /// The file, which must not exist
        file: PathBuf,
    },
    /// Make a worker from an exported oplog; it goes on from where that ends
    Import {
        #[command(flatten)]
        worker: Named,
        /// The file
        file: PathBuf,
    },
    /// Print what a worker printed
    Logs {
        #[command(flatten)]
        worker: Named,
        /// Go on with what comes
        #[arg(long)]
        follow: bool,
        /// Begin with the entry of this index
        #[arg(long)]
        from: Option<u64>,
    },
}

/// How a worker goes over to another version.
#[derive(Clone, Copy, Debug, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    Automatic,
    Snapshot,
}

/// A worker as the command line names it.
#[derive(Debug, clap::Args)]
pub(super) struct Named {
    /// Name or UUID of the component
    pub(super) component: String,
    /// Name of the worker
    pub(super) worker: String,
}

impl Named {
    /// The path of the worker, with `rest` behind it.
    pub(super) fn path<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        [&["v1", "workers", &self.component, &self.worker], rest].concat()
    }
}

/// Does what was asked for.
///
/// # Errors
/// If the server refuses or cannot be reached.
pub(super) async fn run(command: Command, client: &Client, output: &Output) -> anyhow::Result<()> {
    match command {
        Command::Create { worker, env, version, args } => {
            let settings = settings(&args, env, version);
            let request = client.request(Method::PUT, &worker.path(&[]))?.json(&settings);
            Ok(output.one(&client.json(request).await?, members)?)
        }
        Command::List { component, filter, limit, cursor, watch } => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(component.map(|component| ("component", component)));
            query.extend(filter.into_iter().map(|filter| ("filter", filter)));
            query.extend(cursor.map(|cursor| ("cursor", cursor)));
            watch.repeat(async || list(client, output, &query).await).await
        }
        Command::Get(worker) => {
            let request = client.request(Method::GET, &worker.path(&[]))?;
            Ok(output.one(&client.json(request).await?, members)?)
        }
        Command::Describe { worker, watch } => {
            let path = worker.path(&["activity"]);
            watch
                .repeat(async || {
                    let mut activity = client.json(client.request(Method::GET, &path)?).await?;
                    call_tree::follow(client, &mut activity).await;
                    Ok(output.one(&activity, activity_text)?)
                })
                .await
        }
        Command::Delete(worker) => {
            client.json(client.request(Method::DELETE, &worker.path(&[]))?).await?;
            Ok(output.done(&format!("deleted {}/{}", worker.component, worker.worker))?)
        }
        Command::Interrupt(worker) => order(client, output, &worker, "interrupt").await,
        Command::Resume(worker) => order(client, output, &worker, "resume").await,
        Command::Crash(worker) => order(client, output, &worker, "crash").await,
        Command::Revert { worker, to_index, last_invocations } => {
            let target = match to_index {
                Some(to) => json!({ "toIndex": to }),
                None => json!({ "lastInvocations": last_invocations }),
            };
            let request = client.request(Method::POST, &worker.path(&["revert"]))?.json(&target);
            Ok(output.one(&client.json(request).await?, members)?)
        }
        Command::Fork { worker, new, at_index } => {
            let wanted = json!({ "worker": new, "atIndex": at_index });
            let request = client.request(Method::POST, &worker.path(&["fork"]))?.json(&wanted);
            Ok(output.one(&client.json(request).await?, members)?)
        }
        Command::Update { worker, version, mode } => {
            let request = client.request(Method::POST, &worker.path(&["update"]))?;
            client.json(request.json(&json!({ "version": version, "mode": mode }))).await?;
            let Named { component, worker } = &worker;
            Ok(output.done(&format!("{component}/{worker} is to go over to version {version}"))?)
        }
        Command::Export { worker, file } => export(client, output, &worker, &file).await,
        Command::Import { worker, file } => import(client, output, &worker, &file).await,
        Command::Logs { worker, follow, from } => logs(client, output, &worker, follow, from).await,
    }
}

fn settings(args: &[String], env: Vec<(String, String)>, version: Option<u64>) -> Value {
    let env: Map<String, Value> = env.into_iter().map(|(key, value)| (key, value.into())).collect();
    match version {
        Some(version) => json!({ "args": args, "env": env, "version": version }),
        None => json!({ "args": args, "env": env }),
    }
}

/// Reads `KEY=VALUE`.
///
/// # Errors
/// If there is no key.
pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not of the form KEY=VALUE")),
    }
}

async fn list(client: &Client, output: &Output, query: &[(&str, String)]) -> anyhow::Result<()> {
    let request = client.request(Method::GET, &["v1", "workers"])?.query(query);
    let answer = client.json(request).await?;
    output.list(&answer, "workers", workers_text)?;
    if let (Some(cursor), Format::Text) = (answer["cursor"].as_str(), output.format) {
        line(&format!("\nmore with --cursor {cursor}"))?;
    }
    Ok(())
}

fn workers_text(workers: &[Value]) -> String {
    let row = |worker: &Value| {
        let mut row = ["component", "worker", "status", "version"]
            .map(|member| cell(&worker[member]))
            .to_vec();
        let pending = worker["pendingInvocations"].as_array().map_or(0, Vec::len);
        row.push(pending.to_string());
        row.push(cell(&worker["createdAt"]));
        row
    };
    let rows: Vec<_> = workers.iter().map(row).collect();
    table(&["COMPONENT", "WORKER", "STATUS", "VERSION", "PENDING", "CREATED"], &rows)
}

/// A worker's activity: its members, then its calls and what they lead to, then each open call, then the queue.
fn activity_text(activity: &Value) -> String {
    let mut head = activity.clone();
    if let Some(head) = head.as_object_mut() {
        head.retain(|_, value| !value.is_array() && !value.is_null());
    }
    let mut text = members(&head);
    let calls = call_tree::text(&activity["calls"], 2);
    if !calls.is_empty() {
        text.push_str(&format!("\ncalls of workers\n{calls}"));
    }
    for (title, member) in [("open calls", "openCalls"), ("queue", "queue")] {
        let items = activity[member].as_array().map(Vec::as_slice).unwrap_or_default();
        if !items.is_empty() {
            text.push_str(&format!("\n{title}\n"));
        }
        for item in items {
            text.push_str(&format!("  {}\n", cell(item)));
        }
    }
    text
}

async fn order(
    client: &Client,
    output: &Output,
    worker: &Named,
    action: &str,
) -> anyhow::Result<()> {
    client.json(client.request(Method::POST, &worker.path(&[action]))?).await?;
    Ok(output.done(&format!("{action}: {}/{}", worker.component, worker.worker))?)
}

async fn logs(
    client: &Client,
    output: &Output,
    worker: &Named,
    follow: bool,
    from: Option<u64>,
) -> anyhow::Result<()> {
    let mut request = client.request(Method::GET, &worker.path(&["logs"]))?;
    if follow {
        request = request.query(&[("follow", "true")]);
    }
    if let Some(from) = from {
        request = request.query(&[("from", from)]);
    }
    let mut lines = client.lines(request).await?;
    while let Some(record) = lines.next().await? {
        match output.format {
            Format::Text => print_record(&record)?,
            Format::Json | Format::Jsonl => line(&record)?,
        }
    }
    Ok(())
}

/// Prints a line of a worker's log as the worker printed it; those of `wasi:logging` with their
/// level.
fn print_record(record: &str) -> anyhow::Result<()> {
    use std::io::Write;
    let record: Value = serde_json::from_str(record)?;
    let message = record["message"].as_str().unwrap_or_default();
    let mut output = std::io::stdout().lock();
    match record["level"].as_str() {
        None => writeln!(output, "{message}")?,
        Some(level) => {
            let context = record["context"].as_str().unwrap_or_default();
            writeln!(output, "[{level}] {context}: {message}")?;
        }
    }
    Ok(output.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_have_a_key_and_any_value() {
        let pair = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
        assert_eq!(key_value("A=b=c"), pair("A", "b=c"));
        assert_eq!(key_value("A="), pair("A", ""));
        assert!(key_value("A").is_err());
        assert!(key_value("=a").is_err());
    }
}
