//! Looks after the lease, and whether Redis and its replicas are there, once a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::link::{Link, Trouble};
use super::reader::Reader;
use super::server::{facts, replication, setting, shown};
use super::session::Session;
use super::state::{Side, State};

/// How often it looks; several times within a lease.
const PERIOD: Duration = Duration::from_secs(1);

/// After this time without an answer Redis counts as unreachable.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

pub(super) struct Watch {
    link: Link,
    session: Session,
    state: Arc<State>,
    reader: Arc<Reader>,
    /// How many batches of the session were acknowledged.
    answered: Arc<AtomicU64>,
}

impl Watch {
    pub(super) fn new(
        link: Link,
        session: Session,
        state: Arc<State>,
        reader: Arc<Reader>,
        answered: Arc<AtomicU64>,
    ) -> Self {
        Self { link, session, state, reader, answered }
    }

    /// Looks until the store is poisoned.
    #[expect(clippy::disallowed_methods, reason = "looks after the store, seen by no guest")]
    pub(super) async fn run(self) {
        while self.state.check().is_ok() {
            tokio::time::sleep(PERIOD).await;
            self.look().await;
        }
    }

    pub(super) async fn look(&self) {
        let looked = tokio::time::timeout(ANSWER_LIMIT, self.renew_and_count()).await;
        let trouble = match looked {
            Ok(Ok(())) => None,
            Ok(Err(Trouble::Passing(reason) | Trouble::Lasting(reason))) => Some(reason),
            Err(_) => {
                // What does not answer is not asked again.
                self.reader.keep(None);
                Some(format!("no answer within {} s", ANSWER_LIMIT.as_secs()))
            }
        };
        self.state.note(Side::Watch, trouble);
    }

    async fn renew_and_count(&self) -> Result<(), Trouble> {
        let answered = self.answered.load(Ordering::SeqCst);
        let renewed = self.reader.ask_once(&self.session.renewal()).await?;
        match self.session.reached(renewed) {
            Ok(last) if last < answered => {
                let found = format!("{last} batches of {answered}");
                self.state.poison(self.session.lost(&self.link, &found));
            }
            Ok(_) => {}
            Err(Some(holder)) => self.state.poison(self.session.fenced(&self.link, &holder)),
            Err(None) => {
                return Err(Trouble::Passing("the lease was not renewed".to_owned()));
            }
        }
        let answer = self.reader.ask_once(&redis::cmd("INFO")).await?;
        let text: String =
            redis::from_redis_value(answer).map_err(|error| Trouble::Lasting(error.to_string()))?;
        let fsync = setting(&mut self.reader.connection().await?, "appendfsync").await;
        let facts = facts(&text);
        let replication = replication(&facts);
        self.state.set_replication(replication);
        self.state.set_facts(shown(&self.link, &facts, fsync, replication));
        Ok(())
    }
}
