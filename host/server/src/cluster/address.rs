//! Where other servers reach this one.

use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};

use anyhow::Context;
use reqwest::Url;

/// The address to be told to other servers: what was set; else where this one listens, with the address by which this
/// machine reaches the store where it listens at all of its own.
///
/// # Errors
/// If the store's host has no address, or this machine no way there.
pub(crate) fn advertised(
    set: Option<&str>,
    listens: SocketAddr,
    store: &str,
) -> anyhow::Result<String> {
    if let Some(set) = set {
        return Ok(set.to_owned());
    }
    if !listens.ip().is_unspecified() {
        return Ok(format!("http://{listens}"));
    }
    let why = "cannot find the address of this machine; set `advertise`";
    let store = Url::parse(store).context(why)?;
    let host = store.host_str().unwrap_or("localhost").trim_matches(['[', ']']);
    let port = store.port().unwrap_or(6379);
    let to = (host, port).to_socket_addrs().context(why)?.next().context(why)?;
    let any: SocketAddr = if to.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    // Connecting a UDP socket sends nothing; it only picks the way.
    let socket = UdpSocket::bind(any).context(why)?;
    socket.connect(to).context(why)?;
    let address = socket.local_addr().context(why)?.ip();
    Ok(format!("http://{}", SocketAddr::new(address, listens.port())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_one_that_others_can_use() {
        let of = |set, listens: &str, store| {
            advertised(set, listens.parse().expect("an address"), store).expect("an address")
        };
        let redis = "redis://127.0.0.1:6379";
        assert_eq!(of(Some("http://a:1"), "0.0.0.0:7070", redis), "http://a:1");
        assert_eq!(of(None, "10.1.2.3:7070", redis), "http://10.1.2.3:7070");
        assert_eq!(of(None, "0.0.0.0:7070", redis), "http://127.0.0.1:7070");
        assert_eq!(of(None, "[::]:7070", redis), "http://127.0.0.1:7070");
    }
}
