//! Hashes that never change. What they decide must come out the same on every gateway, whatever its version and
//! machine, so they are written here and pinned by values in the tests; std's and every crate's own may change.

/// The hash of a text or of any bytes: FNV-1a of 64 bits (Fowler, Noll, Vo; IETF draft-eastlake-fnv), finished by
/// the mixer of [`stable_hash_u64`], because FNV alone hardly moves its high bits for short texts. Not meant
/// against those who choose keys to collide; the bound of `consistent_hash` limits what they reach.
#[must_use]
pub fn stable_hash(bytes: &[u8]) -> u64 {
    stable_hash_u64(fnv1a(bytes))
}

/// The hash of a number: `fmix64`, the last step of MurmurHash3 (Austin Appleby, public domain). One number, one
/// hash: it only rearranges the numbers, so different ones never collide.
#[must_use]
pub const fn stable_hash_u64(number: u64) -> u64 {
    let mut hash = number;
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// The key's hash for its `attempt`-th try: a new one each time. The numbers that are mixed lie one golden ratio
/// of 2^64 apart, as in `SplitMix64` (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
pub(super) const fn rehashed(key: u64, attempt: u64) -> u64 {
    stable_hash_u64(key.wrapping_add(attempt.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// Which of `count` places a number falls on: its remainder; 0 when there is none.
pub(super) fn remainder(number: u64, count: usize) -> usize {
    let rest = number.checked_rem(count as u64).unwrap_or(0);
    usize::try_from(rest).expect("a remainder is less than a usize")
}

fn fnv1a(bytes: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(BASIS, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv_gives_the_published_values() {
        // From the vectors of the FNV draft.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn hashes_are_today_what_they_were_when_players_were_placed_by_them() {
        let texts: [&[u8]; 5] = [b"", b"a", b"10.0.1.1:7100", b"player-4711", &[0, 255, 0]];
        assert_eq!(
            texts.map(stable_hash),
            [
                0xefd0_1f60_ba99_2926,
                0x82a2_a958_a9be_ce5b,
                0x8dc9_b108_4b9f_bd5f,
                0x05e1_2cf1_23cf_84a0,
                0x3b17_0ca7_c369_7056
            ]
        );
        assert_eq!(
            [0, 1, 2, 4711, u64::MAX].map(stable_hash_u64),
            [
                0x0000_0000_0000_0000,
                0xb456_bcfc_34c2_cb2c,
                0x3abf_2a20_6506_83e7,
                0x40db_71c8_7f0d_c16d,
                0x64b5_720b_4b82_5f21
            ]
        );
        assert_eq!(
            [0, 1, 2].map(|attempt| rehashed(4711, attempt)),
            [0x40db_71c8_7f0d_c16d, 0xbe9f_9991_2b11_042a, 0x6d4e_2a8a_0247_c4aa]
        );
    }

    #[test]
    fn every_bit_of_a_number_moves_about_half_of_its_hash() {
        for bit in 0..64 {
            let moved: u32 = (0..64)
                .map(|number: u64| {
                    (stable_hash_u64(number) ^ stable_hash_u64(number ^ (1 << bit))).count_ones()
                })
                .sum();
            let mean = f64::from(moved) / 64.0;
            assert!((28.0..36.0).contains(&mean), "bit {bit} moves {mean} of 64");
        }
    }

    #[test]
    fn a_remainder_of_nothing_is_the_first_place() {
        assert_eq!([remainder(17, 5), remainder(u64::MAX, 10), remainder(17, 0)], [2, 5, 0]);
    }
}
