//! Whom workers may reach.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A host, or several, to which workers may connect: `api.example.com`, `*.example.com`, `*`, each with or without a
/// port, as in `localhost:8080`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// Exactly this one.
    One(String),
    /// Every host below this domain.
    Below(String),
}

/// What a pattern must be like.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no host pattern: write a host as in `api.example.com`, all hosts below a domain as in `*.example.com`, \
     or `*`, and behind it a port if only that is meant, as in `localhost:8080`"
)]
pub struct PatternError(String);

impl HostPattern {
    /// The pattern that fits every host.
    #[must_use]
    pub fn all() -> Self {
        Self { hosts: Hosts::All, port: None }
    }

    fn fits(&self, host: &str, port: u16) -> bool {
        let fits = match &self.hosts {
            Hosts::All => true,
            Hosts::One(one) => host == one,
            Hosts::Below(domain) => {
                host.strip_suffix(domain.as_str()).is_some_and(|below| below.ends_with('.'))
            }
        };
        fits && self.port.is_none_or(|only| only == port)
    }
}

impl FromStr for HostPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let invalid = || PatternError(text.to_owned());
        let (host, port) = match text.rsplit_once(':') {
            // An address of IPv6 has colons of its own, and stands in brackets where a port follows.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, Some(port.parse().map_err(|_| invalid())?))
            }
            _ => (text, None),
        };
        // Before the dot of the root is taken away: `*.` is a slip, and must not come to mean every host.
        let all = host == "*";
        let host = normal(host);
        let hosts = match host.strip_prefix("*.") {
            _ if all => Hosts::All,
            Some(domain) if is_host(domain) => Hosts::Below(domain.to_owned()),
            None if is_host(&host) => Hosts::One(host),
            _ => return Err(invalid()),
        };
        Ok(Self { hosts, port })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hosts {
            Hosts::All => formatter.write_str("*")?,
            Hosts::One(host) if host.contains(':') => write!(formatter, "[{host}]")?,
            Hosts::One(host) => formatter.write_str(host)?,
            Hosts::Below(domain) => write!(formatter, "*.{domain}")?,
        }
        match self.port {
            Some(port) => write!(formatter, ":{port}"),
            None => Ok(()),
        }
    }
}

fn is_host(text: &str) -> bool {
    let allowed = |character: char| character.is_ascii_alphanumeric() || "-_.:".contains(character);
    !text.is_empty() && text.chars().all(allowed)
}

/// A host as it is compared: in small letters, without the dot of the root and the brackets of IPv6.
fn normal(host: &str) -> String {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Whom workers may reach. Names are asked before they are looked up, and addresses before they are connected to, so
/// that a name cannot lead to an address that is not allowed.
#[derive(Clone, Debug)]
pub struct NetworkPolicy {
    /// The hosts that are allowed; the others are not.
    pub allow: Vec<HostPattern>,
    /// Refuse addresses that are no part of the public internet.
    pub deny_private: bool,
}

impl NetworkPolicy {
    /// Whether `host`, a name or an address, may be connected to on `port`.
    ///
    /// # Errors
    /// The reason why not, for a reader.
    pub fn check_host(&self, host: &str, port: u16) -> Result<(), String> {
        let normal = normal(host);
        if self.allow.iter().any(|pattern| pattern.fits(&normal, port)) {
            return Ok(());
        }
        Err(format!("{host}:{port} is not in the server's setting `network-allow`"))
    }

    /// Whether an address that a name stands for may be connected to.
    ///
    /// # Errors
    /// The reason why not, for a reader.
    pub fn check_address(&self, host: &str, address: IpAddr) -> Result<(), String> {
        if self.deny_private && !is_public(address) {
            return Err(format!(
                "{host} is at {address}, a private address, and the server's setting `network-deny-private` is on"
            ));
        }
        Ok(())
    }
}

impl Default for NetworkPolicy {
    fn default() -> Self {
        Self { allow: vec![HostPattern::all()], deny_private: false }
    }
}

/// Whether an address is a part of the public internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(embedded) => is_public_v4(embedded),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let carrier_grade = first == 100 && (64..128).contains(&second);
    let protocols = first == 192 && second == 0 && third == 0;
    let benchmarking = first == 198 && (18..20).contains(&second);
    let reserved = first == 0 || first >= 224;
    !(address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || carrier_grade
        || protocols
        || benchmarking
        || reserved)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let loopback_or_unspecified = address.is_loopback() || address.is_unspecified();
    let local = address.is_unique_local() || address.is_unicast_link_local();
    !(loopback_or_unspecified || local || address.is_multicast())
}

/// The address of IPv4 in one of IPv6 that leads there: mapped, or through a translator.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let translated = match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some((u32::from(high) << 16) | u32::from(low)),
        [0x2002, high, low, ..] => Some((u32::from(high) << 16) | u32::from(low)),
        _ => None,
    };
    address.to_ipv4_mapped().or(translated.map(Ipv4Addr::from_bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow: &[&str], deny_private: bool) -> NetworkPolicy {
        let allow = allow.iter().map(|pattern| pattern.parse().unwrap()).collect();
        NetworkPolicy { allow, deny_private }
    }

    #[test]
    fn patterns_fit_hosts_domains_and_ports() {
        let allow =
            policy(&["api.example.com", "*.example.org", "localhost:8080", "[::1]:80"], false);
        for (host, port) in [
            ("api.example.com", 443),
            ("API.example.com.", 1),
            ("a.example.org", 80),
            ("a.b.example.org", 80),
            ("localhost", 8080),
            ("[::1]", 80),
            ("::1", 80),
        ] {
            assert_eq!(allow.check_host(host, port), Ok(()), "{host}:{port}");
        }
        for (host, port) in [
            ("example.com", 443),
            ("evil-api.example.com", 443),
            ("example.org", 80),
            ("evilexample.org", 80),
            ("localhost", 80),
            ("::1", 81),
        ] {
            let refused = allow.check_host(host, port).unwrap_err();
            assert!(refused.contains("network-allow"), "{refused}");
        }
    }

    #[test]
    fn patterns_read_as_they_are_written() {
        for text in ["*", "*:443", "a.example", "*.example.org:80", "[::1]:80", "10.0.0.1"] {
            assert_eq!(text.parse::<HostPattern>().unwrap().to_string(), text);
        }
        for text in ["", "*.", "a*b", "http://a", "a:port", "a b", "a/b"] {
            assert!(text.parse::<HostPattern>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn private_addresses_are_told_from_public_ones() {
        let deny = policy(&["*"], true);
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
        ] {
            assert!(deny.check_address("h", private.parse().unwrap()).is_err(), "{private}");
        }
        for public in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:1.1.1.1"]
        {
            assert!(deny.check_address("h", public.parse().unwrap()).is_ok(), "{public}");
        }
        assert!(policy(&["*"], false).check_address("h", "127.0.0.1".parse().unwrap()).is_ok());
    }
}
