//! The committer with sinks that fail in chosen ways.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::{Append, WorkerKey};

/// A sink that reports the size of each group and fails when told to.
struct Scripted {
    outcomes: Receiver<Result<(), String>>,
    groups: Sender<usize>,
    accepted: usize,
    congested: Arc<AtomicBool>,
}

struct Script {
    committer: Committer<Scripted>,
    congested: Arc<AtomicBool>,
    outcomes: Sender<Result<(), String>>,
    groups: Receiver<usize>,
}

impl Sink for Scripted {
    fn accept(&mut self, batch: Batch) -> Acceptance {
        if let Err(error) = batch.validate() {
            return Acceptance::Refused(error);
        }
        if !batch.delete_logs.is_empty() && self.accepted > 0 {
            return Acceptance::NextGroup(batch);
        }
        self.accepted += 1;
        Acceptance::Accepted
    }

    fn commit(&mut self) -> Result<(), String> {
        self.groups.send(std::mem::take(&mut self.accepted)).unwrap();
        self.outcomes.recv().expect("a sink without a script panics")
    }

    fn is_congested(&self) -> bool {
        self.congested.load(Ordering::SeqCst)
    }
}

fn script() -> Script {
    let (outcomes, sink_outcomes) = channel();
    let (sink_groups, groups) = channel();
    let congested = Arc::new(AtomicBool::new(false));
    let sink = Scripted {
        outcomes: sink_outcomes,
        groups: sink_groups,
        accepted: 0,
        congested: Arc::clone(&congested),
    };
    Script { committer: Committer::start(sink).unwrap(), congested, outcomes, groups }
}

fn worker() -> WorkerKey {
    WorkerKey::new(*b"worker").unwrap()
}

fn batch(bytes: usize) -> Batch {
    Batch { appends: vec![Append::new(worker(), 1, 1, vec![0; bytes])], ..Batch::default() }
}

type Answers = Receiver<(u32, Result<(), StoreError>)>;

fn submit_numbered(committer: &Committer<Scripted>, batches: Vec<Batch>) -> Answers {
    let (sender, answers) = channel();
    for (number, batch) in (0..).zip(batches) {
        let sender = sender.clone();
        let answer = move |outcome| sender.send((number, outcome)).unwrap();
        committer.submit(batch, Box::new(answer));
    }
    answers
}

#[test]
fn batches_that_wait_share_one_commit_and_are_answered_in_order() {
    let script = script();
    let first = submit_numbered(&script.committer, vec![batch(1)]);
    assert_eq!(script.groups.recv(), Ok(1));
    // The first group is being committed; these gather behind it.
    let invalid = Batch { appends: vec![Append::new(worker(), 0, 0, vec![])], ..Batch::default() };
    let others = submit_numbered(&script.committer, vec![batch(1), invalid, batch(1)]);
    script.outcomes.send(Ok(())).unwrap();
    assert!(first.recv().unwrap().1.is_ok());
    assert_eq!(script.groups.recv(), Ok(2));
    script.outcomes.send(Ok(())).unwrap();
    let answers: Vec<_> =
        others.iter().map(|(number, outcome)| (number, outcome.is_ok())).collect();
    assert_eq!(answers, [(0, true), (1, false), (2, true)]);
}

#[test]
fn a_large_group_and_a_batch_that_asks_for_it_end_the_group() {
    let script = script();
    let first = submit_numbered(&script.committer, vec![batch(1)]);
    assert_eq!(script.groups.recv(), Ok(1));
    let deletion = Batch { delete_logs: vec![worker()], ..Batch::default() };
    let others = vec![batch(1), deletion, batch(MAX_GROUP_BYTES), batch(1)];
    let others = submit_numbered(&script.committer, others);
    for _ in 0..4 {
        script.outcomes.send(Ok(())).unwrap();
    }
    let groups: Vec<_> = (0..3).map(|_| script.groups.recv().unwrap()).collect();
    assert_eq!(groups, [1, 2, 1]);
    assert!(first.iter().chain(others.iter()).all(|(_, outcome)| outcome.is_ok()));
}

#[test]
fn after_a_failed_commit_nothing_is_acknowledged() {
    let script = script();
    let group = submit_numbered(&script.committer, vec![batch(1)]);
    assert_eq!(script.groups.recv(), Ok(1));
    let waiting = submit_numbered(&script.committer, vec![batch(1), batch(1)]);
    script.outcomes.send(Err("the disk is on fire".into())).unwrap();
    // Later commits would succeed, but they must not be tried: the sink may be gone by now.
    let _ = script.outcomes.send(Ok(()));
    let answers: Vec<_> = group.iter().chain(waiting.iter()).collect();
    assert_eq!(answers.len(), 3);
    let later = submit_numbered(&script.committer, vec![batch(1)]);
    for (_, outcome) in answers.into_iter().chain(later.iter()) {
        let error = outcome.unwrap_err();
        assert!(matches!(error, StoreError::Poisoned { .. }), "{error}");
        assert!(error.to_string().contains("on fire"), "{error}");
    }
    match script.committer.health() {
        Health::Poisoned { reason } => assert!(reason.contains("on fire"), "{reason}"),
        other => panic!("the store was not poisoned: {other:?}"),
    }
    assert!(script.groups.try_recv().is_err(), "nothing is committed after the failure");
}

