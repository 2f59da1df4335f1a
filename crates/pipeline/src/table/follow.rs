//! Real packets that an operator follows, and what is told of them.

use crate::address::Address;

/// Rows of `FOLLOWS`.
pub const MAX_FOLLOWS: usize = 16;

/// Most bytes of a frame that a record of `FOLLOWED` carries: every header that the packet path reads.
pub const FOLLOWED_SNAPLEN: usize = 256;

layout! {
    /// What a packet looks like where it comes in.
    Headers: 48 {
        /// IP source, or ARP sender.
        0 => source: Address,
        /// IP destination, or ARP target.
        16 => destination: Address,
        /// Network id; 0 of a packet whose network is not known.
        32 => network: u32,
        /// Interface that it came in by.
        36 => ifindex: u32,
        /// Source port of TCP, UDP, UDP-Lite, SCTP or DCCP; 0 of anything else, and of fragments but the first.
        40 => source_port: u16,
        /// Destination port, likewise.
        42 => destination_port: u16,
        /// EtherType.
        44 => ether_type: u16,
        /// Transport protocol, after IPv6 extension headers.
        46 => protocol: u8,
        /// A constant of [`door`].
        47 => door: u8,
    }
}

/// Values of [`Headers::door`].
pub mod door {
    /// `from_port`
    pub const PORT: u8 = 1;
    /// `from_overlay`
    pub const OVERLAY: u8 = 2;
    /// `from_provider`
    pub const PROVIDER: u8 = 3;
}

layout! {
    /// Value of `FOLLOWS`: which packets are followed, how many of them, and until when.
    Follow: 128 {
        /// What they look like, where `mask` has ones.
        0 => headers: Headers,
        /// Which bits of `headers` count.
        48 => mask: Headers,
        /// Nanoseconds of the monotonic clock from which on none is.
        96 => until: u64,
        /// The node's name for the row, which their records have.
        104 => id: u32,
        /// Most of them.
        108 => most: u32,
        /// How many were told so far; written by the programs. Two CPUs at the same instant may count one, so the node counts too.
        112 => told: u64,
        /// How many were not told for their rate or for want of room; written by the programs.
        120 => lost: u64,
    }
}

impl Follow {
    /// Whether a packet that looks like this is meant. Free of branches, so that the kernel's verifier has one way through it.
    #[inline(always)]
    pub const fn is_of(&self, seen: &Headers) -> bool {
        let (wanted, mask) = (&self.headers, &self.mask);
        let ports = [
            (wanted.source_port ^ seen.source_port) & mask.source_port,
            (wanted.destination_port ^ seen.destination_port) & mask.destination_port,
            (wanted.ether_type ^ seen.ether_type) & mask.ether_type,
            ((wanted.protocol ^ seen.protocol) & mask.protocol) as u16,
            ((wanted.door ^ seen.door) & mask.door) as u16,
        ];
        let differing = differing(wanted.source, seen.source, mask.source)
            | differing(wanted.destination, seen.destination, mask.destination)
            | (wanted.network ^ seen.network) & mask.network
            | (wanted.ifindex ^ seen.ifindex) & mask.ifindex
            | (ports[0] | ports[1] | ports[2] | ports[3] | ports[4]) as u32;
        differing == 0
    }
}

#[inline(always)]
const fn differing(a: Address, b: Address, mask: Address) -> u32 {
    difference(a, b, mask, 0)
        | difference(a, b, mask, 4)
        | difference(a, b, mask, 8)
        | difference(a, b, mask, 12)
}

#[inline(always)]
const fn difference(a: Address, b: Address, mask: Address, at: usize) -> u32 {
    (word(a, at) ^ word(b, at)) & word(mask, at)
}

#[inline(always)]
const fn word(address: Address, at: usize) -> u32 {
    u32::from_ne_bytes([address.0[at], address.0[at + 1], address.0[at + 2], address.0[at + 3]])
}

layout! {
    /// What precedes a frame in the ring buffer `FOLLOWED`. The frame follows at once as it came in, without a VLAN tag, at most
    /// [`FOLLOWED_SNAPLEN`] bytes of it; its checksums may be partial.
    Followed: 64 {
        /// Nanoseconds of the monotonic clock when it came in.
        0 => time: u64,
        /// [`Follow::id`]
        8 => id: u32,
        /// Length of the whole frame in bytes, which may exceed what follows.
        12 => length: u32,
        /// Payload bytes of each segment of a GSO frame; 0 for an ordinary one.
        16 => gso_size: u32,
        /// Interface that it came in by.
        20 => ifindex: u32,
        /// Network id; 0 when it is not known.
        24 => network: u32,
        /// The host that the overlay brought it from; 0 for none, or for one that may not send here.
        28 => peer: u32,
        /// Its VLAN on the physical network; 0 for none.
        32 => vlan: u32,
        /// A constant of [`door`].
        36 => door: u32,
        /// Kind of the [`crate::Verdict`] on it.
        40 => verdict: u32,
        /// First word of that.
        44 => a: u32,
        /// Second word of that.
        48 => b: u32,
        /// The rule that allowed it last; 0 when a connection did, or nothing had to.
        52 => rule: u32,
        /// Zero.
        56 => pad: u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Headers = Headers {
        source: Address::v4([10, 0, 0, 1]),
        destination: Address::v4([10, 0, 0, 2]),
        network: 5,
        ifindex: 7,
        source_port: 40_000,
        destination_port: 443,
        ether_type: 0x0800,
        protocol: 6,
        door: door::PORT,
    };

    #[test]
    fn only_bits_of_the_mask_count() {
        let none = Headers::default();
        let any = Follow { headers: none, mask: none, ..Follow::default() };
        assert!(any.is_of(&SEEN) && any.is_of(&none));
        let exact = Follow { headers: SEEN, mask: ALL, ..any };
        assert!(exact.is_of(&SEEN));
        let others = [
            Headers { source: Address::v4([10, 0, 1, 1]), ..SEEN },
            Headers { destination: Address::UNSPECIFIED, ..SEEN },
            Headers { network: 4, ..SEEN },
            Headers { ifindex: 1 << 31, ..SEEN },
            Headers { source_port: 40_001, ..SEEN },
            Headers { destination_port: 80, ..SEEN },
            Headers { ether_type: 0x86dd, ..SEEN },
            Headers { protocol: 17, ..SEEN },
            Headers { door: door::OVERLAY, ..SEEN },
        ];
        for other in others {
            assert!(!exact.is_of(&other) && any.is_of(&other), "{other:?}");
        }
        let mask = Headers { source: Address([0xff; 16]), ..none };
        assert!(Follow { headers: SEEN, mask, ..any }.is_of(&Headers { source: SEEN.source, ..none }));
    }

    const ALL: Headers = Headers {
        source: Address([0xff; 16]),
        destination: Address([0xff; 16]),
        network: u32::MAX,
        ifindex: u32::MAX,
        source_port: u16::MAX,
        destination_port: u16::MAX,
        ether_type: u16::MAX,
        protocol: u8::MAX,
        door: u8::MAX,
    };
}
