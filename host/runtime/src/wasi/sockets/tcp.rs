//! `tcp`: what a socket is asked and told; the bytes of a connection go through [`tcp_streams`](super::tcp_streams).

use std::net::SocketAddr;
use std::sync::Arc;

use everlog_oplog::Category;
use wasmtime::component::Resource;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress};
use wasmtime_wasi::p2::bindings::sockets::tcp as wasi;
use wasmtime_wasi::p2::bindings::sockets::tcp::HostTcpSocket as _;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, Network, Pollable, SocketError, SocketResult,
    subscribe,
};

use super::super::{Recipe, WorkerState};
use super::bindings::wasi::sockets::tcp::{Duration, Host, HostTcpSocket, ShutdownType};
use super::outcome::{Outcome, settled};
use super::tcp_streams::SharedOutput;
use crate::durable::Entered;

/// wasmtime-wasi's socket.
pub(super) type LiveTcpSocket = wasmtime_wasi::p2::TcpSocket;

/// A guest's socket.
pub struct TcpSocket {
    /// `None`: it was open before a recovery, and is lost.
    pub(super) live: Option<LiveTcpSocket>,
    pub(super) family: IpAddressFamily,
    pub(super) stage: Stage,
    /// Where the guest writes, once it is connected.
    pub(super) output: Option<SharedOutput>,
}

/// How far the guest has come with a socket, also in replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It was just created, so that another is as good.
    Created,
    /// It was configured or bound.
    Configured,
    /// It connects, or is connected.
    Connected,
    /// It listens.
    Listening,
}

impl TcpSocket {
    pub(super) fn new(family: IpAddressFamily, live: Option<LiveTcpSocket>) -> Self {
        Self { live, family, stage: Stage::Created, output: None }
    }

    /// What the guest gets of a socket that was open before a recovery.
    pub(super) fn lost(&self) -> ErrorCode {
        match self.stage {
            Stage::Connected => ErrorCode::ConnectionReset,
            // A server that sees a reset connection accepts the next one; this one has to listen again. And at
            // `invalid-state` the C library of guests aborts.
            Stage::Created | Stage::Configured | Stage::Listening => ErrorCode::InvalidArgument,
        }
    }
}

#[async_trait]
impl Pollable for TcpSocket {
    /// A lost socket is ready: for its error.
    async fn ready(&mut self) {
        if let Some(live) = &mut self.live {
            live.ready().await;
        }
    }
}

impl Host for WorkerState {}

impl HostTcpSocket for WorkerState {
    async fn start_bind(
        &mut self,
        socket: Resource<TcpSocket>,
        network: Resource<Network>,
        address: IpSocketAddress,
    ) -> SocketResult<()> {
        self.table.get(&network)?;
        let function = "wasi:sockets/tcp.start-bind";
        let request = (socket.rep(), SocketAddr::from(address));
        let entered = self.recorder.ask::<Outcome<()>>(Category::WriteLocal, function, &request);
        let outcome = match entered.map_err(SocketError::trap)? {
            Entered::Replayed(outcome) => outcome,
            Entered::Live(ticket) => {
                let outcome = settled(self.bind_tcp(&socket, address).await)?;
                self.recorder.tell(ticket, &outcome).map_err(SocketError::trap)?;
                outcome
            }
        };
        self.advance_tcp(&socket, Stage::Configured, &outcome)?;
        self.answer(function, outcome)
    }

    fn finish_bind(&mut self, socket: Resource<TcpSocket>) -> SocketResult<()> {
        self.ask_tcp("wasi:sockets/tcp.finish-bind", &socket, |view, this| view.finish_bind(this))
    }

    /// The guest's wish to connect leaves the machine; an attempt that nobody remembers is made again.
    async fn start_connect(
        &mut self,
        socket: Resource<TcpSocket>,
        network: Resource<Network>,
        address: IpSocketAddress,
    ) -> SocketResult<()> {
        self.table.get(&network)?;
        let function = "wasi:sockets/tcp.start-connect";
        let request = (socket.rep(), SocketAddr::from(address));
        let entered = self.enter::<Outcome<()>>(Category::ReadRemote, function, &request).await;
        let outcome = match entered.map_err(SocketError::trap)? {
            Entered::Replayed(outcome) => outcome,
            Entered::Live(ticket) => {
                let outcome = settled(self.connect_tcp(&socket, address))?;
                self.leave(ticket, &outcome).await.map_err(SocketError::trap)?;
                outcome
            }
        };
        self.advance_tcp(&socket, Stage::Connected, &outcome)?;
        self.answer(function, outcome)
    }

    fn finish_connect(
        &mut self,
        socket: Resource<TcpSocket>,
    ) -> SocketResult<(Resource<DynInputStream>, Resource<DynOutputStream>)> {
        let mut streams = None;
        let function = "wasi:sockets/tcp.finish-connect";
        self.socket_call(Category::ReadLocal, function, &socket.rep(), |worker| {
            streams = Some(worker.with_tcp(&socket, |lent| {
                let this = lent.this();
                let (input, output) = lent.view().finish_connect(this)?;
                let input = lent.take(input).map_err(SocketError::trap)?;
                Ok((input, lent.take(output).map_err(SocketError::trap)?))
            })?);
            Ok(())
        })?;
        self.add_streams(&socket, streams)
    }

