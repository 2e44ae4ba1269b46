//! Configuration: flags over environment over `everlog.toml` over defaults.
//!
//! [`KEYS`] is the one table of settings. Flags, environment variables, the file's keys, their
//! documentation and what `everlog config` prints are all made from it.

mod error;
mod flags;
mod keys;
mod network_keys;
mod production;
mod resolve;
mod settings;
mod state_keys;
mod store_keys;
#[cfg(test)]
mod tests;

pub(crate) use flags::ConfigFlags;
pub(crate) use keys::{KEYS, Key, Kind};
pub(crate) use resolve::{Effective, load};
pub(crate) use settings::{LogFormat, Settings, StoreKind};
pub(crate) use store_keys::{STORE, STORE_PREFIX};
