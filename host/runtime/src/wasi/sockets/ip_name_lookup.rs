//! `ip-name-lookup`: one entry holds the whole answer of a look-up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use everlog_oplog::Category;
use wasmtime::component::Resource;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup as wasi;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress};
use wasmtime_wasi::p2::{DynPollable, Network, Pollable, SocketError, SocketResult, subscribe};

use super::super::{Recipe, SharedCount, WorkerState};
use super::bindings::wasi::sockets::ip_name_lookup::{Host, HostResolveAddressStream};
use super::live::Lent;
use super::outcome::{Outcome, settled};
use crate::clock;
use crate::durable::Entered;

/// How long a look-up may take; then it is a temporary failure of the resolver.
const LONGEST_LOOK_UP: Duration = Duration::from_secs(30);

/// More addresses of one name are left out.
const MAX_ADDRESSES: usize = 64;

/// The answer of a look-up, read one by one.
pub struct ResolvedAddresses {
    addresses: Vec<IpAddr>,
    next: SharedCount,
}

#[async_trait]
impl Pollable for ResolvedAddresses {
    async fn ready(&mut self) {}
}

impl Host for WorkerState {
    /// Waits for the resolver, which the standard leaves to the stream, so that no entry but one depends on it.
    async fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> SocketResult<Resource<ResolvedAddresses>> {
        self.table.get(&network)?;
        let function = "wasi:sockets/ip-name-lookup.resolve-addresses";
        let entered = self.enter::<Outcome<Vec<IpAddr>>>(Category::ReadRemote, function, &name);
        let outcome = match entered.await.map_err(SocketError::trap)? {
            Entered::Replayed(outcome) => outcome,
            Entered::Live(ticket) => {
                let outcome = settled(self.look_up(name).await)?;
                self.leave(ticket, &outcome).await.map_err(SocketError::trap)?;
                outcome
            }
        };
        let addresses = self.answer(function, outcome)?;
        let next = SharedCount::new(0);
        let recipe = Recipe::Addresses { addresses: addresses.clone(), next: next.clone() };
        Ok(self.push(ResolvedAddresses { addresses, next }, recipe)?)
    }
}

impl HostResolveAddressStream for WorkerState {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ResolvedAddresses>,
    ) -> SocketResult<Option<IpAddress>> {
        let ResolvedAddresses { addresses, next } = self.table.get(&stream)?;
        let position = usize::try_from(next.get()).unwrap_or(usize::MAX);
        let address = addresses.get(position).copied();
        next.add(u64::from(address.is_some()));
        Ok(address.map(IpAddress::from))
    }

    fn subscribe(
        &mut self,
        stream: Resource<ResolvedAddresses>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        let source = stream.rep();
        let pollable = subscribe(&mut self.table, stream)?;
        self.adopt(&pollable, Recipe::PollOf(source));
        Ok(pollable)
    }

    fn drop(&mut self, stream: Resource<ResolvedAddresses>) -> wasmtime::Result<()> {
        self.delete(stream)?;
        Ok(())
    }
}

impl WorkerState {
    async fn look_up(&mut self, name: String) -> SocketResult<Vec<IpAddr>> {
        if !self.environment.network.allows_sockets() {
            return Err(ErrorCode::AccessDenied.into());
        }
        let mut lent = Lent::new(self.socket_calls().ctx, ()).map_err(SocketError::trap)?;
        let network = lent.network().map_err(SocketError::trap)?;
        let stream = wasi::Host::resolve_addresses(&mut lent.view(), network, name)?;
        let pollable = wasi::HostResolveAddressStream::subscribe(
            &mut lent.view(),
            Resource::new_borrow(stream.rep()),
        )
        .map_err(SocketError::trap)?;
        tokio::select! {
            ready = lent.wait_for(pollable) => ready.map_err(SocketError::trap)?,
            () = clock::pause(LONGEST_LOOK_UP) => {
                return Err(ErrorCode::TemporaryResolverFailure.into());
            }
        }
        let mut addresses = Vec::new();
        while addresses.len() < MAX_ADDRESSES {
            let stream = Resource::new_borrow(stream.rep());
            let next =
                wasi::HostResolveAddressStream::resolve_next_address(&mut lent.view(), stream)?;
            let Some(address) = next else { break };
            addresses.push(standard(address));
        }
        Ok(addresses)
    }
}

fn standard(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4((a, b, c, d)) => Ipv4Addr::new(a, b, c, d).into(),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => Ipv6Addr::new(a, b, c, d, e, f, g, h).into(),
    }
}
