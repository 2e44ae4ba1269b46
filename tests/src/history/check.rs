//! The search for an order, as Wing and Gong do it, with Lowe's memory of where it was before.
//!
//! Begins and ends of the answered calls stand in a list in the order of their times. The search
//! takes a call that fits as the next one to be done and removes both its begin and its end from the
//! list; only calls that began before the first end in the list may be next. Where none fits, it
//! takes the last decision back.
//!
//! Calls without an answer are done only where the search does not go on without them, and those
//! that ask the same in the order of their begins. To have come as far with fewer of them is better:
//! whoever comes there with more of them turns back.

use std::collections::HashMap;
use std::fmt;

use super::model::Model;
use super::record::Operation;

/// What is looked at before the search gives up: far more than a history that is right needs.
const STEPS_MAX: u64 = 100_000_000;

/// How many calls a refusal shows before the place where it did not go on.
const SHOWN: usize = 6;

/// Why a history is not linearizable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// How many calls could be brought into an order at most.
    pub ordered: usize,
    text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Looks for an order of the calls in which each is answered as it was; returns their positions in
/// that order. Calls that were not answered are in it or not.
///
/// # Errors
/// Where the search came furthest, if there is no such order.
///
/// # Panics
/// If it cannot be found out within many steps.
pub fn check<M: Model>(operations: &[Operation<M>]) -> Result<Vec<usize>, Refusal> {
    Search::new(operations).run()
}

/// A begin or an end in the list.
#[derive(Clone, Copy)]
struct Event {
    time: u64,
    operation: usize,
    is_end: bool,
    before: usize,
    behind: usize,
}

/// What may be done next.
#[derive(Clone, Copy)]
enum Choice {
    /// The answered call that begins with this event.
    Event(usize),
    /// One of the calls without an answer.
    Lost(usize),
}

/// A choice that can be taken back.
struct Decision<M: Model> {
    choice: Choice,
    state: M::State,
}

