//! A container is read as it was written, in whatever pieces it comes, and nothing else is read.

use everlog_oplog::container::{ContainerError, FORMAT, Head, Reader, Record, Writer};
use everlog_oplog::{ComponentId, Index, WorkerId};
use proptest::prelude::*;
use uuid::Uuid;

fn records() -> Vec<Record> {
    let head = Head {
        identity: b"who".to_vec(),
        worker: WorkerId { component: ComponentId(Uuid::from_u128(7)), name: "mary".into() },
        component: "counter".into(),
        versions: vec![[1; 32], [2; 32]],
    };
    vec![
        Record::Head(head),
        Record::Entries { first: Index(1), bytes: b"first entries".to_vec() },
        Record::Entries { first: Index(9), bytes: Vec::new() },
        Record::State { key: "größe".into(), record: b"42".to_vec() },
        Record::State { key: "k".into(), record: Vec::new() },
        Record::Blob(vec![5; 300]),
        Record::End { last: Index(9), blobs: 1 },
    ]
}

fn written(records: &[Record]) -> Vec<u8> {
    let (mut writer, mut out) = (Writer::default(), Vec::new());
    writer.begin(&mut out);
    records.iter().for_each(|record| writer.write(record, &mut out));
    out
}

fn read(pieces: &[&[u8]]) -> Result<Vec<Record>, ContainerError> {
    let (mut reader, mut records) = (Reader::default(), Vec::new());
    for piece in pieces {
        reader.push(piece);
        while let Some(record) = reader.read()? {
            records.push(record);
        }
    }
    reader.finish().map(|()| records)
}

#[test]
fn every_cut_is_found() {
    let bytes = written(&records());
    for length in 0..bytes.len() {
        let error = read(&[&bytes[..length]]).unwrap_err();
        assert_eq!(error, ContainerError::Cut { offset: length as u64 });
    }
    let longer = [&bytes[..], b"x"].concat();
    assert_eq!(read(&[&longer]), Err(ContainerError::Behind { offset: bytes.len() as u64 }));
}

#[test]
fn every_flipped_bit_is_found() {
    let bytes = written(&records());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&[&flipped]).is_err(), "bit {bit} was flipped unseen");
    }
}

#[test]
fn another_format_is_named() {
    let mut bytes = written(&records());
    bytes[8] = 2;
    assert_eq!(read(&[&bytes]), Err(ContainerError::Format { found: 2 }));
    assert_eq!(FORMAT, 1);
    assert_eq!(read(&[b"PK"]), Err(ContainerError::Foreign));
}

#[test]
fn records_keep_their_order() {
    let records = records();
    for place in 0..records.len() {
        let mut fewer = records.clone();
        fewer.remove(place);
        let whole = read(&[&written(&fewer)]);
        // Which entries, state and blobs there must be, the reader does not know.
        assert_eq!(whole.is_ok(), (1..=5).contains(&place), "without record {place}");
    }
    for place in 1..records.len() {
        let mut swapped = records.clone();
        swapped.swap(place - 1, place);
        // Two runs of entries: which comes first, the entries say. State has no order.
        assert_eq!(read(&[&written(&swapped)]).is_ok(), [2, 4].contains(&place), "{place}");
    }
}

proptest! {
    #[test]
    fn pieces_of_any_size_are_the_same(cuts in prop::collection::vec(0_usize..600, 0..8)) {
        let bytes = written(&records());
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(read(&pieces).unwrap(), records());
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(noise in prop::collection::vec(any::<u8>(), 0..400), at in 0_usize..500) {
        let mut bytes = written(&records());
        let at = at.min(bytes.len());
        bytes.truncate(at);
        bytes.extend_from_slice(&noise);
        let _ = read(&[&bytes]);
        let _ = read(&[&noise]);
    }
}