    async fn start_listen(&mut self, socket: Resource<TcpSocket>) -> SocketResult<()> {
        let function = "wasi:sockets/tcp.start-listen";
        let entered =
            self.recorder.ask::<Outcome<()>>(Category::WriteLocal, function, &socket.rep());
        let outcome = match entered.map_err(SocketError::trap)? {
            Entered::Replayed(outcome) => outcome,
            Entered::Live(ticket) => {
                let outcome = settled(self.listen_tcp(&socket).await)?;
                self.recorder.tell(ticket, &outcome).map_err(SocketError::trap)?;
                outcome
            }
        };
        self.advance_tcp(&socket, Stage::Listening, &outcome)?;
        self.answer(function, outcome)
    }

    fn finish_listen(&mut self, socket: Resource<TcpSocket>) -> SocketResult<()> {
        let function = "wasi:sockets/tcp.finish-listen";
        self.ask_tcp(function, &socket, |view, this| view.finish_listen(this))
    }

    fn accept(
        &mut self,
        socket: Resource<TcpSocket>,
    ) -> SocketResult<(Resource<TcpSocket>, Resource<DynInputStream>, Resource<DynOutputStream>)>
    {
        let mut made = None;
        let function = "wasi:sockets/tcp.accept";
        self.socket_call(Category::ReadLocal, function, &socket.rep(), |worker| {
            made = Some(worker.with_tcp(&socket, |lent| {
                let this = lent.this();
                let (accepted, input, output) = lent.view().accept(this)?;
                let input = lent.take(input).map_err(SocketError::trap)?;
                let output = lent.take(output).map_err(SocketError::trap)?;
                Ok((lent.take(accepted).map_err(SocketError::trap)?, (input, output)))
            })?);
            Ok(())
        })?;
        let (live, streams) = made.unzip();
        let family = self.table.get(&socket)?.family;
        let accepted = TcpSocket { stage: Stage::Connected, ..TcpSocket::new(family, live) };
        let accepted = self.push(accepted, Recipe::connection("a TCP socket"))?;
        let (input, output) = self.add_streams(&accepted, streams)?;
        Ok((accepted, input, output))
    }

    fn local_address(&mut self, socket: Resource<TcpSocket>) -> SocketResult<IpSocketAddress> {
        let address: SocketAddr =
            self.ask_tcp("wasi:sockets/tcp.local-address", &socket, |view, this| {
                Ok(view.local_address(this)?.into())
            })?;
        Ok(address.into())
    }

    fn remote_address(&mut self, socket: Resource<TcpSocket>) -> SocketResult<IpSocketAddress> {
        let address: SocketAddr =
            self.ask_tcp("wasi:sockets/tcp.remote-address", &socket, |view, this| {
                Ok(view.remote_address(this)?.into())
            })?;
        Ok(address.into())
    }

    fn is_listening(&mut self, socket: Resource<TcpSocket>) -> wasmtime::Result<bool> {
        Ok(self.table.get(&socket)?.stage == Stage::Listening)
    }

    fn address_family(&mut self, socket: Resource<TcpSocket>) -> wasmtime::Result<IpAddressFamily> {
        Ok(self.table.get(&socket)?.family)
    }

    fn set_listen_backlog_size(
        &mut self,
        socket: Resource<TcpSocket>,
        size: u64,
    ) -> SocketResult<()> {
        let function = "wasi:sockets/tcp.set-listen-backlog-size";
        self.tell_tcp(function, &socket, size, |view, this| {
            view.set_listen_backlog_size(this, size)
        })
    }

    fn keep_alive_enabled(&mut self, socket: Resource<TcpSocket>) -> SocketResult<bool> {
        let function = "wasi:sockets/tcp.keep-alive-enabled";
        self.ask_tcp(function, &socket, |view, this| view.keep_alive_enabled(this))
    }

    fn set_keep_alive_enabled(
        &mut self,
        socket: Resource<TcpSocket>,
        on: bool,
    ) -> SocketResult<()> {
        let function = "wasi:sockets/tcp.set-keep-alive-enabled";
        self.tell_tcp(function, &socket, on, |view, this| view.set_keep_alive_enabled(this, on))
    }

    fn keep_alive_idle_time(&mut self, socket: Resource<TcpSocket>) -> SocketResult<Duration> {
        let function = "wasi:sockets/tcp.keep-alive-idle-time";
        self.ask_tcp(function, &socket, |view, this| view.keep_alive_idle_time(this))
    }

    fn set_keep_alive_idle_time(
        &mut self,
        socket: Resource<TcpSocket>,
        time: Duration,
    ) -> SocketResult<()> {
        let function = "wasi:sockets/tcp.set-keep-alive-idle-time";
        self.tell_tcp(function, &socket, time, |view, this| {
            view.set_keep_alive_idle_time(this, time)
        })
    }

