//! `wasi:http/types.outgoing-body`: the body of a request that a worker sends, or of its answer to one.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::DynOutputStream;
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::bindings::http::types::HostOutgoingBody;
use wasmtime_wasi_http::p2::{HttpResult, body};

use super::request_body::GuestBody;
use super::{WorkerState, recipe};

impl HostOutgoingBody for WorkerState {
    fn write(
        &mut self,
        body: Resource<body::HostOutgoingBody>,
    ) -> wasmtime::Result<Result<Resource<DynOutputStream>, ()>> {
        let Some(ours) = self.our_http::<GuestBody, _>(&body) else {
            let stream = HostOutgoingBody::write(&mut self.http_calls(), body)?;
            if let Ok(stream) = &stream {
                self.bound_response(stream)?;
            }
            return Ok(stream.map(|stream| self.adopt_http(stream, "output-stream")));
        };
        if ours.stream.is_some() {
            return Ok(Err(()));
        }
        let (output, budget) = ours.output();
        let stream: DynOutputStream = Box::new(output);
        let stream = self.table.push_child(stream, &body)?;
        self.adopt(&stream, recipe("output-stream"));
        self.http.budgets.insert(stream.rep(), budget);
        if let Some(ours) = self.our_http::<GuestBody, _>(&body) {
            ours.stream = Some(stream.rep());
        }
        Ok(Ok(stream))
    }

    fn finish(
        &mut self,
        body: Resource<body::HostOutgoingBody>,
        trailers: Option<Resource<FieldMap>>,
    ) -> HttpResult<()> {
        if let Some(ours) = self.take_body(&body)? {
            let trailers = trailers.map(|trailers| self.delete(trailers)).transpose()?;
            return Ok(ours.finish(trailers.map(FieldMap::into))?);
        }
        let given = [Some(body.rep()), trailers.as_ref().map(Resource::rep)];
        for number in given.into_iter().flatten() {
            self.forget(number);
        }
        HostOutgoingBody::finish(&mut self.http_calls(), body, trailers)
    }

    fn drop(&mut self, body: Resource<body::HostOutgoingBody>) -> wasmtime::Result<()> {
        match self.take_body(&body).map_err(|error| wasmtime::format_err!("{error}"))? {
            Some(ours) => ours.abort(),
            None => self.delete(body)?.abort(),
        }
        Ok(())
    }
}

impl WorkerState {
    /// Removes the body of a request; `None` where it is a response's.
    fn take_body(
        &mut self,
        body: &Resource<body::HostOutgoingBody>,
    ) -> HttpResult<Option<GuestBody>> {
        if self.our_http::<GuestBody, _>(body).is_none() {
            return Ok(None);
        }
        let ours = self.delete(Resource::<GuestBody>::new_own(body.rep()))?;
        if let Some(stream) = ours.stream {
            self.http.budgets.remove(&stream);
        }
        Ok(Some(ours))
    }
}
