//! WIT values at the border: JSON and WAVE in, JSON and WAVE out.
//!
//! Reading is one pass over the bytes, led by the types of the parameters: there is no tree of
//! JSON in between, so 64-bit integers stay exact and a field that comes twice is seen.
//! Writing needs no types, since a value says what it is.

mod arguments;
mod encode;
mod expect;
mod invalid;
mod names;
mod seed;
mod wave;

#[cfg(test)]
mod tests;

pub(crate) use arguments::decode_arguments;
pub(crate) use encode::{BytesAs, Json};
pub(crate) use invalid::Invalid;
pub(crate) use wave::{decode_wave, encode_wave};

/// How long the arguments of a call may be, in bytes.
pub(crate) const MAX_ARGUMENTS_BYTES: usize = 16 * 1_024 * 1_024;

/// How long the arguments of a call may be as WAVE, in bytes: reading it takes a tree, some 30 times
/// the size of the text.
pub(crate) const MAX_WAVE_BYTES: usize = 1_024 * 1_024;

/// How many values the arguments of a call may have in them, each element and field counted.
///
/// A value takes 32 bytes and more in memory, but only two in JSON. A `list<u8>` counts as one when
/// it comes as base64.
pub(crate) const MAX_VALUES: usize = 1_024 * 1_024;
