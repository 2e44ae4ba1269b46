//! What workers may reach on the network: the server's settings, asked before every effect. And the HTTP client that
//! they share; what a guest learns of an exchange is recorded by `wasi::http`, not here.

mod client;
mod config;
mod dialer;
mod failure;
mod policy;

use std::net::SocketAddr;

use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsCtx};

pub use config::NetworkConfig;
pub use failure::HttpFailure;
pub use policy::{HostPattern, NetworkPolicy, PatternError};

pub(crate) use client::{HttpClient, RequestFrames, ResponseFrames, TimeLimits};

/// What a guest may do with sockets of its own (`wasi:sockets`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SocketAccess {
    /// Nothing: every attempt ends in `access-denied`.
    None,
    /// Look names up, connect to others, and exchange datagrams from a port that the system picks.
    #[default]
    Outgoing,
    /// Also listen, and bind to ports of its choice.
    All,
}

/// The rules for all workers of a runtime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    sockets: SocketAccess,
    deny_private: bool,
}

impl Policy {
    /// The rules that the settings make.
    pub(crate) fn new(sockets: SocketAccess) -> Self {
        Self { sockets, deny_private: false }
    }

    /// The same, where private addresses may be denied.
    pub(crate) fn with_private_denied(self, deny_private: bool) -> Self {
        Self { deny_private, ..self }
    }

    /// Whether guests may have sockets, and look names up for them.
    pub(crate) fn allows_sockets(self) -> bool {
        self.sockets != SocketAccess::None
    }

    /// Whether a socket may use `address` so.
    pub(crate) fn permits(self, address: SocketAddr, purpose: SocketAddrUse) -> bool {
        match purpose {
            SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend => {
                let denied = self.deny_private && !policy::is_public(address.ip());
                self.allows_sockets() && !denied
            }
            SocketAddrUse::UdpReceive => self.allows_sockets(),
            SocketAddrUse::TcpBind | SocketAddrUse::UdpBind if address.port() == 0 => {
                self.allows_sockets()
            }
            SocketAddrUse::TcpBind
            | SocketAddrUse::UdpBind
            | SocketAddrUse::TcpListen
            | SocketAddrUse::TcpAccept => self.sockets == SocketAccess::All,
        }
    }

    /// These rules as wasmtime-wasi asks them.
    pub(crate) fn sockets_context(self) -> WasiSocketsCtx {
        let allowed = self.allows_sockets();
        WasiCtxBuilder::new()
            .allow_tcp(allowed)
            .allow_udp(allowed)
            .allow_ip_name_lookup(allowed)
            .socket_addr_check(move |address, purpose| {
                Box::pin(std::future::ready(self.permits(address, purpose)))
            })
            .build()
            .sockets()
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_can_be_denied() {
        let private: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        let public: SocketAddr = "1.1.1.1:8080".parse().unwrap();
        let policy = Policy::new(SocketAccess::All).with_private_denied(true);
        for purpose in [SocketAddrUse::TcpConnect, SocketAddrUse::UdpSend] {
            assert!(!policy.permits(private, purpose), "{purpose:?}");
            assert!(policy.permits(public, purpose), "{purpose:?}");
        }
        assert!(policy.permits(private, SocketAddrUse::TcpListen));
    }

    #[test]
    fn listening_and_chosen_ports_need_more_than_outgoing() {
        let chosen: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        let any: SocketAddr = "0.0.0.0:0".parse().unwrap();
        let permitted = |access, address, purpose| Policy::new(access).permits(address, purpose);
        for (address, purpose, least) in [
            (chosen, SocketAddrUse::TcpConnect, SocketAccess::Outgoing),
            (any, SocketAddrUse::TcpBind, SocketAccess::Outgoing),
            (any, SocketAddrUse::UdpBind, SocketAccess::Outgoing),
            (chosen, SocketAddrUse::UdpSend, SocketAccess::Outgoing),
            (chosen, SocketAddrUse::UdpBind, SocketAccess::All),
            (any, SocketAddrUse::TcpListen, SocketAccess::All),
            (chosen, SocketAddrUse::TcpAccept, SocketAccess::All),
        ] {
            assert!(!permitted(SocketAccess::None, address, purpose), "{purpose:?}");
            let by_outgoing = permitted(SocketAccess::Outgoing, address, purpose);
            assert_eq!(by_outgoing, least == SocketAccess::Outgoing, "{purpose:?}");
            assert!(permitted(SocketAccess::All, address, purpose), "{purpose:?}");
        }
    }
}
