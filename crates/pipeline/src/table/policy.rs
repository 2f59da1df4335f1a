//! The tables of policies and connections.

use crate::address::{Address, Mac};

/// Which way a packet goes, seen from the instance.
pub mod direction {
    /// From the instance.
    pub const EGRESS: u32 = 0;
    /// To the instance.
    pub const INGRESS: u32 = 1;
}

/// Address families as rules name them.
pub mod family {
    /// IPv4
    pub const IPV4: u8 = 4;
    /// IPv6
    pub const IPV6: u8 = 6;
}

/// Places of [`super::Config::timeouts`].
pub mod timeout {
    /// TCP, until the other side has answered.
    pub const TCP_OPENING: usize = 0;
    /// TCP with packets both ways.
    pub const TCP_ESTABLISHED: usize = 1;
    /// TCP after the first FIN.
    pub const TCP_CLOSING: usize = 2;
    /// TCP after both FINs or a reset.
    pub const TCP_CLOSED: usize = 3;
    /// UDP, until the other side has answered.
    pub const UDP_OPENING: usize = 4;
    /// UDP with packets both ways.
    pub const UDP_ESTABLISHED: usize = 5;
    /// ICMP and ICMPv6 queries.
    pub const ICMP: usize = 6;
    /// Every other protocol.
    pub const OTHER: usize = 7;
    /// How many there are.
    pub const SLOTS: usize = 8;
    /// What an operator gets who sets nothing, seconds. Established TCP outlives the two hours after which hosts send
    /// keep-alives (RFC 1122 §4.2.3.6), the others are those of RFC 5382 and RFC 4787 or longer.
    pub const DEFAULTS: [u32; SLOTS] = [120, 86_400, 120, 10, 30, 180, 30, 600];
}

layout! {
    /// Key of `ALLOWED_PREFIXES`.
    AllowedPrefixKey: 32 {
        /// 96 and the prefix's own length, 0 to 128.
        0 => prefix_len: u32,
        /// Port id.
        4 => port: u32,
        /// As in [`super::AllowedKey::mac`].
        8 => mac: Mac,
        /// Zero.
        14 => pad: [u8; 2],
        /// As in [`super::AllowedKey::address`], bits behind the prefix zero.
        16 => address: Address,
    }
}

impl AllowedPrefixKey {
    /// Bits before the address.
    const BEFORE: u32 = 96;

    /// A row: the first `length` bits (0 to 128) of `address`.
    #[inline(always)]
    pub const fn new(port: u32, mac: Mac, address: Address, length: u8) -> Self {
        AllowedPrefixKey { prefix_len: Self::BEFORE + length as u32, port, mac, pad: [0; 2], address }
    }
}

layout! {
    /// Key of `POLICIES`.
    PolicyKey: 8 {
        /// Policy number.
        0 => policy: u32,
        /// A constant of [`direction`].
        4 => direction: u32,
    }
}

layout! {
    /// Value of `POLICIES`. A policy without a row allows nothing.
    Policy: 8 {
        /// Raised when something may be allowed no more: connections of another generation are judged again.
        0 => generation: u32,
        /// Its sets are `POLICY_SETS[(policy, direction, 0..set_count)]`, at most [`MAX_POLICY_SETS`].
        4 => set_count: u32,
    }
}

/// Most sets of a policy in one direction.
pub const MAX_POLICY_SETS: u32 = 32;

layout! {
    /// Key of `POLICY_SETS`.
    PolicySetKey: 12 {
        /// Policy number.
        0 => policy: u32,
        /// A constant of [`direction`].
        4 => direction: u32,
        /// Place, from 0.
        8 => slot: u32,
    }
}

layout! {
    /// Value of `POLICY_SETS`: a security group or an address group that rules name as remote.
    PolicySet: 8 {
        /// Set number.
        0 => set: u32,
        /// Bits of [`set_flag`].
        4 => flags: u32,
    }
}

