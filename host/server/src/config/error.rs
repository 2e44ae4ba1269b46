//! What can be wrong with a configuration.

use std::path::PathBuf;

/// Why a server does not start with the configuration it was given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file that was named cannot be read.
    #[error("cannot read the configuration file {path}")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },

    /// The file is not TOML.
    #[error("the configuration file {path} is not valid TOML")]
    NotToml {
        path: PathBuf,
        #[source]
        source: Box<toml::de::Error>,
    },

    /// A key that does not exist.
    #[error("{path} sets `{key}`, which is not a setting{hint}; `everlog config` lists them all")]
    UnknownKey { path: PathBuf, key: String, hint: String },

    /// A value of the wrong type or out of range.
    #[error("{source_name} is not valid: {detail}")]
    InvalidValue { source_name: String, detail: String },

    /// Everybody on the network could use the server.
    #[error(
        "refusing to listen on {listen} without tokens, since anybody who reaches it could use it: \
         set tokens (EVERLOG_TOKENS), listen on a loopback address, or say \
         allow-unauthenticated-remote"
    )]
    OpenToEverybody { listen: std::net::SocketAddr },

    /// `--production` with something missing.
    #[error("--production refuses to start, these are missing:\n{}", bullets(.missing))]
    NotProduction { missing: Vec<String> },
}

fn bullets(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  - {line}")).collect::<Vec<_>>().join("\n")
}