    fn keep_alive_interval(&mut self, socket: Resource<TcpSocket>) -> SocketResult<Duration> {
        let function = "wasi:sockets/tcp.keep-alive-interval";
        self.ask_tcp(function, &socket, |view, this| view.keep_alive_interval(this))
    }

    fn set_keep_alive_interval(
        &mut self,
        socket: Resource<TcpSocket>,
        time: Duration,
    ) -> SocketResult<()> {
        let function = "wasi:sockets/tcp.set-keep-alive-interval";
        self.tell_tcp(function, &socket, time, |view, this| {
            view.set_keep_alive_interval(this, time)
        })
    }

    fn keep_alive_count(&mut self, socket: Resource<TcpSocket>) -> SocketResult<u32> {
        let function = "wasi:sockets/tcp.keep-alive-count";
        self.ask_tcp(function, &socket, |view, this| view.keep_alive_count(this))
    }

    fn set_keep_alive_count(
        &mut self,
        socket: Resource<TcpSocket>,
        count: u32,
    ) -> SocketResult<()> {
        let function = "wasi:sockets/tcp.set-keep-alive-count";
        self.tell_tcp(function, &socket, count, |view, this| view.set_keep_alive_count(this, count))
    }

    fn hop_limit(&mut self, socket: Resource<TcpSocket>) -> SocketResult<u8> {
        self.ask_tcp("wasi:sockets/tcp.hop-limit", &socket, |view, this| view.hop_limit(this))
    }

    fn set_hop_limit(&mut self, socket: Resource<TcpSocket>, limit: u8) -> SocketResult<()> {
        let function = "wasi:sockets/tcp.set-hop-limit";
        self.tell_tcp(function, &socket, limit, |view, this| view.set_hop_limit(this, limit))
    }

    fn receive_buffer_size(&mut self, socket: Resource<TcpSocket>) -> SocketResult<u64> {
        let function = "wasi:sockets/tcp.receive-buffer-size";
        self.ask_tcp(function, &socket, |view, this| view.receive_buffer_size(this))
    }

    fn set_receive_buffer_size(
        &mut self,
        socket: Resource<TcpSocket>,
        size: u64,
    ) -> SocketResult<()> {
        let function = "wasi:sockets/tcp.set-receive-buffer-size";
        self.tell_tcp(function, &socket, size, |view, this| {
            view.set_receive_buffer_size(this, size)
        })
    }

    fn send_buffer_size(&mut self, socket: Resource<TcpSocket>) -> SocketResult<u64> {
        let function = "wasi:sockets/tcp.send-buffer-size";
        self.ask_tcp(function, &socket, |view, this| view.send_buffer_size(this))
    }

    fn set_send_buffer_size(&mut self, socket: Resource<TcpSocket>, size: u64) -> SocketResult<()> {
        let function = "wasi:sockets/tcp.set-send-buffer-size";
        self.tell_tcp(function, &socket, size, |view, this| view.set_send_buffer_size(this, size))
    }

    fn subscribe(
        &mut self,
        socket: Resource<TcpSocket>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        let source = socket.rep();
        let pollable = subscribe(&mut self.table, socket)?;
        self.adopt(&pollable, Recipe::PollOf(source));
        Ok(pollable)
    }

    /// Behind the gate, and behind all that was written, since the peer sees it.
    async fn shutdown(
        &mut self,
        socket: Resource<TcpSocket>,
        how: ShutdownType,
    ) -> SocketResult<()> {
        let function = "wasi:sockets/tcp.shutdown";
        let (name, how) = match how {
            ShutdownType::Receive => ("receive", wasi::ShutdownType::Receive),
            ShutdownType::Send => ("send", wasi::ShutdownType::Send),
            ShutdownType::Both => ("both", wasi::ShutdownType::Both),
        };
        let request = (socket.rep(), name);
        let entered = self.enter::<Outcome<()>>(Category::ReadRemote, function, &request).await;
        let outcome = match entered.map_err(SocketError::trap)? {
            Entered::Replayed(outcome) => outcome,
            Entered::Live(ticket) => {
                let output = self.table.get(&socket)?.output.clone();
                if let Some(output) = output {
                    output.written().await;
                }
                let outcome = settled(self.with_tcp(&socket, |lent| {
                    let this = lent.this();
                    lent.view().shutdown(this, how)
                }))?;
                self.leave(ticket, &outcome).await.map_err(SocketError::trap)?;
                outcome
            }
        };
        self.answer(function, outcome)
    }

    fn drop(&mut self, socket: Resource<TcpSocket>) -> wasmtime::Result<()> {
        let TcpSocket { live, stage, .. } = self.delete(socket)?;
        if let (Some(live), Stage::Connected) = (live, stage) {
            // The peer sees that it closes.
            let recorder = Arc::clone(&self.recorder);
            tokio::spawn(async move {
                let _ = recorder.gate().await;
                drop(live);
            });
        }
        Ok(())
    }
}
