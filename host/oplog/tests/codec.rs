//! Any bytes are a prefix of a log or an error, in the codec and in recovery.

mod common;

use common::{Bench, IDENTITY, Random, call, create, decode, first_seed, try_recover};
use everlog_oplog::codec::{MAX_FRAME_BYTES, Problem};
use everlog_oplog::{
    Category, Codec, Entry, EntryKind, Index, RecordedBatch, RecoverError, Region, Timestamp,
};
use proptest::prelude::*;

/// A log with something of everything that matters here, as one batch.
fn log() -> Vec<u8> {
    let mut bench = Bench::started();
    bench.read(b"12");
    bench.call(Category::WriteRemote, b"a rather long request, long enough", b"done");
    bench.print("hello");
    let now = bench.now();
    bench.journal.begin_atomic(now).unwrap();
    bench.read(b"14");
    bench.flush();
    bench.log.remove(0).bytes
}

fn batch(bytes: Vec<u8>) -> Vec<RecordedBatch> {
    vec![RecordedBatch { first: Index::FIRST, bytes }]
}

fn problem(first: u64, bytes: &[u8]) -> Option<Problem> {
    let mut frames = Codec::new(IDENTITY).decode(Index(first), bytes);
    frames.find_map(|item| item.err().map(|error| error.problem))
}

#[test]
fn every_cut_leaves_a_prefix_and_an_error_at_the_cut() {
    let bytes = log();
    let whole = decode(&batch(bytes.clone())).unwrap();
    for length in 0..bytes.len() {
        let mut end = 0;
        let ends = whole.iter().map(|item| {
            end += item.frame_bytes;
            end
        });
        let complete = ends.take_while(|end| *end <= length).count();
        let frames: Vec<_> = Codec::new(IDENTITY).decode(Index::FIRST, &bytes[..length]).collect();
        let (good, bad) = frames.split_at(complete);
        assert!(good.iter().zip(&whole).all(|(cut, whole)| cut.as_ref() == Ok(whole)));
        match bad {
            [] => assert_eq!(end_of(&whole[..complete]), length),
            [Err(error)] => {
                assert_eq!(error.index, Index(complete as u64 + 1));
                assert!(matches!(error.problem, Problem::Cut { .. }), "{error}");
            }
            more => panic!("after a cut at {length}: {more:?}"),
        }
    }
}

fn end_of(entries: &[everlog_oplog::codec::Decoded]) -> usize {
    entries.iter().map(|item| item.frame_bytes).sum()
}

#[test]
fn every_flipped_bit_is_found() {
    let bytes = log();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(problem(1, &flipped).is_some(), "bit {bit} was flipped unseen");
        let Err(error) = try_recover(batch(flipped)) else { panic!("bit {bit} recovered") };
        let RecoverError::Damaged(error) = error else { panic!("bit {bit}: {error}") };
        assert!(error.offset <= bit / 8, "bit {bit} is blamed on {error}");
    }
}

#[test]
fn entries_of_other_places_and_other_workers_are_no_entries() {
    let bytes = log();
    assert!(matches!(problem(2, &bytes), Some(Problem::Checksum { .. })));
    let mut elsewhere = Codec::new(b"component/other").decode(Index::FIRST, &bytes);
    let error = elsewhere.next().unwrap().unwrap_err();
    assert!(matches!(error.problem, Problem::Checksum { .. }), "{error}");
    assert_eq!(elsewhere.next(), None, "nothing is decoded after an error");
}

#[test]
fn lengths_are_limited_before_anything_is_read() {
    let mut bytes = log();
    bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(problem(1, &bytes), Some(Problem::Length { length: u32::MAX as usize }));
    bytes[..4].copy_from_slice(&(MAX_FRAME_BYTES as u32).to_le_bytes());
    assert!(matches!(problem(1, &bytes), Some(Problem::Cut { .. })));
    bytes[..4].copy_from_slice(&0_u32.to_le_bytes());
    assert_eq!(problem(1, &bytes), Some(Problem::Length { length: 0 }));
}

/// Frames with a good checksum around any content, as somebody could forge them.
fn forge(content: &[u8]) -> Vec<u8> {
    let codec = Codec::new(IDENTITY);
    let mut bytes = Vec::new();
    let entry = Entry { timestamp: Timestamp(0), kind: EntryKind::NoOp };
    codec.encode(Index::FIRST, &entry, &mut bytes);
    let seed = xxhash_rust::xxh3::xxh3_64(IDENTITY) ^ 0x9E37_79B9_7F4A_7C15;
    let checksum = xxhash_rust::xxh3::xxh3_64_with_seed(&bytes[12..], seed);
    assert_eq!(bytes[4..12], checksum.to_le_bytes(), "the format is as documented");
    let length = u32::try_from(content.len()).unwrap();
    let checksum = xxhash_rust::xxh3::xxh3_64_with_seed(content, seed);
    [&length.to_le_bytes()[..], &checksum.to_le_bytes(), content].concat()
}

