//! Parts of the address space, for lists of who may come.

use std::fmt::{self, Display};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// All addresses that begin with the same bits. IPv4 addresses in IPv6 clothes count as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum NetworkFault {
    /// It cannot be read.
    NoNetwork,
    /// It is an address with bits that do not count: one inside of this network.
    InsideOf(Network),
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32`, or one address.
    pub(in crate::config) fn parse(text: &str) -> Result<Self, NetworkFault> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.to_canonical().into()));
        }
        let net: IpNet = text.parse().map_err(|_| NetworkFault::NoNetwork)?;
        if net.addr() != net.network() {
            return Err(NetworkFault::InsideOf(Self(undressed(net.trunc()))));
        }
        Ok(Self(undressed(net)))
    }

    /// Whether the address is one of it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// A network of IPv4 addresses in IPv6 clothes is one of IPv4.
fn undressed(net: IpNet) -> IpNet {
    const CLOTHES: u8 = 96;
    match (net.addr().to_canonical(), net.prefix_len().checked_sub(CLOTHES)) {
        (IpAddr::V4(address), Some(bits)) if net.addr().is_ipv6() => {
            Ipv4Net::new(address, bits).map_or(net, IpNet::V4)
        }
        _ => net,
    }
}

impl Display for Network {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, String> {
        Network::parse(text).map(|network| network.to_string()).map_err(|fault| match fault {
            NetworkFault::NoNetwork => String::new(),
            NetworkFault::InsideOf(network) => network.to_string(),
        })
    }

    #[test]
    fn networks_are_read_and_written_and_an_address_is_one_of_its_own() {
        for (text, written) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("192.0.2.1", "192.0.2.1/32"),
            ("192.0.2.1/32", "192.0.2.1/32"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:192.0.2.1", "192.0.2.1/32"),
        ] {
            assert_eq!(parsed(text).as_deref(), Ok(written), "{text}");
        }
        for text in ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/8 ", "example.com", "::/129"] {
            assert_eq!(parsed(text), Err(String::new()), "{text}");
        }
        assert_eq!(parsed("10.1.2.3/8"), Err("10.0.0.0/8".to_owned()));
        assert_eq!(parsed("2001:db8::1/64"), Err("2001:db8::/64".to_owned()));
    }

    #[test]
    fn an_address_is_the_same_in_both_its_forms() {
        let contains = |network: &str, address: &str| {
            Network::parse(network).expect("a network").contains(address.parse().expect("an address"))
        };
        assert!(contains("10.0.0.0/8", "10.255.0.1") && contains("10.0.0.0/8", "::ffff:10.255.0.1"));
        assert!(contains("::ffff:10.0.0.0/104", "10.255.0.1"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1") && !contains("10.0.0.0/8", "::1"));
        assert!(contains("2001:db8::/32", "2001:db8:ffff::1") && !contains("::/0", "10.0.0.1"));
    }
}
