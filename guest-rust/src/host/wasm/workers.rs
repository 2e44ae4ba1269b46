//! The part of `golem:api/host` that is about promises and workers.

use uuid::Uuid;

use super::bindings::golem::api::host as api;
use crate::worker::Property;
use crate::{
    Comparison, PromiseId, TextComparison, UpdateMode, WorkerFilter, WorkerId, WorkerMetadata,
    WorkerStatus,
};

pub(crate) fn create_promise() -> PromiseId {
    let id = api::create_promise();
    PromiseId { worker_id: id.worker_id.into(), oplog_idx: id.oplog_idx }
}

pub(crate) fn await_promise(id: &PromiseId) -> Vec<u8> {
    api::await_promise(&id.into())
}

pub(crate) fn complete_promise(id: &PromiseId, data: &[u8]) -> bool {
    api::complete_promise(&id.into(), data)
}

pub(crate) fn delete_promise(id: &PromiseId) {
    api::delete_promise(&id.into());
}

pub(crate) fn get_self_metadata() -> WorkerMetadata {
    api::get_self_metadata().into()
}

pub(crate) fn get_worker_metadata(id: &WorkerId) -> Option<WorkerMetadata> {
    api::get_worker_metadata(&id.into()).map(Into::into)
}

pub(crate) fn get_self_uri(function: &str) -> String {
    api::get_self_uri(function).value
}

pub(crate) fn update_worker(id: &WorkerId, target_version: u64, mode: UpdateMode) {
    let mode = match mode {
        UpdateMode::Automatic => api::UpdateMode::Automatic,
        UpdateMode::SnapshotBased => api::UpdateMode::SnapshotBased,
    };
    api::update_worker(&id.into(), target_version, mode);
}

/// The workers of a component, page by page.
pub(crate) struct Pages(api::GetWorkers);

impl Pages {
    pub(crate) fn new(component_id: Uuid, filter: Option<WorkerFilter>, precise: bool) -> Self {
        let filter = filter.map(Into::into);
        Self(api::GetWorkers::new(component_id.into(), filter.as_ref(), precise))
    }

    pub(crate) fn next_page(&mut self) -> Option<Vec<WorkerMetadata>> {
        let page = self.0.get_next()?;
        Some(page.into_iter().map(Into::into).collect())
    }
}

impl From<Uuid> for api::ComponentId {
    fn from(id: Uuid) -> Self {
        let (high_bits, low_bits) = id.as_u64_pair();
        Self { uuid: api::Uuid { high_bits, low_bits } }
    }
}

impl From<&WorkerId> for api::WorkerId {
    fn from(id: &WorkerId) -> Self {
        Self { component_id: id.component_id.into(), worker_name: id.worker_name.clone() }
    }
}

impl From<api::WorkerId> for WorkerId {
    fn from(id: api::WorkerId) -> Self {
        let api::Uuid { high_bits, low_bits } = id.component_id.uuid;
        let component_id = Uuid::from_u64_pair(high_bits, low_bits);
        Self { component_id, worker_name: id.worker_name }
    }
}

impl From<&PromiseId> for api::PromiseId {
    fn from(id: &PromiseId) -> Self {
        Self { worker_id: (&id.worker_id).into(), oplog_idx: id.oplog_idx }
    }
}

impl From<api::WorkerMetadata> for WorkerMetadata {
    fn from(worker: api::WorkerMetadata) -> Self {
        Self {
            worker_id: worker.worker_id.into(),
            args: worker.args,
            env: worker.env,
            status: worker.status.into(),
            component_version: worker.component_version,
            retry_count: worker.retry_count,
        }
    }
}

impl From<api::WorkerStatus> for WorkerStatus {
    fn from(status: api::WorkerStatus) -> Self {
        match status {
            api::WorkerStatus::Running => Self::Running,
            api::WorkerStatus::Idle => Self::Idle,
            api::WorkerStatus::Suspended => Self::Suspended,
            api::WorkerStatus::Interrupted => Self::Interrupted,
            api::WorkerStatus::Retrying => Self::Retrying,
            api::WorkerStatus::Failed => Self::Failed,
            api::WorkerStatus::Exited => Self::Exited,
        }
    }
}

impl From<WorkerStatus> for api::WorkerStatus {
    fn from(status: WorkerStatus) -> Self {
        match status {
            WorkerStatus::Running => Self::Running,
            WorkerStatus::Idle => Self::Idle,
            WorkerStatus::Suspended => Self::Suspended,
            WorkerStatus::Interrupted => Self::Interrupted,
            WorkerStatus::Retrying => Self::Retrying,
            WorkerStatus::Failed => Self::Failed,
            WorkerStatus::Exited => Self::Exited,
        }
    }
}

impl From<Comparison> for api::FilterComparator {
    fn from(comparison: Comparison) -> Self {
        match comparison {
            Comparison::Equal => Self::Equal,
            Comparison::NotEqual => Self::NotEqual,
            Comparison::GreaterEqual => Self::GreaterEqual,
            Comparison::Greater => Self::Greater,
            Comparison::LessEqual => Self::LessEqual,
            Comparison::Less => Self::Less,
        }
    }
}

impl From<TextComparison> for api::StringFilterComparator {
    fn from(comparison: TextComparison) -> Self {
        match comparison {
            TextComparison::Equal => Self::Equal,
            TextComparison::NotEqual => Self::NotEqual,
            TextComparison::Like => Self::Like,
            TextComparison::NotLike => Self::NotLike,
        }
    }
}

impl From<WorkerFilter> for api::WorkerAnyFilter {
    fn from(filter: WorkerFilter) -> Self {
        let all = |properties: Vec<Property>| api::WorkerAllFilter {
            filters: properties.into_iter().map(Into::into).collect(),
        };
        Self { filters: filter.any.into_iter().map(all).collect() }
    }
}

impl From<Property> for api::WorkerPropertyFilter {
    fn from(property: Property) -> Self {
        match property {
            Property::Name(comparator, value) => {
                Self::Name(api::WorkerNameFilter { comparator: comparator.into(), value })
            }
            Property::Status(comparator, value) => Self::Status(api::WorkerStatusFilter {
                comparator: comparator.into(),
                value: value.into(),
            }),
            Property::Version(comparator, value) => {
                Self::Version(api::WorkerVersionFilter { comparator: comparator.into(), value })
            }
            Property::CreatedAt(comparator, value) => {
                Self::CreatedAt(api::WorkerCreatedAtFilter { comparator: comparator.into(), value })
            }
            Property::Env(name, comparator, value) => {
                Self::Env(api::WorkerEnvFilter { name, comparator: comparator.into(), value })
            }
        }
    }
}
