//! `everlog wit`: what guests need to call other components.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use everlog_runtime::client_wit;

/// What clients use, each with its folder and file.
const SUPPORT: [(&str, &str, &str); 3] = [
    ("wasi:io@0.2.0", "io/io.wit", include_str!("../../../../wit/deps/io/io.wit")),
    (
        "wasi:clocks@0.2.0",
        "clocks/clocks.wit",
        include_str!("../../../../wit/deps/clocks/clocks.wit"),
    ),
    (
        "everlog:api@0.1.0",
        "everlog-api/calls.wit",
        include_str!("../../../../wit/everlog-api/calls.wit"),
    ),
];

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the client of a component: a WIT interface through which other components call its workers
    Client {
        /// The component's `.wasm` file
        file: PathBuf,
        /// The name under which it is deployed [default: that of the file]
        #[arg(long)]
        component: Option<String>,
        /// The folder with the WIT packages that the caller depends on
        #[arg(long, default_value = "wit/deps")]
        out: PathBuf,
    },
}

/// Does what was asked for.
///
/// # Errors
/// If the file is no component, or nothing in it can be called, or the client can't be written.
#[expect(
    clippy::disallowed_methods,
    reason = "clients are made of files, and are files of the user"
)]
pub(super) fn run(command: Command) -> anyhow::Result<()> {
    let Command::Client { file, component, out } = command;
    let wasm = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let component = component.unwrap_or_else(|| name_of(&file));
    let client = client_wit(&wasm, &component)?;
    let folder = format!("{component}-client");
    write(&out.join(&folder).join("client.wit"), &client.text)?;
    let present = packages_in(&out);
    for (package, file, text) in SUPPORT {
        if !present.iter().any(|known| known == package) {
            write(&out.join(file), text)?;
        }
    }
    for left_out in client.left_out {
        eprintln!("left out: {left_out}");
    }
    Ok(())
}

fn name_of(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    stem.replace('_', "-")
}

#[expect(
    clippy::disallowed_methods,
    reason = "clients are made of files, and are files of the user"
)]
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let written = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    written
        .and_then(|()| std::fs::write(path, text))
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}

/// The packages that a folder has, each in a folder of its own.
fn packages_in(folder: &Path) -> Vec<String> {
    let files = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let texts = files(folder)
        .into_iter()
        .flat_map(|package| files(&package))
        .filter_map(|file| std::fs::read_to_string(file).ok());
    let mut packages = Vec::new();
    for text in texts {
        let declared = text.lines().filter_map(|line| line.trim().strip_prefix("package "));
        packages.extend(declared.map(|name| name.trim_end_matches(';').trim().to_owned()));
    }
    packages
}
