//! `network` and `instance-network`: the permission to use the network, which asks nothing of the outside.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;
use wasmtime_wasi::p2::bindings::sockets::{instance_network, network};
use wasmtime_wasi::p2::{Network, SocketError};

use super::super::{Recipe, WorkerState};
use super::tcp_streams::StreamFailure;

impl network::Host for WorkerState {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        let error = self.table.get(&error)?;
        Ok(error.downcast_ref::<StreamFailure>().and_then(StreamFailure::code))
    }
}

impl network::HostNetwork for WorkerState {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        self.delete(network)?;
        Ok(())
    }
}

impl instance_network::Host for WorkerState {
    fn instance_network(&mut self) -> wasmtime::Result<Resource<Network>> {
        let network = instance_network::Host::instance_network(&mut self.socket_calls())?;
        self.adopt(&network, Recipe::Network);
        Ok(network)
    }
}
