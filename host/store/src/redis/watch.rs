//! Looks after the lease, and whether Redis and its replicas are there, once a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::link::{Link, Trouble};
use super::members::Members;
use super::reader::Reader;
use super::server::{facts, replication, setting, shown};
use super::session::Session;
use super::state::{Side, State};

/// How often it looks whether Redis and its replicas are there.
const PERIOD: Duration = Duration::from_secs(1);

/// How often the lease is renewed within its time, and other nodes are looked at.
const LOOKS_PER_LEASE: u32 = 10;

/// After this time without an answer Redis counts as unreachable.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

pub(super) struct Watch {
    pub(super) link: Link,
    pub(super) session: Session,
    pub(super) state: Arc<State>,
    pub(super) reader: Arc<Reader>,
    pub(super) members: Arc<Members>,
    /// How many batches of the session were acknowledged.
    pub(super) answered: Arc<AtomicU64>,
}

impl Watch {
    /// Looks until the store is poisoned.
    #[expect(clippy::disallowed_methods, reason = "looks after the store, seen by no guest")]
    pub(super) async fn run(self) {
        let period = (self.session.lease / LOOKS_PER_LEASE).min(PERIOD);
        let mut since_count = Duration::ZERO;
        while self.state.check().is_ok() {
            tokio::time::sleep(period).await;
            since_count += period;
            let count = since_count >= PERIOD;
            self.look(count).await;
            if count {
                since_count = Duration::ZERO;
            }
        }
    }

    /// Renews the lease, and with `count` learns of replicas.
    pub(super) async fn look(&self, count: bool) {
        let look = async {
            self.renew().await?;
            if count { self.count().await } else { Ok(()) }
        };
        let looked = tokio::time::timeout(ANSWER_LIMIT, look).await;
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

    async fn renew(&self) -> Result<(), Trouble> {
        let answered = self.answered.load(Ordering::SeqCst);
        let last = self.members.renew().await?;
        if last < answered {
            let told = self.state.told();
            self.state.poison(self.session.behind(&self.link, last, answered, told));
        }
        Ok(())
    }

    async fn count(&self) -> Result<(), Trouble> {
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
