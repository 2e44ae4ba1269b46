//! Components: what was deployed under which name, compiled once, ready to be instantiated.

mod catalog;
mod code_cache;
mod deploy;
mod engine;
mod error;
mod limits;
mod record;
mod settings;
mod version;

pub(crate) use catalog::Catalog;
pub use catalog::Deployed;
pub(crate) use engine::{FUEL_BETWEEN_YIELDS, engine};
pub use error::ComponentError;
pub(crate) use limits::Limits;
pub(crate) use record::ComponentRecord;
#[cfg(test)]
pub(crate) use record::VersionRecord;
pub use settings::{ComponentSettings, ConcurrencyLimit};
pub use version::ComponentVersion;
