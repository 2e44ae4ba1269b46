//! The seam between the crate and its host: a guest calls the host's functions, natively the same
//! functions answer from [`crate::mock`]. Nothing else in the crate knows the difference.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod wasm;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::*;
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm::*;
