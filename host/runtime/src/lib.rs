//! Skeleton.

pub mod exports;
pub mod value;
