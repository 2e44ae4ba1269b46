//! What an operator can set about HTTP.

use std::time::Duration;

use super::NetworkPolicy;

/// What an operator can set about the network.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// Whom workers may reach.
    pub policy: NetworkPolicy,
    /// A connection must be there within this time; guests may ask for less.
    pub connect_timeout: Duration,
    /// The head of a response must be there within this time after the connection; guests may ask for less.
    pub first_byte_timeout: Duration,
    /// The longest silence in a response's body; guests may ask for less.
    pub between_bytes_timeout: Duration,
    /// The most of a request's body that is kept for sending it again after a crash, in bytes.
    pub resent_body_bytes: u64,
    /// The longest body of a response, in bytes.
    pub response_body_bytes: u64,
    /// The longest head of a request or a response, in bytes.
    pub header_bytes: u32,
    /// Requests that one worker may have in flight.
    pub max_requests_in_flight: u32,
    /// Give requests that change something an `Idempotency-Key` of their own.
    pub idempotency_header: bool,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            policy: NetworkPolicy::default(),
            connect_timeout: Duration::from_secs(30),
            first_byte_timeout: Duration::from_secs(600),
            between_bytes_timeout: Duration::from_secs(600),
            resent_body_bytes: 16 << 20,
            response_body_bytes: 1 << 30,
            header_bytes: 64 << 10,
            max_requests_in_flight: 100,
            idempotency_header: false,
        }
    }
}
