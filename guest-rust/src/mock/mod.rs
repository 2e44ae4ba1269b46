//! A host in memory, for native tests of guests.
//!
//! Outside of WebAssembly the crate's functions speak to a host of the current thread that records
//! every call. [`Host::run`] runs a guest as a worker: it can be crashed after each entry, and then
//! runs again from the beginning with the recorded answers, as on the real host. What the guest
//! does to the world must go through [`effect`], so that replay does not repeat it.
//!
//! ```
//! use std::cell::RefCell;
//! use everlog::{atomically, mock};
//!
//! let world = RefCell::new(Vec::new());
//! let say = |word: &'static str| mock::effect(word, || world.borrow_mut().push(word));
//!
//! // The entries: the region begins, "ready", "steady", the region ends, "go".
//! mock::Host::new().crash_after(3).run(|| {
//!     atomically(|| {
//!         say("ready");
//!         say("steady");
//!     });
//!     say("go");
//! });
//! assert_eq!(*world.borrow(), ["ready", "steady", "ready", "steady", "go"]);
//! ```

mod state;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

pub(crate) use state::{Mark, State};

use crate::calls;
use crate::http;
use crate::oplog::OplogIndex;

/// How often a guest may run again, so that one that never ends is noticed.
const RUNS_MAX: u32 = 1_000;

thread_local! {
    static CURRENT: RefCell<Rc<RefCell<State>>> = RefCell::default();
}

/// The payload of the unwinding that takes the place of a dropped instance.
struct InstanceIsGone;

/// A call of another worker.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerCall {
    /// Who is called, as in `urn:worker:counter/mary`.
    pub location: String,
    /// The function, as the guest wrote it.
    pub function: String,
    /// Its arguments.
    pub arguments: Vec<calls::Value>,
    /// Whether the guest waits for the result.
    pub waits: bool,
}

/// A host that runs one worker, see the [module](self).
#[derive(Debug, Default)]
pub struct Host {
    state: Rc<RefCell<State>>,
    retries: u32,
}

impl Host {
    /// Makes a host with an empty oplog.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Crashes once, when this many entries have been recorded.
    #[must_use]
    pub fn crash_after(self, entries: u64) -> Self {
        self.state.borrow_mut().crash_after = Some(entries);
        self
    }

    /// Crashes once before the entry of this index is recorded, but after what it would record
    /// has been done.
    #[must_use]
    pub fn crash_before(self, entry: OplogIndex) -> Self {
        self.state.borrow_mut().crash_before = Some(entry);
        self
    }

    /// Runs a guest that panicked again, this many times.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Answers the guest's HTTP requests.
    #[must_use]
    pub fn on_http(self, answer: impl Fn(&http::Request) -> http::Response + 'static) -> Self {
        self.state.borrow_mut().answer = Some(Rc::new(answer));
        self
    }

    /// Answers the guest's calls of other workers, see [`calls`].
    #[must_use]
    pub fn on_call(
        self,
        answer: impl Fn(&WorkerCall) -> Result<Option<calls::Value>, calls::Error> + 'static,
    ) -> Self {
        self.state.borrow_mut().called = Some(Rc::new(answer));
        self
    }

    /// Sets a key of the worker's state from outside.
    pub fn set_state(&self, key: &str, json: &str) {
        self.state.borrow_mut().kept.insert(key.to_owned(), json.as_bytes().to_vec());
    }

