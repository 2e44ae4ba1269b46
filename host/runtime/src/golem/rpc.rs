//! `golem:rpc/types`: linked, so that components which import it deploy; calls between workers are not there yet.

use wasmtime::component::Resource;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use super::bindings::golem::rpc::types::{
    Host, HostFutureInvokeResult, HostWasmRpc, RpcError, Uri, WitValue,
};
use crate::wasi::{Recipe, WorkerState};

/// The way to another worker.
#[expect(unreachable_pub, reason = "the generated bindings pass it on")]
pub struct Peer;

/// The result of a call, which is an error, and at once.
#[expect(unreachable_pub, reason = "the generated bindings pass it on")]
pub struct Refusal;

#[async_trait]
impl Pollable for Refusal {
    async fn ready(&mut self) {}
}

impl Host for WorkerState {}

impl HostWasmRpc for WorkerState {
    fn new(&mut self, _location: Uri) -> wasmtime::Result<Resource<Peer>> {
        Ok(self.push(Peer, opaque("wasm-rpc"))?)
    }

    fn invoke_and_await(
        &mut self,
        _peer: Resource<Peer>,
        _function: String,
        _parameters: Vec<WitValue>,
    ) -> wasmtime::Result<Result<WitValue, RpcError>> {
        Ok(Err(refused()))
    }

    fn invoke(
        &mut self,
        _peer: Resource<Peer>,
        _function: String,
        _parameters: Vec<WitValue>,
    ) -> wasmtime::Result<Result<(), RpcError>> {
        Ok(Err(refused()))
    }

    fn async_invoke_and_await(
        &mut self,
        _peer: Resource<Peer>,
        _function: String,
        _parameters: Vec<WitValue>,
    ) -> wasmtime::Result<Resource<Refusal>> {
        Ok(self.push(Refusal, opaque("future-invoke-result"))?)
    }

    fn drop(&mut self, peer: Resource<Peer>) -> wasmtime::Result<()> {
        self.delete(peer)?;
        Ok(())
    }
}

impl HostFutureInvokeResult for WorkerState {
    fn subscribe(&mut self, result: Resource<Refusal>) -> wasmtime::Result<Resource<DynPollable>> {
        let number = result.rep();
        let pollable = subscribe(&mut self.table, result)?;
        self.adopt(&pollable, Recipe::PollOf(number));
        Ok(pollable)
    }

    fn get(
        &mut self,
        _result: Resource<Refusal>,
    ) -> wasmtime::Result<Option<Result<WitValue, RpcError>>> {
        Ok(Some(Err(refused())))
    }

    fn drop(&mut self, result: Resource<Refusal>) -> wasmtime::Result<()> {
        self.delete(result)?;
        Ok(())
    }
}

fn refused() -> RpcError {
    let detail = "calls between workers are not available in this version of everlog";
    RpcError::ProtocolError(detail.to_owned())
}

fn opaque(name: &str) -> Recipe {
    let reason = "calls between workers are not there yet".to_owned();
    Recipe::Opaque { name: name.to_owned(), reason }
}
