//! Random programs of effects, crashed at every step, compared with a run that was never crashed.
//!
//! A simulated guest runs a random program over a real journal and a simulated world: a disk that
//! loses what was not synced, remotes that remember what they were sent, callers that remember what
//! they were answered. The process dies at a chosen step and then at random ones, recovers, and
//! goes on until the program is done. `SEED=n` starts at another seed; a failure names the one that
//! repeats it.

#[path = "../common/mod.rs"]
mod common;
mod guest;
mod program;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use everlog_oplog::{
    EntryKind, Journal, NewInvocation, Payload, RecordedBatch, Rehearsal, Settings, Start, Status,
};

use common::{IDENTITY, Random, create, decode, first_seed, fold, inline};
use guest::{Guest, PATIENT, Stop};
use program::Program;
use world::{Answers, World};

const SETTINGS: Settings = Settings { retry: PATIENT };

/// How a run ended.
#[derive(Debug, PartialEq)]
enum End {
    Done,
    /// A write may have happened that must not be repeated.
    Uncertain,
}

/// Runs `program` to its end, through however many crashes the world has in store.
fn live(program: &Program, world: &mut World, crashes_max: u32) -> End {
    loop {
        match attempt(program, world) {
            Ok(()) => return End::Done,
            Err(Stop::Uncertain) => return End::Uncertain,
            Err(Stop::Recover) => world.sync(),
            Err(Stop::Crashed) => {
                world.crash();
                let left = world.recoveries < crashes_max;
                let next = world.random.below(40);
                // No flaky step fails without a fuse, so that a run that is done crashing comes to
                // its end.
                world.fuse = left.then_some(next);
            }
        }
    }
}

/// One life of the process: loads the worker, replays, and goes on.
fn attempt(program: &Program, world: &mut World) -> Result<(), Stop> {
    world.step()?;
    let now = world.now();
    let mut journal = if world.disk.is_empty() {
        Journal::create(IDENTITY, create(), SETTINGS, now)
    } else {
        Journal::recover(IDENTITY, world.disk.clone(), SETTINGS, now).expect("the disk is intact")
    };
    if journal.uncertain_write().is_some() {
        return Err(Stop::Uncertain);
    }
    if world.updates && !world.disk.is_empty() {
        journal.rehearse(Rehearsal::TakeOver { version: u64::from(world.recoveries) });
    }
    let (digest, counter, forgetful, regions) = (0, 0, false, 0);
    let mut guest = Guest { journal: &mut journal, world, digest, counter, forgetful, regions };
    for (number, (queued, steps)) in program.invocations.iter().enumerate() {
        let key = format!("key-{number}");
        begin(&mut guest, &key, *queued)?;
        guest.run(steps)?;
        complete(&mut guest, &key)?;
    }
    guest.commit()
}

fn begin(guest: &mut Guest<'_>, key: &str, queued: bool) -> Result<(), Stop> {
    if let Some(recorded) = guest.journal.next_recorded().expect("replay fits") {
        assert_eq!(recorded.key, key);
        assert_eq!(recorded.request, request(key).request, "the request is found again");
        return Ok(());
    }
    let now = guest.world.now();
    let NewInvocation { key, function, request, fingerprint, trace } = request(key);
    let mut accepted = None;
    if queued {
        accepted = Some(accept(guest, &key)?);
    }
    let start = Start { key, accepted, request, function, fingerprint, trace };
    guest.journal.start(start, now).expect("nothing lies ahead");
    Ok(())
}

/// Queues an invocation durably, unless it is queued already.
fn accept(guest: &mut Guest<'_>, key: &str) -> Result<everlog_oplog::Index, Stop> {
    let queue = &guest.journal.status().accepted;
    let known = queue.iter().find(|(_, accepted)| accepted.key == key).map(|(index, _)| *index);
    if let Some(index) = known {
        assert_eq!(guest.journal.accepted_request(index), Some(&request(key)));
        return Ok(index);
    }
    assert!(!guest.world.accepted.contains(key), "what was accepted stays accepted");
    let now = guest.world.now();
    let index = guest.journal.accept(request(key), None, now);
    guest.commit()?;
    guest.world.accepted.insert(key.to_owned());
    Ok(index)
}

fn request(key: &str) -> NewInvocation {
    let function = "demo:model/run".to_owned();
    let request = inline(key.as_bytes());
    NewInvocation { key: key.to_owned(), function, request, fingerprint: 5, trace: None }
}

fn complete(guest: &mut Guest<'_>, key: &str) -> Result<(), Stop> {
    let now = guest.world.now();
    let result = inline(&guest.digest.to_le_bytes());
    let completion = guest.journal.complete(result.clone(), 1, now).expect("replay fits");
    if let Some(answered) = guest.world.answered.get(key) {
        assert_eq!(*answered, result, "an answer that was given stays");
    }
    if !completion.replayed {
        guest.world.answer_when_durable(completion.index, key, result);
    } else {
        guest.world.answered.insert(key.to_owned(), result);
    }
    Ok(())
}

