//! `udp`: sockets and their datagrams.

use std::net::SocketAddr;

use bincode::{Decode, Encode};
use everlog_oplog::Category;
use wasmtime::component::Resource;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress};
use wasmtime_wasi::p2::bindings::sockets::udp as wasi;
use wasmtime_wasi::p2::bindings::sockets::udp::{
    HostIncomingDatagramStream as _, HostOutgoingDatagramStream as _, HostUdpSocket as _,
};
use wasmtime_wasi::p2::{DynPollable, Network, Pollable, SocketError, SocketResult, subscribe};
use wasmtime_wasi::sockets::WasiSocketsCtxView;

use super::super::{Recipe, WorkerState};
use super::bindings::wasi::sockets::udp::{
    Host, HostIncomingDatagramStream, HostOutgoingDatagramStream, HostUdpSocket, IncomingDatagram,
    OutgoingDatagram,
};
use super::live::Lent;
use super::outcome::{Outcome, settled};
use crate::durable::Entered;

/// wasmtime-wasi's socket.
pub(super) type LiveUdpSocket = wasmtime_wasi::p2::UdpSocket;

/// What a guest gets of a socket that was open before a recovery: it has to make another. (The C library of guests
/// aborts at `invalid-state`.)
const LOST: ErrorCode = ErrorCode::InvalidArgument;

/// A guest's socket.
pub struct UdpSocket {
    /// `None`: it was open before a recovery, and is lost.
    live: Option<LiveUdpSocket>,
    family: IpAddressFamily,
}

impl UdpSocket {
    pub(super) fn new(family: IpAddressFamily, live: Option<LiveUdpSocket>) -> Self {
        Self { live, family }
    }
}

/// What a socket receives; lost like its socket.
pub struct IncomingDatagrams {
    live: Option<wasi::IncomingDatagramStream>,
}

/// What a socket sends; lost like its socket.
pub struct OutgoingDatagrams {
    live: Option<wasi::OutgoingDatagramStream>,
}

#[async_trait]
impl Pollable for UdpSocket {
    /// No function of a UDP socket waits.
    async fn ready(&mut self) {}
}

#[async_trait]
impl Pollable for IncomingDatagrams {
    async fn ready(&mut self) {
        if let Some(live) = &mut self.live {
            live.ready().await;
        }
    }
}

#[async_trait]
impl Pollable for OutgoingDatagrams {
    async fn ready(&mut self) {
        if let Some(live) = &mut self.live {
            live.ready().await;
        }
    }
}

impl Host for WorkerState {}

impl HostUdpSocket for WorkerState {
    async fn start_bind(
        &mut self,
        socket: Resource<UdpSocket>,
        network: Resource<Network>,
        address: IpSocketAddress,
    ) -> SocketResult<()> {
        self.table.get(&network)?;
        let function = "wasi:sockets/udp.start-bind";
        let request = (socket.rep(), SocketAddr::from(address));
        let entered = self.recorder.ask::<Outcome<()>>(Category::WriteLocal, function, &request);
        let outcome = match entered.map_err(SocketError::trap)? {
            Entered::Replayed(outcome) => outcome,
            Entered::Live(ticket) => {
                let outcome = settled(self.bind_udp(&socket, address).await)?;
                self.recorder.tell(ticket, &outcome).map_err(SocketError::trap)?;
                outcome
            }
        };
        self.answer(function, outcome)
    }

    fn finish_bind(&mut self, socket: Resource<UdpSocket>) -> SocketResult<()> {
        self.ask_udp("wasi:sockets/udp.finish-bind", &socket, |view, this| view.finish_bind(this))
    }

