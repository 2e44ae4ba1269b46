//! Fresh workers, which live for one call.
//!
//! Their caller may crash before it has recorded the outcome, and asks again then: so they are kept until it lets them
//! go, which it does when the outcome is durable. One whose caller died in that moment is never let go, and goes after a
//! day.

use std::sync::Arc;
use std::time::Duration;

use everlog_oplog::{Index, Status, Timestamp};
use uuid::Uuid;

use super::{Address, Parcel};
use crate::cluster::Request;
use crate::durable::Recorder;
use crate::shared::Shared;
use crate::worker::{Message, WorkerId};

/// How long one stays that nobody lets go.
const KEPT: Duration = Duration::from_secs(24 * 3_600);
/// How long a caller has at least to ask again after a start of the server.
const KEPT_AFTER_START: Duration = Duration::from_secs(600);
/// The version of the UUIDs that calls draw; those of callers over HTTP, who ask once, are random.
const DRAWN_BY_CALLS: usize = 5;

/// Whether a worker that lives for one call is kept for a caller that may ask again.
fn is_kept(status: &Status) -> bool {
    let is_drawn =
        |name| Uuid::try_parse(name).is_ok_and(|name| name.get_version_num() == DRAWN_BY_CALLS);
    status.create.ephemeral && is_drawn(&status.create.worker.name)
}

/// When a fresh worker that has ended is to be removed, should nobody let it go; `None` for any other worker.
pub(crate) fn kept_until(status: &Status) -> Option<Timestamp> {
    is_kept(status).then(|| status.updated_at.after(nanos(KEPT)))
}

/// The same for a server that started at `started`.
pub(crate) fn kept_here_until(status: &Status, started: Timestamp) -> Option<Timestamp> {
    Some(kept_until(status)?.max(started.after(nanos(KEPT_AFTER_START))))
}

impl Parcel {
    /// The fresh worker that the call is for, as far as its component is known.
    fn fresh_worker(&self, shared: &Shared) -> Option<WorkerId> {
        let Address::Fresh { component } = &self.request.address else { return None };
        let component = shared.catalog.newest(component).ok()?.id;
        WorkerId::new(component, self.key.clone()).ok()
    }

    /// Lets the fresh worker go that the call was for, once the log is durable up to `recorded`.
    pub(super) fn let_go(&self, shared: &Arc<Shared>, recorder: &Arc<Recorder>, recorded: Index) {
        let Some(worker) = self.fresh_worker(shared) else { return };
        let (shared, recorder) = (Arc::clone(shared), Arc::clone(recorder));
        tokio::spawn(async move {
            if recorder.wait_durable(recorded).await.is_err() {
                return;
            }
            if shared.serves(&worker) {
                // Whether it has gone by itself does not matter.
                let _ = shared.registry.send(&shared, &worker, Message::LetGo).await;
            } else {
                let request = Request::LetGo { worker: (&worker).into() };
                let _ = shared.ask_owner(&worker, &request).await;
            }
        });
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
