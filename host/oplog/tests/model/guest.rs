//! A simulated guest over a real journal.

use everlog_oplog::{
    Call, Category, Durability, Entered, Failure, FailureKind, Index, Journal, JumpError, Payload,
    PersistenceLevel, Position, RetryPolicy, Verdict,
};
use uuid::Uuid;

use crate::common::{line, mix};
use crate::program::Step;
use crate::world::{Crash, Manner, World};

/// Why an instance is dropped.
#[derive(Debug, PartialEq)]
pub(crate) enum Stop {
    Crashed,
    /// The journal is spent, or an attempt failed; everything is handed to the store.
    Recover,
    /// A write may have happened that must not be repeated.
    Uncertain,
}

impl From<Crash> for Stop {
    fn from(_: Crash) -> Stop {
        Stop::Crashed
    }
}

/// An instance: its memory is the digest of all that it has seen.
pub(crate) struct Guest<'a> {
    pub(crate) journal: &'a mut Journal,
    pub(crate) world: &'a mut World,
    pub(crate) digest: u64,
    /// Steps that were run are numbered, so that lines and requests differ.
    pub(crate) counter: u64,
    /// Whether what it learns now goes into its memory; not where calls are not recorded, since a
    /// guest must not depend on what differs in each replay.
    pub(crate) forgetful: bool,
    pub(crate) regions: u32,
}

const NAMESPACE: Uuid = Uuid::from_u128(0x1234);

pub(crate) const PATIENT: RetryPolicy = RetryPolicy {
    max_attempts: 1_000_000,
    min_delay_nanos: 1,
    max_delay_nanos: 10,
    multiplier: 2.0,
    jitter: 0.5,
};

