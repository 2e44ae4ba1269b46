//! Oplogs, record by record, with the borders that they have.

use std::collections::VecDeque;

use futures::future::try_join;
use futures::stream::{Stream, TryStreamExt as _};

use super::{CopyError, Run};
use crate::{Append, Batch, LogRecord, Store, StoreError, WorkerKey};

/// What is read of an oplog at once; one record may be larger.
const PAGE_BYTES: usize = 1 << 20;

/// Oplogs that are read ahead, two pages of each: the end of a short one is the second.
const READ_AHEAD: usize = 8;

/// Pages of an oplog in their order.
type Pages = VecDeque<Vec<LogRecord>>;

impl Run<'_> {
    /// Makes these oplogs the same in the target, or checks that they are. Several are read ahead.
    pub(super) async fn logs(
        &mut self,
        workers: impl Stream<Item = Result<WorkerKey, StoreError>>,
    ) -> Result<(), CopyError> {
        let (source, target) = (self.job.source.store, self.job.target.store);
        let compares = self.compares;
        let read = |worker: WorkerKey| async move {
            let ours = async {
                if compares { read_ahead(target, &worker).await } else { Ok(VecDeque::new()) }
            };
            let (theirs, ours) = try_join(read_ahead(source, &worker), ours).await?;
            Ok((worker, theirs, ours))
        };
        let ahead = workers.map_ok(read).try_buffered(READ_AHEAD);
        let mut ahead = std::pin::pin!(ahead);
        while let Some((worker, theirs, ours)) = ahead.try_next().await? {
            self.log(&worker, theirs, ours).await?;
        }
        Ok(())
    }

    /// One oplog, of which the first pages are read.
    async fn log(
        &mut self,
        worker: &WorkerKey,
        mut their_pages: Pages,
        mut our_pages: Pages,
    ) -> Result<(), CopyError> {
        let (source, target) = (self.job.source.store, self.job.target.store);
        let mut compares = self.compares;
        let mut from = 1;
        loop {
            let theirs = next_page(&mut their_pages, source, worker, from).await?;
            let ours = if compares {
                next_page(&mut our_pages, target, worker, from).await?
            } else {
                Vec::new()
            };
            let same = theirs.iter().zip(&ours).take_while(|(theirs, ours)| theirs == ours).count();
            if same < ours.len() {
                // The copy goes another way, or further.
                if self.is_check() {
                    return Err(self.log_differs(worker, theirs.get(same), ours.get(same)));
                }
                self.remove_log(worker).await?;
                (compares, from) = (false, 1);
                their_pages.clear();
                continue;
            }
            let Some(end) = theirs.last().map(|record| record.last) else { break };
            if same < theirs.len() {
                if self.is_check() {
                    return Err(self.log_differs(worker, theirs.get(same), None));
                }
                compares = false;
            }
            for (position, record) in theirs.into_iter().enumerate() {
                self.inspect(worker, &record)?;
                self.progress.bytes += record.bytes.len() as u64;
                if position >= same {
                    let LogRecord { first, last, bytes } = record;
                    let appends = vec![Append::new(worker.clone(), first, last, bytes)];
                    self.writer.submit(Batch { appends, ..Batch::default() }).await?;
                }
            }
            from = end + 1;
            self.tell();
        }
        self.progress.logs += 1;
        self.tell();
        Ok(())
    }

    /// Removes oplogs that the source does not have.
    pub(super) async fn surplus_logs(&mut self) -> Result<(), CopyError> {
        if !self.compares {
            return Ok(());
        }
        let mut logs = self.job.target.store.logs();
        while let Some(worker) = logs.try_next().await? {
            if self.job.source.store.last_index(&worker).await?.is_some() {
                continue;
            }
            if self.is_check() {
                let what = format!("worker {}", (self.job.name_of)(&worker));
                return Err(self.differs(what, "no such oplog".into(), "one".into()));
            }
            self.remove_log(&worker).await?;
        }
        Ok(())
    }

    async fn remove_log(&mut self, worker: &WorkerKey) -> Result<(), CopyError> {
        self.writer.submit(Batch { delete_logs: vec![worker.clone()], ..Batch::default() }).await
    }

    fn inspect(&mut self, worker: &WorkerKey, record: &LogRecord) -> Result<(), CopyError> {
        let named = (self.job.inspect)(worker, record).map_err(|detail| CopyError::Damaged {
            worker: (self.job.name_of)(worker),
            first: record.first,
            last: record.last,
            place: self.job.source.name.to_owned(),
            detail,
        })?;
        if self.selection.parts.is_some() {
            self.named.extend(named);
        }
        Ok(())
    }

    fn log_differs(
        &self,
        worker: &WorkerKey,
        theirs: Option<&LogRecord>,
        ours: Option<&LogRecord>,
    ) -> CopyError {
        let first = theirs.or(ours).map_or(1, |record| record.first);
        let shown = |record: Option<&LogRecord>| match record {
            None => "nothing".to_owned(),
            Some(LogRecord { first, last, bytes }) => {
                let digest = crate::Digest::of(bytes);
                format!("entries {first} to {last} in {} bytes with digest {digest}", bytes.len())
            }
        };
        let what = format!("worker {}, entry {first}", (self.job.name_of)(worker));
        self.differs(what, shown(theirs), shown(ours))
    }
}

/// The first pages of an oplog.
async fn read_ahead(store: &dyn Store, worker: &WorkerKey) -> Result<Pages, StoreError> {
    let first = store.read_log(worker, 1, PAGE_BYTES).await?;
    let Some(end) = first.last().map(|record| record.last) else {
        return Ok(VecDeque::from([first]));
    };
    let second = store.read_log(worker, end + 1, PAGE_BYTES).await?;
    Ok(VecDeque::from([first, second]))
}

/// What was read ahead, or else is read now.
async fn next_page(
    pages: &mut Pages,
    store: &dyn Store,
    worker: &WorkerKey,
    from: u64,
) -> Result<Vec<LogRecord>, StoreError> {
    match pages.pop_front() {
        Some(page) => Ok(page),
        None => store.read_log(worker, from, PAGE_BYTES).await,
    }
}
