//! A piece of work that a worker does, told once by a server that lives and once by each of many
//! that die in the middle of it.
//!
//! The server's drill `--stop-after-entries` ends the process, as SIGKILL would, when the n-th entry
//! is on disk. So a story is told again for every n, and each time the next start must end it as if
//! nothing had happened.
//!
//! And its drill `--refuse-batch` refuses the n-th batch, as happens when a worker of another node was
//! quicker with data that both share: the worker must do it again, and nothing of it twice.

use serde_json::{Value, json};

use crate::api::Component;
use crate::fixtures::Fixture;
use crate::reply::Reply;
use crate::server::{Server, StoppedData};
use crate::wait;
use crate::worker::Worker;

/// The name of the worker that stories are about.
const WORKER: &str = "hero";

/// Beyond this many entries a story is too long for a test.
const ENTRIES_MAX: usize = 400;

/// Every entry is made durable soon, so that the stops fall between any two of them.
const FLAGS_OF_DRILL: [&str; 2] = ["--commit-interval", "1ms"];

/// What a worker is to do.
#[derive(Debug, Clone)]
pub struct Story {
    fixture: Fixture,
    calls: Vec<(&'static str, Value)>,
    flags: Vec<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Telling {
    /// The answer to each call: its result, or the status and code of its problem.
    pub answers: Vec<Value>,
    /// What the worker has printed.
    pub messages: Vec<String>,
    /// The worker's status at the end.
    pub status: String,
}

impl Story {
    /// A story of a worker of this guest.
    pub fn of(fixture: &Fixture) -> Self {
        Self { fixture: *fixture, calls: Vec::new(), flags: Vec::new() }
    }

    /// Another call, made when the one before it is answered.
    #[must_use]
    pub fn call(mut self, function: &'static str, arguments: Value) -> Self {
        self.calls.push((function, arguments));
        self
    }

    /// Further flags of `everlog serve`.
    #[must_use]
    pub fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    /// Tells the story with a crash after every single entry, and compares each telling with one
    /// without a crash.
    ///
    /// # Panics
    /// If a telling differs, or if the drill never fired.
    pub async fn survives_every_crash(&self) {
        self.survives_every_crash_as(|told, undisturbed, context| {
            assert_eq!(told, undisturbed, "{context}");
        })
        .await;
    }

    /// As [`Self::survives_every_crash`], where only `compare` knows what must be the same.
    ///
    /// # Panics
    /// As `compare` does, or if the drill never fired.
    pub async fn survives_every_crash_as(&self, compare: impl Fn(&Telling, &Telling, &str)) {
        let data = self.deployed().await;
        let (undisturbed, entries) = self.tell_undisturbed(&data).await;
        assert!((1..ENTRIES_MAX).contains(&entries), "the story takes {entries} entries");
        let mut survived = 0;
        for stop in 1..ENTRIES_MAX {
            let context = format!("{}: stopped after {stop} entries", self.fixture.name);
            match self.tell_with_stop(&data, stop, &context).await {
                Some(told) => compare(&told, &undisturbed, &context),
                None => break,
            }
            survived += 1;
        }
        // The last entries may be made without anybody waiting for them, so not all can be stopped at.
        assert!(survived + 2 >= entries, "{survived} of {entries} stops came and were survived");
    }

    /// Tells the story with every single batch refused once, and compares each telling with one without that.
    ///
    /// # Panics
    /// If a telling differs, or if the drill never fired.
    pub async fn survives_every_refusal(&self) {
        let data = self.deployed().await;
        let (undisturbed, entries) = self.tell_undisturbed(&data).await;
        let mut survived = 0;
        for refused in 1..ENTRIES_MAX {
            let context = format!("{}: batch {refused} was refused", self.fixture.name);
            let Some(told) = self.tell_with_refusal(&data, refused, &context).await else { break };
            assert_eq!(told, undisturbed, "{context}");
            survived += 1;
        }
        // Each call ends with a batch at least.
        assert!(survived >= self.calls.len(), "{survived} refusals, {entries} entries");
    }

    async fn deployed(&self) -> StoppedData {
        let server = Server::start().await;
        let component = server.deploy(&self.fixture).await;
        // A first call on another server would compile and cache what this one can as well.
        assert!(!component.id.is_empty(), "the guest is deployed");
        server.into_data().await
    }

    async fn tell_undisturbed(&self, data: &StoppedData) -> (Telling, usize) {
        let server = Server::start_on_copy(data, &self.all_flags(&[])).await;
        let worker = self.worker(&server);
        let answers = tell(worker.clone(), self.calls.clone()).await;
        (conclude(&worker, answers).await, worker.oplog().await.len())
    }

    /// Tells the story with a stop after so many entries; nothing if it was over before that.
    async fn tell_with_stop(
        &self,
        data: &StoppedData,
        entries: usize,
        context: &str,
    ) -> Option<Telling> {
        let entries = entries.to_string();
        let drill = ["--stop-after-entries", &entries];
        let mut server = Server::start_on_copy(data, &self.all_flags(&drill)).await;
        let worker = self.worker(&server);
        let teller = tokio::spawn(tell(worker.clone(), self.calls.clone()));
        let stopped = wait::until("the server stops or the story is over", async || {
            if server.has_ended() { Some(true) } else { teller.is_finished().then_some(false) }
        })
        .await;
        if !stopped {
            return None;
        }
        server.start_again_with(&self.all_flags(&[])).await;
        let answers = teller.await.expect("no panic");
        Some(self.tell_again(&worker, answers, context).await)
    }

    /// Tells the story with this batch refused; nothing if it was over before that.
    async fn tell_with_refusal(
        &self,
        data: &StoppedData,
        batch: usize,
        context: &str,
    ) -> Option<Telling> {
        let batch = batch.to_string();
        let drill = ["--refuse-batch", &batch];
        let server = Server::start_on_copy(data, &self.all_flags(&drill)).await;
        let worker = self.worker(&server);
        let answers = wait::patiently(context, tell(worker.clone(), self.calls.clone())).await;
        let told = self.tell_again(&worker, answers, context).await;
        server.log().contains("a batch is refused").then_some(told)
    }

    /// Asked again under the same keys, and after replaying everything, it answers the same.
    async fn tell_again(&self, worker: &Worker, answers: Vec<Value>, context: &str) -> Telling {
        let told = conclude(worker, answers.clone()).await;
        worker.obey("crash").await;
        let again = tell(worker.clone(), self.calls.clone()).await;
        assert_eq!(again, answers, "{context}, and told again");
        assert_eq!(conclude(worker, again).await, told, "{context}, and told again");
        assert_rebuilds(worker, context).await;
        told
    }

    fn worker(&self, server: &Server) -> Worker {
        let component: Component = server.api().component(self.fixture.name);
        component.worker(WORKER)
    }

    fn all_flags<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let own = self.flags.iter().map(String::as_str);
        own.chain(FLAGS_OF_DRILL).chain(more.iter().copied()).collect()
    }
}

/// Makes the calls one after the other, each under a key of its own, again while the server is down.
async fn tell(worker: Worker, calls: Vec<(&'static str, Value)>) -> Vec<Value> {
    let mut answers = Vec::new();
    for (number, (function, arguments)) in calls.into_iter().enumerate() {
        let key = format!("call-{number}");
        let reply = worker.ask_until_answered(function, arguments, &key).await;
        answers.push(answer(&reply));
    }
    answers
}

/// A result as it is, of a problem what callers act on.
fn answer(reply: &Reply) -> Value {
    match reply.status {
        200 => reply.json(),
        status => json!({ "status": status, "code": reply.json()["code"] }),
    }
}

async fn conclude(worker: &Worker, answers: Vec<Value>) -> Telling {
    let metadata = worker.metadata().await;
    let status = metadata["status"].as_str().unwrap_or_default().to_owned();
    Telling { answers, messages: worker.messages().await, status }
}

/// What is cached of a worker is what its log says.
async fn assert_rebuilds(worker: &Worker, context: &str) {
    let (mut shown, mut rebuilt) = (worker.metadata().await, worker.rebuilt_metadata().await);
    for metadata in [&mut shown, &mut rebuilt] {
        let fields = metadata.as_object_mut().expect("an object");
        fields.remove("loaded");
    }
    assert_eq!(shown, rebuilt, "{context}");
}