impl Guest<'_> {
    pub(crate) fn run(&mut self, steps: &[Step]) -> Result<(), Stop> {
        for step in steps {
            self.counter += 1;
            self.world.step()?;
            if self.world.random.one_in(8) {
                let tail = self.journal.take_tail();
                self.world.submit(tail);
            }
            self.step(step)?;
            if self.world.random.one_in(16) {
                self.commit()?;
            }
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), Stop> {
        match step {
            Step::ReadLocal => self.call(Category::ReadLocal, "clock").map(|_| ()),
            Step::WriteLocal => self.call(Category::WriteLocal, "touch").map(|_| ()),
            Step::ReadRemote => self.call(Category::ReadRemote, "get").map(|_| ()),
            Step::Write => self.call(Category::WriteRemote, "set").map(|_| ()),
            Step::Writes(count) => self.writes(*count),
            Step::KeyedWrite => self.keyed_write(),
            Step::Print => self.print(),
            Step::Sleep => self.sleep(),
            Step::Promise => self.promise(),
            Step::Flaky => self.flaky(),
            Step::Atomic(steps) => self.atomic(steps),
            Step::Repeated(steps) => self.repeated(steps),
            Step::Level(level, steps) => self.level(*level, steps),
            Step::AtMostOnce(steps) => self.at_most_once(steps),
            Step::Policy => {
                let now = self.world.now();
                self.journal.set_retry_policy(PATIENT, now).expect("replay fits");
                Ok(())
            }
        }
    }

    /// Everything that is to be written reaches the disk, if the process lives.
    pub(crate) fn commit(&mut self) -> Result<(), Stop> {
        let tail = self.journal.take_tail();
        self.world.submit(tail);
        self.world.step()?;
        self.world.sync();
        self.world.step()?;
        Ok(())
    }

    fn learn(&mut self, answer: u64) {
        if !self.forgetful {
            self.digest = mix(self.digest ^ answer);
        }
    }

    fn request(&self) -> u64 {
        mix(self.digest ^ (self.counter << 32))
    }

    fn unrecorded(&self) -> bool {
        self.journal.persistence_level() == PersistenceLevel::PersistNothing
    }

    fn manner(&self) -> Manner {
        Manner { in_region: self.regions > 0, at_most_once: !self.journal.idempotence() }
    }

    fn call(&mut self, category: Category, function: &'static str) -> Result<u64, Stop> {
        let position = self.journal.logical_position();
        let request = self.request();
        let call = Call { category, function, request: &request.to_le_bytes(), begin: None };
        let answer = self.make(&call, position, true)?;
        self.learn(answer);
        Ok(answer)
    }

    /// Makes a call; where it is live it is sent, unless it is in flight already.
    fn make(&mut self, call: &Call<'_>, position: Position, send: bool) -> Result<u64, Stop> {
        let now = self.world.now();
        let ticket = match self.journal.enter(call, now).expect("replay fits") {
            Entered::Replayed(outcome) => return Ok(number(&outcome)),
            Entered::Live(ticket) => ticket,
        };
        if ticket.gate() {
            self.commit()?;
        }
        self.world.step()?;
        if send && call.category == Category::WriteRemote && !self.unrecorded() {
            let request = u64::from_le_bytes(call.request.try_into().expect("eight bytes"));
            let manner = self.manner();
            self.world.receive(position, request, manner);
        }
        let answer = self.world.answer(call.function, position);
        self.world.step()?;
        let outcome = Payload::Inline(answer.to_le_bytes().to_vec());
        let durability = self.journal.leave(ticket, outcome, now);
        if call.category == Category::WriteRemote && !self.unrecorded() {
            self.world.outcome(position, self.journal.last_index());
        }
        match durability {
            Durability::Lazy => {}
            Durability::Start => {
                let tail = self.journal.take_tail();
                self.world.submit(tail);
            }
            Durability::Await => self.commit()?,
        }
        Ok(answer)
    }

    fn writes(&mut self, count: u32) -> Result<(), Stop> {
        let mut open = Vec::new();
        for number in 0..count {
            let position = self.journal.logical_position();
            let request = mix(self.request() ^ u64::from(number));
            let bytes = request.to_le_bytes();
            let category = Category::WriteRemote;
            let call = Call { category, function: "post", request: &bytes, begin: None };
            let now = self.world.now();
            let begun = self.journal.begin_write(&call, now).expect("replay fits");
            if begun.gate {
                self.commit()?;
            }
            // One that was begun before is sent again only when its outcome turns out to be
            // missing.
            let sent = !begun.replayed;
            if sent && begun.index.is_some() {
                let manner = self.manner();
                self.world.receive(position, request, manner);
            }
            self.world.step()?;
            open.push((position, request, begun.index, sent));
        }
        while !open.is_empty() {
            let ready = self.call(Category::ReadLocal, "poll")?;
            let ready = if self.forgetful { 0 } else { ready };
            let place = usize::try_from(ready % open.len() as u64).expect("small");
            let (position, request, begin, sent) = open.remove(place);
            let bytes = request.to_le_bytes();
            let category = Category::WriteRemote;
            let call = Call { category, function: "post", request: &bytes, begin };
            let answer = self.make(&call, position, !sent)?;
            self.learn(answer);
        }
        Ok(())
    }

    fn keyed_write(&mut self) -> Result<(), Stop> {
        if !self.unrecorded() {
            let position = self.journal.logical_position();
            let now = self.world.now();
            let category = Category::WriteRemote;
            let call = Call { category, function: "key", request: b"", begin: None };
            let key = match self.journal.enter(&call, now).expect("replay fits") {
                Entered::Replayed(key) => key,
                Entered::Live(ticket) => {
                    let key = self.journal.idempotency_key(NAMESPACE);
                    self.world.draw(position, key);
                    let key = Payload::Inline(key.as_bytes().to_vec());
                    self.journal.leave(ticket, key.clone(), now);
                    key
                }
            };
            let Payload::Inline(bytes) = key else { panic!("keys are inline") };
            self.learn(u64::from_le_bytes(bytes[..8].try_into().expect("a key is longer")));
        }
        self.call(Category::WriteRemote, "set").map(|_| ())
    }

    fn print(&mut self) -> Result<(), Stop> {
        // The text names the position, so that each line of a history is another.
        let position = self.journal.logical_position();
        let message = format!("step {} at {position}, digest {:x}", self.counter, self.digest);
        let now = self.world.now();
        self.journal.log(line(&message), now);
        Ok(())
    }

    fn sleep(&mut self) -> Result<(), Stop> {
        let position = self.journal.logical_position();
        if self.unrecorded() {
            return Ok(());
        }
        let call =
            Call { category: Category::ReadLocal, function: "sleep", request: b"", begin: None };
        let now = self.world.now();
        let Entered::Live(ticket) = self.journal.enter(&call, now).expect("replay fits") else {
            return Ok(());
        };
        if self.world.slept.insert(position) && self.world.random.one_in(2) {
            self.journal.suspend(Some(now.after(1000)), now);
            self.commit()?;
            return Err(Stop::Recover);
        }
        self.journal.leave(ticket, Payload::EMPTY, now);
        Ok(())
    }

    fn promise(&mut self) -> Result<(), Stop> {
        let position = self.journal.logical_position();
        let now = self.world.now();
        let promise = self.journal.create_promise(now).expect("replay fits");
        self.world.step()?;
        if !self.unrecorded() {
            let category = Category::ReadLocal;
            let call = Call { category, function: "await", request: b"", begin: None };
            let answer = match self.journal.enter(&call, now).expect("replay fits") {
                Entered::Replayed(data) => number(&data),
                Entered::Live(ticket) => {
                    let data = self.completed(promise, position);
                    let answer = number(&data);
                    self.world.step()?;
                    self.journal.leave(ticket, data, now);
                    answer
                }
            };
            self.learn(answer);
        }
        self.journal.delete_promise(promise, now).expect("it was made above");
        Ok(())
    }

    /// The data of a promise, which somebody completes now unless it is complete.
    fn completed(&mut self, promise: Index, position: Position) -> Payload {
        let now = self.world.now();
        let answer = self.world.answer("promise", position);
        let data = Payload::Inline(answer.to_le_bytes().to_vec());
        let known = self.journal.status().promises.get(&promise).expect("it was made");
        let before = known.completed.clone();
        let first = self.journal.promise_completed(promise, data, now).expect("it was made");
        assert_eq!(first, before.is_none(), "the first completion counts");
        let known = self.journal.status().promises.get(&promise).expect("it was made");
        let (_, data) = known.completed.clone().expect("it is complete now");
        assert!(before.is_none_or(|(_, before)| before == data), "the first completion stays");
        data
    }

    fn flaky(&mut self) -> Result<(), Stop> {
        if self.world.fuse.is_none() || self.journal.is_replaying() || !self.world.random.one_in(3)
        {
            return Ok(());
        }
        let now = self.world.now();
        let random = self.world.random.next();
        let failure = Failure { kind: FailureKind::HostError, message: "no luck".into() };
        let verdict = self.journal.fail(failure, random, now);
        assert!(matches!(verdict, Verdict::RetryAt(_)), "the policy allows many attempts");
        let tail = self.journal.take_tail();
        self.world.submit(tail);
        Err(Stop::Recover)
    }

    fn atomic(&mut self, steps: &[Step]) -> Result<(), Stop> {
        let now = self.world.now();
        let begin = self.journal.begin_atomic(now).expect("replay fits");
        self.regions += 1;
        self.run(steps)?;
        self.regions -= 1;
        let now = self.world.now();
        self.journal.end_atomic(begin, now).expect("it was begun above");
        self.journal.end_atomic(begin, now).expect("ending it again does nothing");
        Ok(())
    }

    fn repeated(&mut self, steps: &[Step]) -> Result<(), Stop> {
        let now = self.world.now();
        let mark = self.journal.mark(now).expect("replay fits");
        self.run(steps)?;
        let answer = self.call(Category::ReadRemote, "judge")?;
        if self.forgetful || !answer.is_multiple_of(3) {
            return Ok(());
        }
        let now = self.world.now();
        match self.journal.jump(mark, now) {
            Ok(()) => {
                self.commit()?;
                Err(Stop::Recover)
            }
            Err(JumpError::Diverged(divergence)) => panic!("replay fits: {divergence}"),
            Err(other) => panic!("a mark of this invocation: {other}"),
        }
    }

    fn level(&mut self, level: PersistenceLevel, steps: &[Step]) -> Result<(), Stop> {
        let (before, forgetful) = (self.journal.persistence_level(), self.forgetful);
        self.set_level(level)?;
        self.forgetful |= level == PersistenceLevel::PersistNothing;
        self.run(steps)?;
        self.forgetful = forgetful;
        self.set_level(before)
    }

    fn set_level(&mut self, level: PersistenceLevel) -> Result<(), Stop> {
        let now = self.world.now();
        if self.journal.set_persistence_level(level, now).expect("replay fits").gate {
            self.commit()?;
        }
        Ok(())
    }

    fn at_most_once(&mut self, steps: &[Step]) -> Result<(), Stop> {
        let before = self.journal.idempotence();
        let now = self.world.now();
        self.journal.set_idempotence(false, now).expect("replay fits");
        self.run(steps)?;
        let now = self.world.now();
        self.journal.set_idempotence(before, now).expect("replay fits");
        Ok(())
    }
}

fn number(payload: &Payload) -> u64 {
    match payload {
        Payload::Inline(bytes) => u64::from_le_bytes(bytes[..].try_into().expect("eight bytes")),
        Payload::Blob { .. } => panic!("small outcomes are inline"),
    }
}
