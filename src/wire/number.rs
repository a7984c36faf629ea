//! Numbers as layouts write them: fixed widths in both orders, and LEB128.

use super::layout::{ByteOrder, Width};

/// What the front of some bytes says as a LEB128 number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Varint {
    /// A whole number and the bytes it takes.
    Whole { value: u64, width: usize },
    /// Every byte so far says that another one follows.
    Torn,
    /// More bytes than allowed, bits that do not fit, or zeros at the end that a shorter form leaves out.
    Bad,
}

/// The most bytes a 64-bit LEB128 number takes.
pub(super) const MAX_VARINT: usize = 10;

/// The number in a field of fixed width; `None` where the bytes end before it does.
#[inline]
pub fn read_field(bytes: &[u8], offset: u16, width: Width, order: ByteOrder) -> Option<u64> {
    let from = bytes.get(usize::from(offset)..)?;
    // Eight bytes at once, wherever there are so many: each frame has two of these fields, and is read both ways.
    let Some(eight) = from.first_chunk::<8>() else {
        return from.get(..width.bytes()).map(|field| read_number(field, order));
    };
    let behind = 64 - 8 * width.bytes();
    Some(match order {
        ByteOrder::Big => u64::from_be_bytes(*eight) >> behind,
        ByteOrder::Little => u64::from_le_bytes(*eight) << behind >> behind,
    })
}

/// The number in at most eight bytes.
#[cold]
fn read_number(bytes: &[u8], order: ByteOrder) -> u64 {
    let push = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    match order {
        ByteOrder::Big => bytes.iter().fold(0, push),
        ByteOrder::Little => bytes.iter().rev().fold(0, push),
    }
}

/// Fills at most eight bytes with the low bytes of a number.
pub(super) fn write_number(value: u64, order: ByteOrder, into: &mut [u8]) {
    let low_first = value.to_le_bytes();
    match order {
        ByteOrder::Big => into.iter_mut().rev().zip(low_first).for_each(|(to, byte)| *to = byte),
        ByteOrder::Little => into.iter_mut().zip(low_first).for_each(|(to, byte)| *to = byte),
    }
}

/// Reads a LEB128 number of at most `max_width` bytes.
pub(super) fn read_varint(bytes: &[u8], max_width: usize) -> Varint {
    let max_width = max_width.min(MAX_VARINT);
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(max_width).enumerate() {
        let bits = u64::from(byte & 0x7F);
        let shifted = bits << (7 * index);
        if shifted >> (7 * index) != bits {
            return Varint::Bad;
        }
        value |= shifted;
        if byte & 0x80 == 0 {
            let padded = *byte == 0 && index > 0;
            return if padded { Varint::Bad } else { Varint::Whole { value, width: index + 1 } };
        }
    }
    if bytes.len() >= max_width { Varint::Bad } else { Varint::Torn }
}

/// The bytes that a LEB128 number takes.
pub(super) const fn varint_width(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// The highest LEB128 number of at most so many bytes.
pub(super) const fn max_varint(width: usize) -> u64 {
    if width >= MAX_VARINT { u64::MAX } else { (1 << (7 * width)) - 1 }
}

/// Fills `into` with a LEB128 number; it must have exactly [`varint_width`] bytes.
pub(super) fn write_varint(mut value: u64, into: &mut [u8]) {
    for byte in into {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        *byte = if value == 0 { low } else { low | 0x80 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_there_and_back_in_both_orders() {
        for order in [ByteOrder::Big, ByteOrder::Little] {
            for width in [Width::One, Width::Two, Width::Three, Width::Four, Width::Eight] {
                let value = 0x0102_0304_0506_0708_u64 >> (64 - 8 * width.bytes());
                for (offset, behind) in [(0, 0), (0, 9), (3, 0), (3, 4), (3, 9)] {
                    let before = usize::from(offset);
                    let mut bytes = vec![0xFF; before + width.bytes() + behind];
                    let field = &mut bytes[before..before + width.bytes()];
                    write_number(value, order, field);
                    let read = |bytes: &[u8]| read_field(bytes, offset, width, order);
                    assert_eq!(read(&bytes), Some(value), "{order:?} {width:?} {before} {behind}");
                    assert_eq!(read(&bytes[..before + width.bytes() - 1]), None, "{order:?} {width:?}");
                }
            }
        }
        let three = |order| read_field(&[1, 2, 3], 0, Width::Three, order);
        assert_eq!(three(ByteOrder::Big), Some(0x01_0203));
        assert_eq!(three(ByteOrder::Little), Some(0x03_0201));
        assert_eq!(read_field(&[1], 2, Width::One, ByteOrder::Big), None, "it begins behind the end");
    }

    #[test]
    fn varints_go_there_and_back_at_every_edge() {
        for shift in 0..64 {
            for value in [1_u64 << shift, (1 << shift) - 1, u64::MAX >> shift] {
                let mut bytes = vec![0; varint_width(value)];
                write_varint(value, &mut bytes);
                assert!(
                    value <= max_varint(bytes.len()) && value > max_varint(bytes.len() - 1) || value == 0
                );
                assert_eq!(read_varint(&bytes, 10), Varint::Whole { value, width: bytes.len() });
                assert_eq!(read_varint(&bytes[..bytes.len() - 1], 10), Varint::Torn);
            }
        }
    }

    #[test]
    fn varints_that_are_too_wide_too_high_or_padded_are_bad() {
        assert_eq!(read_varint(&[0x80, 0x80, 0x01], 2), Varint::Bad);
        assert_eq!(read_varint(&[0x80, 0x80], 2), Varint::Bad);
        assert_eq!(read_varint(&[0x85, 0x00], 5), Varint::Bad);
        assert_eq!(read_varint(&[0xFF; 10], 10), Varint::Bad);
        assert_eq!(
            read_varint(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02], 10),
            Varint::Bad
        );
        assert_eq!(read_varint(&[0xFF; 300], 300), Varint::Bad);
    }
}
