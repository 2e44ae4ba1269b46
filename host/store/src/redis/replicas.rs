//! Waiting for replicas, for all who want to at once.
//!
//! `WAIT` counts the replicas that have what *its own connection* wrote, and stops everything behind
//! it on that connection. Batches are written on a connection that must never stop, so waiting has
//! one of its own, on which it first writes a mark: replicas receive everything in one order, so one
//! that has the mark has whatever was acknowledged before the mark was asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt as _;
use futures::channel::{mpsc, oneshot};
use redis::Value;

use super::link::{Link, Trouble, Waits, trouble};
use super::reader::Reader;
use super::server::{facts, replication};
use super::session::Session;
use super::state::State;
use crate::StoreError;

/// How long one `WAIT` may take, in milliseconds; then it is looked again who waits, and which
/// replicas there are.
const ROUND_MS: u64 = 100;

/// Somebody who waits.
pub(super) struct Wish {
    /// On how many replicas.
    count: u32,
    fulfilled: oneshot::Sender<Result<(), StoreError>>,
}

/// Where wishes are handed in.
#[derive(Clone, Debug)]
pub(super) struct Wishes(mpsc::UnboundedSender<Wish>);

impl Wishes {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Wish>) {
        let (sender, receiver) = mpsc::unbounded();
        (Self(sender), receiver)
    }

    /// Returns once everything that was acknowledged before this call is on min(`count`, those there
    /// are) replicas.
    pub(super) async fn wait(&self, count: u32) -> Result<(), StoreError> {
        if count == 0 {
            return Ok(());
        }
        let (fulfilled, outcome) = oneshot::channel();
        // Without a receiver, as when the store is closed, the sender is dropped and says so below.
        drop(self.0.unbounded_send(Wish { count, fulfilled }));
        outcome.await.unwrap_or(Err(StoreError::Closed))
    }
}

/// Fulfils wishes, in rounds.
pub(super) struct Waiter {
    pub(super) link: Link,
    pub(super) session: Session,
    pub(super) state: Arc<State>,
    /// A connection for nothing else.
    pub(super) reader: Arc<Reader>,
    /// How many batches of the session were acknowledged.
    pub(super) answered: Arc<AtomicU64>,
}

impl Waiter {
    /// Runs for as long as somebody can hand in a wish.
    pub(super) async fn run(self, mut wishes: mpsc::UnboundedReceiver<Wish>) {
        while let Some(first) = wishes.next().await {
            let mut waiting = vec![first];
            let mut waits = Waits::default();
            while !waiting.is_empty() {
                while let Ok(wish) = wishes.try_recv() {
                    waiting.push(wish);
                }
                match self.round(&waiting).await {
                    Ok((there, have)) => {
                        waits.reset();
                        fulfil(&mut waiting, |wish| wish.count.min(there) <= have, &Ok(()));
                    }
                    // Whether Redis can be reached is noted by those who look after that.
                    Err(_) => waits.wait().await,
                }
                if let Err(error) = self.state.check() {
                    fulfil(&mut waiting, |_| true, &Err(error));
                }
                // Who does not wait any more is not waited for.
                waiting.retain(|wish| !wish.fulfilled.is_canceled());
            }
        }
    }

    /// How many replicas there are, and how many of them have all that was acknowledged before.
    async fn round(&self, waiting: &[Wish]) -> Result<(u32, u32), Trouble> {
        let answered = self.answered.load(Ordering::SeqCst);
        let information = self.reader.ask_once(redis::cmd("INFO").arg("replication")).await?;
        let text: String = redis::from_redis_value(information)
            .map_err(|error| Trouble::Lasting(error.to_string()))?;
        let replication = replication(&facts(&text));
        self.state.set_replication(replication);
        let there = replication.replicas;
        let most = waiting.iter().map(|wish| wish.count).max().unwrap_or(0).min(there);
        let mut pipeline = redis::pipe();
        pipeline.add_command(self.session.mark());
        pipeline.cmd("WAIT").arg(most).arg(ROUND_MS);
        let mut connection = self.reader.connection().await?;
        let replies = connection.send_packed_commands(&pipeline, 0, 2).await;
        let replies = replies.inspect_err(|_| self.reader.keep(None)).map_err(|e| trouble(&e))?;
        let mut replies = replies.into_iter();
        let reached = self.session.reached(replies.next().unwrap_or_default());
        match (reached, replies.next()) {
            (Ok(last), Some(Value::Int(have))) if last >= answered => {
                Ok((there, u32::try_from(have).unwrap_or(0)))
            }
            (Ok(last), Some(Value::Int(_))) => {
                let told = self.state.told();
                self.state.poison(self.session.behind(&self.link, last, answered, told));
                Ok((there, 0))
            }
            (Err(Some(holder)), _) => {
                self.state.poison(self.session.fenced(&self.link, &holder));
                Ok((there, 0))
            }
            (_, other) => {
                // Such as a server that may not be written to now.
                self.reader.keep(None);
                Err(Trouble::Passing(format!("WAIT is answered with {other:?}")))
            }
        }
    }
}

/// Answers those who are to be answered, and leaves the others.
fn fulfil(
    waiting: &mut Vec<Wish>,
    is_due: impl Fn(&Wish) -> bool,
    outcome: &Result<(), StoreError>,
) {
    let (due, rest) = std::mem::take(waiting).into_iter().partition(is_due);
    *waiting = rest;
    let due: Vec<Wish> = due;
    // Whoever went away meanwhile needs no answer.
    due.into_iter().for_each(|wish| drop(wish.fulfilled.send(outcome.clone())));
}
