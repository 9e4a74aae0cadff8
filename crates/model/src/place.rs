//! Where callers come from, as far as it tells them apart.

use std::net::IpAddr;

/// Where a caller comes from. The one place that decides which addresses are one caller: of IPv6 the first 64 bits count, for the
/// rest is the machine's own to choose, and often random (RFC 8981). Headers are never asked: anybody can write them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place(Option<u128>);

impl Place {
    /// Where a connection from this address comes from; `None` is a pipe.
    pub fn of(peer: Option<IpAddr>) -> Self {
        Self(peer.map(|address| match address.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits() >> 64 << 64,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_machine_is_one_place_whatever_form_its_address_has() {
        let of = |text: &str| Place::of(Some(text.parse().unwrap()));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1:2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_ne!(of("192.0.2.1"), Place::of(None));
        assert_ne!(of("::1"), of("127.0.0.1"));
    }
}
