//! Groups that are torn, damaged and whole.

use std::fs;

use super::*;
use crate::Space;
use crate::embedded::envelope::seal;
use crate::embedded::keys::record_key;

const GROUPS: u64 = 4;

fn key(group: u64) -> Vec<u8> {
    record_key(Space::new(1), &group.to_be_bytes())
}

/// A segment with some groups, and where each of them ends.
fn segment(directory: &Path) -> Vec<u64> {
    let mut journal = Journal::begin(directory, 7).unwrap();
    let ends = (1..=GROUPS).map(|group| {
        let value = seal(&key(group), &[&[group as u8; 50]]).bytes;
        let items = [(key(group), Some(value)), (b"gone".to_vec(), None)];
        let items = items.iter().map(|(key, value)| (key.as_slice(), value.as_deref()));
        journal.append(group, items).unwrap();
        journal.offset
    });
    ends.collect()
}

/// The segment without the space behind its groups.
#[expect(clippy::disallowed_methods, reason = "damages files on purpose")]
fn written(path: &Path, ends: &[u64]) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    bytes.truncate(*ends.last().unwrap() as usize);
    bytes
}

struct Outcome {
    recovered: Recovered,
    groups: Vec<u64>,
    damaged: Vec<u64>,
}

fn outcome(directory: &Path, acknowledged: u64) -> Outcome {
    let (mut groups, mut damaged) = (Vec::new(), Vec::new());
    let recovered = recover(directory, 0, acknowledged, |group, items| {
        groups.push(group);
        assert_eq!(items.len(), 2);
        assert_eq!(items[0].0, key(group));
        if envelope::open(&items[0].0, items[0].1.as_ref().unwrap()).is_err() {
            damaged.push(group);
        }
    });
    Outcome { recovered: recovered.unwrap(), groups, damaged }
}

use crate::embedded::envelope;

#[test]
fn a_whole_journal_reads_back() {
    let directory = tempfile::tempdir().unwrap();
    segment(directory.path());
    let Outcome { recovered, groups, damaged } = outcome(directory.path(), GROUPS);
    assert_eq!(groups, [1, 2, 3, 4]);
    assert!(damaged.is_empty() && recovered.gaps.is_empty() && recovered.cut.is_none());
    assert_eq!((recovered.last_group, recovered.next_segment), (GROUPS, 8));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "damages files on purpose")]
fn a_torn_end_is_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let ends = segment(directory.path());
    let path = directory.path().join("7.journal");
    let written = written(&path, &ends);
    for (length, blank) in (0..written.len()).flat_map(|length| [(length, 0), (length, 999)]) {
        fs::write(&path, [&written[..length], &vec![0; blank]].concat()).unwrap();
        let finished = ends.iter().filter(|end| **end <= length as u64).count() as u64;
        let Outcome { recovered, groups, damaged } = outcome(directory.path(), finished);
        assert!(groups.into_iter().eq(1..=finished), "length {length}, and {blank}");
        assert!(damaged.is_empty() && recovered.gaps.is_empty());
        let end = finished.checked_sub(1).map_or(0, |last| ends[last as usize]);
        let torn = written[end as usize..length].iter().any(|byte| *byte != 0);
        assert_eq!(recovered.cut.is_some(), torn, "length {length}, and {blank}");
        if let Some(cut) = recovered.cut {
            cut.apply().unwrap();
            assert_eq!(fs::metadata(&path).unwrap().len(), end);
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "damages files on purpose")]
fn space_is_taken_ahead_and_its_damage_is_harmless() {
    let directory = tempfile::tempdir().unwrap();
    let ends = segment(directory.path());
    let path = directory.path().join("7.journal");
    let mut bytes = fs::read(&path).unwrap();
    let end = written(&path, &ends).len();
    assert!(bytes.len() > end && bytes[end..].iter().all(|byte| *byte == 0));
    bytes[end + 10] = 1;
    fs::write(&path, bytes).unwrap();
    let Outcome { recovered, groups, damaged } = outcome(directory.path(), GROUPS);
    assert_eq!(groups, [1, 2, 3, 4]);
    assert!(damaged.is_empty() && recovered.gaps.is_empty());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "damages files on purpose")]
fn a_flipped_bit_damages_a_value_or_shows_as_a_gap() {
    let directory = tempfile::tempdir().unwrap();
    let ends = segment(directory.path());
    let path = directory.path().join("7.journal");
    let whole = written(&path, &ends);
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, bytes).unwrap();
        let hit = ends.iter().position(|end| (bit as u64) < end * 8).unwrap() as u64 + 1;
        let Outcome { recovered, groups, damaged } = outcome(directory.path(), GROUPS);
        if damaged.is_empty() {
            assert!(groups.into_iter().eq((1..=GROUPS).filter(|group| *group != hit)), "bit {bit}");
            let is_gap = recovered.gaps == [(hit, hit)];
            assert!(is_gap || (hit == GROUPS && recovered.last_group == GROUPS - 1), "bit {bit}");
        } else {
            assert_eq!(damaged, [hit], "bit {bit}");
            assert!(groups.into_iter().eq(1..=GROUPS) && recovered.gaps.is_empty(), "bit {bit}");
        }
    }
}

#[test]
fn what_is_in_tables_is_skipped_and_a_missing_segment_is_a_gap() {
    let directory = tempfile::tempdir().unwrap();
    segment(directory.path());
    let mut groups = Vec::new();
    let recovered = recover(directory.path(), 2, 4, |group, _| groups.push(group)).unwrap();
    assert_eq!(groups, [3, 4]);
    assert!(recovered.gaps.is_empty());
    let mut later = Journal::begin(directory.path(), 9).unwrap();
    later.append(7, std::iter::empty()).unwrap();
    let recovered = recover(directory.path(), 2, 4, |_, _| {}).unwrap();
    assert_eq!(recovered.gaps, [(5, 6)]);
}
