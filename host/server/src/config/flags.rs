//! The settings as flags of the command line, made from the table.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use super::keys::{KEYS, Kind};

/// What was set on the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConfigFlags {
    /// The configuration file, if one was named.
    pub(crate) file: Option<PathBuf>,
    /// The texts of each setting that was named, by the name of its key.
    pub(crate) values: BTreeMap<&'static str, Vec<String>>,
}

impl FromArgMatches for ConfigFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        if let Some(file) = matches.get_one::<PathBuf>("config") {
            self.file = Some(file.clone());
        }
        for key in KEYS {
            if let Some(values) = matches.get_many::<String>(key.name) {
                self.values.insert(key.name, values.cloned().collect());
            }
        }
        Ok(())
    }
}

impl Args for ConfigFlags {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("The configuration file [env: EVERLOG_CONFIG] [default: everlog.toml, if any]");
        KEYS.iter().fold(command.arg(file), |command, key| {
            let flag = Arg::new(key.name).long(key.name).value_name("VALUE").help(format!(
                "{} [env: {}]",
                key.help,
                key.variable()
            ));
            command.arg(match key.kind {
                Kind::Value => flag,
                Kind::Switch => {
                    flag.num_args(0..=1).require_equals(true).default_missing_value("true")
                }
                Kind::Secrets => flag.action(ArgAction::Append).value_delimiter(','),
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
