//! `everlog store`: state in bulk, while no server uses it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use everlog_runtime::{inspect_log, worker_belongings, worker_name};
use everlog_store::copy::{Job, Progress, Selection, Side, Stage, copy, discard};
use everlog_store::{RedisOptions, Store};
use indicatif::BinaryBytes;
use serde_json::json;
use tempfile::TempDir;

use super::output::Output;
use super::progress::{copy_bar, waiting};
use super::serve::open_engine;
use crate::config::{Key, STORE, STORE_PREFIX, Settings};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Copy all state, or some workers, from one place to another, and compare both afterwards
    ///
    /// A place is `embedded:DIRECTORY` or `redis://[user:password@]host[:port][/database]`. No
    /// server may use either of them. Broken off, the same command goes on where it stood.
    Copy(CopyArguments),
}

#[derive(Debug, Args)]
pub(super) struct CopyArguments {
    /// Where from; nothing is changed there
    #[arg(
        long,
        env = "EVERLOG_COPY_FROM",
        hide_env_values = true,
        value_name = "PLACE",
        required_unless_present = "discard"
    )]
    from: Option<String>,
    /// Where to: a place that holds nothing yet, or with `--worker` none of these workers
    #[arg(long, env = "EVERLOG_COPY_TO", hide_env_values = true, value_name = "PLACE")]
    to: String,
    /// What every key of the source begins with, if it is a Redis
    #[arg(long, default_value = "everlog:", value_name = "PREFIX")]
    from_prefix: String,
    /// What every key of the copy begins with, if it is in a Redis
    #[arg(long, default_value = "everlog:", value_name = "PREFIX")]
    to_prefix: String,
    /// Only this worker, with its component; may be given several times
    #[arg(long = "worker", value_name = "COMPONENT/WORKER")]
    workers: Vec<String>,
    /// Give up a copy that was begun, and remove what there is of it
    #[arg(long)]
    discard: bool,
}

/// Does what was asked for.
///
/// # Errors
/// If a place is in use or cannot be opened, or the copy cannot be made or is not right.
pub(super) fn run(command: Command, output: &Output) -> anyhow::Result<()> {
    let Command::Copy(arguments) = command;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    runtime.block_on(async {
        match arguments.discard {
            true => give_up(&arguments, output).await,
            false => make(&arguments, output).await,
        }
    })
}

async fn give_up(arguments: &CopyArguments, output: &Output) -> anyhow::Result<()> {
    let target = Place::parse("--to", &arguments.to, &arguments.to_prefix)?.open().await?;
    waiting("removing what was copied", discard(&*target.store, &target.name)).await?;
    Ok(output.done(&format!("nothing is left of the copy that was begun in {}", target.name))?)
}

async fn make(arguments: &CopyArguments, output: &Output) -> anyhow::Result<()> {
    let CopyArguments { from, to, from_prefix, to_prefix, workers, .. } = arguments;
    let from = Place::parse("--from", from.as_deref().unwrap_or_default(), from_prefix)?;
    let to = Place::parse("--to", to, to_prefix)?;
    if from.is_embedded() && !from.settings.data_dir.join("format").exists() {
        bail!("--from: there is no state in {}", from.name);
    }
    if from.name == to.name {
        bail!("--from and --to are the same place, {}", from.name);
    }
    let (source, target) = (from.open().await?, to.open().await?);
    let selection = match workers.is_empty() {
        true => Selection::Whole,
        false => {
            Selection::Parts(worker_belongings(&*source.store, &*target.store, workers).await?)
        }
    };
    let bar = copy_bar();
    let job = Job {
        source: source.side(),
        target: target.side(),
        selection: &selection,
        inspect: &inspect_log,
        name_of: &worker_name,
        progress: &|progress| show(&bar, progress),
    };
    let copied = copy(job).await;
    bar.finish_and_clear();
    let Progress { logs, records, blobs, bytes, .. } = copied?;
    let answer = json!({ "workers": logs, "records": records, "blobs": blobs, "bytes": bytes });
    Ok(output.one(&answer, |_| {
        format!(
            "{} is copied to {} and compared: {logs} workers, {records} records, {blobs} blobs, \
             {}",
            source.name,
            target.name,
            BinaryBytes(bytes)
        )
    })?)
}

fn show(bar: &indicatif::ProgressBar, progress: &Progress) {
    let prefix = match progress.stage {
        Stage::Copying => "copying",
        Stage::Checking => "checking",
    };
    if bar.prefix() != prefix {
        bar.set_prefix(prefix);
    }
    bar.set_length(progress.expected);
    bar.set_position(progress.done());
    bar.set_message(BinaryBytes(progress.bytes).to_string());
}

/// Where state is.
struct Place {
    settings: Settings,
    /// Without secrets.
    name: String,
    /// What stands for a node in a Redis; removed behind the store.
    node: Option<TempDir>,
}

/// State that is ours for now.
struct Opened {
    store: Arc<dyn Store>,
    name: String,
    _node: Option<TempDir>,
}

impl Place {
    /// Reads what the flag `flag` was given. No message repeats it, since it may hold a password.
    fn parse(flag: &str, text: &str, prefix: &str) -> anyhow::Result<Self> {
        let mut settings = Settings::default();
        if let Some(directory) = text.strip_prefix("embedded:") {
            if directory.is_empty() {
                bail!("{flag}: expected a directory behind `embedded:`");
            }
            let directory = absolute(Path::new(directory));
            let name = format!("embedded:{}", directory.display());
            settings.data_dir = directory;
            return Ok(Self { settings, name, node: None });
        }
        if !text.contains("://") {
            bail!("{flag}: expected `embedded:directory` or `redis://host:port`");
        }
        set(&STORE, &mut settings, flag, text)?;
        set(&STORE_PREFIX, &mut settings, &format!("{flag}-prefix"), prefix)?;
        let node = tempfile::Builder::new().prefix("everlog-copy-").tempdir();
        let node = node.context("cannot create a temporary directory")?;
        settings.data_dir = node.path().to_owned();
        let address = RedisOptions::new(text, node.path()).address()?;
        Ok(Self { settings, name: format!("{address} under `{prefix}`"), node: Some(node) })
    }

    fn is_embedded(&self) -> bool {
        self.node.is_none()
    }

    async fn open(self) -> anyhow::Result<Opened> {
        let opening = open_engine(&self.settings, None);
        let store = waiting("waiting until the state is free", opening).await?;
        Ok(Opened { store, name: self.name, _node: self.node })
    }
}

impl Opened {
    fn side(&self) -> Side<'_> {
        Side { store: &*self.store, name: &self.name }
    }
}

fn set(key: &Key, settings: &mut Settings, flag: &str, text: &str) -> anyhow::Result<()> {
    (key.set)(settings, text).map_err(|problem| anyhow!("{flag}: {problem}"))
}

/// The same directory by one name, whether it is there yet or not.
fn absolute(directory: &Path) -> PathBuf {
    let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    directory.canonicalize().unwrap_or(directory)
}
