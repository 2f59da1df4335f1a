//! MAC and IP addresses as packets and tables hold them: bytes in network order, aligned for the kernel's loads.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An Ethernet address.
#[repr(C, align(2))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// ff:ff:ff:ff:ff:ff.
    pub const BROADCAST: Mac = Mac([0xff; 6]);

    /// True for multicast and broadcast (the I/G bit, IEEE 802 §8.2).
    #[inline(always)]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// True for 01:80:c2:00:00:00 to 0f, which no bridge forwards (IEEE 802.1Q table 8-1): STP, LACP, LLDP, pause.
    #[inline(always)]
    pub const fn is_bridge_reserved(self) -> bool {
        let b = self.0;
        b[0] == 0x01 && b[1] == 0x80 && b[2] == 0xc2 && b[3] == 0 && b[4] == 0 && b[5] < 0x10
    }

    /// fe80::/64 with the modified EUI-64 of this address (RFC 4291 appendix A).
    #[inline(always)]
    pub const fn link_local(self) -> Address {
        let b = self.0;
        Address([0xfe, 0x80, 0, 0, 0, 0, 0, 0, b[0] ^ 2, b[1], b[2], 0xff, 0xfe, b[3], b[4], b[5]])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An IP address of either family: 128 bits, IPv4 mapped (`::ffff:a.b.c.d`, RFC 4291 §2.5.5.2).
#[repr(C, align(4))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address(pub [u8; 16]);

impl Address {
    /// `::`.
    pub const UNSPECIFIED: Address = Address([0; 16]);
    /// 0.0.0.0, mapped.
    pub const UNSPECIFIED_V4: Address = Address::v4([0; 4]);
    /// 255.255.255.255, mapped.
    pub const BROADCAST_V4: Address = Address::v4([255; 4]);
    /// ff02::1, all nodes of the link.
    pub const ALL_NODES: Address = Address([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    /// The mapped form of an IPv4 address.
    #[inline(always)]
    pub const fn v4(b: [u8; 4]) -> Address {
        Address([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, b[0], b[1], b[2], b[3]])
    }

    /// True for `::ffff:0:0/96`.
    #[inline(always)]
    pub const fn is_v4(self) -> bool {
        let b = self.0;
        let head =
            [u32::from_ne_bytes([b[0], b[1], b[2], b[3]]), u32::from_ne_bytes([b[4], b[5], b[6], b[7]])];
        head[0] == 0 && head[1] == 0 && b[8] == 0 && b[9] == 0 && b[10] == 0xff && b[11] == 0xff
    }

    /// The last four bytes, which are the IPv4 address of a mapped one.
    #[inline(always)]
    pub const fn tail(self) -> [u8; 4] {
        [self.0[12], self.0[13], self.0[14], self.0[15]]
    }

    /// True for ff00::/8 and for 224.0.0.0/4, mapped.
    #[inline(always)]
    pub const fn is_multicast(self) -> bool {
        self.0[0] == 0xff || (self.is_v4() && self.0[12] & 0xf0 == 0xe0)
    }

    /// ff02::1:ffXX:XXXX of this address (RFC 4291 §2.7.1).
    pub const fn solicited_node(self) -> Address {
        let b = self.0;
        Address([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, b[13], b[14], b[15]])
    }

    /// The standard type, with mapped addresses as IPv4.
    pub fn ip(self) -> IpAddr {
        if self.is_v4() {
            IpAddr::V4(Ipv4Addr::from(self.tail()))
        } else {
            IpAddr::V6(Ipv6Addr::from(self.0))
        }
    }
}

impl From<Ipv4Addr> for Address {
    fn from(a: Ipv4Addr) -> Self {
        Address::v4(a.octets())
    }
}

impl From<Ipv6Addr> for Address {
    fn from(a: Ipv6Addr) -> Self {
        Address(a.octets())
    }
}

impl From<IpAddr> for Address {
    fn from(a: IpAddr) -> Self {
        match a {
            IpAddr::V4(a) => a.into(),
            IpAddr::V6(a) => a.into(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.ip(), f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.ip(), f)
    }
}