    /// Returns what is under a key of the worker's state, as JSON.
    #[must_use]
    pub fn state(&self, key: &str) -> Option<String> {
        let bytes = self.state.borrow().kept.get(key).cloned();
        bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Runs a guest to its end, from the beginning after each crash and each
    /// [`set_oplog_index`](crate::set_oplog_index).
    ///
    /// # Panics
    /// If the guest panics more often than there are retries, asks for something else than it did
    /// before a crash, or does not come to an end.
    pub fn run<T>(&self, guest: impl Fn() -> T) -> T {
        let start = self.state.borrow().len();
        let mut retries = self.retries;
        for _ in 0..RUNS_MAX {
            self.state.borrow_mut().recover(start);
            let before = CURRENT.replace(Rc::clone(&self.state));
            let outcome = catch_unwind(AssertUnwindSafe(&guest));
            CURRENT.set(before);
            match outcome {
                Ok(result) => return result,
                Err(payload) if payload.is::<InstanceIsGone>() => {}
                Err(_) if retries > 0 => retries -= 1,
                Err(payload) => resume_unwind(payload),
            }
        }
        panic!("the guest did not end in {RUNS_MAX} runs");
    }

    /// Returns the calls in the oplog, oldest first, without those that were deleted by going back.
    #[must_use]
    pub fn oplog(&self) -> Vec<String> {
        self.state.borrow().calls(false)
    }

    /// Returns all calls that were ever recorded, oldest first.
    #[must_use]
    pub fn history(&self) -> Vec<String> {
        self.state.borrow().calls(true)
    }
}

/// Does something to the world, or learns something of it, as a recorded call: a worker that comes
/// back gets the recorded outcome instead of doing it again.
///
/// # Panics
/// If the oplog has another call in this place.
pub fn effect<T: Clone + 'static>(name: impl Into<String>, f: impl FnOnce() -> T) -> T {
    call(name, |_| Mark::Call, |_| f())
}

/// A call that the host answers by itself.
pub(crate) fn host_call<T: Clone + 'static>(
    name: impl Into<String>,
    f: impl FnOnce(&mut State) -> T,
) -> T {
    call(name, |_| Mark::Call, |state| f(&mut state.borrow_mut()))
}

/// Answers a call from the oplog, or does it and records it.
pub(crate) fn call<T: Clone + 'static>(
    name: impl Into<String>,
    mark: impl FnOnce(&T) -> Mark,
    live: impl FnOnce(&RefCell<State>) -> T,
) -> T {
    let name = name.into();
    let state = current();
    if state.borrow().is_gone() || state.borrow().action.is_some() {
        // A destructor, while the instance is dropped: it did not run on the real host. Or a part
        // of an action, of which only the outcome is recorded.
        return live(&state);
    }
    if let Some(outcome) = state.borrow_mut().replay(&name) {
        let outcome = outcome.downcast_ref::<T>().cloned();
        return outcome.unwrap_or_else(|| panic!("{name}: recorded with another type"));
    }
    let outcome = live(&state);
    let mark = mark(&outcome);
    let survives = state.borrow_mut().append(name, mark, Rc::new(outcome.clone()));
    if !survives {
        resume_unwind(Box::new(InstanceIsGone));
    }
    outcome
}

/// Answers an action from the oplog, or begins it.
pub(crate) fn begin_action(name: &str) -> Option<Vec<u8>> {
    let state = current();
    let mut state = state.borrow_mut();
    if let Some(open) = &state.action {
        panic!("action {name:?} begins inside of action {open:?}");
    }
    if let Some(outcome) = state.replay(&format!("run {name}")) {
        return outcome.downcast_ref::<Vec<u8>>().cloned();
    }
    state.action = Some(name.to_owned());
    None
}

/// Records the outcome of the action that is under way.
pub(crate) fn end_action(name: &str, outcome: &[u8]) {
    current().borrow_mut().action = None;
    call(format!("run {name}"), |_| Mark::Call, |_| outcome.to_vec());
}

/// Goes back to an entry.
pub(crate) fn jump(to: OplogIndex) -> ! {
    let state = current();
    assert!(state.borrow().action.is_none(), "a jump inside of an action");
    state.borrow_mut().jump(to);
    resume_unwind(Box::new(InstanceIsGone))
}

pub(crate) fn current() -> Rc<RefCell<State>> {
    CURRENT.with_borrow(Rc::clone)
}
