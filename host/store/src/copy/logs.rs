//! Oplogs, record by record, with the borders that they have.

use futures::stream::TryStreamExt as _;

use super::{CopyError, Run};
use crate::{Append, Batch, LogRecord, WorkerKey};

/// What is read of an oplog at once; one record may be larger.
const PAGE_BYTES: usize = 1 << 20;

impl Run<'_> {
    /// Makes the oplog of `worker` the same in the target, or checks that it is.
    pub(super) async fn log(&mut self, worker: &WorkerKey) -> Result<(), CopyError> {
        let mut compares = self.compares;
        let mut from = 1;
        loop {
            let theirs = self.job.source.store.read_log(worker, from, PAGE_BYTES).await?;
            let target = self.job.target.store;
            let ours =
                if compares { target.read_log(worker, from, PAGE_BYTES).await? } else { vec![] };
            let same = theirs.iter().zip(&ours).take_while(|(theirs, ours)| theirs == ours).count();
            if same < ours.len() {
                // The copy goes another way, or further.
                if self.is_check() {
                    return Err(self.log_differs(worker, theirs.get(same), ours.get(same)));
                }
                self.remove_log(worker).await?;
                (compares, from) = (false, 1);
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
