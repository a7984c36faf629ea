//! The mask of what clients send: a key of four bytes, added to the payload over and over.

/// Adds the mask to a run of a payload that has `at` bytes before it; done twice, the bytes are as before.
pub fn apply_mask(bytes: &mut [u8], mask: [u8; 4], at: usize) {
    let mut key = mask;
    key.rotate_left(at % 4);
    let [a, b, c, d] = key;
    let wide = u128::from_ne_bytes([a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d]);
    let (chunks, rest) = bytes.as_chunks_mut::<16>();
    for chunk in chunks {
        *chunk = (u128::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    rest.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_masked_the_same_in_any_pieces() {
        let mask = [0x6d, 0xb6, 0xb2, 0x80];
        for length in 0..70_usize {
            let plain: Vec<u8> = (0_u8..).take(length).collect();
            let expected: Vec<u8> =
                plain.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
            for cut in 0..=length {
                let mut bytes = plain.clone();
                let (first, second) = bytes.split_at_mut(cut);
                apply_mask(first, mask, 0);
                apply_mask(second, mask, cut);
                assert_eq!(bytes, expected, "{length} cut at {cut}");
            }
        }
    }
}
