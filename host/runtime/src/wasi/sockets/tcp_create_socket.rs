//! `tcp-create-socket`.

use everlog_oplog::Category;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::SocketResult;
use wasmtime_wasi::p2::bindings::sockets::network::IpAddressFamily;
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket as wasi;

use super::super::{Recipe, WorkerState};
use super::bindings::wasi::sockets::tcp_create_socket::Host;
use super::tcp::{LiveTcpSocket, TcpSocket};

impl Host for WorkerState {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        let mut live = None;
        let function = "wasi:sockets/tcp-create-socket.create-tcp-socket";
        self.socket_call(Category::WriteLocal, function, &is_ipv6(family), |worker| {
            live = Some(worker.open_tcp(family)?);
            Ok(())
        })?;
        let recipe = Recipe::connection("a TCP socket");
        Ok(self.push(TcpSocket::new(family, live), recipe)?)
    }
}

impl WorkerState {
    /// A socket of the operating system.
    pub(super) fn open_tcp(&mut self, family: IpAddressFamily) -> SocketResult<LiveTcpSocket> {
        let socket = wasi::Host::create_tcp_socket(&mut self.socket_calls(), family)?;
        Ok(self.table.delete(socket)?)
    }
}

/// A family as it is recorded.
pub(super) fn is_ipv6(family: IpAddressFamily) -> bool {
    match family {
        IpAddressFamily::Ipv4 => false,
        IpAddressFamily::Ipv6 => true,
    }
}
