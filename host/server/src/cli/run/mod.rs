//! `everlog run`: a command-line program that goes on where it was, however it was stopped.
//!
//! The program is one worker of an embedded runtime. Its identity is what was typed: the bytes of
//! the
//! component, the arguments and the environment. So the same line typed again finds the same
//! worker,
//! and the same idempotency key joins its one invocation.

mod printer;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;
use everlog_runtime::exports::Target;
use everlog_runtime::value::Value;
use everlog_runtime::{
    ComponentSettings, ComponentVersion, Invocation, InvocationResult, InvokeError, Runtime,
    WorkerError, WorkerId, WorkerSettings, WorkerState,
};
use sha2::{Digest, Sha256};

use super::component::read_component;
use super::serve::{StopSignal, open_store};
use super::worker::key_value;
use crate::config::{LogFormat, Settings};
use crate::telemetry::start_logging;
use printer::Printer;

/// What a command exports, whatever the version.
const ENTRY_POINT: &str = "wasi:cli/run.{run}";
/// The key of the one invocation.
const KEY: &str = "run";
/// The exit code of a program that was stopped by a signal and will go on.
const STOPPED: u8 = 130;
/// Workers that may be in memory; there is one.
const LOADED_WORKERS: usize = 4;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The component, built for wasm32-wasip2
    file: PathBuf,
    /// An environment variable of the program; it inherits none
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    env: Vec<(String, String)>,
    /// Where its progress is kept; one process at a time
    #[arg(long, default_value = "./.everlog-run", env = "EVERLOG_RUN_DIR")]
    data_dir: PathBuf,
    /// Begin anew, whatever was done before
    #[arg(long)]
    restart: bool,
    /// Its arguments
    #[arg(last = true)]
    args: Vec<String>,
}

/// How a run ended.
enum Ending {
    /// The program ended by itself, with this code.
    Exit(u32),
    /// We were told to stop.
    Stopped,
}

/// Runs a program to its end, and returns its exit code.
///
/// # Errors
/// If the file is no command, its state cannot be opened, or it fails for good.
pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    start_logging("warn", LogFormat::Text)?;
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let threads = threads.context("cannot start the asynchronous runtime")?;
    let ending = threads.block_on(run_to_end(arguments))?;
    threads.shutdown_background();
    Ok(match ending {
        Ending::Exit(code) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
        Ending::Stopped => {
            eprintln!("stopped; the same line goes on from here");
            ExitCode::from(STOPPED)
        }
    })
}

async fn run_to_end(arguments: Arguments) -> anyhow::Result<Ending> {
    let wasm = read_component(&arguments.file)?;
    let mut settings = Settings { data_dir: arguments.data_dir.clone(), ..Settings::default() };
    settings.runtime.max_loaded_workers = LOADED_WORKERS;
    let runtime =
        Runtime::open(settings.runtime_config(), open_store(&settings, None).await?, None).await?;
    let ending = run_in(&runtime, arguments, wasm).await;
    runtime.shutdown().await;
    ending
}

async fn run_in(
    runtime: &Arc<Runtime>,
    arguments: Arguments,
    wasm: Vec<u8>,
) -> anyhow::Result<Ending> {
    let file = arguments.file.display().to_string();
    let component = format!("run-{}", hex(&Sha256::digest(&wasm)));
    let version = runtime
        .deploy(&component, wasm, &ComponentSettings::default())
        .await
        .with_context(|| file.clone())?
        .version;
    let target = version.exports().resolve(ENTRY_POINT).map_err(|_| {
        anyhow!(
            "{file} is not a command: it exports no wasi:cli/run. Deploy it to a server instead"
        )
    })?;
    let worker = WorkerId::new(version.id, identity(&arguments))?;
    if arguments.restart {
        forget(runtime, &worker).await?;
    }
    prepare(runtime, &version, &worker, &arguments).await?;
    let mut printer =
        Printer::open(Arc::clone(runtime), worker.clone(), &arguments.data_dir).await?;
    let stop = StopSignal::listen()?;
    let outcome = tokio::select! {
        outcome = runtime.invoke(&worker, invocation(&version, target)) => outcome,
        broken = printer.follow() => return Err(broken),
        () = stop.received() => return Ok(Ending::Stopped),
    };
    printer.print().await?;
    let code = exit_code(outcome, &file)?;
    forget(runtime, &worker).await?;
    printer.forget();
    Ok(Ending::Exit(code))
}

