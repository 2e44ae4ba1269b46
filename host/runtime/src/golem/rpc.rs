//! `golem:rpc/types`: calls between workers as components made for Golem make them.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynPollable, subscribe};

use super::bindings::golem::rpc::types::{
    Host, HostFutureInvokeResult, HostWasmRpc, RpcError, Uri, WitValue,
};
use crate::calls::{
    Address, Arguments, CallAnswer, CallFailure, CallFuture, CallOutcome, CallRequest, Start,
};
use crate::wasi::{Recipe, WorkerState};

const CALL: &str = "golem:rpc/types.[method]wasm-rpc.invoke-and-await";
const SEND: &str = "golem:rpc/types.[method]wasm-rpc.invoke";
const BEGIN: &str = "golem:rpc/types.[method]wasm-rpc.async-invoke-and-await";

/// The functions under which calls are recorded.
pub(crate) const FUNCTIONS: [&str; 3] = [CALL, SEND, BEGIN];

/// What every location begins with.
const SCHEME: &str = "urn:worker:";

/// The way to another worker.
#[expect(unreachable_pub, reason = "the generated bindings pass it on")]
pub struct Peer {
    /// None: the location is none.
    address: Option<Address>,
    location: String,
}

impl Host for WorkerState {}

impl HostWasmRpc for WorkerState {
    fn new(&mut self, location: Uri) -> wasmtime::Result<Resource<Peer>> {
        let location = location.value;
        let recipe = Recipe::Peer { location: location.clone() };
        Ok(self.push(Peer { address: address_of(&location), location }, recipe)?)
    }

    async fn invoke_and_await(
        &mut self,
        peer: Resource<Peer>,
        function: String,
        parameters: Vec<WitValue>,
    ) -> wasmtime::Result<Result<WitValue, RpcError>> {
        let request = match self.request(&peer, function, parameters, None)? {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        Ok(tree(self.call(CALL, request).await?))
    }

    async fn invoke(
        &mut self,
        peer: Resource<Peer>,
        function: String,
        parameters: Vec<WitValue>,
    ) -> wasmtime::Result<Result<(), RpcError>> {
        let request = match self.request(&peer, function, parameters, Some(Start::Now))? {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        Ok(self.call(SEND, request).await?.map(drop).map_err(RpcError::from))
    }

    fn async_invoke_and_await(
        &mut self,
        peer: Resource<Peer>,
        function: String,
        parameters: Vec<WitValue>,
    ) -> wasmtime::Result<Resource<CallFuture>> {
        let future = match self.request(&peer, function, parameters, None)? {
            Ok(request) => self.begin_call(BEGIN, request)?,
            Err(_) => CallFuture::refused(no_location(&self.table.get(&peer)?.location)),
        };
        self.push_call(future)
    }

    fn drop(&mut self, peer: Resource<Peer>) -> wasmtime::Result<()> {
        self.delete(peer)?;
        Ok(())
    }
}

impl HostFutureInvokeResult for WorkerState {
    fn subscribe(
        &mut self,
        future: Resource<CallFuture>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe_to_call(&future)
    }

    fn get(
        &mut self,
        future: Resource<CallFuture>,
    ) -> wasmtime::Result<Option<Result<WitValue, RpcError>>> {
        Ok(self.table.get_mut(&future)?.take()?.map(tree))
    }

    fn drop(&mut self, future: Resource<CallFuture>) -> wasmtime::Result<()> {
        self.delete(future)?.forget()
    }
}

impl WorkerState {
    fn request(
        &self,
        peer: &Resource<Peer>,
        function: String,
        parameters: Vec<WitValue>,
        start: Option<Start>,
    ) -> wasmtime::Result<Result<CallRequest, RpcError>> {
        let peer = self.table.get(peer)?;
        let arguments = Arguments::Trees(parameters);
        Ok(match peer.address.clone() {
            Some(address) => Ok(CallRequest { address, function, start, arguments }),
            None => Err(no_location(&peer.location).into()),
        })
    }

    /// Adds the future of a call.
    pub(crate) fn push_call(
        &mut self,
        future: CallFuture,
    ) -> wasmtime::Result<Resource<CallFuture>> {
        let reason = "the call is on its way".to_owned();
        let recipe = Recipe::Opaque { name: "future-invoke-result".to_owned(), reason };
        Ok(self.push(future, recipe)?)
    }

    /// A pollable that is ready when the call has an outcome.
    pub(crate) fn subscribe_to_call(
        &mut self,
        future: &Resource<CallFuture>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        let number = future.rep();
        let pollable = subscribe(&mut self.table, Resource::<CallFuture>::new_borrow(number))?;
        self.adopt(&pollable, Recipe::PollOf(number));
        Ok(pollable)
    }
}

/// `urn:worker:{component}/{worker}`, or without a worker for a fresh one.
fn address_of(location: &str) -> Option<Address> {
    let place = location.strip_prefix(SCHEME)?;
    let (component, worker) = match place.split_once('/') {
        Some((component, worker)) => (component, Some(worker)),
        None => (place, None),
    };
    if component.is_empty() {
        return None;
    }
    let component = component.to_owned();
    Some(match worker {
        Some(worker) => Address::Worker { component, worker: worker.to_owned() },
        None => Address::Fresh { component },
    })
}

fn no_location(location: &str) -> CallFailure {
    let shown: String = location.chars().take(200).collect();
    CallFailure::Mismatch(format!(
        "{shown:?} is no location of a worker; {SCHEME}{{component}}/{{worker}} is, and \
         {SCHEME}{{component}} for a fresh one"
    ))
}

fn tree(outcome: CallOutcome) -> Result<WitValue, RpcError> {
    match outcome {
        Ok(CallAnswer::Tree(tree)) => Ok(tree),
        Ok(CallAnswer::Accepted { .. } | CallAnswer::Value(_)) => Err(RpcError::ProtocolError(
            "the log holds something else than the result of this call".to_owned(),
        )),
        Err(failure) => Err(failure.into()),
    }
}

impl From<CallFailure> for RpcError {
    fn from(failure: CallFailure) -> Self {
        match failure {
            CallFailure::NotFound(detail) => Self::NotFound(detail),
            CallFailure::Mismatch(detail) => Self::ProtocolError(detail),
            CallFailure::Denied(detail) => Self::Denied(detail),
            CallFailure::Failed(detail) | CallFailure::Cancelled(detail) => {
                Self::RemoteInternalError(detail)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_name_a_worker_or_a_fresh_one() {
        let worker = |component: &str, worker: &str| {
            let (component, worker) = (component.to_owned(), worker.to_owned());
            Some(Address::Worker { component, worker })
        };
        assert_eq!(address_of("urn:worker:shop/mary"), worker("shop", "mary"));
        assert_eq!(address_of("urn:worker:shop/a/b"), worker("shop", "a/b"));
        let fresh = Some(Address::Fresh { component: "shop".to_owned() });
        assert_eq!(address_of("urn:worker:shop"), fresh);
        for bad in ["", "shop/mary", "urn:worker:", "urn:worker:/mary", "urn:WORKER:shop/mary"] {
            assert_eq!(address_of(bad), None, "{bad}");
        }
    }
}
