//! Whom an address leads to: anybody on the Internet, or somebody whom only this server can reach.
//!
//! After the special-purpose registries of IANA (RFC 6890). What is not known to be the public Internet is not. An IPv6
//! address that stands for an IPv4 one is that one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To this machine.
    Machine,
    /// Into a private network.
    Private,
    /// To what answers only who is next to it, such as a cloud's metadata, or to nobody.
    Nobody,
    /// To the Internet.
    Public,
}

impl Reach {
    /// Where this address leads.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }

    /// Whether a webhook may go there; `internal`: the operator has receivers that are not public.
    #[must_use]
    pub const fn allows_webhooks(self, internal: bool) -> bool {
        match self {
            Self::Public => true,
            Self::Machine | Self::Private => internal,
            Self::Nobody => false,
        }
    }
}

fn of_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        [127, ..] => Reach::Machine,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Reach::Private,
        [0 | 224.., ..]
        | [169, 254, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18..=19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Reach::Nobody,
        _ => Reach::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Reach {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Machine,
        [0xfc00..=0xfdff, ..] => Reach::Private,
        // A translator's: the IPv4 address is the last part.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            let [.., a, b, c, d] = address.octets();
            of_v4(Ipv4Addr::new(a, b, c, d))
        }
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => Reach::Nobody,
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Reach::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lead_where_the_registries_say() {
        for (reach, addresses) in [
            (
                Reach::Machine,
                "127.0.0.1 127.255.0.9 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1",
            ),
            (
                Reach::Private,
                "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 fd00::1 fc00::1 ::ffff:10.0.0.1 64:ff9b::a00:1",
            ),
            (
                Reach::Nobody,
                "0.0.0.0 0.1.2.3 169.254.169.254 ::ffff:169.254.169.254 192.0.2.1 198.18.0.1 203.0.113.1 224.0.0.1 \
                 255.255.255.255 240.0.0.1 :: fe80::1 ff02::1 2001:db8::1 2001::1 2002:a00:1::1 ::10.0.0.1 100::1 \
                 64:ff9b:1::1 fec0::1",
            ),
            (
                Reach::Public,
                "1.1.1.1 172.32.0.1 100.128.0.1 192.169.0.1 198.20.0.1 2606:4700::1111 2001:4860:4860::8888 \
                 ::ffff:1.1.1.1 64:ff9b::101:101",
            ),
        ] {
            for address in addresses.split_whitespace() {
                assert_eq!(Reach::of(address.parse().unwrap()), reach, "{address}");
            }
        }
    }
}
