//! Bloom filters: most look-ups are for keys that are not there (the first append of a worker, an
//! idempotency key), and this answers them without reading a page.

use xxhash_rust::xxh3::xxh3_64;

const BITS_PER_KEY: usize = 10;

/// The best number of probes for ten bits a key; about 1 % of absent keys pass.
const PROBES: u64 = 7;

/// What a key is in a filter.
pub(super) fn hash(key: &[u8]) -> u64 {
    xxh3_64(key)
}

/// The bits for keys with these hashes.
pub(super) fn build(hashes: &[u64]) -> Vec<u8> {
    let mut bits = vec![0; (hashes.len() * BITS_PER_KEY).div_ceil(8).max(1)];
    for hash in hashes {
        for bit in probes(*hash, &bits) {
            bits[bit / 8] |= 1 << (bit % 8);
        }
    }
    bits
}

/// Whether a key with this hash may be among those that `bits` were made of.
pub(super) fn may_contain(bits: &[u8], hash: u64) -> bool {
    probes(hash, bits).all(|bit| bits[bit / 8] & 1 << (bit % 8) != 0)
}

fn probes(hash: u64, bits: &[u8]) -> impl Iterator<Item = usize> + use<> {
    let length = bits.len() as u64 * 8;
    let step = hash.rotate_left(32) | 1;
    // An empty filter, which no table has, asks for no bit and excludes nothing.
    let probes = if length == 0 { 0 } else { PROBES };
    (0..probes).map(move |probe| (hash.wrapping_add(step.wrapping_mul(probe)) % length) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_passes_and_most_of_the_rest_does_not() {
        let keys = |range: std::ops::Range<u64>| range.map(|number| hash(&number.to_le_bytes()));
        let bits = build(&keys(0..1000).collect::<Vec<_>>());
        assert!(keys(0..1000).all(|hash| may_contain(&bits, hash)));
        let wrong = keys(1000..11_000).filter(|hash| may_contain(&bits, *hash)).count();
        assert!(wrong < 300, "{wrong} of 10,000");
    }

    #[test]
    fn a_filter_without_bits_excludes_nothing() {
        assert!(may_contain(&[], 7));
    }
}