/// Creates the worker, or finds it and lets it go on if it had failed.
async fn prepare(
    runtime: &Runtime,
    version: &ComponentVersion,
    worker: &WorkerId,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let name = arguments.file.file_name().unwrap_or(arguments.file.as_os_str());
    let program = name.to_string_lossy().into_owned();
    let args = [program].into_iter().chain(arguments.args.iter().cloned()).collect();
    let settings =
        WorkerSettings { args, env: arguments.env.clone(), version: Some(version.version) };
    let is_new = runtime.create_worker(worker, settings).await?;
    if is_new {
        return Ok(());
    }
    match runtime.worker(worker).await?.status.state {
        WorkerState::Interrupted | WorkerState::Failed | WorkerState::Stalled => {
            Ok(runtime.resume(worker).await?)
        }
        _ => Ok(()),
    }
}

fn invocation(version: &Arc<ComponentVersion>, target: Target) -> Invocation {
    let (key, version) = (Some(KEY.to_owned()), Arc::clone(version));
    Invocation { key, version, target, args: Vec::new(), trace: None }
}

async fn forget(runtime: &Runtime, worker: &WorkerId) -> Result<(), WorkerError> {
    match runtime.delete_worker(worker).await {
        Ok(()) | Err(WorkerError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The exit code of a program that has ended.
///
/// # Errors
/// If it failed in a way that another attempt may overcome.
fn exit_code(outcome: Result<InvocationResult, InvokeError>, file: &str) -> anyhow::Result<u32> {
    match outcome {
        Ok(result) => Ok(u32::from(matches!(result.value, Some(Value::Result(Err(_)))))),
        Err(InvokeError::Exited { code, .. }) => Ok(code),
        Err(error) => Err(anyhow!(error).context(format!(
            "{file} failed; the same line goes on from where it was, --restart begins anew"
        ))),
    }
}

/// The name of the worker: its arguments and environment, in a form that no two of them share.
fn identity(arguments: &Arguments) -> String {
    let mut hash = Sha256::new();
    let variables = arguments.env.iter().flat_map(|(key, value)| [key, value]);
    hash.update((arguments.args.len() as u64).to_le_bytes());
    for text in arguments.args.iter().chain(variables) {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(args: &[&str], env: &[(&str, &str)]) -> Arguments {
        Arguments {
            file: "app.wasm".into(),
            env: env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            data_dir: ".".into(),
            restart: false,
            args: args.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    #[test]
    fn other_arguments_are_another_program() {
        let lines = [
            arguments(&[], &[]),
            arguments(&["a", "b"], &[]),
            arguments(&["ab"], &[]),
            arguments(&["a"], &[("b", "")]),
            arguments(&[], &[("a", "b")]),
        ];
        let mut names: Vec<String> = lines.iter().map(identity).collect();
        assert_eq!(names[1], identity(&arguments(&["a", "b"], &[])));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), lines.len());
    }

    #[test]
    fn the_exit_code_is_the_programs_own() {
        let exited = InvokeError::Exited { worker: "w".to_owned(), code: 7 };
        assert_eq!(exit_code(Err(exited), "app.wasm").expect("a code"), 7);
        let trapped = InvokeError::Failed {
            message: "unreachable".to_owned(),
            index: everlog_runtime::Index(3),
        };
        let error = exit_code(Err(trapped), "app.wasm").expect_err("no code");
        assert!(format!("{error:#}").contains("unreachable"), "{error:#}");
    }
}