#[test]
fn later_versions_and_unknown_kinds_are_named() {
    let problem_of = |content: &[u8]| problem(1, &forge(content)).unwrap().to_string();
    assert!(problem_of(&[2, 0, 0]).contains("version is 2; this release reads versions up to 1"));
    assert!(problem_of(&[1, 0, 250]).contains("cannot be decoded"), "{}", problem_of(&[1, 0, 250]));
    // A mark (kind 5) with a byte too many.
    assert_eq!(problem(1, &forge(&[1, 0, 5])), None);
    assert!(problem_of(&[1, 0, 5, 0]).contains("1 bytes follow it"));
}

#[test]
fn a_list_of_a_thousand_empty_strings_is_within_the_limits() {
    let mut create = create();
    create.args = vec![String::new(); 1000];
    create.env = vec![(String::new(), String::new()); 40_000];
    let entry = Entry { timestamp: Timestamp(1), kind: EntryKind::Create(create) };
    let mut bytes = Vec::new();
    Codec::new(IDENTITY).encode(Index::FIRST, &entry, &mut bytes);
    let decoded = decode(&batch(bytes)).unwrap();
    assert_eq!(decoded[0].entry, entry);
}

#[test]
fn a_log_with_a_hole_is_refused() {
    let mut bench = Bench::started();
    for _ in 0..3 {
        bench.read(b"1");
        bench.flush();
    }
    let mut log = bench.log;
    log.remove(1);
    let error = try_recover(log).unwrap_err().to_string();
    assert_eq!(
        error,
        "entry 5 follows entry 3; entries follow each other without gaps. Restore the worker from \
         an export or a replica, or delete it"
    );
    assert!(matches!(try_recover(Vec::new()), Err(RecoverError::NotALog(_))));
}

#[test]
fn a_log_that_does_not_begin_with_its_creation_is_refused() {
    let mut bytes = Vec::new();
    let entry = Entry { timestamp: Timestamp(0), kind: EntryKind::NoOp };
    Codec::new(IDENTITY).encode(Index::FIRST, &entry, &mut bytes);
    let error = try_recover(batch(bytes)).unwrap_err().to_string();
    assert!(
        error.starts_with("entry 1 is `no-op`; a log begins with entry 1, `create`"),
        "{error}"
    );
}

#[test]
fn recovery_survives_whatever_a_log_says() {
    let mut recovered = 0;
    // Damage that keeps the checksums right: entries of a good log in any order, at any place.
    for seed in first_seed()..first_seed() + 2000 {
        let mut random = Random(seed);
        let mut entries: Vec<Entry> = common::samples().into_iter().collect();
        let codec = Codec::new(IDENTITY);
        let mut bytes = Vec::new();
        codec.encode(Index::FIRST, &entries[0], &mut bytes);
        for index in 2..2 + random.below(40) {
            let chosen = random.below(entries.len() as u64 - 1) + 1;
            let mut entry = entries.remove(usize::try_from(chosen).unwrap());
            let start = Index(2 + random.below(index - 1));
            let here = Region { start, end: Index(index) };
            if let EntryKind::Jump { deleted, .. } | EntryKind::Revert { deleted } = &mut entry.kind
                && !random.one_in(20)
            {
                *deleted = here;
            }
            codec.encode(Index(index), &entry, &mut bytes);
            entries.push(entry);
        }
        let mut journal = match try_recover(batch(bytes)) {
            Ok(journal) => journal,
            Err(RecoverError::NotALog(_)) => continue,
            Err(error) => panic!("SEED={seed}: {error}"),
        };
        recovered += 1;
        // What matters is that there is an answer.
        let _ = journal.next_recorded();
        let _ = journal.enter(&call(Category::ReadLocal, b""), Timestamp(9));
        let _ = journal.revert(Index(1), Timestamp(9));
    }
    assert!(recovered > 1000, "only {recovered} logs were logs");
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>) {
        let decoded = Codec::new(IDENTITY).decode(Index::FIRST, &bytes).count();
        prop_assert!(decoded <= 1 || !bytes.is_empty());
        prop_assert!(try_recover(batch(bytes)).is_err());
    }

    #[test]
    fn any_content_under_a_good_checksum_is_answered(content: Vec<u8>) {
        let version_1 = [&[1][..], &content].concat();
        let decoded = Codec::new(IDENTITY).decode(Index::FIRST, &forge(&version_1)).last();
        let Some(Ok(decoded)) = decoded else { return Ok(()) };
        // What was decoded says the same when it is encoded.
        let mut again = Vec::new();
        Codec::new(IDENTITY).encode(Index::FIRST, &decoded.entry, &mut again);
        let read = Codec::new(IDENTITY).decode(Index::FIRST, &again).next();
        prop_assert_eq!(format!("{:?}", read.unwrap().unwrap().entry), format!("{:?}", decoded.entry));
    }
}
