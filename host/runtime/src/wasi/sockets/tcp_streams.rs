//! The bytes of a TCP connection: what arrives is recorded as it is read, what is written leaves behind the gate.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bincode::{Decode, Encode};
use bytes::Bytes;
use everlog_oplog::{Category, Index};
use tokio::task::JoinHandle;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, InputStream, OutputStream, Pollable, StreamError, StreamResult,
};

use super::outcome::Code;
use crate::durable::{Entered, Interruption, Recorder};

/// The most that one read brings, and one write takes, in bytes.
const MAX_CHUNK: usize = 64 * 1024;

/// Why a stream brought nothing.
#[derive(Clone, Debug, Encode, Decode)]
enum Ending {
    /// The peer, or the guest, has closed it.
    Closed,
    /// It failed.
    Failed(StreamFailure),
}

/// An error of a stream, as the guest can ask for it.
#[derive(Clone, Debug, Encode, Decode, thiserror::Error)]
#[error("{message}")]
pub(super) struct StreamFailure {
    message: String,
    code: Option<Code>,
}

impl StreamFailure {
    /// What went wrong, in the words of `wasi:sockets`.
    pub(super) fn code(&self) -> Option<ErrorCode> {
        self.code.as_ref().map(ErrorCode::from)
    }
}

impl Ending {
    /// Of a connection that was open before a recovery.
    fn lost() -> Self {
        Self::Failed(StreamFailure {
            message: "connection-reset: the connection was open before the worker was recovered"
                .to_owned(),
            code: Some(ErrorCode::ConnectionReset.into()),
        })
    }

    /// Tells an error that the guest sees from a trap.
    fn of(error: StreamError) -> StreamResult<Self> {
        match error {
            StreamError::Closed => Ok(Self::Closed),
            StreamError::LastOperationFailed(error) => {
                let code = error.downcast_ref::<ErrorCode>().copied().or_else(|| {
                    let code = error.downcast_ref::<wasmtime_wasi::sockets::ErrorCode>()?;
                    Some(ErrorCode::from(*code))
                });
                let message = code.map_or_else(|| error.to_string(), |code| code.name().to_owned());
                Ok(Self::Failed(StreamFailure { message, code: code.map(Code::from) }))
            }
            trap @ StreamError::Trap(_) => Err(trap),
        }
    }
}

impl From<Ending> for StreamError {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Closed => Self::Closed,
            Ending::Failed(failure) => Self::LastOperationFailed(failure.into()),
        }
    }
}

fn trap(interruption: Interruption) -> StreamError {
    StreamError::Trap(interruption.into())
}

/// What arrives at a connection.
pub(super) struct TcpInput {
    /// The number of the socket, the same in every replay.
    connection: u32,
    /// `None`: the connection is lost.
    live: Option<DynInputStream>,
    recorder: Arc<Recorder>,
}

impl TcpInput {
    pub(super) fn new(
        connection: u32,
        live: Option<DynInputStream>,
        recorder: &Arc<Recorder>,
    ) -> Self {
        Self { connection, live, recorder: Arc::clone(recorder) }
    }
}

#[async_trait]
impl Pollable for TcpInput {
    /// In replay the next read is answered from the log, and a lost stream is ready for its error.
    async fn ready(&mut self) {
        if let Some(live) = &mut self.live
            && !self.recorder.is_replaying()
        {
            live.ready().await;
        }
    }
}

#[async_trait]
impl InputStream for TcpInput {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let size = size.min(MAX_CHUNK);
        let function = "wasi:sockets/tcp.input-stream.read";
        let request = (self.connection, size);
        let entered = self.recorder.ask(Category::ReadLocal, function, &request).map_err(trap)?;
        let outcome: Result<Vec<u8>, Ending> = match entered {
            Entered::Replayed(outcome) => outcome,
            Entered::Live(ticket) => {
                let outcome = match &mut self.live {
                    Some(live) => match live.read(size) {
                        Ok(bytes) => Ok(bytes.into()),
                        Err(error) => Err(Ending::of(error)?),
                    },
                    None => Err(Ending::lost()),
                };
                self.recorder.tell(ticket, &outcome).map_err(trap)?;
                outcome
            }
        };
        Ok(outcome?.into())
    }
}

/// What a connection sends, shared by its stream and its socket.
#[derive(Clone)]
pub(super) struct SharedOutput(Arc<Mutex<Output>>);

enum Output {
    /// It takes bytes.
    Idle(DynOutputStream),
    /// Bytes wait for the log, or for the peer.
    Writing(JoinHandle<(DynOutputStream, Result<(), Ending>)>),
    /// It takes nothing any more.
    Ended(Ending),
}

impl SharedOutput {
    /// `None`: the connection is lost.
    pub(super) fn new(live: Option<DynOutputStream>) -> Self {
        let output = live.map_or_else(|| Output::Ended(Ending::lost()), Output::Idle);
        Self(Arc::new(Mutex::new(output)))
    }

    /// Returns once nothing is on its way any more.
    pub(super) async fn written(&self) {
        std::future::poll_fn(|context| self.lock().poll_written(context)).await;
    }

    /// Returns once it takes bytes, or has an error to tell.
    async fn ready(&self) {
        std::future::poll_fn(|context| self.lock().poll_ready(context)).await;
    }

