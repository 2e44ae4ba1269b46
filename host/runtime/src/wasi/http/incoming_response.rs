//! `wasi:http/types.incoming-response`: the answer to a request that a worker sent.

use wasmtime::component::Resource;
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::bindings::http::types::{HostIncomingResponse, StatusCode};
use wasmtime_wasi_http::p2::{body, types};

use super::WorkerState;
use super::response_body::ResponseBody;

/// A response, its body as long as the guest has not taken it.
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: FieldMap,
    pub(super) body: Option<ResponseBody>,
}

impl WorkerState {
    fn response(
        &mut self,
        response: &Resource<types::HostIncomingResponse>,
    ) -> wasmtime::Result<&mut Response> {
        Ok(self.table.get_mut(&Resource::<Response>::new_borrow(response.rep()))?)
    }
}

impl HostIncomingResponse for WorkerState {
    fn status(
        &mut self,
        response: Resource<types::HostIncomingResponse>,
    ) -> wasmtime::Result<StatusCode> {
        Ok(self.response(&response)?.status)
    }

    fn headers(
        &mut self,
        response: Resource<types::HostIncomingResponse>,
    ) -> wasmtime::Result<Resource<FieldMap>> {
        let headers = self.response(&response)?.headers.clone();
        self.push_http(headers, "fields")
    }

    fn consume(
        &mut self,
        response: Resource<types::HostIncomingResponse>,
    ) -> wasmtime::Result<Result<Resource<body::HostIncomingBody>, ()>> {
        match self.response(&response)?.body.take() {
            Some(body) => Ok(Ok(self.push_http(body, "incoming-body")?)),
            None => Ok(Err(())),
        }
    }

    fn drop(&mut self, response: Resource<types::HostIncomingResponse>) -> wasmtime::Result<()> {
        self.delete_http::<Response, _>(&response)?;
        Ok(())
    }
}
