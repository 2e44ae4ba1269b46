//! The guests that `make components` builds, one constant each.

use std::path::{Path, PathBuf};

include!(concat!(env!("OUT_DIR"), "/fixtures.rs"));

/// A guest of `components/`.
#[derive(Debug, Clone, Copy)]
pub struct Fixture {
    /// The name under which tests deploy it.
    pub name: &'static str,
    file: &'static str,
}

impl Fixture {
    /// Returns where the compiled component lies.
    pub fn path(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../components/target/wasm32-wasip2/release")
            .join(self.file)
    }

    /// Reads the compiled component.
    ///
    /// # Panics
    /// If it was not built.
    #[expect(clippy::disallowed_methods, reason = "fixtures are files that tests read")]
    pub fn bytes(&self) -> Vec<u8> {
        let path = self.path();
        std::fs::read(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; run `make components`", path.display()))
    }
}
