//! What an entry costs: `cargo run --release -p everlog-oplog --example journal_rate`.
//!
//! Appends a million clock reads to a journal, then recovers from the log and replays them. Prints
//! the best of five rounds, as nanoseconds per entry.

#![expect(clippy::disallowed_methods, reason = "an example that measures has a clock of its own")]

use std::time::Duration;

use everlog_oplog::{
    Call, Category, ComponentId, Create, Entered, Journal, Payload, RecordedBatch, Settings, Start,
    Timestamp, WorkerId,
};

const ENTRIES: u32 = 1_000_000;
/// A batch every so many entries, about what a commit holds.
const BATCH_ENTRIES: u32 = 1000;
const ROUNDS: u32 = 5;
const IDENTITY: &[u8] = b"a worker";
const NOW: Timestamp = Timestamp(1_790_000_000_000_000_000);
const CLOCK: Call<'static> = Call {
    category: Category::ReadLocal,
    function: "wasi:clocks/wall-clock@0.2.0.now",
    request: b"",
    begin: None,
};

fn main() {
    let mut append = Duration::MAX;
    let mut recover = Duration::MAX;
    let mut replay = Duration::MAX;
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let begin = processor_time();
        let log = append_entries();
        append = append.min(processor_time() - begin);
        bytes = log.iter().map(|batch| batch.bytes.len()).sum();

        let begin = processor_time();
        let mut journal = Journal::recover(IDENTITY, log, Settings::default(), NOW).unwrap();
        recover = recover.min(processor_time() - begin);

        let begin = processor_time();
        replay_entries(&mut journal);
        replay = replay.min(processor_time() - begin);
    }
    let per_entry = |time: Duration| time.as_nanos() / u128::from(ENTRIES);
    println!("bytes per entry        {}", bytes / ENTRIES as usize);
    println!("append                 {} ns", per_entry(append));
    println!("recover (check, fold)  {} ns", per_entry(recover));
    println!("replay                 {} ns", per_entry(replay));
    let rate = f64::from(ENTRIES) / (recover + replay).as_secs_f64() / 1e6;
    println!("recover and replay     {rate:.2} M entries/s");
}

/// How long this thread has run. Linux only.
fn processor_time() -> Duration {
    let stat = std::fs::read("/proc/thread-self/schedstat").expect("the kernel counts");
    let text = String::from_utf8(stat).expect("numbers");
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("a number");
    Duration::from_nanos(nanos)
}

fn append_entries() -> Vec<RecordedBatch> {
    let worker = WorkerId { component: ComponentId(uuid::Uuid::nil()), name: "rate".into() };
    let create = Create {
        worker,
        component_version: 0,
        args: Vec::new(),
        env: Vec::new(),
        parent: None,
        ephemeral: false,
    };
    let mut journal = Journal::create(IDENTITY, create, Settings::default(), NOW);
    let start = Start {
        key: "key".into(),
        accepted: None,
        request: Payload::EMPTY,
        function: "run".into(),
        fingerprint: 0,
        trace: None,
    };
    journal.start(start, NOW).unwrap();
    let mut log = Vec::new();
    for number in 0..ENTRIES {
        let now = NOW.after(u64::from(number) * 1000);
        let Ok(Entered::Live(ticket)) = journal.enter(&CLOCK, now) else { panic!("it is new") };
        let outcome = Payload::Inline(now.nanos().to_le_bytes().to_vec());
        journal.leave(ticket, outcome, now);
        if number % BATCH_ENTRIES == 0 {
            log.extend(journal.take_tail());
        }
    }
    log.extend(journal.take_tail());
    log.into_iter().map(|tail| RecordedBatch { first: tail.first, bytes: tail.bytes }).collect()
}

fn replay_entries(journal: &mut Journal) {
    journal.next_recorded().unwrap();
    for _ in 0..ENTRIES {
        let Ok(Entered::Replayed(_)) = journal.enter(&CLOCK, NOW) else { panic!("it is recorded") };
    }
    assert!(!journal.is_replaying());
}
