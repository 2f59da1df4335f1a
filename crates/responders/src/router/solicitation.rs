//! Who asks for routers.

use crate::frame6::{ALL_NODES, Incoming};
use etherparse::IpNumber;
use hadron_model::Mac;
use std::net::Ipv6Addr;

const ROUTER_SOLICITATION: u8 = 133;
const SOURCE_LINK_LAYER: u8 = 1;
/// Octets of a solicitation before its options.
const FIXED_LENGTH: usize = 8;

/// To whom an advertisement goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asker {
    /// Destination MAC.
    pub mac: Mac,
    /// Destination address.
    pub address: Ipv6Addr,
}

impl Asker {
    /// All nodes (RFC 2464 §7).
    pub const EVERYONE: Self = Self { mac: Mac([0x33, 0x33, 0, 0, 0, 1]), address: ALL_NODES };
}

/// Why there is no answer to a solicitation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Silence {
    /// No router solicitation in an untagged, whole packet.
    NotSolicitation,
    /// The ICMPv6 checksum is wrong.
    Checksum,
    /// It fails a check of RFC 4861 §6.1.1.
    Malformed,
    /// No router of the network advertises itself.
    WithoutRouter,
}

impl Silence {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 4] = [Self::NotSolicitation, Self::Checksum, Self::Malformed, Self::WithoutRouter];

    /// Lower case with underscores, made to be a metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotSolicitation => "not_solicitation",
            Self::Checksum => "checksum",
            Self::Malformed => "malformed",
            Self::WithoutRouter => "without_router",
        }
    }
}

/// Who asks in `frame`, which begins with its Ethernet header: the address that it comes from, or everyone when that has none yet
/// (RFC 4861 §6.2.6).
pub fn asker(frame: &[u8]) -> Result<Asker, Silence> {
    let packet = Incoming::read(frame).ok_or(Silence::NotSolicitation)?;
    let message = packet.payload;
    if packet.protocol != IpNumber::IPV6_ICMP || message.first() != Some(&ROUTER_SOLICITATION) {
        return Err(Silence::NotSolicitation);
    }
    if !packet.is_checksum_right(message, 2) {
        return Err(Silence::Checksum);
    }
    let (fixed, options) = message.split_at_checked(FIXED_LENGTH).ok_or(Silence::Malformed)?;
    let is_unspecified = packet.source.is_unspecified();
    let has_link_layer = has_option(options, SOURCE_LINK_LAYER)?;
    if packet.hop_limit != 255
        || fixed[1] != 0
        || packet.source.is_multicast()
        || (is_unspecified && has_link_layer)
    {
        return Err(Silence::Malformed);
    }
    Ok(if is_unspecified {
        Asker::EVERYONE
    } else {
        Asker { mac: packet.source_mac, address: packet.source }
    })
}

/// Whether an option of this kind is among them; none may have no length or be cut.
fn has_option(mut options: &[u8], wanted: u8) -> Result<bool, Silence> {
    let mut is_there = false;
    while let [kind, length, ..] = *options {
        let length = usize::from(length) * 8;
        if length == 0 {
            return Err(Silence::Malformed);
        }
        is_there |= kind == wanted;
        options = options.get(length..).ok_or(Silence::Malformed)?;
    }
    if options.is_empty() { Ok(is_there) } else { Err(Silence::Malformed) }
}
