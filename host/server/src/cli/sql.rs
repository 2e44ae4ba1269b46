//! `everlog sql`.

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::output::{Format, Output, line};
use super::table::{cell, table};
use super::watch::Watch;
use crate::client::Client;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The statement, such as `select status, count(*) from workers group by 1`
    statement: String,
    /// What ?1, ?2, … in it stand for
    parameters: Vec<String>,
    /// Print comma-separated values
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    watch: Watch,
}

/// Asks, and prints the rows.
///
/// # Errors
/// If the server refuses or cannot be reached.
pub(super) async fn run(
    arguments: Arguments,
    client: &Client,
    output: &Output,
) -> anyhow::Result<()> {
    let Arguments { statement, parameters, csv, watch } = arguments;
    watch
        .repeat(async || {
            let body = json!({ "sql": statement, "parameters": parameters });
            let request = client.request(Method::POST, &["v1", "query"])?.json(&body);
            let answer = client.json(request).await?;
            match (csv, output.format) {
                (true, _) => line(csv_text(&answer).trim_end())?,
                (false, Format::Text) => line(table_text(&answer).trim_end())?,
                (false, Format::Json) => line(&format!("{answer:#}"))?,
                (false, Format::Jsonl) => {
                    for row in objects(&answer) {
                        line(&row.to_string())?;
                    }
                }
            }
            Ok(())
        })
        .await
}

fn list<'a>(answer: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    answer[member].as_array().into_iter().flatten()
}

fn table_text(answer: &Value) -> String {
    let head: Vec<String> = list(answer, "columns").map(cell).collect();
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let row = |row: &Value| row.as_array().into_iter().flatten().map(cell).collect();
    let rows: Vec<Vec<String>> = list(answer, "rows").map(row).collect();
    table(&head, &rows)
}

fn objects(answer: &Value) -> impl Iterator<Item = Value> {
    list(answer, "rows").map(|row| {
        let names = list(answer, "columns").map(cell);
        let values = row.as_array().into_iter().flatten().cloned();
        Value::Object(names.zip(values).collect::<Map<_, _>>())
    })
}

/// As RFC 4180 has it.
fn csv_text(answer: &Value) -> String {
    let head = list(answer, "columns").map(csv_cell).collect::<Vec<_>>().join(",");
    let row = |row: &Value| {
        row.as_array().into_iter().flatten().map(csv_cell).collect::<Vec<_>>().join(",")
    };
    let rows = list(answer, "rows").map(row);
    [head].into_iter().chain(rows).collect::<Vec<_>>().join("\r\n")
}

fn csv_cell(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_comma_separated() {
        let answer = json!({ "columns": ["a", "b"], "rows": [["x,\"y\"", 1], [null, 2.5]] });
        assert_eq!(csv_text(&answer), "a,b\r\n\"x,\"\"y\"\"\",1\r\n,2.5");
        let objects: Vec<_> = objects(&answer).collect();
        assert_eq!(objects[1], json!({ "a": null, "b": 2.5 }));
    }
}
