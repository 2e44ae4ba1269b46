//! `everlog schedule`.

use anyhow::Context;
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::output::Output;
use super::table::{cell, members, table};
use super::worker::Named;
use crate::client::Client;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Have a function of a worker called at certain times
    #[command(group = clap::ArgGroup::new("when").required(true))]
    Add {
        /// Name of the schedule
        name: String,
        #[command(flatten)]
        worker: Named,
        /// Name of the function, as short as is unambiguous
        function: String,
        /// The arguments as JSON: an array by position, or an object by name
        #[arg(long, value_name = "JSON")]
        json: Option<String>,
        /// At all times of this cron expression: `0 9 * * mon-fri`, with seconds before it if there are six fields
        #[arg(long, group = "when")]
        cron: Option<String>,
        /// The zone of the times of the cron expression, such as Europe/Berlin; UTC if there is none
        #[arg(long, requires = "cron")]
        time_zone: Option<String>,
        /// Once, at this instant of RFC 3339
        #[arg(long, group = "when")]
        at: Option<String>,
        /// Once, after this time has passed, such as 15m
        #[arg(long, group = "when")]
        delay: Option<String>,
        /// What becomes of times at which no server ran, or at which it was paused
        #[arg(long, value_enum)]
        missed: Option<Missed>,
        /// How many of them `run-all` makes up for, the last ones
        #[arg(long, value_name = "COUNT")]
        missed_limit: Option<u32>,
        /// Do not begin yet
        #[arg(long)]
        paused: bool,
    },
    /// List schedules
    List {
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Go on where the list before ended
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Show a schedule, its coming times and what came of the last
    Describe {
        /// Name of the schedule
        name: String,
    },
    /// Have a schedule call nobody until it is resumed
    Pause {
        /// Name of the schedule
        name: String,
    },
    /// Let a paused schedule go on
    Resume {
        /// Name of the schedule
        name: String,
    },
    /// Remove a schedule; calls that it has made go on
    Remove {
        /// Name of the schedule
        name: String,
    },
}

/// What becomes of missed times.
#[derive(Clone, Copy, Debug, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Missed {
    /// Nothing
    Skip,
    /// The last one is made up for
    RunOnce,
    /// All are made up for, up to a limit
    RunAll,
}

/// Does what was asked for.
///
/// # Errors
/// If the server refuses or cannot be reached.
pub(super) async fn run(command: Command, client: &Client, output: &Output) -> anyhow::Result<()> {
    let (method, path) = match &command {
        Command::Add { .. } => {
            let request = client.request(Method::POST, &["v1", "schedules"])?;
            let answer = client.json(request.json(&wanted(command)?)).await?;
            return Ok(output.one(&answer, members)?);
        }
        Command::List { limit, cursor } => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(cursor.clone().map(|cursor| ("cursor", cursor)));
            let request = client.request(Method::GET, &["v1", "schedules"])?.query(&query);
            return Ok(output.list(&client.json(request).await?, "schedules", text)?);
        }
        Command::Remove { name } => {
            client.send(client.request(Method::DELETE, &["v1", "schedules", name])?).await?;
            return Ok(output.done(&format!("{name} is removed"))?);
        }
        Command::Describe { name } => (Method::GET, vec!["v1", "schedules", name]),
        Command::Pause { name } => (Method::POST, vec!["v1", "schedules", name, "pause"]),
        Command::Resume { name } => (Method::POST, vec!["v1", "schedules", name, "resume"]),
    };
    let answer = client.json(client.request(method, &path)?).await?;
    Ok(output.one(&answer, members)?)
}

fn wanted(command: Command) -> anyhow::Result<Value> {
    let Command::Add {
        name,
        worker,
        function,
        json,
        cron,
        time_zone,
        at,
        delay,
        missed,
        missed_limit,
        paused,
    } = command
    else {
        return Ok(Value::Null);
    };
    let arguments: Option<Value> = match json {
        Some(json) => Some(serde_json::from_str(&json).context("the arguments are not JSON")?),
        None => None,
    };
    let all = json!({
        "name": name, "component": worker.component, "worker": worker.worker,
        "function": function, "arguments": arguments, "cron": cron, "timeZone": time_zone,
        "at": at, "delay": delay, "missed": missed, "missedLimit": missed_limit, "paused": paused,
    });
    let Value::Object(all) = all else { return Ok(all) };
    Ok(all.into_iter().filter(|(_, member)| !member.is_null()).collect::<Map<_, _>>().into())
}

fn text(schedules: &[Value]) -> String {
    let row = |schedule: &Value| {
        let when = [cell(&schedule["cron"]), cell(&schedule["timeZone"]), cell(&schedule["at"])];
        let when: Vec<_> = when.into_iter().filter(|part| !part.is_empty()).collect();
        let target = ["component", "worker", "function"].map(|name| cell(&schedule[name]));
        let mut row = vec![cell(&schedule["name"]), cell(&schedule["status"]), target.join(" ")];
        row.extend([when.join(" "), cell(&schedule["upcoming"][0]), cell(&schedule["fired"])]);
        row
    };
    let rows: Vec<_> = schedules.iter().map(row).collect();
    table(&["NAME", "STATUS", "CALLS", "WHEN", "NEXT", "FIRED"], &rows)
}
