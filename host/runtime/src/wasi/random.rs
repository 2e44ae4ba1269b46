//! `wasi:random`: recorded once, then the same in every replay.

use wasmtime::ensure;
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};

use super::WorkerState;
use crate::entropy;

/// The most random bytes that one call gets. They are kept in the log, so a generator seeded from them serves better
/// than many of them; more traps.
const MAX_RANDOM_BYTES: u64 = 1024 * 1024;

impl random::Host for WorkerState {
    fn get_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes("wasi:random/random.get-random-bytes", length)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.read_local("wasi:random/random.get-random-u64", &(), |_| Ok(entropy::number()))
    }
}

/// As good as the secure kind: a cheaper generator would save less than the entry costs.
impl insecure::Host for WorkerState {
    fn get_insecure_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes("wasi:random/insecure.get-insecure-random-bytes", length)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        let function = "wasi:random/insecure.get-insecure-random-u64";
        self.read_local(function, &(), |_| Ok(entropy::number()))
    }
}

impl insecure_seed::Host for WorkerState {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        let function = "wasi:random/insecure-seed.insecure-seed";
        self.read_local(function, &(), |_| Ok((entropy::number(), entropy::number())))
    }
}

impl WorkerState {
    fn random_bytes(&mut self, function: &'static str, length: u64) -> wasmtime::Result<Vec<u8>> {
        ensure!(
            length <= MAX_RANDOM_BYTES,
            "{function} was asked for {length} bytes; at most {MAX_RANDOM_BYTES} come at once"
        );
        self.read_local(function, &length, |_| {
            let mut bytes = vec![0; usize::try_from(length)?];
            entropy::fill(&mut bytes);
            Ok(bytes)
        })
    }
}
