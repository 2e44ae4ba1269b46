//! A copy of a log goes on as the log would, under another name, and the log itself is untouched;
//! a log that is taken back says at once what follows from that.

mod common;

use common::{Bench, IDENTITY, create, replayed};
use everlog_oplog::{
    CopiedLog, CopyError, Heir, Index, Journal, JumpError, RecordedBatch, RevertError, Settings,
    Timestamp, WorkerId, WorkerState, copy_log,
};

const HEIR: &[u8] = b"component/heir";

fn heir() -> Heir<'static> {
    let worker = WorkerId { name: "heir".into(), ..create().worker };
    Heir { identity: HEIR, worker }
}

fn copy(bench: &mut Bench, at: Option<u64>) -> Result<CopiedLog, CopyError> {
    bench.flush();
    copy_log(IDENTITY, &bench.log, at.map(Index), &heir(), Timestamp(7_000))
}

fn open(copied: CopiedLog) -> Journal {
    let log = vec![RecordedBatch { first: Index::FIRST, bytes: copied.bytes }];
    Journal::recover(HEIR, log, Settings::default(), Timestamp(8_000)).expect("a whole log")
}

#[test]
fn a_copy_goes_on_in_the_middle_of_an_invocation() {
    let mut bench = Bench::started();
    bench.read(b"1");
    bench.read(b"2");
    bench.complete(b"");
    let copied = copy(&mut bench, Some(3)).unwrap();
    assert_eq!(copied.last, Index(4));
    assert_eq!(copied.status.create.worker.name, "heir");
    assert_eq!(copied.status.state, WorkerState::Running);

    bench.journal = open(copied);
    assert_eq!(bench.journal.next_recorded().unwrap().unwrap().key, "key-1");
    let source = Some(create().worker);
    assert_eq!(bench.journal.copied_from().cloned(), source);
    assert_eq!(bench.read(b"other"), replayed(b"1"));
    assert_eq!(bench.journal.copied_from(), None, "from here on it is on its own");
    assert!(bench.read(b"other").is_live());
    let status = bench.journal.status();
    assert_eq!(status.origin_of(Index(3)).cloned(), source);
    assert_eq!(status.origin_of(Index(5)), None);
}

#[test]
fn a_copy_given_back_to_its_worker_is_the_same_log() {
    let mut bench = Bench::started();
    bench.read(b"1");
    bench.flush();
    let same = Heir { identity: IDENTITY, worker: create().worker };
    let copied = copy_log(IDENTITY, &bench.log, None, &same, Timestamp(7_000)).unwrap();
    let bytes: Vec<u8> = bench.log.iter().flat_map(|batch| batch.bytes.clone()).collect();
    assert_eq!(copied.bytes, bytes);
}

#[test]
fn a_copy_ends_where_there_is_history() {
    let mut bench = Bench::started();
    let now = bench.now();
    let mark = bench.journal.mark(now).unwrap();
    bench.read(b"1");
    bench.journal.jump(mark, now).unwrap();
    bench.flush();
    let deleted = JumpError::Deleted { to: Index(4) };
    assert_eq!(copy(&mut bench, Some(4)), Err(CopyError::Refused(deleted.clone())));
    let future = JumpError::Future { to: Index(9), last: Index(5) };
    assert_eq!(copy(&mut bench, Some(9)), Err(CopyError::Refused(future.clone())));
    assert!(copy(&mut bench, Some(0)).is_err());
    assert!(copy(&mut bench, None).is_ok());

    let revert = |to| {
        let log = bench.log.clone();
        Journal::recover_reverted(IDENTITY, log, Settings::default(), Index(to), Timestamp(9_000))
    };
    assert_eq!(revert(4).unwrap_err(), RevertError::Refused(deleted));
    assert_eq!(revert(9).unwrap_err(), RevertError::Refused(future));
}

#[test]
fn a_damaged_log_is_not_copied() {
    let mut bench = Bench::started();
    bench.read(b"1");
    bench.flush();
    let last = bench.log.last_mut().expect("a batch");
    *last.bytes.last_mut().expect("a byte") ^= 1;
    assert!(matches!(copy(&mut bench, Some(2)), Err(CopyError::Log(_))));
}

#[test]
fn a_log_that_is_taken_back_says_what_follows() {
    let mut bench = Bench::started();
    bench.read(b"1");
    bench.complete(b"one");
    bench.start("key-2");
    let now = bench.now();
    bench.journal.exit(1, now);
    bench.flush();
    let (log, settings) = (bench.log.clone(), bench.settings);
    let mut reverted =
        Journal::recover_reverted(IDENTITY, log, settings, Index(3), now).expect("it is history");
    assert_eq!(reverted.status().state, WorkerState::Running);
    assert_eq!(reverted.status().exit_code, None);
    assert!(reverted.has_tail(), "the entry that says so is to be written");
    assert_eq!(reverted.next_recorded().unwrap().unwrap().key, "key-1");
    bench.journal = reverted;
    assert_eq!(bench.read(b"other"), replayed(b"1"));
    bench.complete(b"another result");
    let status = bench.journal.status().clone();
    bench.recover();
    assert_eq!(*bench.journal.status(), status);
}
