//! `everlog invocation`.

use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;

use super::output::{Format, Output, line};
use super::table::{cell, members, table};
use super::watch::Watch;
use super::worker::Named as Worker;
use crate::client::Client;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the invocations of a worker that have not ended
    List {
        #[command(flatten)]
        worker: Worker,
        /// Also those that have ended
        #[arg(long)]
        ended: bool,
        /// Only those with this status, such as `running` or `killed`
        #[arg(long)]
        status: Option<String>,
        /// At most so many that have ended
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Go on where the list before ended
        #[arg(long)]
        cursor: Option<String>,
        #[command(flatten)]
        watch: Watch,
    },
    /// Show how far an invocation is, and what came of it
    Describe {
        #[command(flatten)]
        invocation: Named,
        /// Answer when it has ended, or after this time
        #[arg(long, value_name = "TIME")]
        wait: Option<String>,
        #[command(flatten)]
        watch: Watch,
    },
    /// Take an invocation out of the queue; one that runs is told by its next wait, and may make good what it did
    Cancel(Named),
    /// End an invocation at once, and take back what it did to the worker
    Kill(Named),
}

/// An invocation as the command line names it.
#[derive(Debug, clap::Args)]
pub(super) struct Named {
    #[command(flatten)]
    worker: Worker,
    /// Its idempotency key
    key: String,
}

/// Does what was asked for.
///
/// # Errors
/// If the server refuses or cannot be reached.
pub(super) async fn run(command: Command, client: &Client, output: &Output) -> anyhow::Result<()> {
    match command {
        Command::List { worker, ended, status, limit, cursor, watch } => {
            let mut query = vec![("limit", limit.to_string()), ("ended", ended.to_string())];
            query.extend(cursor.map(|cursor| ("cursor", cursor)));
            let path = worker.path(&["invocations"]);
            watch
                .repeat(async || list(client, output, &path, &query, status.as_deref()).await)
                .await
        }
        Command::Describe { invocation, wait, watch } => {
            let path = invocation.worker.path(&["invocations", &invocation.key]);
            watch
                .repeat(async || {
                    let request = client.request(Method::GET, &path)?;
                    let query = wait.as_ref().map(|wait| [("wait", wait)]);
                    Ok(output.one(&client.json(request.query(&query)).await?, members)?)
                })
                .await
        }
        Command::Cancel(invocation) => end(client, output, &invocation, "cancel").await,
        Command::Kill(invocation) => end(client, output, &invocation, "kill").await,
    }
}

async fn list(
    client: &Client,
    output: &Output,
    path: &[&str],
    query: &[(&str, String)],
    status: Option<&str>,
) -> anyhow::Result<()> {
    let mut answer = client.json(client.request(Method::GET, path)?.query(query)).await?;
    if let (Some(status), Some(found)) = (status, answer["invocations"].as_array_mut()) {
        found.retain(|invocation| invocation["status"] == status);
    }
    output.list(&answer, "invocations", list_text)?;
    if let (Some(cursor), Format::Text) = (answer["cursor"].as_str(), output.format) {
        line(&format!("\nmore with --cursor {cursor}"))?;
    }
    Ok(())
}

fn list_text(invocations: &[Value]) -> String {
    let row = |invocation: &Value| {
        let asked = invocation["cancelled"] == true;
        let mut row = ["idempotencyKey", "status", "function", "startedAt", "due", "endedAt"]
            .map(|member| cell(&invocation[member]))
            .to_vec();
        row.push(if asked { "cancelled".to_owned() } else { String::new() });
        row
    };
    let rows: Vec<_> = invocations.iter().map(row).collect();
    table(&["KEY", "STATUS", "FUNCTION", "STARTED", "DUE", "ENDED", ""], &rows)
}

async fn end(
    client: &Client,
    output: &Output,
    invocation: &Named,
    how: &str,
) -> anyhow::Result<()> {
    let path = invocation.worker.path(&["invocations", &invocation.key, how]);
    let answer = client.json(client.request(Method::POST, &path)?).await?;
    Ok(output.one(&answer, members)?)
}
