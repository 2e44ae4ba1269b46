//! Which blobs an entry of an oplog names.

use everlog_oplog::container::MAX_BLOB_BYTES;
use everlog_oplog::{Entry, EntryKind, Payload};
use everlog_store::Digest;

/// No blob is smaller: what is that small stands in the entry.
const MIN_BLOB_BYTES: u64 = 4 << 10;
/// Host functions whose outcomes may name blobs.
const NAMING: [&str; 3] = ["wasi:keyvalue/", "wasi:blobstore/", "golem:api/host.await-promise"];

/// The blobs that an entry names, and perhaps some that there are not: outcomes are bytes of the host functions' own
/// types, in which a blob is a case number, a digest and a size.
pub(crate) fn named_by(entry: &Entry) -> Vec<Digest> {
    match (entry.kind.payload(), &entry.kind) {
        (Some(Payload::Blob { digest, .. }), _) => vec![Digest::from_bytes(*digest)],
        (Some(Payload::Inline(bytes)), EntryKind::HostCall { function, .. })
            if NAMING.iter().any(|naming| function.as_str().starts_with(naming)) =>
        {
            let names = bytes.windows(1 + 32 + 1).enumerate();
            names.filter_map(|(place, window)| name_at(window, &bytes[place + 33..])).collect()
        }
        _ => Vec::new(),
    }
}

fn name_at(window: &[u8], size: &[u8]) -> Option<Digest> {
    let (case, rest) = window.split_first()?;
    let digest = rest.first_chunk::<32>()?;
    if *case != 1 {
        return None;
    }
    let (size, _) = bincode::decode_from_slice::<u64, _>(size, bincode::config::standard()).ok()?;
    let sizes = MIN_BLOB_BYTES..=MAX_BLOB_BYTES as u64;
    sizes.contains(&size).then(|| Digest::from_bytes(*digest))
}
