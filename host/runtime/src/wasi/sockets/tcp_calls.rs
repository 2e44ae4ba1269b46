//! The calls behind [`tcp`](super::tcp): with the live socket, or with a lost one, which has its error.

use bincode::{Decode, Encode};
use everlog_oplog::Category;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::network::IpSocketAddress;
use wasmtime_wasi::p2::bindings::sockets::tcp::HostTcpSocket as _;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, SocketError, SocketResult};
use wasmtime_wasi::sockets::WasiSocketsCtxView;

use super::super::{Recipe, WorkerState};
use super::live::Lent;
use super::outcome::Outcome;
use super::tcp::{LiveTcpSocket, Stage, TcpSocket};
use super::tcp_streams::{SharedOutput, TcpInput, TcpOutput};

impl WorkerState {
    /// A question that the socket answers at once.
    pub(super) fn ask_tcp<T: Encode + Decode<()>>(
        &mut self,
        function: &'static str,
        socket: &Resource<TcpSocket>,
        ask: impl FnOnce(&mut WasiSocketsCtxView<'_>, Resource<LiveTcpSocket>) -> SocketResult<T>,
    ) -> SocketResult<T> {
        self.socket_call(Category::ReadLocal, function, &socket.rep(), |worker| {
            worker.with_tcp(socket, |lent| {
                let this = lent.this();
                ask(&mut lent.view(), this)
            })
        })
    }

    /// A setting of the socket.
    pub(super) fn tell_tcp(
        &mut self,
        function: &'static str,
        socket: &Resource<TcpSocket>,
        value: impl Encode,
        tell: impl FnOnce(&mut WasiSocketsCtxView<'_>, Resource<LiveTcpSocket>) -> SocketResult<()>,
    ) -> SocketResult<()> {
        let place = self.table.get_mut(socket)?;
        if place.stage == Stage::Created {
            place.stage = Stage::Configured;
        }
        self.socket_call(Category::WriteLocal, function, &(socket.rep(), value), |worker| {
            worker.with_tcp(socket, |lent| {
                let this = lent.this();
                tell(&mut lent.view(), this)
            })
        })
    }

    pub(super) async fn bind_tcp(
        &mut self,
        socket: &Resource<TcpSocket>,
        address: IpSocketAddress,
    ) -> SocketResult<()> {
        let mut lent = self.lend_tcp(socket)?;
        let (this, network) = (lent.this(), lent.network().map_err(SocketError::trap)?);
        let bound = lent.view().start_bind(this, network, address).await;
        self.take_back_tcp(socket, lent)?;
        bound
    }

    pub(super) fn connect_tcp(
        &mut self,
        socket: &Resource<TcpSocket>,
        address: IpSocketAddress,
    ) -> SocketResult<()> {
        self.with_tcp(socket, |lent| {
            let (this, network) = (lent.this(), lent.network().map_err(SocketError::trap)?);
            lent.view().start_connect(this, network, address)
        })
    }

    pub(super) async fn listen_tcp(&mut self, socket: &Resource<TcpSocket>) -> SocketResult<()> {
        let mut lent = self.lend_tcp(socket)?;
        let this = lent.this();
        let listening = lent.view().start_listen(this).await;
        self.take_back_tcp(socket, lent)?;
        listening
    }

    /// Notes how far the guest has come.
    pub(super) fn advance_tcp(
        &mut self,
        socket: &Resource<TcpSocket>,
        stage: Stage,
        outcome: &Outcome<()>,
    ) -> SocketResult<()> {
        if outcome.is_ok() {
            self.table.get_mut(socket)?.stage = stage;
        }
        Ok(())
    }

    pub(super) fn with_tcp<T>(
        &mut self,
        socket: &Resource<TcpSocket>,
        act: impl FnOnce(&mut Lent<LiveTcpSocket>) -> SocketResult<T>,
    ) -> SocketResult<T> {
        let mut lent = self.lend_tcp(socket)?;
        let result = act(&mut lent);
        self.take_back_tcp(socket, lent)?;
        result
    }

    pub(super) fn lend_tcp(
        &mut self,
        socket: &Resource<TcpSocket>,
    ) -> SocketResult<Lent<LiveTcpSocket>> {
        let place = self.table.get_mut(socket)?;
        let (live, stage, family) = (place.live.take(), place.stage, place.family);
        let live = match live {
            Some(live) => live,
            None if stage == Stage::Created => self.open_tcp(family)?,
            None => return Err(self.table.get(socket)?.lost().into()),
        };
        Lent::new(self.socket_calls().ctx, live).map_err(SocketError::trap)
    }

    pub(super) fn take_back_tcp(
        &mut self,
        socket: &Resource<TcpSocket>,
        lent: Lent<LiveTcpSocket>,
    ) -> SocketResult<()> {
        let live = lent.give_back().map_err(SocketError::trap)?;
        self.table.get_mut(socket)?.live = Some(live);
        Ok(())
    }

    /// Adds the two streams of a connection, which are lost where replay says so.
    pub(super) fn add_streams(
        &mut self,
        socket: &Resource<TcpSocket>,
        streams: Option<(DynInputStream, DynOutputStream)>,
    ) -> SocketResult<(Resource<DynInputStream>, Resource<DynOutputStream>)> {
        let (input, output) = streams.unzip();
        let output = SharedOutput::new(output);
        self.table.get_mut(socket)?.output = Some(output.clone());
        let connection = socket.rep();
        let input = TcpInput::new(connection, input, &self.recorder);
        let output = TcpOutput::new(connection, output, &self.recorder);
        let input: DynInputStream = Box::new(input);
        let input = self.push(input, Recipe::connection("what a TCP connection receives"))?;
        let output: DynOutputStream = Box::new(output);
        let output = self.push(output, Recipe::connection("what a TCP connection sends"))?;
        Ok((input, output))
    }
}
