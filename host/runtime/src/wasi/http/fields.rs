//! `wasi:http/types.fields`: names and values of headers and trailers.

use wasmtime::component::Resource;
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::HeaderResult;
use wasmtime_wasi_http::p2::bindings::http::types::HostFields;

use super::WorkerState;

impl HostFields for WorkerState {
    fn new(&mut self) -> wasmtime::Result<Resource<FieldMap>> {
        let fields = HostFields::new(&mut self.http_calls())?;
        Ok(self.adopt_http(fields, "fields"))
    }

    fn from_list(&mut self, entries: Vec<(String, Vec<u8>)>) -> HeaderResult<Resource<FieldMap>> {
        let fields = HostFields::from_list(&mut self.http_calls(), entries)?;
        Ok(self.adopt_http(fields, "fields"))
    }

    fn drop(&mut self, fields: Resource<FieldMap>) -> wasmtime::Result<()> {
        self.delete(fields)?;
        Ok(())
    }

    fn get(&mut self, fields: Resource<FieldMap>, name: String) -> wasmtime::Result<Vec<Vec<u8>>> {
        self.http_calls().get(fields, name)
    }

    fn has(&mut self, fields: Resource<FieldMap>, name: String) -> wasmtime::Result<bool> {
        self.http_calls().has(fields, name)
    }

    fn set(
        &mut self,
        fields: Resource<FieldMap>,
        name: String,
        values: Vec<Vec<u8>>,
    ) -> HeaderResult<()> {
        self.http_calls().set(fields, name, values)
    }

    fn delete(&mut self, fields: Resource<FieldMap>, name: String) -> HeaderResult<()> {
        HostFields::delete(&mut self.http_calls(), fields, name)
    }

    fn append(
        &mut self,
        fields: Resource<FieldMap>,
        name: String,
        value: Vec<u8>,
    ) -> HeaderResult<()> {
        self.http_calls().append(fields, name, value)
    }

    fn entries(&mut self, fields: Resource<FieldMap>) -> wasmtime::Result<Vec<(String, Vec<u8>)>> {
        self.http_calls().entries(fields)
    }

    fn clone(&mut self, fields: Resource<FieldMap>) -> wasmtime::Result<Resource<FieldMap>> {
        let fields = HostFields::clone(&mut self.http_calls(), fields)?;
        Ok(self.adopt_http(fields, "fields"))
    }
}
