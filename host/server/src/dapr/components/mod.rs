//! State stores from component files, in the format of Dapr.
//!
//! [`yaml`] reads a file into a tree with lines, [`component`] reads a component from that, and [`store`] sets a
//! state store up. Whatever is not understood is an error with its place, since a setting that does nothing is worse.

mod component;
mod store;
mod yaml;

use std::path::{Path, PathBuf};

use everlog_runtime::state_store::StateStoreConfig;

use self::component::Component;
use self::yaml::YamlError;

/// The largest file, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// The most state stores.
const MAX_STORES: usize = 256;

/// Why the stores cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ComponentError {
    /// The directory or a file cannot be read.
    #[error("cannot read {path}, which `resources-path` names")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A file says something that is not understood.
    #[error("{path}:{line}: {problem}")]
    Wrong { path: PathBuf, line: usize, problem: String },
    /// There are too many.
    #[error("{path} has more than {MAX_STORES} state stores, which is the most")]
    TooMany { path: PathBuf },
}

/// The stores that the files of a directory describe and `app_id` may use, and the default store unless one of them
/// has its name.
///
/// # Errors
/// [`ComponentError`] for the first thing that is not understood, in the order of the names of the files.
pub(crate) fn load(
    directory: Option<&Path>,
    app_id: &str,
    secrets: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<StateStoreConfig>, ComponentError> {
    let default = StateStoreConfig::default_store();
    let Some(directory) = directory else { return Ok(vec![default]) };
    let mut named: Vec<(String, PathBuf)> = Vec::new();
    let mut stores = Vec::new();
    for path in files(directory)? {
        let text = read(&path)?;
        let wrong = |YamlError { line, problem }| {
            let path = path.clone();
            ComponentError::Wrong { path, line, problem }
        };
        for document in yaml::read(&text).map_err(wrong)? {
            let component = Component::read(&document, secrets).map_err(wrong)?;
            let store = store::of(&component, app_id).map_err(wrong)?;
            let (name, line) = &component.name;
            if let Some((_, other)) = named.iter().find(|(other, _)| other == name) {
                let other = other.display();
                let problem = format!("metadata.name: {name} is in {other} already");
                return Err(wrong(YamlError::new(*line, problem)));
            }
            named.push((name.clone(), path.clone()));
            if component.scopes.is_empty() || component.scopes.iter().any(|one| one == app_id) {
                stores.push(store);
            }
        }
    }
    if !named.iter().any(|(name, _)| *name == default.name) {
        stores.push(default);
    }
    if stores.len() > MAX_STORES {
        return Err(ComponentError::TooMany { path: directory.to_owned() });
    }
    Ok(stores)
}

/// The YAML files of a directory, in the order of their names.
fn files(directory: &Path) -> Result<Vec<PathBuf>, ComponentError> {
    let unreadable = |source| ComponentError::Unreadable { path: directory.to_owned(), source };
    let mut files = Vec::new();
    for entry in directory.read_dir().map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yaml" | "yml")) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[expect(
    clippy::disallowed_methods,
    reason = "component files are configuration, read before there is a store"
)]
fn read(path: &Path) -> Result<String, ComponentError> {
    let unreadable = |source| ComponentError::Unreadable { path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_FILE_BYTES {
        let problem = format!("it has {size} bytes, but at most {MAX_FILE_BYTES} are allowed");
        return Err(unreadable(std::io::Error::other(problem)));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| unreadable(std::io::Error::other(error)))
}

#[cfg(test)]
mod tests;
