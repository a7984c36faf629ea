//! The frames that are counted: 64 bytes, as a game's most frequent ones are.

/// The bytes of a whole frame.
pub(crate) const SIZE: usize = 64;
/// How many lie in one read where many do.
pub(crate) const BURST: usize = 32;
/// The protocol ID that all of them have.
pub(crate) const ID: u16 = 1500;

/// The layout in the words of a file: the same as that of `game`.
pub(crate) const TOML: &str = "[frame.game]
length = { offset = 0, width = 4, adjust = 2 }
id = { offset = 4, width = 2 }
";

/// Appends a whole frame that carries a number.
pub(crate) fn append(number: u64, out: &mut Vec<u8>) {
    let start = out.len();
    let counted = u32::try_from(SIZE - 6).expect("64 bytes");
    out.extend_from_slice(&counted.to_be_bytes());
    out.extend_from_slice(&ID.to_be_bytes());
    out.extend_from_slice(&number.to_be_bytes());
    out.resize(start + SIZE, 0xA5);
}

/// So many of them, one behind the other.
pub(crate) fn burst(count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    (0..).take(count).for_each(|number| append(number, &mut out));
    out
}
