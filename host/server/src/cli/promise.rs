//! `everlog promise`.

use std::io::Read;

use anyhow::Context;
use clap::Subcommand;
use reqwest::Method;

use super::output::Output;
use super::table::members;
use crate::client::Client;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Complete a promise; says whether this was the first completion, which is the one that counts
    Complete {
        #[command(flatten)]
        promise: Named,
        /// What the worker gets; `-` reads it from standard input
        #[arg(default_value = "")]
        data: String,
    },
    /// Show whether a promise is pending or completed
    Get(Named),
}

/// A promise as the command line names it.
#[derive(Debug, clap::Args)]
pub(super) struct Named {
    /// Name or UUID of the component
    component: String,
    /// Name of the worker that made the promise
    worker: String,
    /// Index of the oplog entry that made it
    index: u64,
}

/// Does what was asked for.
///
/// # Errors
/// If the server refuses or cannot be reached.
pub(super) async fn run(command: Command, client: &Client, output: &Output) -> anyhow::Result<()> {
    let request = match command {
        Command::Complete { promise, data } => {
            let body = match data.as_str() {
                "-" => standard_input()?,
                text => text.as_bytes().to_vec(),
            };
            promise.request(client, Method::POST, &["complete"])?.body(body)
        }
        Command::Get(promise) => promise.request(client, Method::GET, &[])?,
    };
    Ok(output.one(&client.json(request).await?, members)?)
}

impl Named {
    fn request(
        &self,
        client: &Client,
        method: Method,
        rest: &[&str],
    ) -> anyhow::Result<reqwest::RequestBuilder> {
        let index = self.index.to_string();
        let path: [&str; 5] = ["v1", "promises", &self.component, &self.worker, &index];
        Ok(client.request(method, &[&path, rest].concat())?)
    }
}

fn standard_input() -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).context("standard input cannot be read")?;
    Ok(bytes)
}
