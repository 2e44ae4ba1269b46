//! `golem:api/host`: what a guest can ask about workers. Each answer is recorded, since workers come and go.

use std::sync::Arc;

use bincode::{Decode, Encode};
use everlog_oplog::{Category, Status, WorkerState as Life};
use uuid::Uuid;
use wasmtime::component::Resource;

use super::bindings::golem::api::host::{
    self, ComponentId, FilterComparator, HostGetWorkers, StringFilterComparator, WorkerAnyFilter,
    WorkerMetadata as GuestMetadata, WorkerPropertyFilter, WorkerStatus,
};
use crate::durable::{Entered, Interruption};
use crate::error::WorkerError;
use crate::filter::{Comparison, like};
use crate::shared::Shared;
use crate::wasi::{Recipe, WorkerState};
use crate::worker::{Listing, Precision, WorkerId, WorkerMetadata};

/// Workers that are looked at together.
const PAGE_WORKERS: usize = 100;
/// A page ends behind the worker whose arguments and variables take it above this, in bytes: it becomes one entry.
const PAGE_BYTES: usize = 1 << 20;
/// Properties in one filter.
const MAX_PROPERTIES: usize = 1_000;
/// Texts in one filter, in bytes.
const MAX_FILTER_BYTES: usize = 64 << 10;
const NANOS_PER_MILLISECOND: u64 = 1_000_000;

/// The host's side of the resource `get-workers`; where it stands is in the registry.
#[expect(unreachable_pub, reason = "the generated bindings pass it on")]
pub struct WalkHandle;

/// A walk over the workers of a component.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) struct WorkerWalk {
    component: u128,
    /// Alternatives of properties that must all hold; no alternative demands nothing.
    filter: Vec<Vec<Property>>,
    precise: bool,
    /// The name of the worker that was returned last.
    pub(crate) after: Option<String>,
}

/// One property that a worker must have.
#[derive(Clone, Debug, Encode, Decode)]
enum Property {
    Name(TextMatch),
    Env(String, TextMatch),
    /// A status by its place in the declaration.
    Status(Comparison, u8),
    Version(Comparison, u64),
    /// In milliseconds since the Unix epoch.
    CreatedAt(Comparison, u64),
}

/// What a text must be.
#[derive(Clone, Debug, Encode, Decode)]
struct TextMatch {
    /// The value is a pattern.
    pattern: bool,
    /// It must not match.
    negated: bool,
    value: String,
}

/// A worker as the log keeps it.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct WorkerRecord {
    component: u128,
    pub(crate) name: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// By its place in the declaration.
    status: u8,
    pub(crate) version: u64,
    pub(crate) retries: u64,
}

impl HostGetWorkers for WorkerState {
    fn new(
        &mut self,
        component: ComponentId,
        filter: Option<WorkerAnyFilter>,
        precise: bool,
    ) -> wasmtime::Result<Resource<WalkHandle>> {
        let filter = properties(filter)?;
        let component = uuid(&component).as_u128();
        let walk = WorkerWalk { component, filter, precise, after: None };
        Ok(self.push(WalkHandle, Recipe::WorkerWalk(walk))?)
    }

    async fn get_next(
        &mut self,
        handle: Resource<WalkHandle>,
    ) -> wasmtime::Result<Option<Vec<GuestMetadata>>> {
        self.table.get(&handle)?;
        let walk = match self.guest.resources.get(handle.rep()) {
            Some(Recipe::WorkerWalk(walk)) => walk.clone(),
            _ => return Err(wasmtime::format_err!("the resource is no get-workers")),
        };
        let function = "golem:api/host.[method]get-workers.get-next";
        let page: Vec<WorkerRecord> =
            match self.enter(Category::ReadRemote, function, &walk).await? {
                Entered::Replayed(page) => page,
                Entered::Live(ticket) => {
                    let page = next_page(self.shared(), walk).await.map_err(Interruption::from)?;
                    self.leave(ticket, &page).await?;
                    page
                }
            };
        let Some(last) = page.last() else { return Ok(None) };
        self.guest.resources.advance_walk(handle.rep(), last.name.clone());
        Ok(Some(page.into_iter().map(GuestMetadata::from).collect()))
    }

