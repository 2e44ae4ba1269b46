//! Lengths of time and sizes as people write them: `15m`, `1h30m`, `256MiB`.

mod duration;
mod size;

pub(crate) use duration::{format_duration, parse_duration};
pub(crate) use size::{format_size, parse_size};
