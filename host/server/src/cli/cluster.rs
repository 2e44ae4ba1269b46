//! `everlog cluster`.

use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;

use super::output::Output;
use super::table::{cell, table};
use crate::client::Client;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the servers that share the store, and how many of the 1,024 shards each has
    Status,
}

/// # Errors
/// Those of the client.
pub(super) async fn run(command: Command, client: &Client, output: &Output) -> anyhow::Result<()> {
    match command {
        Command::Status => status(client, output).await,
    }
}

async fn status(client: &Client, output: &Output) -> anyhow::Result<()> {
    let request = client.request(Method::GET, &["v1", "cluster"])?;
    let answer = client.json(request).await?;
    Ok(output.one(&answer, status_text)?)
}

fn status_text(answer: &Value) -> String {
    if answer["shared"] != true {
        return "this server has its store for itself".to_owned();
    }
    let nodes = answer["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let members = ["node", "session", "address", "state", "shards"];
    let row = |node: &Value| {
        let mut row: Vec<String> = members.iter().map(|name| cell(&node[*name])).collect();
        row.push(if node["this"] == true { "this one".to_owned() } else { String::new() });
        row
    };
    let rows: Vec<_> = nodes.iter().map(row).collect();
    let mut text = table(&["NODE", "SESSION", "ADDRESS", "STATE", "SHARDS", ""], &rows);
    if answer["unowned"] != 0 {
        text.push_str(&format!("{} shards are waiting for a node\n", answer["unowned"]));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_status_is_a_table() {
        let node = json!({ "node": "7", "session": 9, "address": "http://a:1", "state": "serving",
            "shards": 1000, "this": true });
        let text = status_text(&json!({ "shared": true, "unowned": 24, "nodes": [node] }));
        let expected = "NODE  SESSION  ADDRESS     STATE    SHARDS\n\
                        7     9        http://a:1  serving  1000    this one\n\
                        24 shards are waiting for a node\n";
        assert_eq!(text, expected);
        assert!(status_text(&json!({ "shared": false })).contains("for itself"));
    }
}
