//! The rows of policies: which packets a port with security may send and receive.

use super::Prefix;

/// A set of security groups that ports of the receiving host share. What a rule of one of the groups allows is allowed,
/// nothing else.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PolicyRow {
    /// Its number, 1 to 2³¹ − 1.
    pub number: u32,
    /// Numbers of the groups among the sets, rising.
    pub groups: Vec<u32>,
}

/// Something that the ports of a group may send or receive.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RuleRow {
    /// The group's number among the sets, 1 to 2³¹ − 1.
    pub group: u32,
    /// Its number.
    pub rule: u32,
    /// Its UUID.
    pub uuid: [u8; 16],
    /// Which way.
    pub direction: Direction,
    /// Which packets.
    pub family: Family,
    /// IP protocol; `None` for any.
    pub protocol: Option<u8>,
    /// Lowest destination port, or the type of ICMP and ICMPv6; `None` for any.
    pub port_min: Option<u16>,
    /// Highest destination port, or the code of ICMP and ICMPv6; `None` for any.
    pub port_max: Option<u16>,
    /// The other end.
    pub remote: Remote,
    /// Each packet is judged for itself: answers are not allowed because of it.
    pub stateless: bool,
}

/// Which way a packet goes, as the instance sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// From the instance.
    Egress,
    /// To the instance.
    Ingress,
}

/// Version of IP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// Version 4.
    Ipv4,
    /// Version 6.
    Ipv6,
}

/// The other end of what a rule allows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Remote {
    /// Anywhere.
    Any,
    /// In a prefix.
    Prefix(Prefix),
    /// In the set of this number, see [`MemberRow::set`].
    Set(u32),
}

/// Addresses in a set that rules name: those of a port of a security group, or an entry of an address group.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MemberRow {
    /// Number of the set, 1 to 2³¹ − 1.
    pub set: u32,
    /// The port's number; in an address group a number of the entry that stays the same.
    pub member: u32,
    /// Its addresses. Other members may have the same.
    pub prefixes: Vec<Prefix>,
}
