//! The rows of each table, page by page.

use std::collections::VecDeque;
use std::sync::Arc;

use everlog_runtime::schedules::{Schedule, Timing};
use everlog_runtime::value::HandleUrns;
use everlog_runtime::{
    ComponentError, ComponentVersion, Index, WorkerError, WorkerId, WorkerMetadata,
};
use rusqlite::types::Value;
use serde_json::Value as Json;

use super::source::Source;
use super::table::{Kind, Wanted};
use super::value::{integer, text};
use crate::http::{entry_json, open_invocations, state_name};
use crate::time::format_instant;

/// Workers that are read at once.
const WORKERS: usize = 500;
/// Entries, invocations, keys that are read at once.
const ITEMS: usize = 1_000;
/// Values of state above this size are left out, in bytes.
const MAX_STATE_BYTES: u64 = 1 << 20;

type Row = Vec<Value>;

/// A walk through the rows that are wanted of a table.
pub(super) struct Rows {
    kind: Kind,
    source: Arc<Source>,
    wanted: Wanted,
    /// Components whose workers are still to come.
    components: Option<VecDeque<Arc<ComponentVersion>>>,
    /// The component whose workers are read, and the last of them that was.
    component: Option<(Arc<ComponentVersion>, Option<WorkerId>)>,
    workers: VecDeque<WorkerMetadata>,
    /// The worker whose items are read, and how far.
    worker: Option<(WorkerMetadata, Place)>,
    /// The schedule behind which the next page begins.
    schedule: Option<String>,
}

/// How far the items of a worker are read.
enum Place {
    Beginning,
    Entry(Index),
    Behind(String),
}

impl Rows {
    pub(super) fn new(kind: Kind, source: Arc<Source>, wanted: Wanted) -> Self {
        let (components, component, workers, worker) = (None, None, VecDeque::new(), None);
        Self { kind, source, wanted, components, component, workers, worker, schedule: None }
    }

    /// Some more rows; none at the end.
    ///
    /// # Errors
    /// If something can't be read.
    pub(super) async fn next_page(&mut self) -> Result<Vec<Row>, WorkerError> {
        if self.kind == Kind::Components {
            return Ok(self.take_components().iter().map(|it| component_row(it)).collect());
        }
        if self.kind == Kind::Schedules {
            return self.schedules().await;
        }
        loop {
            if let Some((worker, place)) = self.worker.take() {
                let page = self.items(worker, place).await;
                match page {
                    Ok(page) if page.is_empty() => {}
                    // It was deleted in between.
                    Err(WorkerError::NotFound { .. }) => self.worker = None,
                    page => return page,
                }
            } else if self.kind == Kind::Workers && !self.workers.is_empty() {
                let workers = std::mem::take(&mut self.workers);
                return Ok(workers.iter().map(|worker| self.worker_row(worker)).collect());
            } else if let Some(worker) = self.workers.pop_front() {
                self.worker = Some((worker, Place::Beginning));
            } else if !self.more_workers().await? {
                return Ok(Vec::new());
            }
        }
    }

    fn take_components(&mut self) -> Vec<Arc<ComponentVersion>> {
        if self.components.is_some() {
            return Vec::new();
        }
        self.components = Some(VecDeque::new());
        match &self.wanted.component {
            Some(name) => {
                let found = self.source.runtime.component(name);
                found.ok().filter(|found| found.name == *name).into_iter().collect()
            }
            None => self.source.runtime.components(),
        }
    }

    /// Reads more workers; false at the end.
    async fn more_workers(&mut self) -> Result<bool, WorkerError> {
        if self.components.is_none() {
            let components = self.take_components();
            self.components = Some(components.into());
        }
        loop {
            let Some((component, after)) = self.component.take() else {
                let next = self.components.as_mut().and_then(VecDeque::pop_front);
                let Some(next) = next else { return Ok(false) };
                self.component = Some((next, None));
                continue;
            };
            if let Some(name) = &self.wanted.worker {
                self.workers.extend(self.one_worker(&component, name).await?);
            } else {
                let id = Some(component.id);
                let page = self.source.runtime.workers(id, after, WORKERS).await?;
                if let Some(last) = page.last() {
                    self.component = Some((component, Some(last.worker.clone())));
                }
                self.workers.extend(page);
            }
            if !self.workers.is_empty() {
                return Ok(true);
            }
        }
    }

