//! Values on their way to and from shared data, as `wasi:keyvalue` and `wasi:blobstore` both have them, and the streams
//! over them. The streams act at once: a value is wholly in memory while a guest writes or reads it.

use std::sync::Arc;

use bytes::Bytes;
use everlog_store::StoreError;
use wasmtime::component::Resource;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, InputStream, OutputStream, Pollable, StreamError, StreamResult,
};

use super::registry::{BodyRecipe, ValueRecipe};
use super::shared::SharedBytes;
use super::{Recipe, SharedCount, WorkerState};
use crate::durable::Interruption;
use crate::keyvalue::StoredValue;

/// What all values that one worker holds open may measure together, in bytes.
const MAX_OPEN_BYTES: u64 = 256 << 20;

/// The most that one call writes to or reads from a stream, in bytes.
const MAX_CHUNK_BYTES: usize = 64 * 1024;

/// Bytes that a worker holds open, counted as long as anything holds them.
pub(super) struct Body {
    /// Its own within the worker, so that whoever makes values and streams again knows which of them share one.
    id: u64,
    bytes: SharedBytes,
    /// What the worker's bodies hold together.
    open: SharedCount,
    /// What this one may hold.
    limit: usize,
}

impl Body {
    fn len(&self) -> usize {
        self.bytes.with(|bytes| bytes.len())
    }

    /// Adds `more`, unless that is too much.
    fn append(&self, more: &[u8]) -> Result<(), String> {
        let size = self.len().saturating_add(more.len());
        if size > self.limit {
            return Err(format!(
                "a value has {size} bytes, but at most {} are allowed",
                self.limit
            ));
        }
        let open = self.open.get().saturating_add(more.len() as u64);
        if open > MAX_OPEN_BYTES {
            return Err(format!(
                "the values that this worker holds open have {open} bytes together, but at most {MAX_OPEN_BYTES} are \
                 allowed; drop some of them"
            ));
        }
        self.open.set(open);
        self.bytes.with(|bytes| bytes.extend_from_slice(more));
        Ok(())
    }

    /// Forgets what it holds.
    fn clear(&self) {
        let size = self.bytes.with(|bytes| std::mem::take(bytes).len());
        self.open.subtract(size as u64);
    }

    fn to_vec(&self) -> Vec<u8> {
        self.bytes.with(|bytes| bytes.clone())
    }

    /// How it is made again.
    pub(super) fn recipe(&self) -> BodyRecipe {
        BodyRecipe { id: self.id, bytes: self.bytes.clone() }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A value that the guest puts together.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct OutgoingValue {
    pub(super) body: Arc<Body>,
    /// Where it goes by itself when the guest drops it.
    pub(super) vacancy: Option<Vacancy>,
}

/// A place in the cache that waits for a value.
#[derive(Clone)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Vacancy {
    pub(super) key: String,
    /// How long the value is to stay, in milliseconds.
    pub(super) ttl_ms: Option<u32>,
}

impl OutgoingValue {
    /// What was written so far.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.body.to_vec()
    }

    /// How many bytes were written so far.
    pub(super) fn len(&self) -> usize {
        self.body.len()
    }

    /// Puts `bytes` in place of what was written.
    pub(super) fn replace(&self, bytes: &[u8]) -> Result<(), String> {
        self.body.clear();
        self.body.append(bytes)
    }

    /// A stream that writes the value from its beginning.
    pub(super) fn stream(&self) -> ValueOutput {
        self.body.clear();
        ValueOutput { body: Arc::clone(&self.body), closed: false }
    }
}

/// A value, or part of one, that the guest may read.
#[derive(Clone)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub enum IncomingValue {
    /// In memory.
    Bytes(Arc<Body>),
    /// In a blob, to be fetched when it is read.
    Blob {
        /// The whole.
        whole: StoredValue,
        /// Where the part starts, in bytes.
        start: u64,
        /// How many bytes it has.
        length: u64,
    },
}

