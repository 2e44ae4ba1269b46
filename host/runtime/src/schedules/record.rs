//! A schedule as the store has it.

use bincode::{Decode, Encode};
use everlog_oplog::Timestamp;
use everlog_store::StoreError;
use uuid::Uuid;

use super::timing::{Missed, Timing};
use crate::error::WorkerError;
use crate::worker::WorkerId;

/// Stands before each record; another layout gets another number.
const FORMAT: u8 = 1;

/// **The order of the fields is the storage format.**
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct ScheduleRecord {
    /// Its own for life, so that one made anew under its name is another.
    pub(super) id: [u8; 16],
    pub(super) created_at: Timestamp,
    pub(super) component: [u8; 16],
    pub(super) worker: String,
    /// The full name.
    pub(super) function: String,
    /// The arguments as values, encoded.
    pub(super) request: Vec<u8>,
    /// The same as whoever made it wrote them.
    pub(super) arguments: String,
    pub(super) timing: Timing,
    pub(super) missed: Missed,
    pub(super) paused: bool,
    /// When it fires next; `None` once it is over.
    pub(super) next: Option<Timestamp>,
    pub(super) last: Option<FiredRecord>,
    pub(super) fired: u64,
    pub(super) skipped: u64,
}

/// A firing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct FiredRecord {
    pub(super) due: Timestamp,
    pub(super) at: Timestamp,
    pub(super) key: String,
    /// Why the call was not taken.
    pub(super) error: Option<String>,
}

impl ScheduleRecord {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        // Encoding into memory a structure without maps or borrowed cells has no way to fail.
        let body = bincode::encode_to_vec(self, bincode::config::standard()).unwrap_or_default();
        bytes.extend_from_slice(&body);
        bytes
    }

    pub(super) fn decode(name: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        let corrupt = |detail: String| StoreError::Corrupt {
            place: format!("schedule {name:?}"),
            detail,
            advice: "Remove it and add it again, or restore the data directory from a backup",
        };
        match bytes.split_first() {
            Some((&FORMAT, body)) => {
                let decoded = bincode::decode_from_slice(body, bincode::config::standard());
                decoded.map(|(record, _)| record).map_err(|error| corrupt(error.to_string()))
            }
            Some((other, _)) => Err(corrupt(format!(
                "its format is {other}, this server knows {FORMAT}; a newer server wrote it"
            ))),
            None => Err(corrupt("it is empty".to_owned())),
        }
    }

    pub(super) fn worker(&self) -> Result<WorkerId, WorkerError> {
        WorkerId::new(Uuid::from_bytes(self.component), self.worker.clone())
    }

    /// The idempotency key of the firing at `due`: of this schedule and no other.
    pub(super) fn key(&self, name: &str, due: Timestamp) -> String {
        let id = Uuid::from_bytes(self.id).simple();
        let due = jiff::Timestamp::from_nanosecond(i128::from(due.0));
        let due = due.map_or_else(|error| error.to_string(), |due| due.to_string());
        format!("schedule/{name}/{id}/{due}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The format: a record that was written once is read for ever.
    #[test]
    fn records_are_the_bytes_that_they_always_were() {
        let record = ScheduleRecord {
            id: [7; 16],
            created_at: Timestamp(1),
            component: [8; 16],
            worker: "w".to_owned(),
            function: "f".to_owned(),
            request: vec![1, 0],
            arguments: "[]".to_owned(),
            timing: Timing::Cron { expression: "c".to_owned(), time_zone: "z".to_owned() },
            missed: Missed::RunAll(3),
            paused: true,
            next: Some(Timestamp(2)),
            last: Some(FiredRecord {
                due: Timestamp(3),
                at: Timestamp(4),
                key: "k".to_owned(),
                error: None,
            }),
            fired: 5,
            skipped: 6,
        };
        let bytes = [
            &[1][..],
            &[7; 16],
            &[1],
            &[8; 16],
            b"\x01w\x01f\x02\x01\x00\x02[]",
            b"\x01\x01c\x01z\x02\x03\x01\x01\x02\x01\x03\x04\x01k\x00\x05\x06",
        ]
        .concat();
        assert_eq!(record.encode(), bytes);
        assert_eq!(ScheduleRecord::decode("n", &bytes).unwrap(), record);
        for cut in 0..bytes.len() {
            assert!(ScheduleRecord::decode("n", &bytes[..cut]).is_err(), "{cut}");
        }
        let key = record.key("n", Timestamp(1_772_366_400_000_000_000));
        assert_eq!(key, "schedule/n/07070707070707070707070707070707/2026-03-01T12:00:00Z");
    }
}
