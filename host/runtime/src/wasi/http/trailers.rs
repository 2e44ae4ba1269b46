//! `wasi:http/types.future-trailers`: what comes after a body.

use futures::FutureExt;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, HostFutureTrailers};
use wasmtime_wasi_http::p2::body;

use super::outcome::{Trailers, header_map};
use super::response_body::GuestTrailers;
use super::{Recipe, WorkerState};

type Given = Result<Result<Option<Resource<FieldMap>>, ErrorCode>, ()>;

impl HostFutureTrailers for WorkerState {
    fn subscribe(
        &mut self,
        trailers: Resource<body::HostFutureTrailers>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        let source = trailers.rep();
        let pollable = if self.our_http::<GuestTrailers, _>(&trailers).is_some() {
            subscribe(&mut self.table, Resource::<GuestTrailers>::new_borrow(source))?
        } else {
            HostFutureTrailers::subscribe(&mut self.http_calls(), trailers)?
        };
        self.adopt(&pollable, Recipe::PollOf(source));
        Ok(pollable)
    }

    fn get(
        &mut self,
        trailers: Resource<body::HostFutureTrailers>,
    ) -> wasmtime::Result<Option<Given>> {
        let Some(ours) = self.our_http::<GuestTrailers, _>(&trailers) else {
            // The request is in memory as a whole, so that this takes no time; and in replay nobody has waited for it.
            let coming = self.table.get_mut(&trailers)?;
            let _ = Pollable::ready(coming).now_or_never();
            let given = HostFutureTrailers::get(&mut self.http_calls(), trailers)?;
            if let Some(Ok(Ok(Some(fields)))) = &given {
                self.adopt_http(Resource::<FieldMap>::new_borrow(fields.rep()), "fields");
            }
            return Ok(given);
        };
        let Some(taken) = ours.take()? else { return Ok(None) };
        let Ok(trailers) = taken else { return Ok(Some(Err(()))) };
        match trailers {
            Trailers::Came(None) => Ok(Some(Ok(Ok(None)))),
            Trailers::Came(Some(fields)) => {
                let fields = FieldMap::new_immutable(&mut self.http.hooks, header_map(&fields));
                Ok(Some(Ok(Ok(Some(self.push_http(fields, "fields")?)))))
            }
            Trailers::Failed(failure) => Ok(Some(Ok(Err(failure.into())))),
        }
    }

    fn drop(&mut self, trailers: Resource<body::HostFutureTrailers>) -> wasmtime::Result<()> {
        if self.our_http::<GuestTrailers, _>(&trailers).is_some() {
            self.delete_http::<GuestTrailers, _>(&trailers)?;
        } else {
            self.delete(trailers)?;
        }
        Ok(())
    }
}