/// Bits of [`PolicySet::flags`]: which tables are asked for its members.
pub mod set_flag {
    /// The set has rows in `MEMBER_PREFIXES`.
    pub const HAS_PREFIXES: u32 = 1;
    /// The set has rows in `MEMBERS`.
    pub const HAS_ADDRESSES: u32 = 1 << 1;
}

layout! {
    /// Key of `CLASSES`.
    ClassKey: 28 {
        /// 64 and the prefix's own length, 0 to 128.
        0 => prefix_len: u32,
        /// Policy number.
        4 => policy: u32,
        /// A constant of [`direction`].
        8 => direction: u32,
        /// Remote address, bits behind the prefix zero.
        12 => address: Address,
    }
}

impl ClassKey {
    /// Bits before the address.
    const BEFORE: u32 = 64;

    /// A row: the first `length` bits (0 to 128) of `address`.
    #[inline(always)]
    pub const fn new(policy: u32, direction: u32, address: Address, length: u8) -> Self {
        ClassKey { prefix_len: Self::BEFORE + length as u32, policy, direction, address }
    }
}

layout! {
    /// Value of `CLASSES`.
    Class: 4 {
        /// Local to policy and direction, with the top bit set, which no set's number has.
        0 => class: u32,
    }
}

layout! {
    /// Key of `MEMBERS`.
    MemberKey: 20 {
        /// Set number.
        0 => set: u32,
        /// An address in it.
        4 => address: Address,
    }
}

layout! {
    /// Key of `MEMBER_PREFIXES`.
    MemberPrefixKey: 24 {
        /// 32 and the prefix's own length, 0 to 128.
        0 => prefix_len: u32,
        /// Set number.
        4 => set: u32,
        /// Bits behind the prefix are zero.
        8 => address: Address,
    }
}

impl MemberPrefixKey {
    /// Bits before the address.
    const BEFORE: u32 = 32;

    /// A row: the first `length` bits (0 to 128) of `address`.
    #[inline(always)]
    pub const fn new(set: u32, address: Address, length: u8) -> Self {
        MemberPrefixKey { prefix_len: Self::BEFORE + length as u32, set, address }
    }
}

layout! {
    /// Value of `MEMBERS` and `MEMBER_PREFIXES`: being there is what counts.
    Member: 4 {
        /// Zero.
        0 => reserved: u32,
    }
}

layout! {
    /// Key of `RULES`.
    RuleKey: 20 {
        /// One of [`RuleKey::FAMILY`] (any protocol), [`RuleKey::PROTOCOL`] and as many bits of the port.
        0 => prefix_len: u32,
        /// Policy number.
        4 => policy: u32,
        /// A constant of [`direction`].
        8 => direction: u32,
        /// A class or a set.
        12 => source: u32,
        /// A constant of [`family`].
        16 => family: u8,
        /// IP protocol.
        17 => protocol: u8,
        /// Destination port in network order; type and code of ICMP and ICMPv6.
        18 => port: [u8; 2],
    }
}

impl RuleKey {
    /// Bits up to the family: a row of this length is for any protocol.
    pub const FAMILY: u32 = 104;
    /// Bits up to the protocol: a row of this length is for any port.
    pub const PROTOCOL: u32 = 112;
    /// Bits up to the port.
    pub const PORT: u32 = 128;
}

layout! {
    /// Value of `RULES`.
    Rule: 8 {
        /// Number of the rule that allows it.
        0 => rule: u32,
        /// Bits of [`rule_flag`].
        4 => flags: u32,
    }
}

/// Bits of [`Rule::flags`].
pub mod rule_flag {
    /// No connection is kept: each packet is judged for itself.
    pub const STATELESS: u32 = 1;
}