    fn drop(&mut self, handle: Resource<WalkHandle>) -> wasmtime::Result<()> {
        self.delete(handle)?;
        Ok(())
    }
}

impl WorkerState {
    pub(super) async fn own_metadata(&mut self) -> wasmtime::Result<GuestMetadata> {
        let function = "golem:api/host.get-self-metadata";
        let record = match self.enter(Category::ReadRemote, function, &()).await? {
            Entered::Replayed(record) => record,
            Entered::Live(ticket) => {
                let record = self.own_record();
                self.leave(ticket, &record).await?;
                record
            }
        };
        Ok(record.into())
    }

    pub(super) async fn metadata_of(
        &mut self,
        worker: host::WorkerId,
    ) -> wasmtime::Result<Option<GuestMetadata>> {
        let function = "golem:api/host.get-worker-metadata";
        let component = uuid(&worker.component_id);
        let request = (component.as_u128(), &worker.worker_name);
        let record: Option<WorkerRecord> =
            match self.enter(Category::ReadRemote, function, &request).await? {
                Entered::Replayed(record) => record,
                Entered::Live(ticket) => {
                    let record = match WorkerId::new(component, worker.worker_name) {
                        Ok(worker) if worker == self.environment.worker => Some(self.own_record()),
                        Ok(worker) => {
                            let record = record_of(self.shared(), worker).await;
                            record.map_err(Interruption::from)?
                        }
                        // What is no name names no worker.
                        Err(_) => None,
                    };
                    self.leave(ticket, &record).await?;
                    record
                }
            };
        Ok(record.map(GuestMetadata::from))
    }

    fn own_record(&self) -> WorkerRecord {
        let worker = &self.environment.worker;
        self.recorder.with(|journal, _| WorkerRecord::of(worker, journal.status()))
    }
}

