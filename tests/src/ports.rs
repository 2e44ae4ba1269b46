//! Ports that belong to one server under test, also while it is down: it comes back on the same one, and servers of
//! other tests are started all the time.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use rand::Rng as _;

/// Ports are drawn from here: below the range from which Linux takes the ports of outgoing connections.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// A TCP port of 127.0.0.1. Nobody else draws it before this is dropped, in whichever process.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// The UDP port of the same number, which nobody needs, says that this one is taken.
    _claim: UdpSocket,
}

impl Port {
    /// Draws one on which nobody listens.
    pub fn draw() -> Self {
        let mut random = rand::rng();
        loop {
            let number = random.random_range(PORTS);
            let address = (Ipv4Addr::LOCALHOST, number);
            if let Ok(claim) = UdpSocket::bind(address)
                && TcpListener::bind(address).is_ok()
            {
                return Self { number, _claim: claim };
            }
        }
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}