    async fn stream(
        &mut self,
        socket: Resource<UdpSocket>,
        remote: Option<IpSocketAddress>,
    ) -> SocketResult<(Resource<IncomingDatagrams>, Resource<OutgoingDatagrams>)> {
        let mut streams = None;
        let function = "wasi:sockets/udp.stream";
        let request = (socket.rep(), remote.map(SocketAddr::from));
        let entered = self.recorder.ask::<Outcome<()>>(Category::WriteLocal, function, &request);
        let outcome = match entered.map_err(SocketError::trap)? {
            Entered::Replayed(outcome) => outcome,
            Entered::Live(ticket) => {
                let made = settled(self.stream_udp(&socket, remote).await)?;
                let outcome = made.map(|made| streams = Some(made));
                self.recorder.tell(ticket, &outcome).map_err(SocketError::trap)?;
                outcome
            }
        };
        self.answer(function, outcome)?;
        let (incoming, outgoing) = streams.unzip();
        let incoming = IncomingDatagrams { live: incoming };
        let outgoing = OutgoingDatagrams { live: outgoing };
        let incoming = self.push(incoming, Recipe::connection("what a UDP socket receives"))?;
        let outgoing = self.push(outgoing, Recipe::connection("what a UDP socket sends"))?;
        Ok((incoming, outgoing))
    }

    fn local_address(&mut self, socket: Resource<UdpSocket>) -> SocketResult<IpSocketAddress> {
        let address: SocketAddr =
            self.ask_udp("wasi:sockets/udp.local-address", &socket, |view, this| {
                Ok(view.local_address(this)?.into())
            })?;
        Ok(address.into())
    }

    fn remote_address(&mut self, socket: Resource<UdpSocket>) -> SocketResult<IpSocketAddress> {
        let address: SocketAddr =
            self.ask_udp("wasi:sockets/udp.remote-address", &socket, |view, this| {
                Ok(view.remote_address(this)?.into())
            })?;
        Ok(address.into())
    }

    fn address_family(&mut self, socket: Resource<UdpSocket>) -> wasmtime::Result<IpAddressFamily> {
        Ok(self.table.get(&socket)?.family)
    }

    fn unicast_hop_limit(&mut self, socket: Resource<UdpSocket>) -> SocketResult<u8> {
        let function = "wasi:sockets/udp.unicast-hop-limit";
        self.ask_udp(function, &socket, |view, this| view.unicast_hop_limit(this))
    }

    fn set_unicast_hop_limit(
        &mut self,
        socket: Resource<UdpSocket>,
        limit: u8,
    ) -> SocketResult<()> {
        let function = "wasi:sockets/udp.set-unicast-hop-limit";
        self.tell_udp(function, &socket, limit, |view, this| {
            view.set_unicast_hop_limit(this, limit)
        })
    }

    fn receive_buffer_size(&mut self, socket: Resource<UdpSocket>) -> SocketResult<u64> {
        let function = "wasi:sockets/udp.receive-buffer-size";
        self.ask_udp(function, &socket, |view, this| view.receive_buffer_size(this))
    }

    fn set_receive_buffer_size(
        &mut self,
        socket: Resource<UdpSocket>,
        size: u64,
    ) -> SocketResult<()> {
        let function = "wasi:sockets/udp.set-receive-buffer-size";
        self.tell_udp(function, &socket, size, |view, this| {
            view.set_receive_buffer_size(this, size)
        })
    }

    fn send_buffer_size(&mut self, socket: Resource<UdpSocket>) -> SocketResult<u64> {
        let function = "wasi:sockets/udp.send-buffer-size";
        self.ask_udp(function, &socket, |view, this| view.send_buffer_size(this))
    }

    fn set_send_buffer_size(&mut self, socket: Resource<UdpSocket>, size: u64) -> SocketResult<()> {
        let function = "wasi:sockets/udp.set-send-buffer-size";
        self.tell_udp(function, &socket, size, |view, this| view.set_send_buffer_size(this, size))
    }

    fn subscribe(
        &mut self,
        socket: Resource<UdpSocket>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe_to(socket)
    }

    fn drop(&mut self, socket: Resource<UdpSocket>) -> wasmtime::Result<()> {
        self.delete(socket)?;
        Ok(())
    }
}