impl IncomingValue {
    /// How many bytes there are.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Bytes(body) => body.len() as u64,
            Self::Blob { length, .. } => *length,
        }
    }

    /// How it is made again.
    pub(super) fn recipe(&self) -> ValueRecipe {
        match self {
            Self::Bytes(body) => ValueRecipe::Bytes(body.recipe()),
            Self::Blob { whole, start, length } => {
                ValueRecipe::Blob { whole: whole.clone(), start: *start, length: *length }
            }
        }
    }
}

/// Writes a value.
pub(crate) struct ValueOutput {
    body: Arc<Body>,
    closed: bool,
}

#[async_trait]
impl Pollable for ValueOutput {
    async fn ready(&mut self) {}
}

impl OutputStream for ValueOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if self.closed {
            return Err(StreamError::Closed);
        }
        if bytes.len() > MAX_CHUNK_BYTES {
            return Err(StreamError::trap("more bytes written than check-write allowed"));
        }
        self.body.append(&bytes).map_err(|refused| {
            self.closed = true;
            StreamError::LastOperationFailed(wasmtime::Error::msg(refused))
        })
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.check_write().map(drop)
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        if self.closed { Err(StreamError::Closed) } else { Ok(MAX_CHUNK_BYTES) }
    }
}

/// Reads a value.
pub(crate) struct ValueInput {
    body: Arc<Body>,
    /// Shared with the stream's recipe.
    position: SharedCount,
}

#[async_trait]
impl Pollable for ValueInput {
    async fn ready(&mut self) {}
}

impl InputStream for ValueInput {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let start = usize::try_from(self.position.get()).unwrap_or(usize::MAX);
        let chunk = self.body.bytes.with(|bytes| {
            let rest = bytes.get(start..).unwrap_or_default();
            if rest.is_empty() {
                return None;
            }
            Some(Bytes::copy_from_slice(&rest[..rest.len().min(size).min(MAX_CHUNK_BYTES)]))
        });
        let chunk = chunk.ok_or(StreamError::Closed)?;
        self.position.add(chunk.len() as u64);
        Ok(chunk)
    }
}

impl WorkerState {
    /// A value to be read: all of `value`.
    pub(super) fn incoming_value(&mut self, value: StoredValue) -> Result<IncomingValue, String> {
        match value {
            StoredValue::Inline(bytes) => Ok(IncomingValue::Bytes(self.filled(&bytes)?)),
            StoredValue::Blob { size, .. } => {
                Ok(IncomingValue::Blob { whole: value, start: 0, length: size })
            }
        }
    }

    /// The bytes of a value. The log has them, or names the blob that has them, so they are the same in every replay.
    pub(super) async fn value_bytes(&mut self, value: &IncomingValue) -> wasmtime::Result<Vec<u8>> {
        let (whole, start, length) = match value {
            IncomingValue::Bytes(body) => return Ok(body.to_vec()),
            IncomingValue::Blob { whole, start, length } => (whole.clone(), *start, *length),
        };
        let mut bytes = self.stored_bytes(whole).await?;
        let start = usize::try_from(start)?;
        let end = start.saturating_add(usize::try_from(length)?).min(bytes.len());
        bytes.truncate(end);
        bytes.drain(..start.min(end));
        Ok(bytes)
    }

    /// All bytes of a value that the log has or names.
    pub(crate) async fn stored_bytes(&mut self, value: StoredValue) -> wasmtime::Result<Vec<u8>> {
        let loaded = self.environment.key_values.load(value).await;
        loaded.map_err(|error| match error {
            // The worker's own misfortune, not the end of the store.
            StoreError::Corrupt { .. } => wasmtime::Error::new(error),
            error => Interruption::from(error).into(),
        })
    }

    pub(super) fn push_outgoing_value(
        &mut self,
        limit: usize,
        vacancy: Option<Vacancy>,
    ) -> wasmtime::Result<Resource<OutgoingValue>> {
        let value = OutgoingValue { body: Arc::new(self.body(limit)), vacancy };
        let recipe = Recipe::OutgoingValue {
            body: value.body.recipe(),
            limit: limit as u64,
            vacancy: value.vacancy.clone().map(|vacancy| (vacancy.key, vacancy.ttl_ms)),
        };
        Ok(self.push(value, recipe)?)
    }