/// The lines of a log in order, each of which reached a follower once.
fn lines(disk: &[RecordedBatch]) -> Vec<String> {
    let entries = decode(disk).expect("the disk is intact");
    let line = |kind| match kind {
        EntryKind::Log { message, .. } => Some(message),
        _ => None,
    };
    entries.into_iter().filter_map(|item| line(item.entry.kind)).collect()
}

fn results(world: &World) -> Vec<(&String, &Payload)> {
    world.answered.iter().collect()
}

/// What must hold of any log: one fold, entry by entry or at once.
fn check_fold(disk: &[RecordedBatch]) -> Status {
    let entries = decode(disk).expect("the disk is intact");
    let whole = fold(&entries);
    let mut status = fold(&entries[..1]);
    for (place, item) in entries.iter().enumerate().skip(1) {
        if status.apply(&item.entry, item.index, item.frame_bytes).is_err() {
            status = fold(&entries[..=place]);
        }
    }
    assert_eq!(status, whole);
    whole
}

fn check_against(calm: &World, world: &World, end: &End) {
    check_fold(&world.disk);
    let (expected, printed) = (lines(&calm.disk), lines(&world.disk));
    match end {
        End::Done => {
            assert_eq!(results(world), results(calm));
            assert_eq!(printed, expected, "each line once, in order");
            let sent = |world: &World| world.writes.keys().copied().collect::<Vec<_>>();
            assert_eq!(sent(world), sent(calm), "the same remote writes");
        }
        End::Uncertain => {
            let answered = results(world)
                .into_iter()
                .all(|(key, result)| calm.answered.get(key) == Some(result));
            assert!(answered, "answers that were given are right");
            assert_eq!(printed, expected[..printed.len()], "what was printed is right");
        }
    }
    for (position, write) in &world.writes {
        let requested = calm.writes.get(position).map(|write| write.request);
        assert_eq!(requested, Some(write.request), "the write at {position} is the right one");
    }
}

fn with_seed(seed: u64, test: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(test)) {
        eprintln!("SEED={seed} repeats this");
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn a_crash_at_any_step_is_invisible() {
    crashes_are_invisible(false);
}

#[test]
fn an_update_that_fits_is_invisible_at_any_step() {
    crashes_are_invisible(true);
}

fn crashes_are_invisible(updates: bool) {
    let mut crashed = 0;
    for seed in first_seed()..first_seed() + 120 {
        let program = Program::random(&mut Random(seed));
        let mut calm = World::new(seed, Answers::Stable);
        with_seed(seed, || assert_eq!(live(&program, &mut calm, 0), End::Done));
        if std::env::var("SHOW").is_ok() {
            eprintln!("{program:#?}");
        }
        let stride = 1 + calm.steps / 60;
        for fuse in (0..calm.steps).step_by(usize::try_from(stride).expect("small")) {
            with_seed(seed, || {
                let mut world = World::new(seed, Answers::Stable);
                world.random = Random(seed ^ (fuse << 32));
                world.fuse = Some(fuse);
                world.updates = updates;
                let end = live(&program, &mut world, 4);
                check_against(&calm, &world, &end);
                crashed += world.recoveries;
            });
        }
    }
    assert!(crashed > 1000, "only {crashed} crashes happened");
}

#[test]
fn replay_answers_from_the_log_alone() {
    for seed in first_seed()..first_seed() + 400 {
        with_seed(seed, || {
            let program = Program::random(&mut Random(seed));
            let mut world = World::new(seed, Answers::Fresh);
            world.fuse = Some(world.random.below(60));
            if live(&program, &mut world, 6) == End::Uncertain {
                return;
            }
            let status = check_fold(&world.disk);
            assert_eq!(status.state, everlog_oplog::WorkerState::Idle);
            // The whole history once more, where every answer would be another if the log did not
            // hold it.
            let (answered, disk) = (world.answered.clone(), world.disk.clone());
            assert_eq!(answered.len(), program.invocations.len());
            world.fuse = None;
            attempt(&program, &mut world).expect("replay neither crashes nor jumps");
            assert_eq!(world.answered, answered);
            assert_eq!(world.disk, disk, "replay writes nothing");
        });
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for seed in first_seed()..first_seed() + 60 {
        with_seed(seed, || {
            let run = || {
                let program = Program::random(&mut Random(seed));
                let mut world = World::new(seed, Answers::Fresh);
                world.fuse = Some(world.random.below(60));
                live(&program, &mut world, 6);
                world.disk
            };
            assert_eq!(run(), run());
        });
    }
}
