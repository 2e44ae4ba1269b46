//! The command line: one file per group of commands.

mod call_tree;
mod cluster;
mod completions;
mod component;
mod config;
mod invocation;
mod invoke;
mod oplog;
mod output;
mod progress;
mod promise;
mod run;
mod schedule;
mod serve;
mod sql;
mod state;
mod store;
mod table;
mod transfer;
mod watch;
mod wit;
mod worker;

use std::io;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use crate::client::Client;
use crate::config::ConfigFlags;
use output::{Format, Output};

/// Runs WebAssembly components so that they cannot lose their place.
#[derive(Debug, Parser)]
#[command(name = "everlog", version)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
struct Global {
    /// The server to speak to
    #[arg(
        long,
        global = true,
        env = "EVERLOG_SERVER",
        default_value = "http://127.0.0.1:7070",
        value_name = "URL"
    )]
    server: reqwest::Url,
    /// One of the server's tokens
    #[arg(long, global = true, env = "EVERLOG_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// How results are printed: text for people, json, or jsonl with one item a line
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a server
    Serve(ConfigFlags),
    /// Run a `wasi:cli/command` component durably in the foreground, without a server
    Run(run::Arguments),
    /// Look at the servers that share a store
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// Deploy, look at and delete components
    #[command(subcommand)]
    Component(component::Command),
    /// Create, steer and look at workers
    #[command(subcommand)]
    Worker(worker::Command),
    /// Invoke a function of a worker, which is created on first use
    Invoke(invoke::Arguments),
    /// List, look at, cancel and kill invocations
    #[command(subcommand)]
    Invocation(invocation::Command),
    /// Complete promises, and see how they stand
    #[command(subcommand)]
    Promise(promise::Command),
    /// Have workers called at certain times
    #[command(subcommand)]
    Schedule(schedule::Command),
    /// See and set the state of a worker
    #[command(subcommand)]
    State(state::Command),
    /// Ask in SQL over components, workers, invocations, oplog and state; it only reads
    Sql(sql::Arguments),
    /// Read a worker's oplog
    Oplog(oplog::Arguments),
    /// Move state from one place to another, without a server
    #[command(subcommand)]
    Store(store::Command),
    /// Make clients through which components call others
    #[command(subcommand)]
    Wit(wit::Command),
    /// Print the configuration that `serve` would use, and where each value comes from
    Config(ConfigFlags),
    /// Print a script that completes commands in a shell
    Completions(completions::Arguments),
}

impl Cli {
    /// Does what was asked for; returns the exit code of the process.
    ///
    /// # Errors
    /// Anything that kept it from being done.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { global, command } = self;
        let output = Output::new(global.output);
        match command {
            Command::Serve(flags) => serve::serve(&flags)?,
            Command::Run(arguments) => return run::run(arguments),
            Command::Config(flags) => config::print(&flags, &output)?,
            Command::Store(command) => store::run(command, &output)?,
            Command::Wit(command) => wit::run(command)?,
            Command::Completions(arguments) => completions::print(&arguments),
            Command::Cluster(command) => {
                speak(
                    global,
                    |client| async move { cluster::run(command, &client, &output).await },
                )?;
            }
            Command::Component(command) => {
                speak(
                    global,
                    |client| async move { component::run(command, &client, &output).await },
                )?;
            }
            Command::Worker(command) => {
                speak(
                    global,
                    |client| async move { worker::run(command, &client, &output).await },
                )?;
            }
            Command::Invoke(arguments) => {
                speak(
                    global,
                    |client| async move { invoke::run(arguments, &client, &output).await },
                )?;
            }
            Command::Invocation(command) => {
                speak(
                    global,
                    |client| async move { invocation::run(command, &client, &output).await },
                )?;
            }
            Command::Promise(command) => {
                speak(
                    global,
                    |client| async move { promise::run(command, &client, &output).await },
                )?;
            }
            Command::Schedule(command) => {
                speak(
                    global,
                    |client| async move { schedule::run(command, &client, &output).await },
                )?;
            }
            Command::State(command) => {
                speak(global, |client| async move { state::run(command, &client, &output).await })?;
            }
            Command::Sql(arguments) => {
                speak(global, |client| async move { sql::run(arguments, &client, &output).await })?;
            }
            Command::Oplog(arguments) => {
                speak(
                    global,
                    |client| async move { oplog::run(arguments, &client, &output).await },
                )?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Runs a command that speaks to a server.
fn speak<F: Future<Output = anyhow::Result<()>>>(
    global: Global,
    command: impl FnOnce(Client) -> F,
) -> anyhow::Result<()> {
    let client = Client::new(global.server, global.token.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    runtime.block_on(command(client))
}

/// Whether `error` says that whoever read the output has gone.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is_broken = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
    };
    error.chain().any(is_broken)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }
}
