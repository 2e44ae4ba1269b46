//! The everlog binary.
fn main() {}