    async fn one_worker(
        &self,
        component: &ComponentVersion,
        name: &str,
    ) -> Result<Option<WorkerMetadata>, WorkerError> {
        let Ok(id) = WorkerId::new(component.id, name) else { return Ok(None) };
        match self.source.runtime.worker(&id).await {
            Ok(worker) => Ok(Some(worker)),
            Err(
                WorkerError::NotFound { .. }
                | WorkerError::Component(ComponentError::NotFound { .. }),
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The next items of a worker; none where they end.
    async fn items(
        &mut self,
        worker: WorkerMetadata,
        place: Place,
    ) -> Result<Vec<Row>, WorkerError> {
        match self.kind {
            Kind::Components | Kind::Workers | Kind::Schedules => Ok(Vec::new()),
            Kind::Oplog => self.entries(worker, place).await,
            Kind::Invocations => self.invocations(worker, place).await,
            Kind::State => self.states(worker, place).await,
        }
    }

    async fn entries(
        &mut self,
        worker: WorkerMetadata,
        place: Place,
    ) -> Result<Vec<Row>, WorkerError> {
        let from = match place {
            Place::Entry(from) => from,
            _ => Index(self.wanted.from.max(Index::FIRST.get())),
        };
        let id = worker.worker.clone();
        let entries = self.source.runtime.read_oplog(&id, from, ITEMS).await?;
        let urns = HandleUrns::of_worker(&id.component.to_string(), &id.name);
        let names = self.names(&worker);
        let row = |(index, entry): &(Index, _)| {
            let body = entry_json(*index, entry, &urns);
            let member = |name: &str| text(body[name].as_str());
            let mut row = names.to_vec();
            row.extend([integer(index.get()), member("timestamp"), member("type")]);
            row.extend([member("function"), member("idempotencyKey")]);
            row.push(Value::Text(body.to_string()));
            row
        };
        let rows = entries.iter().map(row).collect();
        if let Some((last, _)) = entries.last() {
            self.worker = Some((worker, Place::Entry(last.next())));
        }
        Ok(rows)
    }

    async fn invocations(
        &mut self,
        worker: WorkerMetadata,
        place: Place,
    ) -> Result<Vec<Row>, WorkerError> {
        let (runtime, id) = (&self.source.runtime, worker.worker.clone());
        let names = self.names(&worker);
        let mut rows: Vec<Row> = Vec::new();
        let after = match &place {
            Place::Behind(after) => Some(after.as_str()),
            _ => {
                let activity = runtime.activity(&id).await?;
                let open = open_invocations(&activity);
                rows.extend(open.iter().map(|open| invocation_row(&names, open)));
                None
            }
        };
        let page = runtime.ended_invocations(&id, after, ITEMS).await?;
        for ended in page.invocations {
            let mut row = names.to_vec();
            row.extend([Value::Text(ended.key), text(Some(ended.status)), text(ended.function)]);
            row.extend([text(Some(format_instant(ended.begun_at))), Value::Null]);
            row.push(text(Some(format_instant(ended.ended_at))));
            row.extend([integer(ended.begun.get()), integer(ended.ended.get())]);
            row.push(Value::Integer(i64::from(ended.cancelled)));
            rows.push(row);
        }
        if let Some(next) = page.next {
            // A page of what was taken back has no rows, and is not the end.
            self.worker = Some((worker, Place::Behind(next)));
        }
        Ok(rows)
    }

    async fn states(
        &mut self,
        worker: WorkerMetadata,
        place: Place,
    ) -> Result<Vec<Row>, WorkerError> {
        let after = match &place {
            Place::Behind(after) => Some(after.as_str()),
            _ => None,
        };
        let (runtime, id) = (&self.source.runtime, worker.worker.clone());
        let page = runtime.worker_states(&id, "", after, ITEMS, MAX_STATE_BYTES).await?;
        let names = self.names(&worker);
        let mut rows = Vec::new();
        for entry in page.entries {
            let mut row = names.to_vec();
            row.extend([Value::Text(entry.key), text(Some(entry.version.to_string()))]);
            row.extend([text(Some(format_instant(entry.written_at))), integer(entry.size)]);
            let value = entry.value.map(|bytes| match String::from_utf8(bytes) {
                Ok(text) => Value::Text(text),
                Err(error) => Value::Blob(error.into_bytes()),
            });
            row.push(value.unwrap_or(Value::Null));
            rows.push(row);
        }
        if let Some(next) = page.next {
            self.worker = Some((worker, Place::Behind(next)));
        }
        Ok(rows)
    }

    async fn schedules(&mut self) -> Result<Vec<Row>, WorkerError> {
        let page = self.source.runtime.schedules(self.schedule.as_deref(), ITEMS).await;
        let page = page.map_err(|error| WorkerError::Peer { detail: error.to_string() })?;
        if let Some(last) = page.last() {
            self.schedule = Some(last.name.clone());
        }
        Ok(page.iter().map(|schedule| self.schedule_row(schedule)).collect())
    }

    fn schedule_row(&self, schedule: &Schedule) -> Row {
        let id = schedule.worker.component.to_string();
        let component =
            self.source.runtime.component(&id).map_or(id, |component| component.name.clone());
        let (cron, time_zone) = match &schedule.timing {
            Timing::Cron { expression, time_zone } => (Some(expression), Some(time_zone)),
            Timing::At(_) => (None, None),
        };
        let last = schedule.last.as_ref();
        vec![
            Value::Text(component),
            Value::Text(schedule.worker.name.clone()),
            Value::Text(schedule.name.clone()),
            Value::Text(schedule.function.clone()),
            Value::Text(schedule.arguments.clone()),
            text(cron.cloned()),
            text(time_zone.cloned()),
            Value::Integer(i64::from(schedule.paused)),
            text(schedule.next.map(format_instant)),
            text(last.map(|last| format_instant(last.due))),
            text(last.map(|last| last.key.clone())),
            text(last.and_then(|last| last.error.clone())),
            integer(schedule.fired),
            integer(schedule.skipped),
        ]
    }

    /// The names of the component and of the worker.
    fn names(&self, worker: &WorkerMetadata) -> [Value; 2] {
        [Value::Text(self.component_name(worker)), Value::Text(worker.worker.name.clone())]
    }

    fn component_name(&self, worker: &WorkerMetadata) -> String {
        let id = worker.worker.component.to_string();
        self.source.runtime.component(&id).map_or(id, |component| component.name.clone())
    }

    fn worker_row(&self, worker: &WorkerMetadata) -> Row {
        let status = &worker.status;
        let current = status.current();
        let failure = status.failure.as_ref();
        let mut row = self.names(worker).to_vec();
        row.extend([
            Value::Text(worker.worker.component.to_string()),
            integer(status.component_version),
            text(Some(state_name(status.state))),
            text(Some(format_instant(status.created_at))),
            text(Some(format_instant(status.updated_at))),
            Value::Integer(i64::from(status.retry_count())),
            text(failure.map(|failure| failure.message.clone())),
            integer(status.last_index.get()),
            integer(status.log_bytes),
            integer(status.memory_bytes),
            integer(worker.pending().len() as u64),
            text(current.map(|current| current.key.clone())),
            text(current.map(|current| current.function.clone())),
            text(status.suspended_until.map(format_instant)),
            text(failure.and_then(|failure| failure.retry_at).map(format_instant)),
        ]);
        row
    }
}

fn component_row(component: &ComponentVersion) -> Row {
    vec![
        Value::Text(component.name.clone()),
        Value::Text(component.id.to_string()),
        integer(component.version),
        Value::Text(component.digest.clone()),
        integer(component.size),
        text(Some(format_instant(component.created_at))),
    ]
}

/// The row of an invocation that has not ended.
fn invocation_row(names: &[Value; 2], open: &Json) -> Row {
    let member = |name: &str| text(open[name].as_str());
    let mut row = names.to_vec();
    row.extend([member("idempotencyKey"), member("status"), member("function")]);
    row.extend([member("startedAt"), member("due"), Value::Null]);
    row.push(open["entry"].as_u64().map_or(Value::Null, integer));
    row.push(Value::Null);
    row.push(Value::Integer(i64::from(open["cancelled"] == true)));
    row
}