async fn record_of(
    shared: Result<Arc<Shared>, WorkerError>,
    worker: WorkerId,
) -> Result<Option<WorkerRecord>, WorkerError> {
    match shared?.metadata(&worker).await {
        Ok(metadata) => Ok(Some(WorkerRecord::of(&worker, &metadata.status))),
        Err(WorkerError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The next workers that satisfy the filter; none behind the last.
async fn next_page(
    shared: Result<Arc<Shared>, WorkerError>,
    walk: WorkerWalk,
) -> Result<Vec<WorkerRecord>, WorkerError> {
    let WorkerWalk { component, filter, precise, after } = walk;
    let shared = shared?;
    let component = Uuid::from_u128(component);
    let precision = if precise { Precision::Exact } else { Precision::Cached };
    let mut after = after.map(|name| WorkerId::new(component, name)).transpose()?;
    loop {
        let listing = Listing { component: Some(component), after, limit: PAGE_WORKERS, precision };
        let workers = shared.list(listing).await?;
        let Some(last) = workers.last() else { return Ok(Vec::new()) };
        after = Some(last.worker.clone());
        let page = page_of(&workers, &filter);
        if !page.is_empty() {
            return Ok(page);
        }
    }
}

fn page_of(workers: &[WorkerMetadata], filter: &[Vec<Property>]) -> Vec<WorkerRecord> {
    let mut page = Vec::new();
    let mut bytes = 0;
    for metadata in workers {
        let record = WorkerRecord::of(&metadata.worker, &metadata.status);
        if !satisfies(filter, &record, &metadata.status) {
            continue;
        }
        let env = record.env.iter().map(|(name, value)| name.len() + value.len());
        bytes += record.args.iter().map(String::len).chain(env).sum::<usize>();
        page.push(record);
        if bytes > PAGE_BYTES {
            break;
        }
    }
    page
}

fn satisfies(filter: &[Vec<Property>], record: &WorkerRecord, status: &Status) -> bool {
    let holds = |property: &Property| property.holds(record, status);
    filter.is_empty() || filter.iter().any(|all| all.iter().all(holds))
}

impl Property {
    fn holds(&self, record: &WorkerRecord, status: &Status) -> bool {
        match self {
            Self::Name(text) => text.holds(Some(&record.name)),
            Self::Env(name, text) => {
                let found = record.env.iter().find(|(found, _)| found == name);
                text.holds(found.map(|(_, value)| value.as_str()))
            }
            Self::Status(comparison, value) => comparison.holds(&record.status, value),
            Self::Version(comparison, value) => comparison.holds(&record.version, value),
            Self::CreatedAt(comparison, value) => {
                comparison.holds(&(status.created_at.nanos() / NANOS_PER_MILLISECOND), value)
            }
        }
    }
}

impl TextMatch {
    fn of(comparator: StringFilterComparator, value: String) -> Self {
        use StringFilterComparator as Comparator;
        let pattern = matches!(comparator, Comparator::Like | Comparator::NotLike);
        let negated = matches!(comparator, Comparator::NotEqual | Comparator::NotLike);
        Self { pattern, negated, value }
    }

    /// What is not there matches nothing.
    fn holds(&self, found: Option<&str>) -> bool {
        let matches = found.is_some_and(|found| match self.pattern {
            true => like(found, &self.value),
            false => found == self.value,
        });
        matches != self.negated
    }
}

fn properties(filter: Option<WorkerAnyFilter>) -> wasmtime::Result<Vec<Vec<Property>>> {
    let alternatives = filter.map(|filter| filter.filters).unwrap_or_default();
    let count: usize = alternatives.iter().map(|all| all.filters.len() + 1).sum();
    let bytes: usize = alternatives.iter().flat_map(|all| &all.filters).map(text_bytes).sum();
    wasmtime::ensure!(
        count <= MAX_PROPERTIES && bytes <= MAX_FILTER_BYTES,
        "a filter has at most {MAX_PROPERTIES} properties and {MAX_FILTER_BYTES} bytes of text, \
         this one has {count} and {bytes}"
    );
    let all = |all: host::WorkerAllFilter| all.filters.into_iter().map(Property::from).collect();
    Ok(alternatives.into_iter().map(all).collect())
}

fn text_bytes(property: &WorkerPropertyFilter) -> usize {
    match property {
        WorkerPropertyFilter::Name(filter) => filter.value.len(),
        WorkerPropertyFilter::Env(filter) => filter.name.len() + filter.value.len(),
        _ => 0,
    }
}

impl From<WorkerPropertyFilter> for Property {
    fn from(filter: WorkerPropertyFilter) -> Self {
        match filter {
            WorkerPropertyFilter::Name(name) => {
                Self::Name(TextMatch::of(name.comparator, name.value))
            }
            WorkerPropertyFilter::Env(env) => {
                Self::Env(env.name, TextMatch::of(env.comparator, env.value))
            }
            WorkerPropertyFilter::Status(status) => {
                Self::Status(status.comparator.into(), status.value as u8)
            }
            WorkerPropertyFilter::Version(version) => {
                Self::Version(version.comparator.into(), version.value)
            }
            WorkerPropertyFilter::CreatedAt(created) => {
                Self::CreatedAt(created.comparator.into(), created.value)
            }
        }
    }
}

impl From<FilterComparator> for Comparison {
    fn from(comparator: FilterComparator) -> Self {
        match comparator {
            FilterComparator::Equal => Self::Equal,
            FilterComparator::NotEqual => Self::NotEqual,
            FilterComparator::GreaterEqual => Self::GreaterOrEqual,
            FilterComparator::Greater => Self::Greater,
            FilterComparator::LessEqual => Self::LessOrEqual,
            FilterComparator::Less => Self::Less,
        }
    }
}

impl WorkerRecord {
    fn of(worker: &WorkerId, status: &Status) -> Self {
        Self {
            component: worker.component.as_u128(),
            name: worker.name.clone(),
            args: status.create.args.clone(),
            env: status.create.env.clone(),
            status: guest_status(status.state) as u8,
            version: status.component_version,
            retries: u64::from(status.retry_count()),
        }
    }

    /// The status as the interface spells it.
    pub(crate) fn status_name(&self) -> &'static str {
        match status_at(self.status) {
            WorkerStatus::Running => "running",
            WorkerStatus::Idle => "idle",
            WorkerStatus::Suspended => "suspended",
            WorkerStatus::Interrupted => "interrupted",
            WorkerStatus::Retrying => "retrying",
            WorkerStatus::Failed => "failed",
            WorkerStatus::Exited => "exited",
        }
    }
}

impl From<WorkerRecord> for GuestMetadata {
    fn from(record: WorkerRecord) -> Self {
        let worker_id = host::WorkerId {
            component_id: component_id(Uuid::from_u128(record.component)),
            worker_name: record.name,
        };
        Self {
            worker_id,
            args: record.args,
            env: record.env,
            status: status_at(record.status),
            component_version: record.version,
            retry_count: record.retries,
        }
    }
}

fn guest_status(life: Life) -> WorkerStatus {
    match life {
        Life::Running => WorkerStatus::Running,
        Life::Idle => WorkerStatus::Idle,
        Life::Suspended => WorkerStatus::Suspended,
        Life::Interrupted => WorkerStatus::Interrupted,
        Life::Retrying => WorkerStatus::Retrying,
        Life::Failed | Life::Stalled => WorkerStatus::Failed,
        Life::Exited => WorkerStatus::Exited,
    }
}

/// The inverse of the declaration's order, which is part of the log's format.
fn status_at(place: u8) -> WorkerStatus {
    use WorkerStatus::{Exited, Failed, Idle, Interrupted, Retrying, Running, Suspended};
    let all = [Running, Idle, Suspended, Interrupted, Retrying, Failed, Exited];
    all.get(usize::from(place)).copied().unwrap_or(Failed)
}

/// A component's UUID as guests have it.
pub(super) fn component_id(uuid: Uuid) -> ComponentId {
    let (high_bits, low_bits) = uuid.as_u64_pair();
    ComponentId { uuid: host::Uuid { high_bits, low_bits } }
}

/// The inverse of [`component_id`].
pub(super) fn uuid(component: &ComponentId) -> Uuid {
    Uuid::from_u64_pair(component.uuid.high_bits, component.uuid.low_bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_keep_their_places() {
        let lives = [
            (Life::Running, 0),
            (Life::Idle, 1),
            (Life::Suspended, 2),
            (Life::Interrupted, 3),
            (Life::Retrying, 4),
            (Life::Failed, 5),
            (Life::Exited, 6),
            (Life::Stalled, 5),
        ];
        for (life, place) in lives {
            let status = guest_status(life);
            assert_eq!(status as u8, place);
            assert_eq!(status_at(place), status);
        }
    }

    #[test]
    fn what_is_not_there_satisfies_only_what_is_negated() {
        use StringFilterComparator::{Equal, Like, NotEqual, NotLike};
        let holds = |comparator, value: &str, found| {
            TextMatch::of(comparator, value.to_owned()).holds(found)
        };
        for (comparator, expected) in
            [(Equal, false), (Like, false), (NotEqual, true), (NotLike, true)]
        {
            assert_eq!(holds(comparator, "gold", None), expected);
            assert_eq!(holds(comparator, "gold", Some("gold")), !expected);
        }
        assert!(holds(Like, "g*d", Some("gold")) && !holds(NotLike, "g*d", Some("gold")));
    }
}
