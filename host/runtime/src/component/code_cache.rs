//! Compiled code on disk, so that a start costs milliseconds instead of a compilation.
//!
//! A cache, never the truth: what is missing, damaged or made by another engine is compiled again.

use std::hash::{Hash as _, Hasher as _};
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Bytes of the SHA-256 that ends every file.
const SEAL_BYTES: usize = 32;

/// Directory of compiled components, one below it for each kind of engine.
pub(crate) struct CodeCache {
    directory: PathBuf,
}

impl CodeCache {
    /// The cache below `root` for code that `engine` can load.
    pub(crate) fn new(root: &std::path::Path, engine: &Engine) -> Self {
        let mut hasher = xxhash_rust::xxh3::Xxh3Default::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self { directory: root.join(format!("{:016x}", hasher.finish())) }
    }

    /// The compiled component for the binary with this digest, compiling it when the cache has none.
    ///
    /// # Errors
    /// When `wasm` is not a component that this engine compiles.
    pub(crate) fn component(
        &self,
        engine: &Engine,
        digest: &str,
        wasm: &[u8],
    ) -> wasmtime::Result<Component> {
        let path = self.directory.join(format!("{digest}.cwasm"));
        if let Some(component) = Self::load(engine, &path) {
            return Ok(component);
        }
        let component = Component::from_binary(engine, wasm)?;
        if let Err(error) = self.save(&path, &component) {
            tracing::warn!(path = %path.display(), %error, "compiled code is not cached; the next start compiles again");
        }
        Ok(component)
    }

    #[expect(clippy::disallowed_methods, reason = "this module owns the compiled code on disk")]
    fn load(engine: &Engine, path: &std::path::Path) -> Option<Component> {
        let mut bytes = std::fs::read(path).ok()?;
        let code_bytes = bytes.len().checked_sub(SEAL_BYTES)?;
        let seal = bytes.split_off(code_bytes);
        if Sha256::digest(&bytes).as_slice() != seal.as_slice() {
            tracing::warn!(path = %path.display(), "compiled code is damaged; compiling again");
            return None;
        }
        deserialize(engine, &bytes)
    }

    #[expect(clippy::disallowed_methods, reason = "this module owns the compiled code on disk")]
    fn save(&self, path: &std::path::Path, component: &Component) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.directory)?;
        let mut bytes = component.serialize()?;
        let seal = Sha256::digest(&bytes);
        bytes.extend_from_slice(&seal);
        let unfinished = path.with_extension(format!("{}.tmp", std::process::id()));
        std::fs::write(&unfinished, bytes)?;
        std::fs::rename(&unfinished, path)?;
        Ok(())
    }
}

#[expect(unsafe_code, reason = "wasmtime can't check machine code; the argument is below")]
fn deserialize(engine: &Engine, bytes: &[u8]) -> Option<Component> {
    // SAFETY: `bytes` are what `Component::serialize` of an engine with the same compatibility hash returned: the file
    // lies in our own data directory under that hash and is sealed with a SHA-256 that was just checked. Whoever can
    // write there can also replace the server's binary.
    unsafe { Component::deserialize(engine, bytes) }.ok()
}