    fn lock(&self) -> MutexGuard<'_, Output> {
        // A panic half-way ends the worker's instance, and the connection with it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output {
    fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Self::Writing(task) = self {
            *self = match ready!(pin!(task).poll(context)) {
                Ok((live, Ok(()))) => Self::Idle(live),
                Ok((_, Err(ending))) => Self::Ended(ending),
                // The runtime is shutting down.
                Err(_) => Self::Ended(Ending::Closed),
            };
        }
        Poll::Ready(())
    }

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_written(context));
        match self {
            // What the stream waits for is kept in itself, so a new future goes on where the last was dropped.
            Self::Idle(live) => live.ready().as_mut().poll(context),
            Self::Writing(_) | Self::Ended(_) => Poll::Ready(()),
        }
    }

    fn check(&mut self) -> StreamResult<Result<usize, Ending>> {
        if self.poll_written(&mut Context::from_waker(Waker::noop())).is_pending() {
            return Ok(Ok(0));
        }
        match self {
            Self::Idle(live) => match live.check_write() {
                Ok(permit) => Ok(Ok(permit.min(MAX_CHUNK))),
                Err(error) => {
                    let ending = Ending::of(error)?;
                    *self = Self::Ended(ending.clone());
                    Ok(Err(ending))
                }
            },
            Self::Writing(_) => Ok(Ok(0)),
            Self::Ended(ending) => Ok(Err(ending.clone())),
        }
    }

    /// Whether it takes bytes at all.
    fn takes(&self) -> Result<(), Ending> {
        match self {
            Self::Idle(_) | Self::Writing(_) => Ok(()),
            Self::Ended(ending) => Err(ending.clone()),
        }
    }

    /// Sends `bytes` once entry `behind` is durable.
    fn send(&mut self, bytes: Bytes, behind: Index, recorder: &Arc<Recorder>) {
        let former = std::mem::replace(self, Self::Ended(Ending::Closed));
        *self = match former {
            Self::Idle(live) => {
                let recorder = Arc::clone(recorder);
                recorder.flush();
                Self::Writing(tokio::spawn(async move {
                    let mut live = live;
                    let written = send(&mut live, bytes, behind, &recorder).await;
                    (live, written)
                }))
            }
            other => other,
        };
    }
}

async fn send(
    live: &mut DynOutputStream,
    mut bytes: Bytes,
    behind: Index,
    recorder: &Recorder,
) -> Result<(), Ending> {
    // Where the log takes nothing any more, nothing may leave; the worker ends by itself.
    recorder.wait_durable(behind).await.map_err(|_| Ending::Closed)?;
    let ending = |error| Ending::of(error).unwrap_or(Ending::Closed);
    while !bytes.is_empty() {
        live.ready().await;
        let permit = live.check_write().map_err(ending)?;
        live.write(bytes.split_to(permit.min(bytes.len()))).map_err(ending)?;
    }
    live.ready().await;
    live.check_write().map(drop).map_err(ending)
}

/// The guest's stream into a connection.
pub(super) struct TcpOutput {
    /// The number of the socket, the same in every replay.
    connection: u32,
    shared: SharedOutput,
    recorder: Arc<Recorder>,
    /// What the next write may hold.
    permit: usize,
}

impl TcpOutput {
    pub(super) fn new(connection: u32, shared: SharedOutput, recorder: &Arc<Recorder>) -> Self {
        Self { connection, shared, recorder: Arc::clone(recorder), permit: 0 }
    }
}

#[async_trait]
impl Pollable for TcpOutput {
    async fn ready(&mut self) {
        if !self.recorder.is_replaying() {
            self.shared.ready().await;
        }
    }
}

#[async_trait]
impl OutputStream for TcpOutput {
    fn check_write(&mut self) -> StreamResult<usize> {
        let function = "wasi:sockets/tcp.output-stream.check-write";
        let entered =
            self.recorder.ask(Category::ReadLocal, function, &self.connection).map_err(trap)?;
        let outcome: Result<usize, Ending> = match entered {
            Entered::Replayed(outcome) => outcome,
            Entered::Live(ticket) => {
                let outcome = self.shared.lock().check()?;
                self.recorder.tell(ticket, &outcome).map_err(trap)?;
                outcome
            }
        };
        self.permit = *outcome.as_ref().unwrap_or(&0);
        Ok(outcome?)
    }

    /// Recorded as done: the bytes leave when that is durable, and replay never sends them again. Whether they arrived
    /// shows, as ever, in what the peer answers.
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > self.permit {
            let message = "an output stream got more bytes than check-write had permitted";
            return Err(StreamError::trap(message));
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.permit = 0;
        let request = (self.connection, &bytes[..]);
        let function = "wasi:sockets/tcp.output-stream.write";
        let takes = self.shared.lock().takes();
        let (outcome, behind) = self.recorder.hand_over(function, &request, takes).map_err(trap)?;
        if let Some(behind) = behind {
            self.shared.lock().send(bytes, behind, &self.recorder);
        }
        Ok(outcome?)
    }

    /// Everything is on its way already; an error shows in the next `check-write`.
    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    /// The stream closes behind what was written, and behind the gate.
    async fn cancel(&mut self) {
        self.shared.written().await;
        if self.shared.lock().takes().is_ok() {
            let _ = self.recorder.gate().await;
        }
    }
}