#[test]
fn a_panic_of_the_sink_poisons_and_answers_everybody() {
    let script = script();
    let answers = submit_numbered(&script.committer, vec![batch(1)]);
    assert_eq!(script.groups.recv(), Ok(1));
    let waiting = submit_numbered(&script.committer, vec![batch(1)]);
    drop(script.outcomes);
    for (_, outcome) in answers.iter().chain(waiting.iter()) {
        let error = outcome.unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
    }
    assert!(script.committer.check().is_err());
}

#[test]
fn a_panic_of_a_callback_poisons_and_answers_the_rest() {
    let script = script();
    script.committer.submit(batch(1), Box::new(|_| panic!("callback")));
    let answers = submit_numbered(&script.committer, vec![batch(1)]);
    for _ in 0..2 {
        script.outcomes.send(Ok(())).unwrap();
    }
    let (_, outcome) = answers.recv().unwrap();
    assert!(matches!(outcome, Err(StoreError::Poisoned { .. })));
}

#[test]
fn a_full_queue_makes_submit_wait_for_room() {
    let script = script();
    let first = submit_numbered(&script.committer, vec![batch(1)]);
    assert_eq!(script.groups.recv(), Ok(1));
    let half = MAX_QUEUED_BYTES / 2;
    let waiting = submit_numbered(&script.committer, vec![batch(half)]);
    thread::scope(|scope| {
        let blocked = scope.spawn(|| submit_numbered(&script.committer, vec![batch(half)]));
        while script.committer.shared.lock().held_back == 0 {
            thread::yield_now();
        }
        for _ in 0..3 {
            script.outcomes.send(Ok(())).unwrap();
        }
        assert!(blocked.join().unwrap().recv().unwrap().1.is_ok());
    });
    assert!(first.iter().chain(waiting.iter()).all(|(_, outcome)| outcome.is_ok()));
}

#[test]
fn closing_commits_what_was_submitted() {
    let script = script();
    let answers = submit_numbered(&script.committer, vec![batch(1), batch(1)]);
    for _ in 0..2 {
        script.outcomes.send(Ok(())).unwrap();
    }
    drop(script.committer);
    assert_eq!(answers.iter().filter(|(_, outcome)| outcome.is_ok()).count(), 2);
}

/// Commits one batch by `drive` and says on which thread it was answered.
fn driven(script: &Script) -> ThreadId {
    let (sender, answer) = channel();
    let done = move |outcome: Result<(), StoreError>| {
        outcome.unwrap();
        sender.send(thread::current().id()).unwrap();
    };
    script.outcomes.send(Ok(())).unwrap();
    script.committer.enqueue(batch(1), Box::new(done));
    script.committer.drive();
    let thread = answer.recv().unwrap();
    script.groups.recv().unwrap();
    thread
}

/// Puts what recent commits were like to what a test needs; clocks decide nothing here.
fn set_pace(script: &Script, commit: Duration, taken: usize) {
    // After an answer the thread that gave it still has the sink for a moment.
    let _sink = script.committer.shared.sink.lock().unwrap();
    script.committer.shared.lock().pace = Pace { commit: Some(commit), taken };
}

#[test]
fn who_is_alone_on_a_quick_disk_commits_on_its_own_thread() {
    let script = script();
    let own = thread::current().id();
    assert_ne!(driven(&script), own, "of an unknown disk it is not known that it is quick");
    set_pace(&script, DRIVEN_COMMIT / 2, 1);
    assert_eq!(driven(&script), own);
    set_pace(&script, DRIVEN_COMMIT * 2, 1);
    assert_ne!(driven(&script), own, "the disk is slow");
    set_pace(&script, DRIVEN_COMMIT / 2, 2);
    assert_ne!(driven(&script), own, "others are about");
    set_pace(&script, DRIVEN_COMMIT / 2, 1);
    script.congested.store(true, Ordering::SeqCst);
    assert_ne!(driven(&script), own, "the sink would wait for its files");
}

#[test]
fn a_driven_commit_that_fails_poisons_and_answers_everybody() {
    let script = script();
    set_pace(&script, Duration::ZERO, 1);
    let (sender, answers) = channel();
    for outcome in [Err("the disk is on fire".to_owned()), Ok(())] {
        script.outcomes.send(outcome).unwrap();
        let sender = sender.clone();
        script.committer.enqueue(batch(1), Box::new(move |outcome| sender.send(outcome).unwrap()));
        script.committer.drive();
    }
    drop(sender);
    let errors: Vec<_> = answers.iter().map(|outcome| outcome.unwrap_err().to_string()).collect();
    assert!(errors.len() == 2 && errors.iter().all(|error| error.contains("on fire")));
    assert_eq!(script.groups.try_iter().collect::<Vec<_>>(), [1], "nothing follows the failure");
}

#[test]
fn what_a_callback_of_a_driven_commit_submits_is_committed() {
    let script = script();
    set_pace(&script, Duration::ZERO, 1);
    let Script { committer, outcomes, groups: _groups, .. } = script;
    let committer = Arc::new(committer);
    outcomes.send(Ok(())).unwrap();
    outcomes.send(Ok(())).unwrap();
    let (sender, answer) = channel();
    let inner = Arc::clone(&committer);
    let done = move |_| {
        let done = move |outcome| sender.send(outcome).unwrap();
        inner.enqueue(batch(1), Box::new(done));
        inner.drive();
    };
    committer.enqueue(batch(1), Box::new(done));
    committer.drive();
    answer.recv().unwrap().unwrap();
}
