//! `everlog completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints the script of a shell.
pub(super) fn print(arguments: &Arguments) {
    clap_complete::generate(
        arguments.shell,
        &mut Cli::command(),
        "everlog",
        &mut std::io::stdout(),
    );
}
