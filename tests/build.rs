//! Writes one constant per guest in `components/`, so that a test names its fixture and the compiler
//! knows it. `tests/tidy.rs` fails for a guest that no test names.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    let components = directory("CARGO_MANIFEST_DIR").join("../components");
    let mut constants = String::new();
    for folder in ["examples", "examples/ticket-shop", "fixtures"] {
        let folder = components.join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        for guest in guests(&folder) {
            write_constant(&mut constants, &guest);
        }
    }
    write_file(&directory("OUT_DIR").join("fixtures.rs"), &constants);
}

/// A directory that cargo says, at run time: a checkout may move.
fn directory(variable: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(variable).expect("cargo sets it"))
}

fn guests(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().expect("components/ is part of the checkout");
    let mut guests: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a directory entry").path()).collect();
    guests.retain(|guest| guest.join("Cargo.toml").is_file());
    guests.sort();
    guests
}

fn write_constant(constants: &mut String, guest: &Path) {
    let name = guest.file_name().and_then(|name| name.to_str()).expect("a UTF-8 folder name");
    let constant = name.replace('-', "_").to_uppercase();
    // A library's file has underscores, a command's keeps its hyphens.
    let is_library = guest.join("src/lib.rs").is_file();
    let file = if is_library { name.replace('-', "_") } else { name.to_owned() };
    writeln!(
        constants,
        "/// The guest in `components/*/{name}`.\n\
         pub const {constant}: Fixture = Fixture {{ name: {name:?}, file: \"{file}.wasm\" }};",
    )
    .expect("writing to a string succeeds");
}

#[expect(clippy::disallowed_methods, reason = "a build script writes to OUT_DIR")]
fn write_file(path: &Path, text: &str) {
    std::fs::write(path, text).expect("OUT_DIR takes a file");
}
