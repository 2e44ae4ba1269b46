//! Clients that call workers while things break, and what they were told.

use std::time::Duration;

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::check::check;
use super::model::{Counter, CounterCall, Model, Register, RegisterCall, RegisterOutcome};
use super::record::Record;
use crate::api::Api;
use crate::fixtures::{self, Fixture};
use crate::wait;
use crate::worker::Worker;

/// Workers of each kind.
const WORKERS: usize = 2;

/// Clients of each worker. More make more orders possible, and the check slower.
const CLIENTS: usize = 3;

/// How long a client waits for one answer before it asks again, perhaps elsewhere.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How long it waits in between.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// How often a client whose first attempt failed never asks again.
const GIVES_UP: f64 = 0.3;

/// How often a client asks for what it knows already.
const ASKS_TWICE: f64 = 0.1;

/// Fewer answers for one worker say nothing.
const ANSWERS_MIN: usize = 20;

/// A model that a guest is an example of.
trait Guest: Model<Call: Send + Sync, Outcome: Send + Sync> + Send + Sync + 'static {
    const FIXTURE: Fixture;

    /// The next call of a client, which has last heard of `seen` and numbers its calls.
    fn draw(random: &mut StdRng, seen: u64, unique: u64) -> Self::Call;

    /// A call that only looks.
    fn look() -> Self::Call;

    fn request(call: &Self::Call) -> (&'static str, Value);

    /// # Panics
    /// If that is no answer of the guest.
    fn outcome(call: &Self::Call, answer: &Value) -> Self::Outcome;

    /// What a client has seen after an answer.
    fn seen(call: &Self::Call, outcome: &Self::Outcome) -> Option<u64>;
}

impl Guest for Counter {
    const FIXTURE: Fixture = fixtures::COUNTER;

    fn draw(random: &mut StdRng, _: u64, _: u64) -> CounterCall {
        match random.random_bool(0.8) {
            true => CounterCall::Add(random.random_range(1..10)),
            false => CounterCall::Get,
        }
    }

    fn look() -> CounterCall {
        CounterCall::Get
    }

    fn request(call: &CounterCall) -> (&'static str, Value) {
        match call {
            CounterCall::Add(number) => ("add", json!([number])),
            CounterCall::Get => ("get", json!([])),
        }
    }

    fn outcome(_: &CounterCall, answer: &Value) -> u64 {
        answer.as_u64().expect("a total")
    }

    fn seen(_: &CounterCall, total: &u64) -> Option<u64> {
        Some(*total)
    }
}

impl Guest for Register {
    const FIXTURE: Fixture = fixtures::REGISTER;

    fn draw(random: &mut StdRng, seen: u64, unique: u64) -> RegisterCall {
        match random.random_range(0..10) {
            0..2 => RegisterCall::Read,
            2..4 => RegisterCall::Write(unique),
            _ => RegisterCall::CompareAndSwap { expected: seen, new: unique },
        }
    }

    fn look() -> RegisterCall {
        RegisterCall::Read
    }

    fn request(call: &RegisterCall) -> (&'static str, Value) {
        match call {
            RegisterCall::Read => ("read", json!([])),
            RegisterCall::Write(new) => ("write", json!([new])),
            RegisterCall::CompareAndSwap { expected, new } => {
                ("compare-and-swap", json!([expected, new]))
            }
        }
    }

    fn outcome(call: &RegisterCall, answer: &Value) -> RegisterOutcome {
        match call {
            RegisterCall::Read => RegisterOutcome::Number(answer.as_u64().expect("a number")),
            RegisterCall::Write(_) => RegisterOutcome::Written,
            RegisterCall::CompareAndSwap { .. } => {
                RegisterOutcome::Swapped(answer.as_bool().expect("true or false"))
            }
        }
    }

    fn seen(call: &RegisterCall, outcome: &RegisterOutcome) -> Option<u64> {
        match (call, outcome) {
            (_, RegisterOutcome::Number(number)) => Some(*number),
            (RegisterCall::Write(new), _) => Some(*new),
            (RegisterCall::CompareAndSwap { new, .. }, RegisterOutcome::Swapped(true)) => {
                Some(*new)
            }
            _ => None,
        }
    }
}

/// Clients at work on counters and registers.
#[derive(Debug)]
pub struct Load {
    stop: watch::Sender<bool>,
    counters: Vec<Crowd<Counter>>,
    registers: Vec<Crowd<Register>>,
}

impl Load {
    /// Deploys the guests on the first server, and lets clients call workers through all of them.
    /// Where one fails or is silent, they ask the next under the same idempotency key.
    ///
    /// # Panics
    /// If a guest cannot be deployed.
    pub async fn start(servers: &[Api], random: &mut StdRng) -> Self {
        for fixture in [Counter::FIXTURE, Register::FIXTURE] {
            servers[0].deploy(fixture.name, fixture.bytes()).await;
        }
        let stop = watch::Sender::new(false);
        let mut crowd = |number| Crowd::start(servers, number, random, &stop);
        let counters = (0..WORKERS).map(&mut crowd).collect();
        let mut crowd = |number| Crowd::start(servers, number, random, &stop);
        let registers = (0..WORKERS).map(&mut crowd).collect();
        Self { stop, counters, registers }
    }