impl HostIncomingDatagramStream for WorkerState {
    fn receive(
        &mut self,
        stream: Resource<IncomingDatagrams>,
        most: u64,
    ) -> SocketResult<Vec<IncomingDatagram>> {
        let function = "wasi:sockets/udp.incoming-datagram-stream.receive";
        let request = (stream.rep(), most);
        let received: Vec<Datagram> =
            self.socket_call(Category::ReadLocal, function, &request, |worker| {
                let context = worker.socket_calls().ctx.clone();
                let live = &mut worker.table.get_mut(&stream)?.live;
                let received = lend(live, &context, |lent| {
                    let this = lent.this();
                    lent.view().receive(this, most)
                })?;
                Ok(received.into_iter().map(Datagram::from).collect())
            })?;
        Ok(received.into_iter().map(IncomingDatagram::from).collect())
    }

    fn subscribe(
        &mut self,
        stream: Resource<IncomingDatagrams>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe_to(stream)
    }

    fn drop(&mut self, stream: Resource<IncomingDatagrams>) -> wasmtime::Result<()> {
        self.delete(stream)?;
        Ok(())
    }
}

impl HostOutgoingDatagramStream for WorkerState {
    fn check_send(&mut self, stream: Resource<OutgoingDatagrams>) -> SocketResult<u64> {
        let function = "wasi:sockets/udp.outgoing-datagram-stream.check-send";
        self.socket_call(Category::ReadLocal, function, &stream.rep(), |worker| {
            let context = worker.socket_calls().ctx.clone();
            lend(&mut worker.table.get_mut(&stream)?.live, &context, |lent| {
                let this = lent.this();
                lent.view().check_send(this)
            })
        })
    }

    async fn send(
        &mut self,
        stream: Resource<OutgoingDatagrams>,
        datagrams: Vec<OutgoingDatagram>,
    ) -> SocketResult<u64> {
        let function = "wasi:sockets/udp.outgoing-datagram-stream.send";
        let parts: Vec<_> = datagrams
            .iter()
            .map(|datagram| (datagram.remote_address.map(SocketAddr::from), &datagram.data[..]))
            .collect();
        let request = (stream.rep(), parts);
        let entered = self.enter::<Outcome<u64>>(Category::WriteRemote, function, &request).await;
        let outcome = match entered.map_err(SocketError::trap)? {
            Entered::Replayed(outcome) => outcome,
            Entered::Live(ticket) => {
                let context = self.socket_calls().ctx.clone();
                let live = &mut self.table.get_mut(&stream)?.live;
                let outcome = settled(lend(live, &context, |lent| {
                    let this = lent.this();
                    let datagrams = datagrams.into_iter().map(wasi::OutgoingDatagram::from);
                    lent.view().send(this, datagrams.collect())
                }))?;
                self.leave(ticket, &outcome).await.map_err(SocketError::trap)?;
                outcome
            }
        };
        self.answer(function, outcome)
    }

    fn subscribe(
        &mut self,
        stream: Resource<OutgoingDatagrams>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe_to(stream)
    }

    /// Waits until the system has taken what was sent.
    async fn drop(&mut self, stream: Resource<OutgoingDatagrams>) -> wasmtime::Result<()> {
        self.delete(stream)?.ready().await;
        Ok(())
    }
}

impl WorkerState {
    /// A pollable over a resource of the table.
    pub(super) fn subscribe_to<T: Pollable>(
        &mut self,
        resource: Resource<T>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        let source = resource.rep();
        let pollable = subscribe(&mut self.table, resource)?;
        self.adopt(&pollable, Recipe::PollOf(source));
        Ok(pollable)
    }

