//! `udp-create-socket`.

use everlog_oplog::Category;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::network::IpAddressFamily;
use wasmtime_wasi::p2::bindings::sockets::udp_create_socket as wasi;
use wasmtime_wasi::p2::{SocketError, SocketResult};

use super::super::{Recipe, WorkerState};
use super::bindings::wasi::sockets::udp_create_socket::Host;
use super::outcome::{Outcome, settled};
use super::tcp_create_socket::is_ipv6;
use super::udp::{LiveUdpSocket, UdpSocket};
use crate::durable::Entered;

impl Host for WorkerState {
    async fn create_udp_socket(
        &mut self,
        family: IpAddressFamily,
    ) -> SocketResult<Resource<UdpSocket>> {
        let mut live = None;
        let function = "wasi:sockets/udp-create-socket.create-udp-socket";
        let request = is_ipv6(family);
        let entered = self.recorder.ask::<Outcome<()>>(Category::WriteLocal, function, &request);
        let outcome = match entered.map_err(SocketError::trap)? {
            Entered::Replayed(outcome) => outcome,
            Entered::Live(ticket) => {
                let opened = settled(self.open_udp(family).await)?;
                let outcome = opened.map(|socket| live = Some(socket));
                self.recorder.tell(ticket, &outcome).map_err(SocketError::trap)?;
                outcome
            }
        };
        self.answer(function, outcome)?;
        let recipe = Recipe::connection("a UDP socket");
        Ok(self.push(UdpSocket::new(family, live), recipe)?)
    }
}

impl WorkerState {
    /// A socket of the operating system.
    pub(super) async fn open_udp(
        &mut self,
        family: IpAddressFamily,
    ) -> SocketResult<LiveUdpSocket> {
        let socket = wasi::Host::create_udp_socket(&mut self.socket_calls(), family).await?;
        Ok(self.table.delete(socket)?)
    }
}