struct Search<'a, M: Model> {
    operations: &'a [Operation<M>],
    /// The first and the last are no events.
    events: Vec<Event>,
    /// Where in `events` each answered call ends.
    ends: Vec<usize>,
    /// The calls without an answer, in the order of their begins.
    lost: Vec<usize>,
    /// Answered calls that are done.
    done: Done,
    /// Those of `lost` that are done, in order.
    extra: Vec<usize>,
    state: M::State,
    decisions: Vec<Decision<M>>,
    /// Where it was before, without success, each with the calls of `lost` that were done.
    seen: HashMap<(Done, M::State), Vec<Vec<usize>>>,
    /// Answered calls that are not done yet.
    left: usize,
    furthest: Option<Refusal>,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(operations: &'a [Operation<M>]) -> Self {
        let (mut times, mut lost) = (Vec::new(), Vec::new());
        for (operation, Operation { begun, ended, .. }) in operations.iter().enumerate() {
            match ended {
                Some((ended, _)) => {
                    times.extend([(*begun, false, operation), (*ended, true, operation)]);
                }
                None => lost.push(operation),
            }
        }
        lost.sort_by_key(|operation| operations[*operation].begun);
        // What ended at the moment at which another began is not taken to be before it.
        times.sort_unstable();
        let left = times.len() / 2;
        let mut ends = vec![0; operations.len()];
        let event = |at: usize, (time, is_end, operation)| {
            let (before, behind) = (at.saturating_sub(1), at + 1);
            Event { time, operation, is_end, before, behind }
        };
        let mut events = vec![event(0, (0, false, 0))];
        for (time, is_end, operation) in times {
            if is_end {
                ends[operation] = events.len();
            }
            events.push(event(events.len(), (time, is_end, operation)));
        }
        events.push(event(events.len(), (u64::MAX, true, 0)));
        Self {
            operations,
            events,
            ends,
            lost,
            done: Done::default(),
            extra: Vec::new(),
            state: M::State::default(),
            decisions: Vec::new(),
            seen: HashMap::new(),
            left,
            furthest: None,
        }
    }

    fn run(mut self) -> Result<Vec<usize>, Refusal> {
        let mut choice = self.first();
        for _ in 0..STEPS_MAX {
            if self.left == 0 {
                let order = self.decisions.iter().map(|made| self.operation(made.choice));
                return Ok(order.collect());
            }
            choice = match choice {
                Choice::Event(at) if self.events[at].is_end => Choice::Lost(0),
                Choice::Lost(number) if number == self.lost.len() => {
                    self.note_furthest();
                    match self.take_back() {
                        Some(choice) => self.behind(choice),
                        None => return Err(self.furthest.expect("it came somewhere")),
                    }
                }
                choice if self.decide(choice) => self.first(),
                choice => self.behind(choice),
            };
        }
        panic!("no order was found, and none excluded, in {STEPS_MAX} steps");
    }

    fn first(&self) -> Choice {
        Choice::Event(self.events[0].behind)
    }

    fn behind(&self, choice: Choice) -> Choice {
        match choice {
            Choice::Event(at) => Choice::Event(self.events[at].behind),
            Choice::Lost(number) => Choice::Lost(number + 1),
        }
    }

    fn operation(&self, choice: Choice) -> usize {
        match choice {
            Choice::Event(at) => self.events[at].operation,
            Choice::Lost(number) => self.lost[number],
        }
    }

    /// Does this call as the next one, if that is possible and leads to something new.
    fn decide(&mut self, choice: Choice) -> bool {
        let operation = self.operation(choice);
        let Operation { call, ended, .. } = &self.operations[operation];
        let (state, outcome) = M::apply(&self.state, call);
        let is_possible = match (choice, ended) {
            (Choice::Lost(number), _) => state != self.state && self.is_open(number),
            (_, Some((_, told))) => *told == outcome,
            (_, None) => false,
        };
        if !is_possible {
            return false;
        }
        self.set_done(choice, operation, true);
        if !self.is_new(&state) {
            self.set_done(choice, operation, false);
            return false;
        }
        let state = std::mem::replace(&mut self.state, state);
        self.decisions.push(Decision { choice, state });
        true
    }

    /// Whether a call without an answer may be done now, and no equal one before it.
    fn is_open(&self, number: usize) -> bool {
        let call = |number: usize| &self.operations[self.lost[number]].call;
        let is_done = |number: &usize| self.extra.binary_search(number).is_ok();
        let first_end = self.first_end();
        self.operations[self.lost[number]].begun <= first_end
            && !is_done(&number)
            && (0..number).all(|before| is_done(&before) || call(before) != call(number))
    }

    fn first_end(&self) -> u64 {
        let mut at = self.events[0].behind;
        while !self.events[at].is_end {
            at = self.events[at].behind;
        }
        self.events[at].time
    }

    /// Whether it was not yet here with as few calls without an answer, and is from now on.
    fn is_new(&mut self, state: &M::State) -> bool {
        let seen = self.seen.entry((self.done.clone(), state.clone())).or_default();
        let is_part =
            |part: &Vec<usize>| part.iter().all(|number| self.extra.binary_search(number).is_ok());
        if seen.iter().any(is_part) {
            return false;
        }
        seen.push(self.extra.clone());
        true
    }

    fn set_done(&mut self, choice: Choice, operation: usize, is_done: bool) {
        let end = self.ends[operation];
        match (choice, is_done) {
            (Choice::Event(begin), true) => {
                self.remove(begin);
                self.remove(end);
                self.done.set(operation, true);
                self.left -= 1;
            }
            (Choice::Event(begin), false) => {
                self.put_back(end);
                self.put_back(begin);
                self.done.set(operation, false);
                self.left += 1;
            }
            (Choice::Lost(number), _) => match self.extra.binary_search(&number) {
                Ok(at) => drop(self.extra.remove(at)),
                Err(at) => self.extra.insert(at, number),
            },
        }
    }

    /// Takes the last decision back, and returns what was chosen.
    fn take_back(&mut self) -> Option<Choice> {
        let Decision { choice, state } = self.decisions.pop()?;
        self.state = state;
        self.set_done(choice, self.operation(choice), false);
        Some(choice)
    }

    fn remove(&mut self, event: usize) {
        let Event { before, behind, .. } = self.events[event];
        self.events[before].behind = behind;
        self.events[behind].before = before;
    }

    /// In the opposite order of removals, so that its neighbours are those it had.
    fn put_back(&mut self, event: usize) {
        let Event { before, behind, .. } = self.events[event];
        self.events[before].behind = event;
        self.events[behind].before = event;
    }

    fn note_furthest(&mut self) {
        let ordered = self.decisions.len();
        if self.furthest.as_ref().is_none_or(|furthest| furthest.ordered < ordered) {
            self.furthest = Some(Refusal { ordered, text: self.explain() });
        }
    }

    fn explain(&self) -> String {
        let ordered = self.decisions.len();
        let mut lines = vec![format!("not linearizable: after {ordered} calls, the last of them")];
        for made in &self.decisions[ordered.saturating_sub(SHOWN)..] {
            lines.push(format!("  {}", self.describe(self.operation(made.choice))));
        }
        lines.push(format!("it is {:?}, and none of these can be next:", self.state));
        let mut at = self.events[0].behind;
        while !self.events[at].is_end {
            let operation = self.events[at].operation;
            let (_, outcome) = M::apply(&self.state, &self.operations[operation].call);
            lines.push(format!("  {}; it would be {outcome:?}", self.describe(operation)));
            at = self.events[at].behind;
        }
        lines.join("\n")
    }

    fn describe(&self, operation: usize) -> String {
        let Operation { call, begun, ended } = &self.operations[operation];
        match ended {
            Some((ended, outcome)) => format!("{call:?} = {outcome:?} ({begun} to {ended})"),
            None => format!("{call:?} without an answer (since {begun})"),
        }
    }
}

/// Which calls are done: all up to a point, and some behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Done {
    /// Words before these have all bits set.
    full_words: usize,
    words: Vec<u64>,
}

impl Done {
    /// Keeps to one form for each set, so that equal sets are equal.
    fn set(&mut self, operation: usize, is_done: bool) {
        let (word, bit) = (operation / 64, 1 << (operation % 64));
        if is_done {
            let word = word - self.full_words;
            self.words.resize(self.words.len().max(word + 1), 0);
            self.words[word] |= bit;
            let full = self.words.iter().take_while(|word| **word == u64::MAX).count();
            self.words.drain(..full);
            self.full_words += full;
            return;
        }
        if word < self.full_words {
            let opened = self.full_words - word;
            self.words.splice(..0, std::iter::repeat_n(u64::MAX, opened));
            self.full_words = word;
        }
        self.words[word - self.full_words] &= !bit;
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }
}
