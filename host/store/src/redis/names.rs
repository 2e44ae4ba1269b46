//! Goes through the keys of the server, for what has no index of its own.

use std::collections::VecDeque;

use futures::stream::{self, BoxStream, StreamExt as _};
use redis::Value;

use super::reader::Reader;
use super::values::damaged;
use crate::StoreError;

/// How many keys Redis looks at for one answer, in which there may be none of ours.
const LOOKED_AT: u32 = 1_000;

/// Where a scan stands: what was found and not passed on, and Redis' own word for what comes next.
struct Scan<'a> {
    reader: &'a Reader,
    start: Vec<u8>,
    found: VecDeque<Vec<u8>>,
    next: Option<Vec<u8>>,
}

/// What stands behind `start` in all keys that begin so, in no order; one may come twice.
pub(super) fn scan(reader: &Reader, start: Vec<u8>) -> BoxStream<'_, Result<Vec<u8>, StoreError>> {
    let scan = Scan { reader, start, found: VecDeque::new(), next: Some(b"0".to_vec()) };
    stream::try_unfold(scan, async |mut scan| {
        loop {
            if let Some(name) = scan.found.pop_front() {
                return Ok(Some((name, scan)));
            }
            let Some(cursor) = scan.next.take() else { return Ok(None) };
            scan.ask(&cursor).await?;
        }
    })
    .boxed()
}

impl Scan<'_> {
    async fn ask(&mut self, cursor: &[u8]) -> Result<(), StoreError> {
        let mut command = redis::cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(pattern(&self.start)).arg("COUNT").arg(LOOKED_AT);
        let answer = self.reader.ask(command).await?;
        let (next, keys): (Vec<u8>, Vec<Vec<u8>>) = match answer {
            Value::Array(_) => redis::from_redis_value(answer).map_err(|error| error.to_string()),
            other => Err(format!("Redis answers {other:?}")),
        }
        .map_err(|detail| damaged("the list of keys".to_owned(), detail))?;
        let names = keys.iter().filter_map(|key| key.strip_prefix(self.start.as_slice()));
        self.found = names.map(<[u8]>::to_vec).collect();
        self.next = (next != b"0").then_some(next);
        Ok(())
    }
}

/// The pattern of keys that begin with `start`.
fn pattern(start: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(start.len() + 1);
    for byte in start {
        if b"*?[]^-\\".contains(byte) {
            pattern.push(b'\\');
        }
        pattern.push(*byte);
    }
    pattern.push(b'*');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_a_pattern_is_none() {
        assert_eq!(pattern(b"a[b]*?:log:"), br"a\[b\]\*\?:log:*");
    }
}
