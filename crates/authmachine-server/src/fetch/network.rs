//! Which addresses may be asked: the public ones, and the networks on the operator's list.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network, as `10.0.0.0/8`; a single address without `/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpNetwork {
    address: IpAddr,
    prefix: u32,
}

/// What is written is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IpNetworkError {
    /// Neither an address nor an address with a prefix.
    #[error("it is not a network such as 10.0.0.0/8 or fd00::/8")]
    NotANetwork,
    /// Bits behind the prefix: what was meant cannot be known.
    #[error("its address has bits behind the prefix; a network's are zero")]
    BitsBehindPrefix,
}

impl IpNetwork {
    const fn v4(address: [u8; 4], prefix: u32) -> Self {
        let [a, b, c, d] = address;
        Self { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
    }

    const fn v6(first: [u16; 3], prefix: u32) -> Self {
        let [a, b, c] = first;
        Self { address: IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)), prefix }
    }

    /// Whether `address` lies in it. `::ffff:10.0.0.1` is the address that it leads to.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4()
            && (bits(address) ^ bits(self.address)).leading_zeros() >= self.prefix
    }
}

/// From the left, so that prefixes of both kinds count alike.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl FromStr for IpNetwork {
    type Err = IpNetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, prefix)| (a, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| IpNetworkError::NotANetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= most).ok_or(IpNetworkError::NotANetwork)?
            }
            Some(_) => return Err(IpNetworkError::NotANetwork),
        };
        if address.to_canonical() != address {
            return Err(IpNetworkError::NotANetwork);
        }
        if bits(address).checked_shl(prefix).is_some_and(|behind| behind != 0) {
            return Err(IpNetworkError::BitsBehindPrefix);
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// What is not a public server's (the IANA registries of special-purpose addresses, RFC 6890).
const SPECIAL_V4: [IpNetwork; 16] = [
    IpNetwork::v4([0, 0, 0, 0], 8),        // «this» network
    IpNetwork::v4([10, 0, 0, 0], 8),       // private
    IpNetwork::v4([100, 64, 0, 0], 10),    // shared by a carrier's customers
    IpNetwork::v4([127, 0, 0, 0], 8),      // loopback
    IpNetwork::v4([168, 63, 129, 16], 32), // Azure's own, from inside each of its machines
    IpNetwork::v4([169, 254, 0, 0], 16),   // link-local, and the metadata of clouds
    IpNetwork::v4([172, 16, 0, 0], 12),    // private
    IpNetwork::v4([192, 0, 0, 0], 24),     // protocols
    IpNetwork::v4([192, 0, 2, 0], 24),     // documentation
    IpNetwork::v4([192, 88, 99, 0], 24),   // relays of 6to4
    IpNetwork::v4([192, 168, 0, 0], 16),   // private
    IpNetwork::v4([198, 18, 0, 0], 15),    // benchmarks
    IpNetwork::v4([198, 51, 100, 0], 24),  // documentation
    IpNetwork::v4([203, 0, 113, 0], 24),   // documentation
    IpNetwork::v4([224, 0, 0, 0], 4),      // multicast
    IpNetwork::v4([240, 0, 0, 0], 4),      // reserved, and broadcast
];

/// Everything public in IPv6 is in here (RFC 4291 §2.4): no loopback, unique local, link-local, site-local, multicast or compatible
/// address is.
const GLOBAL_UNICAST: IpNetwork = IpNetwork::v6([0x2000, 0, 0], 3);
/// What is not a public server's in [`GLOBAL_UNICAST`].
const SPECIAL_V6: [IpNetwork; 4] = [
    IpNetwork::v6([0x2001, 0, 0], 23), // protocols, with Teredo and benchmarks
    IpNetwork::v6([0x2001, 0xdb8, 0], 32), // documentation
    IpNetwork::v6([0x2002, 0, 0], 16), // 6to4, which leads to any IPv4 address
    IpNetwork::v6([0x3fff, 0, 0], 20), // documentation
];
/// NAT64 (RFC 6052 §2.1): how a machine without IPv4 reaches the IPv4 address in the last 32 bits.
const NAT64: IpNetwork = IpNetwork::v6([0x64, 0xff9b, 0], 96);

/// Whether `address` can be that of a public server.
pub fn is_public(address: IpAddr) -> bool {
    let is_in = |network: &IpNetwork| network.contains(address);
    match address.to_canonical() {
        IpAddr::V4(_) => !SPECIAL_V4.iter().any(is_in),
        IpAddr::V6(inner) if NAT64.contains(address) => {
            let [.., a, b, c, d] = inner.octets();
            is_public(Ipv4Addr::new(a, b, c, d).into())
        }
        IpAddr::V6(_) => GLOBAL_UNICAST.contains(address) && !SPECIAL_V6.iter().any(is_in),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sr1_only_public_addresses_are_public() {
        for (address, public) in [
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("1.0.0.1", true),
            ("8.8.8.8", true),
            ("9.255.255.255", true),
            ("10.0.0.0", false),
            ("10.255.255.255", false),
            ("11.0.0.0", true),
            ("100.63.255.255", true),
            ("100.64.0.0", false),
            ("100.100.100.200", false),
            ("100.127.255.255", false),
            ("100.128.0.0", true),
            ("127.0.0.1", false),
            ("127.255.255.254", false),
            ("128.0.0.1", true),
            ("168.63.129.16", false),
            ("168.63.129.17", true),
            ("169.254.169.254", false),
            ("169.253.0.1", true),
            ("172.15.255.255", true),
            ("172.16.0.1", false),
            ("172.31.255.255", false),
            ("172.32.0.0", true),
            ("192.0.0.192", false),
            ("192.0.1.1", true),
            ("192.0.2.1", false),
            ("192.88.99.1", false),
            ("192.168.1.1", false),
            ("192.169.0.1", true),
            ("198.17.255.255", true),
            ("198.18.0.1", false),
            ("198.19.255.255", false),
            ("198.51.100.7", false),
            ("203.0.113.7", false),
            ("223.255.255.255", true),
            ("224.0.0.1", false),
            ("239.255.255.255", false),
            ("240.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::7f00:1", false),
            ("::8.8.8.8", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("::ffff:8.8.8.8", true),
            ("::ffff:0:127.0.0.1", false),
            ("64:ff9b::127.0.0.1", false),
            ("64:ff9b::169.254.169.254", false),
            ("64:ff9b::8.8.8.8", true),
            ("64:ff9b:1::8.8.8.8", false),
            ("100::1", false),
            ("2000::1", true),
            ("2001::1", false),
            ("2001:0:7f00:1::", false),
            ("2001:2::1", false),
            ("2001:200::1", true),
            ("2001:db8::1", false),
            ("2001:4860:4860::8888", true),
            ("2002:7f00:1::1", false),
            ("2002:808:808::1", false),
            ("2606:4700::1111", true),
            ("3fff::1", false),
            ("3fff:1000::1", true),
            ("4000::1", false),
            ("5f00::1", false),
            ("fc00::1", false),
            ("fd00:ec2::254", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(is_public(address.parse().expect("an address")), public, "{address}");
        }
    }

    #[test]
    fn a_network_is_what_its_prefix_says() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::10.0.0.1"),
            ("192.168.1.5", "192.168.1.5", "192.168.1.4"),
            ("192.168.1.4/31", "192.168.1.5", "192.168.1.6"),
            ("0.0.0.0/0", "127.0.0.1", "::1"),
            ("::/0", "::1", "127.0.0.1"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::1", "::1", "::2"),
        ] {
            let parsed: IpNetwork = network.parse().expect("a network");
            assert!(parsed.contains(inside.parse().expect("an address")), "{network} {inside}");
            assert!(!parsed.contains(outside.parse().expect("an address")), "{network} {outside}");
        }
        for text in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0/8",
            "::/129",
            "localhost",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(text.parse::<IpNetwork>(), Err(IpNetworkError::NotANetwork), "{text}");
        }
        assert_eq!("::ffff:10.0.0.0/104".parse::<IpNetwork>(), Err(IpNetworkError::NotANetwork));
        for text in ["10.1.0.0/8", "fd00::1/8", "127.0.0.1/0"] {
            assert_eq!(text.parse::<IpNetwork>(), Err(IpNetworkError::BitsBehindPrefix), "{text}");
        }
        assert_eq!("fd00::/8".parse::<IpNetwork>().map(|n| n.to_string()), Ok("fd00::/8".to_owned()));
    }
}
