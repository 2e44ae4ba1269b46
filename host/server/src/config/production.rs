//! What must be right before a server opens its port.

use super::error::ConfigError;
use super::resolve::{Effective, Source};

/// The shortest token that `--production` takes, in characters.
const PRODUCTION_TOKEN_CHARACTERS: usize = 32;
/// Limits that depend on the machine, so that `--production` wants them set by a person.
const PRODUCTION_LIMITS: [&str; 4] =
    ["worker-memory", "host-memory", "worker-files", "max-loaded-workers"];

impl Effective {
    /// Refuses what would leave the server open to everybody, or is not fit for production where
    /// that was asked for.
    ///
    /// # Errors
    /// [`ConfigError::OpenToEverybody`], [`ConfigError::NotProduction`].
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let settings = &self.settings;
        if settings.production {
            let missing = self.missing_for_production();
            if !missing.is_empty() {
                return Err(ConfigError::NotProduction { missing });
            }
        }
        let open = settings.tokens.is_empty() && !settings.allow_unauthenticated_remote;
        if open && !settings.listen.ip().is_loopback() {
            return Err(ConfigError::OpenToEverybody { listen: settings.listen });
        }
        Ok(())
    }

    fn missing_for_production(&self) -> Vec<String> {
        let mut missing = Vec::new();
        let tokens = &self.settings.tokens;
        if tokens.is_empty() {
            missing.push("tokens (EVERLOG_TOKENS or `tokens` in everlog.toml)".to_owned());
        }
        if tokens.iter().any(|token| token.len() < PRODUCTION_TOKEN_CHARACTERS) {
            missing
                .push(format!("tokens of at least {PRODUCTION_TOKEN_CHARACTERS} characters each"));
        }
        if self.sources.get("network-allow") == Some(&Source::Default) {
            missing.push("network-allow, the hosts that workers may reach".to_owned());
        }
        // A guest with a socket goes where it wants: the list of hosts holds for HTTP only.
        if self.sources.get("network-sockets") == Some(&Source::Default) {
            missing
                .push("network-sockets, as `network-allow` does not bind them (`none`)".to_owned());
        }
        for name in PRODUCTION_LIMITS {
            if self.sources.get(name) == Some(&Source::Default) {
                missing.push(format!("the limit {name}, set for this machine"));
            }
        }
        missing
    }
}
