//! The storage format does not change: what release 1 wrote is read for ever, and written the same.
//!
//! `golden/format_v1.bin` holds one frame of each kind. It is made once, by running this test with
//! `GOLDEN=write`, and never again for kinds that were released: a new kind is added at its end.

mod common;

use std::path::PathBuf;

use common::{IDENTITY, samples};
use everlog_oplog::codec::Decoded;
use everlog_oplog::{Codec, EntryKind, Index};

fn encode(samples: &[everlog_oplog::Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, entry) in (1..).map(Index).zip(samples) {
        Codec::new(IDENTITY).encode(index, entry, &mut bytes);
    }
    bytes
}

#[expect(clippy::disallowed_methods, reason = "a test keeps its golden file beside itself")]
fn golden() -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format_v1.bin");
    if std::env::var("GOLDEN").is_ok_and(|mode| mode == "write") {
        std::fs::write(&path, encode(&samples())).expect("the folder is there");
    }
    std::fs::read(&path).expect("the golden file is checked in")
}

#[test]
fn what_was_written_is_read() {
    let bytes = golden();
    let decoded: Result<Vec<Decoded>, _> =
        Codec::new(IDENTITY).decode(Index::FIRST, &bytes).collect();
    let entries: Vec<_> =
        decoded.expect("it is intact").into_iter().map(|item| item.entry).collect();
    assert_eq!(entries, samples());
}

#[test]
fn the_same_is_written() {
    assert!(encode(&samples()) == golden(), "the format changed");
}

#[test]
fn every_kind_is_in_the_golden_file() {
    let config = bincode::config::standard();
    // A kind that exists decodes, or misses its fields; one that does not is told apart.
    let exists = |kind: &u32| {
        let bytes = bincode::encode_to_vec(kind, config).expect("a number");
        let decoded = bincode::decode_from_slice::<EntryKind, _>(&bytes, config);
        !matches!(decoded, Err(bincode::error::DecodeError::UnexpectedVariant { .. }))
    };
    let kinds = (0..).take_while(exists).count();
    let bytes = golden();
    let decoded = Codec::new(IDENTITY).decode(Index::FIRST, &bytes).map(Result::unwrap);
    let names: Vec<_> = decoded.map(|item| item.entry.kind.name()).collect();
    assert_eq!(names.len(), kinds, "a kind is missing: {names:?}");
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), kinds, "a kind is there twice: {names:?}");
}
