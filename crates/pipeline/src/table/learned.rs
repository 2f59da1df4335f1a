//! The tables of what the packet path itself learns from instances' announcements.

use super::PortKey;
use crate::address::{Address, Mac};

layout! {
    /// Value of `LEARNED_MACS`, keyed as `FDB` is and asked when that has no row: where a MAC was last announced that is no port's
    /// own, as of an allowed address pair. A row outlives the pair that it was learned by; who takes the pair away, takes it too.
    LearnedMac: 8 {
        /// [`super::target::PORT`] or [`super::target::HOST`].
        0 => kind: u32,
        /// Port id or host id.
        4 => id: u32,
    }
}

layout! {
    /// Value of `LEARNED_NEIGHBOURS`, keyed as `NEIGHBOURS` is and asked by routers when that has no row: who was last said to have an
    /// address that is none of a port's own, as of an allowed address pair, or one that an instance chose itself.
    LearnedNeighbour: 8 {
        /// Its MAC.
        0 => mac: Mac,
        /// Zero.
        6 => pad: [u8; 2],
    }
}

layout! {
    /// Key of `PRIVACY_PREFIXES`: a prefix in which instances choose their own addresses (RFC 4862, RFC 8981).
    PrivacyPrefixKey: 24 {
        /// 32 and the prefix's own length, 0 to 128.
        0 => prefix_len: u32,
        /// Network id.
        4 => network: u32,
        /// Bits behind the prefix are zero.
        8 => address: Address,
    }
}

impl PrivacyPrefixKey {
    /// Bits before the address.
    const BEFORE: u32 = 32;

    /// A row: the first `length` bits (0 to 128) of `address`.
    #[inline(always)]
    pub const fn new(network: u32, address: Address, length: u8) -> Self {
        PrivacyPrefixKey { prefix_len: Self::BEFORE + length as u32, network, address }
    }
}

layout! {
    /// Value of `PRIVACY_PREFIXES`: being there is what counts.
    PrivacyPrefix: 4 {
        /// Zero.
        0 => reserved: u32,
    }
}

layout! {
    /// Value of `PRIVACY_ADDRESSES`, keyed as `NEIGHBOURS` is: an address that a port here has chosen (RFC 6620). It may use it as
    /// a source, beside its own MAC.
    PrivacyAddress: 24 {
        /// Port id.
        0 => port: u32,
        /// Zero.
        4 => reserved: u32,
        /// Nanoseconds of the monotonic clock from which on it isn't the port's any more. Use prolongs it.
        8 => expires: u64,
        /// Until then somebody else who has the address may say so, and the port loses it (RFC 4862 §5.4).
        16 => tentative: u64,
    }
}

/// Most addresses that a port may have chosen at a time; one more takes the place of the oldest. Hosts keep one for each day of a
/// week and prefix (RFC 8981 §3.8).
pub const PRIVACY_SLOTS: usize = 16;

/// The value of `PRIVACY_RINGS`, keyed by port: what a port has chosen, in this order. Rows are made by the loader; a port without a
/// row chooses nothing.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PrivacyRing {
    /// How many it has chosen so far; the next one's place is this modulo [`PRIVACY_SLOTS`].
    pub chosen: u32,
    /// Zero.
    pub reserved: u32,
    /// The addresses by place, `::` where there is none yet.
    pub addresses: [Address; PRIVACY_SLOTS],
}

const _: () = assert!(size_of::<PrivacyRing>() == 8 + 16 * PRIVACY_SLOTS && PRIVACY_SLOTS.is_power_of_two());
rows!(PrivacyRing);

/// The key of `PRIVACY_RINGS`.
pub type PrivacyRingKey = PortKey;

/// The key of `LEARNED_MACS`.
pub type LearnedMacKey = super::FdbKey;

/// The key of `LEARNED_NEIGHBOURS`.
pub type LearnedNeighbourKey = super::NeighbourKey;

/// The key of `PRIVACY_ADDRESSES`.
pub type PrivacyAddressKey = super::NeighbourKey;
