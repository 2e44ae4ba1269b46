//! Who waits for what: the queue in front of a worker and the callers behind each key.

use std::collections::{BTreeSet, HashMap, VecDeque};

use everlog_oplog::{Index, Status, Timestamp};

use super::message::{Call, Waiter, answer};
use crate::clock;
use crate::error::InvokeError;

/// An invocation that waits for its turn.
pub(crate) enum Waiting {
    /// Waits in memory with its caller; lost with the process, as the caller sees.
    Direct { call: Box<Call>, reply: Waiter },
    /// Waits in the log.
    Accepted { index: Index },
    /// The first pending update, which needs a snapshot.
    Update,
}

/// The invocation that the guest executes, or that waits for a retry, a timer or an operator.
pub(crate) struct Current {
    pub(crate) key: String,
    pub(crate) fingerprint: u64,
    /// Whether the key is a caller's.
    pub(crate) keyed: bool,
    /// All who sent this key.
    pub(crate) callers: Vec<Waiter>,
    /// When it began in this life.
    pub(crate) begun_at: Timestamp,
}

/// Where a key stands that was not found among the ended invocations.
pub(crate) enum Place {
    Current,
    Queued,
    Unknown,
}

/// The queue and the callers of one loaded worker.
#[derive(Default)]
pub(crate) struct Desk {
    ready: VecDeque<Waiting>,
    /// Accepted for later, by due time.
    scheduled: BTreeSet<(Timestamp, Index)>,
    pub(crate) current: Option<Current>,
    /// Callers that joined a queued invocation, by key.
    joined: HashMap<String, Vec<Waiter>>,
    /// Callers' keys whose outcome is on its way to the disk: until then no record tells of them.
    unsettled: VecDeque<(Index, String)>,
}

impl Desk {
    /// Puts a call with a waiting caller at the end of the queue.
    pub(crate) fn direct(&mut self, call: Box<Call>, reply: Waiter) {
        self.ready.push_back(Waiting::Direct { call, reply });
    }

    /// Puts an accepted call at the end of the queue, or among the scheduled ones.
    pub(crate) fn accepted(&mut self, index: Index, due: Option<Timestamp>) {
        match due {
            Some(due) => drop(self.scheduled.insert((due, index))),
            None => self.ready.push_back(Waiting::Accepted { index }),
        }
    }

    /// Puts an update that needs a snapshot at the end of the queue.
    pub(crate) fn update(&mut self) {
        self.ready.push_back(Waiting::Update);
    }

    /// How many such updates are in the queue.
    pub(crate) fn updates(&self) -> usize {
        self.ready.iter().filter(|waiting| matches!(waiting, Waiting::Update)).count()
    }

    /// The invocation whose turn it is at `now`.
    pub(crate) fn next(&mut self, now: Timestamp) -> Option<Waiting> {
        while let Some(&(due, index)) = self.scheduled.first()
            && due <= now
        {
            self.scheduled.remove(&(due, index));
            self.ready.push_back(Waiting::Accepted { index });
        }
        self.ready.pop_front()
    }

    /// Gives an invocation that could not run its place at the head of the line back.
    pub(crate) fn put_back(&mut self, waiting: Waiting) {
        self.ready.push_front(waiting);
    }

