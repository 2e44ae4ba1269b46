//! The child of `tests/survives_kill.rs` and `tests/poison.rs`: appends from several threads until
//! it is killed, and says on stdout what was acknowledged.
//!
//! `append_until_killed <directory> [bytes in memory]` prints `ready`, then `acknowledged <worker>
//! <last>` or
//! `refused <worker> <why>`. A worker whose oplog does not read is left alone. A thread ends after
//! a hundred refusals, the process with its threads.

use std::io::Write as _;
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;

use everlog_store::{EmbeddedOptions, EmbeddedStore, Store, StoreError};

#[allow(dead_code, reason = "shared with the tests, which read as well")]
#[path = "../tests/payload/mod.rs"]
mod payload;

const THREADS: u64 = 8;
const REFUSALS: usize = 100;
/// How many batches of one worker are under way, as when commits are pipelined.
const PIPELINE: usize = 4;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().expect("usage: append_until_killed <directory> [bytes]");
    let mut options = EmbeddedOptions::new(directory);
    if let Some(bytes) = arguments.next() {
        options.memtable_bytes = bytes.parse().expect("a number of bytes");
    }
    let store = EmbeddedStore::open(&options).unwrap_or_else(|error| panic!("{error}"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let heads = (0..THREADS).map(|number| {
        let last_index = |number| runtime.block_on(store.last_index(&payload::worker(number)));
        // Batches go to both, so both must be readable.
        last_index(payload::twin(number))?;
        last_index(number).map(|last| last.unwrap_or(0))
    });
    let heads: Vec<_> = heads.collect();
    // Where they are damaged nobody compares them.
    let place = runtime.block_on(payload::places(&store)).map_or(0, |places| places.len());
    let place = Mutex::new(place as u64 + 1);
    say("ready");
    thread::scope(|scope| {
        for (number, last) in (0..).zip(heads) {
            let Ok(last) = last else { continue };
            let (store, place) = (&store, &place);
            scope.spawn(move || append(store, place, number, last + 1));
        }
    });
}

/// `place` is the place of the next batch in the order in which all threads hand theirs over.
fn append(store: &EmbeddedStore, place: &Mutex<u64>, number: u64, mut next: u64) {
    let (sender, answers) = channel();
    let mut refusals = 0;
    let mut under_way = 0;
    while refusals < REFUSALS {
        while under_way < PIPELINE {
            let (mut batch, last) = payload::batch(number, next);
            let sender = sender.clone();
            let done = move |outcome: Result<(), StoreError>| {
                match &outcome {
                    Ok(()) => say(&format!("acknowledged {number} {last}")),
                    Err(error) => say(&format!("refused {number} {error}")),
                }
                sender.send(outcome.is_ok()).expect("the thread waits for its answers");
            };
            let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
            batch.changes.push(payload::at_place(*place));
            store.submit(batch, Box::new(done));
            *place += 1;
            drop(place);
            next = last + 1;
            under_way += 1;
        }
        refusals += usize::from(!answers.recv().expect("an answer comes"));
        under_way -= 1;
    }
    for _ in 0..under_way {
        answers.recv().expect("an answer comes");
    }
}

/// One line, in one write, so that a kill does not mix lines.
fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(format!("{line}\n").as_bytes()).expect("somebody listens");
}
