//! Calls that the log keeps in line: accepted for nobody who waits, and withdrawn.

use std::sync::Arc;

use everlog_oplog::{Index, NewInvocation, Status, Timestamp};

use super::front::{Found, Front};
use super::message::{Call, Reply, answer};
use crate::durable::{Flushed, Recorder};
use crate::error::InvokeError;
use crate::records::InvocationRecord;

impl Front {
    pub(super) async fn accept(
        &mut self,
        recorder: &Arc<Recorder>,
        call: Box<Call>,
        due: Option<Timestamp>,
        reply: Reply<Result<(), InvokeError>>,
    ) {
        let found = match call.keyed {
            true => self.find(recorder, &call.key, Some(call.fingerprint)).await,
            false => Ok(Found::Unknown),
        };
        let direct = match found {
            Ok(Found::Unknown) => match self.refusal(recorder) {
                None => None,
                Some(error) => return drop(reply.send(Err(error))),
            },
            Ok(Found::Ended(_)) => return drop(reply.send(Ok(()))),
            // Accepted means durable: what waits in memory only goes to the log, what is in the log to the disk.
            Ok(Found::Waiting) => match self.desk.take_direct(&call.key) {
                Some(caller) => Some(caller),
                None => return self.confirm(recorder, reply),
            },
            Err(error) => return drop(reply.send(Err(error))),
        };
        let request = match self.payload(call.request.clone()).await {
            Ok(request) => request,
            Err(error) => return drop(reply.send(Err(error))),
        };
        let Call { key, function, fingerprint, trace, by_worker, .. } = *call;
        let new = NewInvocation { key: key.clone(), function, request, fingerprint, trace };
        let index = recorder.with(|journal, now| journal.accept(new, due, now));
        let record = InvocationRecord::begun(fingerprint, index);
        self.nudged = true;
        let told: Flushed =
            Box::new(move |result| drop(reply.send(result.map_err(InvokeError::from))));
        let nobody: Flushed = Box::new(drop);
        let (within, outside) = if by_worker { (told, nobody) } else { (nobody, told) };
        recorder.flush_telling(vec![record.put(&self.key, &key)], within, outside);
        self.desk.accepted(index, due);
        if let Some(caller) = direct {
            self.desk.join(&key, caller);
        }
    }

    /// Answers once everything recorded so far is on disk.
    fn confirm(&mut self, recorder: &Arc<Recorder>, reply: Reply<Result<(), InvokeError>>) {
        self.nudged = true;
        recorder.flush_with(
            Vec::new(),
            Box::new(move |result| drop(reply.send(result.map_err(InvokeError::from)))),
        );
    }

    pub(super) async fn cancel(
        &mut self,
        recorder: &Arc<Recorder>,
        key: String,
        reply: Reply<Result<(), InvokeError>>,
    ) {
        let accepted = recorder.with(|journal, _| accepted_under(journal.status(), &key));
        let Some((accepted, fingerprint)) = accepted else {
            let state = match self.find(recorder, &key, None).await {
                Ok(Found::Waiting) => "started or waits with its caller",
                Ok(Found::Ended(_)) => "ended",
                Ok(Found::Unknown) => {
                    let worker = self.label.to_string();
                    return drop(reply.send(Err(InvokeError::NotFound { worker, key })));
                }
                Err(error) => return drop(reply.send(Err(error))),
            };
            return drop(reply.send(Err(InvokeError::NotCancellable { key, state })));
        };
        let reason = "cancelled by a caller";
        let index = recorder.with(|journal, now| journal.cancel(&key, reason, now));
        self.desk.withdraw(accepted);
        let joined = self.desk.take_joined(&key);
        let record =
            InvocationRecord { fingerprint, begun: accepted, ended: Some(index), cancelled: false };
        recorder.flush_with(
            vec![record.put(&self.key, &key)],
            Box::new(move |result| {
                let told = result
                    .clone()
                    .map_or_else(InvokeError::from, |()| InvokeError::Cancelled { key });
                answer(joined, &Err(told));
                let _ = reply.send(result.map_err(InvokeError::from));
            }),
        );
    }
}

pub(super) fn accepted_under(status: &Status, key: &str) -> Option<(Index, u64)> {
    let mut accepted = status.accepted.iter();
    accepted.find(|(_, call)| call.key == key).map(|(index, call)| (*index, call.fingerprint))
}
