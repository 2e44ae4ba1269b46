//! How a worker goes over to another version of its component.
//!
//! An update is a request in the log first, and whatever happens to the process, it stays one until
//! the log says that it is done or has failed. Several are carried out in the order in which they
//! were asked for. `request` takes them in; `trial` has the new version replay the whole history in
//! the worker's place; `hand_over` has the old version save itself and the new one load that;
//! `saved` is what goes from one to the other; `check` tries a version beside the worker, which
//! hears nothing of it.

mod check;
mod hand_over;
mod patience;
mod request;
mod saved;
mod trial;
mod versions;

use everlog_oplog::status::PendingUpdate;
use everlog_oplog::{Status, UpdateMode, WorkerState as Life};

pub use check::Fit;
pub(crate) use check::check;
pub(in crate::worker) use hand_over::unfit;
pub(crate) use patience::Patience;
pub(in crate::worker) use request::is_safe_to_cut_off;
pub(crate) use request::{UpdateRequest, record_request};
pub(crate) use saved::Saved;
pub(crate) use trial::expected;
pub use versions::Versions;
pub(crate) use versions::VersionsCell;

/// The update that the worker is to look at before anything else.
///
/// One that replays does not wait for what runs. One that needs a snapshot waits for its turn in the
/// queue, unless that can never come.
pub(crate) fn due(status: &Status) -> Option<&PendingUpdate> {
    let next = status.updates.pending.first()?;
    let now = match (next.mode, status.state) {
        (UpdateMode::Automatic, _) => true,
        (UpdateMode::Snapshot, Life::Failed | Life::Stalled | Life::Exited) => true,
        (UpdateMode::Snapshot, _) => false,
    };
    now.then_some(next)
}