    /// Adds all of `value`, unless the guest holds too much.
    pub(super) fn push_incoming_value(
        &mut self,
        value: StoredValue,
    ) -> wasmtime::Result<Result<Resource<IncomingValue>, String>> {
        match self.incoming_value(value) {
            Ok(value) => Ok(Ok(self.push_incoming(value)?)),
            Err(refused) => Ok(Err(refused)),
        }
    }

    pub(super) fn push_incoming(
        &mut self,
        value: IncomingValue,
    ) -> wasmtime::Result<Resource<IncomingValue>> {
        let recipe = Recipe::IncomingValue(value.recipe());
        Ok(self.push(value, recipe)?)
    }

    /// A stream that writes `value` from its beginning.
    pub(super) fn push_value_output(
        &mut self,
        value: &Resource<OutgoingValue>,
    ) -> wasmtime::Result<Resource<DynOutputStream>> {
        let stream = self.table.get(value)?.stream();
        let recipe = Recipe::ValueOutput { body: stream.body.recipe() };
        let stream: DynOutputStream = Box::new(stream);
        Ok(self.push(stream, recipe)?)
    }

    /// A stream that reads `value` from its beginning.
    pub(super) async fn push_value_input(
        &mut self,
        value: &IncomingValue,
    ) -> wasmtime::Result<Result<Resource<DynInputStream>, String>> {
        let body = match value {
            IncomingValue::Bytes(body) => Ok(Arc::clone(body)),
            IncomingValue::Blob { .. } => {
                let bytes = self.value_bytes(value).await?;
                self.filled(&bytes)
            }
        };
        let body = match body {
            Ok(body) => body,
            Err(refused) => return Ok(Err(refused)),
        };
        let position = SharedCount::default();
        let recipe = Recipe::ValueInput { body: body.recipe(), position: position.clone() };
        let stream: DynInputStream = Box::new(ValueInput { body, position });
        Ok(Ok(self.push(stream, recipe)?))
    }

    fn filled(&mut self, bytes: &[u8]) -> Result<Arc<Body>, String> {
        let body = self.body(bytes.len());
        body.append(bytes)?;
        Ok(Arc::new(body))
    }

    fn body(&mut self, limit: usize) -> Body {
        let id = self.guest.bodies_made;
        self.guest.bodies_made += 1;
        Body { id, bytes: SharedBytes::default(), open: self.guest.open_bytes.clone(), limit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(open: &SharedCount, limit: usize) -> OutgoingValue {
        let body = Body { id: 0, bytes: SharedBytes::default(), open: open.clone(), limit };
        OutgoingValue { body: Arc::new(body), vacancy: None }
    }

    #[test]
    fn what_is_written_is_read_and_then_the_stream_ends() {
        let open = SharedCount::default();
        let value = value(&open, 100);
        let mut output = value.stream();
        output.write("hello".into()).unwrap();
        output.write(" you".into()).unwrap();
        let mut input = ValueInput { body: Arc::clone(&value.body), position: SharedCount::new(1) };
        assert_eq!(input.read(4).unwrap(), "ello");
        assert_eq!(input.read(100).unwrap(), " you");
        assert!(matches!(input.read(1), Err(StreamError::Closed)));
    }

    #[test]
    fn a_body_counts_as_long_as_anything_holds_it() {
        let open = SharedCount::default();
        let value = value(&open, 100);
        let mut output = value.stream();
        output.write("12345".into()).unwrap();
        drop(value);
        assert_eq!(open.get(), 5);
        drop(output);
        assert_eq!(open.get(), 0);
    }

    #[test]
    fn a_body_that_is_too_large_closes_its_stream() {
        let open = SharedCount::default();
        let small = value(&open, 4);
        let mut output = small.stream();
        assert!(matches!(output.write("12345".into()), Err(StreamError::LastOperationFailed(_))));
        assert!(matches!(output.check_write(), Err(StreamError::Closed)));
        assert!(small.replace(b"1234").is_ok());

        open.set(MAX_OPEN_BYTES - 1);
        let refused = value(&open, 4).replace(b"12").unwrap_err();
        assert!(refused.contains("drop some of them"), "{refused}");
        assert!(value(&open, 4).replace(b"1").is_ok());
    }
}