    /// A question that the socket answers at once.
    fn ask_udp<T: Encode + Decode<()>>(
        &mut self,
        function: &'static str,
        socket: &Resource<UdpSocket>,
        ask: impl FnOnce(&mut WasiSocketsCtxView<'_>, Resource<LiveUdpSocket>) -> SocketResult<T>,
    ) -> SocketResult<T> {
        self.socket_call(Category::ReadLocal, function, &socket.rep(), |worker| {
            worker.with_udp(socket, ask)
        })
    }

    /// A setting of the socket.
    fn tell_udp(
        &mut self,
        function: &'static str,
        socket: &Resource<UdpSocket>,
        value: impl Encode,
        tell: impl FnOnce(&mut WasiSocketsCtxView<'_>, Resource<LiveUdpSocket>) -> SocketResult<()>,
    ) -> SocketResult<()> {
        self.socket_call(Category::WriteLocal, function, &(socket.rep(), value), |worker| {
            worker.with_udp(socket, tell)
        })
    }

    fn with_udp<T>(
        &mut self,
        socket: &Resource<UdpSocket>,
        act: impl FnOnce(&mut WasiSocketsCtxView<'_>, Resource<LiveUdpSocket>) -> SocketResult<T>,
    ) -> SocketResult<T> {
        let context = self.socket_calls().ctx.clone();
        lend(&mut self.table.get_mut(socket)?.live, &context, |lent| {
            let this = lent.this();
            act(&mut lent.view(), this)
        })
    }

    async fn bind_udp(
        &mut self,
        socket: &Resource<UdpSocket>,
        address: IpSocketAddress,
    ) -> SocketResult<()> {
        let mut lent = self.lend_udp(socket)?;
        let (this, network) = (lent.this(), lent.network().map_err(SocketError::trap)?);
        let bound = lent.view().start_bind(this, network, address).await;
        self.table.get_mut(socket)?.live = Some(lent.give_back().map_err(SocketError::trap)?);
        bound
    }

    async fn stream_udp(
        &mut self,
        socket: &Resource<UdpSocket>,
        remote: Option<IpSocketAddress>,
    ) -> SocketResult<(wasi::IncomingDatagramStream, wasi::OutgoingDatagramStream)> {
        let mut lent = self.lend_udp(socket)?;
        let this = lent.this();
        let streams = match lent.view().stream(this, remote).await {
            Ok((incoming, outgoing)) => lent
                .take(incoming)
                .and_then(|incoming| Ok((incoming, lent.take(outgoing)?)))
                .map_err(SocketError::trap),
            Err(error) => Err(error),
        };
        self.table.get_mut(socket)?.live = Some(lent.give_back().map_err(SocketError::trap)?);
        streams
    }

    fn lend_udp(&mut self, socket: &Resource<UdpSocket>) -> SocketResult<Lent<LiveUdpSocket>> {
        let live = self.table.get_mut(socket)?.live.take().ok_or(LOST)?;
        Lent::new(self.socket_calls().ctx, live).map_err(SocketError::trap)
    }
}

/// Calls a function of wasmtime-wasi with what is behind a resource.
fn lend<L: Send + 'static, T>(
    live: &mut Option<L>,
    context: &wasmtime_wasi::sockets::WasiSocketsCtx,
    act: impl FnOnce(&mut Lent<L>) -> SocketResult<T>,
) -> SocketResult<T> {
    let mut lent = Lent::new(context, live.take().ok_or(LOST)?).map_err(SocketError::trap)?;
    let result = act(&mut lent);
    *live = Some(lent.give_back().map_err(SocketError::trap)?);
    result
}

/// A datagram as the log has it.
#[derive(Encode, Decode)]
struct Datagram {
    data: Vec<u8>,
    sender: SocketAddr,
}

impl From<wasi::IncomingDatagram> for Datagram {
    fn from(datagram: wasi::IncomingDatagram) -> Self {
        Self { data: datagram.data, sender: datagram.remote_address.into() }
    }
}

impl From<Datagram> for IncomingDatagram {
    fn from(datagram: Datagram) -> Self {
        Self { data: datagram.data, remote_address: datagram.sender.into() }
    }
}

impl From<OutgoingDatagram> for wasi::OutgoingDatagram {
    fn from(datagram: OutgoingDatagram) -> Self {
        Self { data: datagram.data, remote_address: datagram.remote_address }
    }
}
