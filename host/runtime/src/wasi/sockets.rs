//! `wasi:sockets`: every way to a socket or an address is refused, until workers can use the network durably.
//!
//! `tcp` and `udp` themselves are wasmtime-wasi's own: without a socket, none of their functions can be called.

use everlog_oplog::{Line, LogLevel, LogStream};
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress, IpAddressFamily};
use wasmtime_wasi::p2::bindings::sockets::{
    instance_network, ip_name_lookup, network, tcp, tcp_create_socket, udp, udp_create_socket,
};
use wasmtime_wasi::p2::{DynPollable, Network, SocketError, SocketResult, TcpSocket, UdpSocket};
use wasmtime_wasi::sockets::WasiSockets;

use super::{HasWorker, Recipe, WorkerState};

/// Links the interfaces of `wasi:sockets`.
pub(super) fn add_to_linker(linker: &mut Linker<WorkerState>) -> wasmtime::Result<()> {
    let options = network::LinkOptions::default();
    network::add_to_linker::<_, HasWorker>(linker, &options, |worker| worker)?;
    instance_network::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    ip_name_lookup::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    tcp_create_socket::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    udp_create_socket::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    tcp::add_to_linker::<_, WasiSockets>(linker, WorkerState::socket_calls)?;
    udp::add_to_linker::<_, WasiSockets>(linker, WorkerState::socket_calls)
}

impl network::Host for WorkerState {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        network::Host::network_error_code(&mut self.socket_calls(), error)
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

impl tcp_create_socket::Host for WorkerState {
    fn create_tcp_socket(&mut self, _family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        Err(self.refuse_network("TCP"))
    }
}

impl udp_create_socket::Host for WorkerState {
    async fn create_udp_socket(
        &mut self,
        _family: IpAddressFamily,
    ) -> SocketResult<Resource<UdpSocket>> {
        Err(self.refuse_network("UDP"))
    }
}

impl ip_name_lookup::Host for WorkerState {
    fn resolve_addresses(
        &mut self,
        _network: Resource<Network>,
        _name: String,
    ) -> SocketResult<Resource<ip_name_lookup::ResolveAddressStream>> {
        Err(self.refuse_network("DNS"))
    }
}

/// No such stream is ever made.
impl ip_name_lookup::HostResolveAddressStream for WorkerState {
    fn resolve_next_address(
        &mut self,
        _stream: Resource<ip_name_lookup::ResolveAddressStream>,
    ) -> SocketResult<Option<IpAddress>> {
        Err(self.refuse_network("DNS"))
    }

    fn subscribe(
        &mut self,
        stream: Resource<ip_name_lookup::ResolveAddressStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        ip_name_lookup::HostResolveAddressStream::subscribe(&mut self.socket_calls(), stream)
    }

    fn drop(
        &mut self,
        stream: Resource<ip_name_lookup::ResolveAddressStream>,
    ) -> wasmtime::Result<()> {
        self.delete(stream)?;
        Ok(())
    }
}

impl WorkerState {
    /// What the guest gets, and once, for whoever wonders why, a line in the worker's log.
    fn refuse_network(&mut self, protocol: &str) -> SocketError {
        if !std::mem::replace(&mut self.guest.network_refused, true) {
            let line = Line {
                stream: LogStream::Log,
                level: Some(LogLevel::Error),
                context: Some("wasi:sockets".to_owned()),
                message: format!(
                    "{protocol} was refused (access-denied): workers of this version of everlog have no network"
                ),
            };
            self.recorder.with(|journal, now| journal.log(line, now));
        }
        ErrorCode::AccessDenied.into()
    }
}
