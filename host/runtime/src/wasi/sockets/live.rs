//! wasmtime-wasi's own resources, kept outside of the worker's table, since replay has none of them.

use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::sockets::instance_network;
use wasmtime_wasi::p2::{DynPollable, Network};
use wasmtime_wasi::sockets::{WasiSocketsCtx, WasiSocketsCtxView};
use wasmtime_wasi_io::bindings::wasi::io::poll::HostPollable;

use super::super::state::again;

/// One of them in a table of its own, for as long as one of wasmtime-wasi's functions is called with it.
pub(super) struct Lent<T: 'static> {
    context: WasiSocketsCtx,
    table: ResourceTable,
    resource: Resource<T>,
}

impl<T: Send + 'static> Lent<T> {
    pub(super) fn new(context: &WasiSocketsCtx, value: T) -> wasmtime::Result<Self> {
        let mut table = ResourceTable::new();
        let resource = table.push(value)?;
        Ok(Self { context: context.clone(), table, resource })
    }

    /// What the function takes as its `self`.
    pub(super) fn this(&self) -> Resource<T> {
        again(&self.resource)
    }

    /// What the function is called on.
    pub(super) fn view(&mut self) -> WasiSocketsCtxView<'_> {
        WasiSocketsCtxView { ctx: &mut self.context, table: &mut self.table }
    }

    /// The permission to use the network.
    pub(super) fn network(&mut self) -> wasmtime::Result<Resource<Network>> {
        instance_network::Host::instance_network(&mut self.view())
    }

    /// Waits for a pollable that a function has made.
    pub(super) async fn wait_for(
        &mut self,
        pollable: Resource<DynPollable>,
    ) -> wasmtime::Result<()> {
        HostPollable::block(&mut self.table, pollable).await
    }

    /// Takes out what the function has made.
    pub(super) fn take<R: 'static>(&mut self, made: Resource<R>) -> wasmtime::Result<R> {
        Ok(self.table.delete(made)?)
    }

    /// Ends the loan.
    pub(super) fn give_back(mut self) -> wasmtime::Result<T> {
        Ok(self.table.delete(self.resource)?)
    }
}
