//! What ports' logs say.

use crate::address::Address;

layout! {
    /// A record of the ring buffer `LOGS`: what became of a packet at a port.
    LogEvent: 64 {
        /// Nanoseconds of the monotonic clock.
        0 => time: u64,
        /// Port id.
        8 => port: u32,
        /// Number of the rule that allowed it; 0 of a packet that was dropped.
        12 => rule: u32,
        /// IP source, or ARP sender.
        16 => source: Address,
        /// IP destination, or ARP target.
        32 => destination: Address,
        /// Source port; type of ICMP and ICMPv6; ARP operation.
        48 => source_port: u16,
        /// Destination port; code of ICMP and ICMPv6.
        50 => destination_port: u16,
        /// EtherType.
        52 => ether_type: u16,
        /// IP protocol.
        54 => protocol: u8,
        /// Number of the [`crate::drop::DropReason`]; 0 of a packet that began a connection, or was allowed without one.
        55 => reason: u8,
        /// A constant of [`super::direction`].
        56 => direction: u8,
        /// Flags of the TCP header.
        57 => tcp_flags: u8,
        /// Zero.
        58 => pad: u16,
        /// Bytes of the frame.
        60 => length: u32,
    }
}