layout! {
    /// Key of `CONNECTIONS`: a connection as a port sees it, the same for both directions.
    ConnectionKey: 44 {
        /// Port id.
        0 => port: u32,
        /// The instance's address.
        4 => local: Address,
        /// The other side's.
        20 => remote: Address,
        /// The instance's TCP, UDP or SCTP port; the identifier of an ICMP query.
        36 => local_port: u16,
        /// The other side's; the type of an ICMP query.
        38 => remote_port: u16,
        /// IP protocol.
        40 => protocol: u8,
        /// Who asks, of an ICMP query: a constant of [`direction`] and 1; 0 of other protocols. Both sides may use one identifier.
        41 => asker: u8,
        /// Zero.
        42 => pad: [u8; 2],
    }
}

layout! {
    /// Value of `CONNECTIONS`.
    ///
    /// Two CPUs that see packets of one connection at once may each write the row; the last one stands. Nothing that is lost by
    /// that lets a packet pass that the policy forbids: key, direction and rule are the same in both, and an expiry or a state
    /// that is one packet old is made good by the next packet.
    Connection: 32 {
        /// Nanoseconds of the monotonic clock from which on it isn't there.
        0 => expires: u64,
        /// Number of the rule that allowed it.
        8 => rule: u32,
        /// Policy by which it was allowed.
        12 => policy: u32,
        /// Generation of that in [`Connection::direction`].
        16 => generation: u32,
        /// A constant of [`direction`]: the way of the packet that began it.
        20 => direction: u8,
        /// A constant of [`connection_state`].
        21 => state: u8,
        /// Bits: 1 for each direction (1 << [`direction`]) from which a FIN was seen.
        22 => finished: u8,
        /// Zero.
        23 => pad: u8,
        /// When it began, nanoseconds of the monotonic clock.
        24 => began: u64,
    }
}

/// Values of [`Connection::state`].
pub mod connection_state {
    /// The side that began waits for an answer.
    pub const OPENING: u8 = 1;
    /// Packets both ways.
    pub const ESTABLISHED: u8 = 2;
    /// TCP after the first FIN.
    pub const CLOSING: u8 = 3;
    /// TCP after both FINs or a reset.
    pub const CLOSED: u8 = 4;
    /// What allowed it was taken away. It stays so while it tries, both ways.
    pub const DENIED: u8 = 5;
}

layout! {
    /// Value of `CONNECTION_COUNTS`. The programs count without a lock and may lose some; the loader's sweep puts it right.
    ConnectionCount: 16 {
        /// Rows of the port in `CONNECTIONS`.
        0 => count: u32,
        /// Connections that were refused since the port is here.
        4 => refused: u32,
        /// When the sweep has last put the count right, nanoseconds of the monotonic clock. Once that is [`SWEEP_OVERDUE`] ago, the
        /// programs count from 0 again: what has expired still has its rows then, and must lock nobody out.
        8 => since: u64,
    }
}

/// Nanoseconds after which the programs no longer wait for the loader's sweep. A port then gets its limit of new connections in
/// each such time.
pub const SWEEP_OVERDUE: u64 = 60_000_000_000;

layout! {
    /// Key of `FRAGMENTS`: a packet in pieces, on one way of one port.
    FragmentKey: 44 {
        /// Port id.
        0 => port: u32,
        /// IP source.
        4 => source: Address,
        /// IP destination.
        20 => destination: Address,
        /// Identification.
        36 => identification: u32,
        /// IP protocol; 0 in IPv6, whose fragments need not all name the same one (RFC 8200 §4.5).
        40 => protocol: u8,
        /// A constant of [`direction`].
        41 => direction: u8,
        /// Zero.
        42 => pad: [u8; 2],
    }
}

layout! {
    /// Value of `FRAGMENTS`.
    Fragment: 8 {
        /// Nanoseconds of the monotonic clock from which on later fragments don't pass.
        0 => expires: u64,
    }
}

layout! {
    /// Key of `RULE_COUNTERS`.
    RuleCounterKey: 4 {
        /// Rule number.
        0 => rule: u32,
    }
}

layout! {
    /// Value of `RULE_COUNTERS`.
    RuleCounters: 8 {
        /// Connections that it allowed, and packets that it allowed without one.
        0 => allowed: u64,
    }
}