    /// Stops the clients, has a last look at each worker, and checks what each was told.
    ///
    /// # Panics
    /// If it is not linearizable, or too little happened.
    pub async fn verify(self) {
        self.stop.send_replace(true);
        for crowd in self.counters {
            crowd.verify().await;
        }
        for crowd in self.registers {
            crowd.verify().await;
        }
    }
}

/// The clients of one worker.
#[derive(Debug)]
struct Crowd<M: Model> {
    name: String,
    record: Record<M>,
    clients: Vec<JoinHandle<u64>>,
    last: Client<M>,
}

impl<M: Guest> Crowd<M> {
    fn start(
        servers: &[Api],
        number: usize,
        random: &mut StdRng,
        stop: &watch::Sender<bool>,
    ) -> Self {
        let name = format!("{}-{number}", M::FIXTURE.name);
        let record = Record::default();
        let mut client = |client: usize| {
            let component = |api: &Api| api.component(M::FIXTURE.name).worker(&name);
            Client {
                number: client as u64,
                calls: 0,
                asked_again: 0,
                doors: servers.iter().map(component).collect(),
                door: client % servers.len(),
                seen: 0,
                random: StdRng::seed_from_u64(random.random()),
                record: record.clone(),
            }
        };
        let last = client(CLIENTS);
        let spawn = |client: Client<M>| tokio::spawn(client.run(stop.subscribe()));
        let clients = (0..CLIENTS).map(client).map(spawn).collect();
        Self { name, record, clients, last }
    }

    async fn verify(mut self) {
        let mut asked_again = 0;
        for client in join_all(self.clients).await {
            asked_again += client.expect("no panic");
        }
        let looked = self.last.call(M::look(), false).await;
        assert!(looked.is_some(), "the last look is answered");
        let operations = self.record.operations();
        let answered = operations.iter().filter(|operation| operation.ended.is_some()).count();
        println!(
            "{}: {} calls, {answered} answered, {asked_again} attempts failed",
            self.name,
            operations.len()
        );
        assert!(answered >= ANSWERS_MIN, "too little happened to {}", self.name);
        if let Err(refusal) = check(&operations) {
            panic!("{}: {refusal}", self.name);
        }
    }
}

/// One client, which makes one call at a time.
#[derive(Debug)]
struct Client<M: Model> {
    number: u64,
    calls: u64,
    asked_again: u64,
    /// The worker, through each server.
    doors: Vec<Worker>,
    door: usize,
    seen: u64,
    random: StdRng,
    record: Record<M>,
}

impl<M: Guest> Client<M> {
    /// Calls until it is told to stop; returns how many attempts failed.
    async fn run(mut self, stop: watch::Receiver<bool>) -> u64 {
        while !*stop.borrow() {
            let unique = 1 + self.calls * 100 + self.number;
            let call = M::draw(&mut self.random, self.seen, unique);
            if let Some(outcome) = self.call(call.clone(), true).await
                && let Some(seen) = M::seen(&call, &outcome)
            {
                self.seen = seen;
            }
        }
        self.asked_again
    }

    /// Makes a call and writes down what came of it: nothing if the client does not care to hear.
    async fn call(&mut self, call: M::Call, may_give_up: bool) -> Option<M::Outcome> {
        self.calls += 1;
        let key = format!("{}-{}", self.number, self.calls);
        let operation = self.record.begin(call.clone());
        let outcome = match self.ask(&call, &key).await {
            Some(outcome) => outcome,
            None if may_give_up && self.random.random_bool(GIVES_UP) => return None,
            None => self.insist(&call, &key).await,
        };
        self.record.end(operation, outcome.clone());
        if self.random.random_bool(ASKS_TWICE) {
            let again = self.insist(&call, &key).await;
            assert_eq!(again, outcome, "{call:?} under key {key} is told the same again");
        }
        Some(outcome)
    }

    async fn insist(&mut self, call: &M::Call, key: &str) -> M::Outcome {
        let stopwatch = wait::Stopwatch::start();
        while stopwatch.elapsed() < wait::PATIENCE {
            if let Some(outcome) = self.ask(call, key).await {
                return outcome;
            }
            wait::pause(ASK_AGAIN_AFTER).await;
        }
        panic!("{call:?} under key {key} was not answered within {:?}", wait::PATIENCE);
    }

    /// One attempt. After one that fails the next server is asked.
    async fn ask(&mut self, call: &M::Call, key: &str) -> Option<M::Outcome> {
        let (function, arguments) = M::request(call);
        let asked = self.doors[self.door].try_invoke_with_key(function, arguments, key);
        match wait::at_most(ANSWER_LIMIT, asked).await {
            Some(Ok(reply)) if reply.status < 500 => {
                let answer = reply.expect(200);
                return Some(M::outcome(call, &answer));
            }
            Some(Ok(_) | Err(_)) | None => {}
        }
        self.asked_again += 1;
        self.door = (self.door + 1) % self.doors.len();
        None
    }
}
