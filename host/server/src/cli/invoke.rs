//! `everlog invoke`.

use anyhow::bail;
use clap::Args;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder};

use super::output::{Format, Output, line};
use super::progress::waiting;
use super::table::cell;
use super::worker::Named;
use crate::client::Client;

/// The media type of WAVE.
const WAVE: &str = "application/wave";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    worker: Named,
    /// Name of the function, as short as is unambiguous
    function: String,
    /// The arguments, each as WAVE: `5`, `"text"`, `{name: "x", tags: ["a"]}`
    #[arg(allow_negative_numbers = true)]
    args: Vec<String>,
    /// The arguments as JSON instead: an array by position, or an object by name
    #[arg(long, conflicts_with = "args", value_name = "BODY")]
    json: Option<String>,
    /// The same key never runs twice
    #[arg(long)]
    key: Option<String>,
    /// Do not wait for the result; prints the key of the invocation
    #[arg(long = "async")]
    accept_only: bool,
    /// Not before this time has passed, such as 15m; does not wait
    #[arg(long, conflicts_with = "at")]
    delay: Option<String>,
    /// Not before this instant of RFC 3339; does not wait
    #[arg(long)]
    at: Option<String>,
}

/// Invokes the function and prints its result.
///
/// # Errors
/// If the server refuses or cannot be reached, or the invocation fails.
pub(super) async fn run(
    arguments: Arguments,
    client: &Client,
    output: &Output,
) -> anyhow::Result<()> {
    let path = arguments.worker.path(&["invoke", &arguments.function]);
    let request = with_options(client.request(Method::POST, &path)?, &arguments);
    let request = with_body(request, &arguments)?;
    if arguments.accept_only || arguments.delay.is_some() || arguments.at.is_some() {
        let answer = client.json(request).await?;
        return Ok(output.one(&answer, |answer| cell(&answer["idempotencyKey"]))?);
    }
    if output.format == Format::Text {
        let request = request.header(ACCEPT, WAVE);
        let result = waiting("running", client.text(request)).await?;
        return Ok(line(result.trim_end_matches('\n'))?);
    }
    let result = waiting("running", client.json(request)).await?;
    Ok(output.one(&result, cell)?)
}

fn with_options(mut request: RequestBuilder, arguments: &Arguments) -> RequestBuilder {
    if let Some(key) = &arguments.key {
        request = request.header("Idempotency-Key", key);
    }
    if arguments.accept_only {
        request = request.header("Prefer", "respond-async");
    }
    if let Some(delay) = &arguments.delay {
        request = request.query(&[("delay", delay)]);
    }
    if let Some(at) = &arguments.at {
        request = request.query(&[("at", at)]);
    }
    request
}

fn with_body(request: RequestBuilder, arguments: &Arguments) -> anyhow::Result<RequestBuilder> {
    if let Some(json) = &arguments.json {
        return Ok(request.header(CONTENT_TYPE, "application/json").body(json.clone()));
    }
    if let Some(broken) = arguments.args.iter().find(|argument| argument.contains('\n')) {
        bail!("the argument {broken:?} has a line break; write it as \\n within a WAVE text");
    }
    Ok(request.header(CONTENT_TYPE, WAVE).body(arguments.args.join("\n")))
}
