//! What counts as one address when connections are counted.

use std::net::{IpAddr, Ipv6Addr};

/// An IPv4 address, also in IPv6 clothes, or the first 64 bits of an IPv6 one: a household or a host has all of those
/// that begin with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressKey(IpAddr);

const NETWORK: u128 = !0 << 64;

impl AddressKey {
    /// Of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.into()),
            IpAddr::V6(address) => Self(Ipv6Addr::from_bits(address.to_bits() & NETWORK).into()),
        }
    }

    /// The address, or the first one of those that count as it.
    #[must_use]
    pub const fn first(self) -> IpAddr {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_counts_by_its_first_64_bits_and_clothes_count_for_nothing() {
        let of = |text: &str| AddressKey::of(text.parse().expect("an address"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff:ffff:ffff:ffff"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("2001:db8:0:1::7").first(), "2001:db8:0:1::".parse::<IpAddr>().expect("an address"));
    }
}
