//! What a component exports, by name.