    /// When the next scheduled invocation is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.scheduled.first().map(|(due, _)| *due)
    }

    /// How many calls wait in line.
    pub(crate) fn waiting(&self) -> usize {
        self.ready.len()
    }

    /// Whether somebody in memory waits for this worker, so that it can't leave.
    pub(crate) fn has_callers(&self) -> bool {
        self.ready.iter().any(|waiting| matches!(waiting, Waiting::Direct { .. }))
            || !self.joined.is_empty()
            || self.current.as_ref().is_some_and(|current| !current.callers.is_empty())
    }

    /// Keys that wait in memory only.
    pub(crate) fn direct_keys(&self) -> Vec<String> {
        let direct = self.ready.iter().filter_map(|waiting| match waiting {
            Waiting::Direct { call, .. } => Some(call.key.clone()),
            Waiting::Accepted { .. } | Waiting::Update => None,
        });
        direct.collect()
    }

    /// Finds `key` among the running and the waiting invocations.
    ///
    /// # Errors
    /// [`InvokeError::KeyReused`] where it belongs to another call.
    pub(crate) fn find(
        &self,
        status: &Status,
        key: &str,
        fingerprint: Option<u64>,
    ) -> Result<Place, InvokeError> {
        let same = |other: u64, place: Place| match fingerprint {
            Some(fingerprint) if fingerprint != other => {
                Err(InvokeError::KeyReused { key: key.to_owned() })
            }
            _ => Ok(place),
        };
        if let Some(current) = &self.current
            && current.key == key
        {
            return same(current.fingerprint, Place::Current);
        }
        let direct = self.ready.iter().find_map(|waiting| match waiting {
            Waiting::Direct { call, .. } if call.key == key => Some(call.fingerprint),
            _ => None,
        });
        let accepted =
            || status.accepted.values().find(|call| call.key == key).map(|call| call.fingerprint);
        direct.or_else(accepted).map_or(Ok(Place::Unknown), |other| same(other, Place::Queued))
    }

    /// Lets one more caller hear of the running or the queued invocation `key`.
    pub(crate) fn join(&mut self, key: &str, reply: Waiter) {
        match &mut self.current {
            Some(current) if current.key == key => current.callers.push(reply),
            _ => self.joined.entry(key.to_owned()).or_default().push(reply),
        }
    }

    /// Makes `key` the running invocation; callers that joined it while it waited come along.
    pub(crate) fn begin(
        &mut self,
        key: String,
        fingerprint: u64,
        keyed: bool,
        caller: Option<Waiter>,
    ) {
        let (mut callers, begun_at) = match &mut self.current {
            Some(current) if current.key == key => {
                (std::mem::take(&mut current.callers), current.begun_at)
            }
            _ => (self.joined.remove(&key).unwrap_or_default(), clock::now()),
        };
        callers.extend(caller);
        self.current = Some(Current { key, fingerprint, keyed, callers, begun_at });
    }

    /// Takes a call that waits in memory out of the queue, for the log to keep it; returns its caller.
    pub(crate) fn take_direct(&mut self, key: &str) -> Option<Waiter> {
        let place = self.ready.iter().position(
            |waiting| matches!(waiting, Waiting::Direct { call, .. } if call.key == key),
        )?;
        match self.ready.remove(place)? {
            Waiting::Direct { reply, .. } => Some(reply),
            Waiting::Accepted { .. } | Waiting::Update => None,
        }
    }

    /// Takes those calls out of the queue that only read and that nobody has joined.
    pub(crate) fn take_readers(&mut self) -> Vec<(Box<Call>, Waiter)> {
        let joined = &self.joined;
        let is_reader = |waiting: &Waiting| match waiting {
            Waiting::Direct { call, .. } => call.reads && !joined.contains_key(&call.key),
            Waiting::Accepted { .. } | Waiting::Update => false,
        };
        if !self.ready.iter().any(is_reader) {
            return Vec::new();
        }
        let (readers, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.ready).into_iter().partition(is_reader);
        self.ready = others.into();
        let readers = readers.into_iter().filter_map(|waiting| match waiting {
            Waiting::Direct { call, reply } => Some((call, reply)),
            Waiting::Accepted { .. } | Waiting::Update => None,
        });
        readers.collect()
    }

    /// Takes a call that waits in memory out of the queue, for good; returns its fingerprint and its callers.
    pub(crate) fn refuse_direct_call(&mut self, key: &str) -> Option<(u64, Vec<Waiter>)> {
        let fingerprint = self.ready.iter().find_map(|waiting| match waiting {
            Waiting::Direct { call, .. } if call.key == key => Some(call.fingerprint),
            _ => None,
        })?;
        let mut callers = self.take_joined(key);
        callers.extend(self.take_direct(key));
        Some((fingerprint, callers))
    }

    /// Takes an accepted invocation out of the queue.
    pub(crate) fn withdraw(&mut self, accepted: Index) {
        self.scheduled.retain(|(_, index)| *index != accepted);
        self.ready.retain(
            |waiting| !matches!(waiting, Waiting::Accepted { index } if *index == accepted),
        );
    }

    /// The callers that joined the queued invocation `key`.
    pub(crate) fn take_joined(&mut self, key: &str) -> Vec<Waiter> {
        self.joined.remove(key).unwrap_or_default()
    }

    /// Withdraws the calls that wait in memory only; each caller hears `error`.
    pub(crate) fn refuse_direct(&mut self, error: &InvokeError) {
        let (direct, accepted): (Vec<_>, Vec<_>) = std::mem::take(&mut self.ready)
            .into_iter()
            .partition(|waiting| matches!(waiting, Waiting::Direct { .. }));
        self.ready = accepted.into();
        for waiting in direct {
            if let Waiting::Direct { call, reply } = waiting {
                answer(self.take_joined(&call.key), &Err(error.clone()));
                answer(vec![reply], &Err(error.clone()));
            }
        }
    }

    /// Tells those who wait for the running invocation that it is none any more.
    pub(crate) fn refuse_current(&mut self, error: &InvokeError) {
        if let Some(current) = self.current.take() {
            answer(current.callers, &Err(error.clone()));
        }
    }

    /// Tells everybody that waits that there will be no outcome; what the log accepted stays in line.
    pub(crate) fn refuse_all(&mut self, error: &InvokeError) {
        if let Some(current) = &mut self.current {
            answer(std::mem::take(&mut current.callers), &Err(error.clone()));
        }
        self.refuse_direct(error);
        for (_, callers) in self.joined.drain() {
            answer(callers, &Err(error.clone()));
        }
    }

    /// Remembers that the outcome of `key` is in entry `index`, which is not on disk yet.
    pub(crate) fn unsettled(&mut self, index: Index, key: String) {
        self.unsettled.push_back((index, key));
    }

    /// The entry to wait for before the records can be asked for `key`; forgets what is durable.
    pub(crate) fn settling(&mut self, durable: Index, key: &str) -> Option<Index> {
        while self.unsettled.front().is_some_and(|(index, _)| *index <= durable) {
            self.unsettled.pop_front();
        }
        self.unsettled.iter().find(|(_, unsettled)| unsettled == key).map(|(index, _)| *index)
    }
}
