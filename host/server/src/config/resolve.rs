//! Puts the layers of configuration on top of each other.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::flags::ConfigFlags;
use super::keys::{KEYS, Key, Kind};
use super::settings::Settings;

/// The file that is read if it is there and no other is named.
const DEFAULT_FILE: &str = "everlog.toml";
/// Names the configuration file; `--config` goes first.
const FILE_VARIABLE: &str = "EVERLOG_CONFIG";

/// The configuration that counts, and where each value comes from.
#[derive(Debug)]
pub(crate) struct Effective {
    pub(crate) settings: Settings,
    /// By the name of the key; every key is there.
    pub(crate) sources: BTreeMap<&'static str, Source>,
}

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Default,
    File(PathBuf),
    Environment(String),
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Environment(variable) => formatter.write_str(variable),
            Self::Flag => formatter.write_str("flag"),
        }
    }
}

/// Reads the configuration of this process: flags, environment and file.
///
/// # Errors
/// [`ConfigError`] if a file that was named cannot be read, or anything in it, in the environment
/// or in the flags is not valid.
pub(crate) fn load(flags: &ConfigFlags) -> Result<Effective, ConfigError> {
    let file = read_file(flags.file.as_deref())?;
    let file = file.as_ref().map(|(path, text)| (path.as_path(), text.as_str()));
    resolve(flags, |variable| std::env::var_os(variable), file)
}

/// As [`load`], with what it would read from the process as arguments.
///
/// # Errors
/// Those of [`load`].
pub(super) fn resolve(
    flags: &ConfigFlags,
    environment: impl Fn(&str) -> Option<OsString>,
    file: Option<(&Path, &str)>,
) -> Result<Effective, ConfigError> {
    let mut file = match file {
        Some((path, text)) => Some((path, parse_file(path, text)?)),
        None => None,
    };
    let mut settings = Settings::default();
    let mut sources = BTreeMap::new();
    for key in KEYS {
        let variable = key.variable();
        let from_file =
            file.as_mut().and_then(|(path, values)| Some((*path, values.remove(key.name)?)));
        let source = if let Some(values) = flags.values.get(key.name) {
            set(&mut settings, key, values, || format!("--{}", key.name))?;
            Source::Flag
        } else if let Some(value) = environment(&variable) {
            let text = value.into_string().map_err(|_| not_text(&variable))?;
            set(&mut settings, key, &split(key, &text), || variable.clone())?;
            Source::Environment(variable)
        } else if let Some((path, values)) = from_file {
            set(&mut settings, key, &values, || format!("`{}` in {}", key.name, path.display()))?;
            Source::File(path.to_owned())
        } else {
            Source::Default
        };
        sources.insert(key.name, source);
    }
    Ok(Effective { settings, sources })
}

/// The texts of one setting: one, but for lists.
fn split(key: &Key, text: &str) -> Vec<String> {
    match key.kind {
        Kind::Value | Kind::Switch => vec![text.to_owned()],
        Kind::Secrets => text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect(),
    }
}

fn set(
    settings: &mut Settings,
    key: &Key,
    values: &[String],
    source_name: impl Fn() -> String,
) -> Result<(), ConfigError> {
    for value in values {
        (key.set)(settings, value)
            .map_err(|detail| ConfigError::InvalidValue { source_name: source_name(), detail })?;
    }
    Ok(())
}

fn not_text(variable: &str) -> ConfigError {
    ConfigError::InvalidValue {
        source_name: variable.to_owned(),
        detail: "it is not UTF-8 text".to_owned(),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the configuration file is read before there is a store"
)]
fn read_file(named: Option<&Path>) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let named =
        named.map(Path::to_owned).or_else(|| std::env::var_os(FILE_VARIABLE).map(PathBuf::from));
    let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(source) => return Err(ConfigError::Unreadable { path, source }),
    };
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) => Err(ConfigError::Unreadable { path, source: std::io::Error::other(error) }),
    }
}

/// The values of the file as texts, checked to be settings.
fn parse_file(path: &Path, text: &str) -> Result<BTreeMap<String, Vec<String>>, ConfigError> {
    let table: toml::Table = toml::from_str(text).map_err(|source| ConfigError::NotToml {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    let mut values = BTreeMap::new();
    for (name, value) in table {
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            let hint =
                near_key(&name).map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
            return Err(ConfigError::UnknownKey { path: path.to_owned(), key: name, hint });
        };
        let texts = file_texts(key, value).map_err(|detail| ConfigError::InvalidValue {
            source_name: format!("`{name}` in {}", path.display()),
            detail,
        })?;
        values.insert(name, texts);
    }
    Ok(values)
}

fn file_texts(key: &Key, value: toml::Value) -> Result<Vec<String>, String> {
    match (key.kind, value) {
        (Kind::Secrets, toml::Value::Array(values)) => {
            values.into_iter().map(scalar_text).collect()
        }
        (Kind::Secrets, other) => {
            Err(format!("expected an array of texts, found {}", other.type_str()))
        }
        (Kind::Value | Kind::Switch, value) => Ok(vec![scalar_text(value)?]),
    }
}

fn scalar_text(value: toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        toml::Value::Boolean(truth) => Ok(truth.to_string()),
        other => Err(format!("expected a single value, found {}", other.type_str())),
    }
}

/// The setting that a mistyped name most likely means.
fn near_key(name: &str) -> Option<&'static str> {
    let letters = |text: &str| {
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    let wanted = letters(name);
    KEYS.iter().map(|key| key.name).find(|known| letters(known) == wanted)
}
