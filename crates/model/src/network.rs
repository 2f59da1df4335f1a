//! Networks and their segments.

use crate::{NetworkId, NetworkNumber, SegmentId, Stamp};
use std::ops::RangeInclusive;

/// A VXLAN network identifier: 24 bits, not zero (RFC 7348 §5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Vni(u32);

/// The identifiers that are kept for what hosts bring each other of physical networks.
pub const TRANSIT_VNIS: RangeInclusive<u32> = 0xf0_0000..=0xff_ffff;

impl Vni {
    /// The highest identifier, 2^24 − 1.
    pub const MAX: u32 = (1 << 24) - 1;

    /// The identifier, or `None` outside 1 to [`Vni::MAX`].
    pub fn new(value: u32) -> Option<Self> {
        (1..=Self::MAX).contains(&value).then_some(Self(value))
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl std::fmt::Display for Vni {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A VLAN of a physical network: 1 to 4094 (IEEE 802.1Q §9.6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct VlanId(u16);

impl VlanId {
    /// The highest identifier.
    pub const MAX: u16 = 4094;

    /// The identifier, or `None` outside 1 to [`VlanId::MAX`].
    pub fn new(value: u16) -> Option<Self> {
        (1..=Self::MAX).contains(&value).then_some(Self(value))
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

/// A broadcast domain outside of the overlay: a physical network's untagged frames, or those of one of its VLANs. Hosts have an
/// interface that leads there.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PhysicalSegment {
    /// Name of the physical network (`provider:physical_network`).
    pub network: String,
    /// `None` for untagged frames.
    pub vlan: Option<VlanId>,
}

/// A kind of tunnel that hosts don't speak: networks of it can be had, and no port of theirs can be plugged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TunnelKind {
    /// Generic Routing Encapsulation (RFC 2784, with the key of RFC 2890 §2.1).
    Gre,
    /// Generic Network Virtualization Encapsulation (RFC 8926).
    Geneve,
}

impl TunnelKind {
    /// The API's `provider:network_type`.
    pub fn as_str(self) -> &'static str {
        match self {
            TunnelKind::Gre => "gre",
            TunnelKind::Geneve => "geneve",
        }
    }

    /// The highest identifier: a key of 32 bits, or a virtual network identifier of 24 (RFC 8926 §3.4).
    pub fn max_id(self) -> u32 {
        match self {
            TunnelKind::Gre => u32::MAX,
            TunnelKind::Geneve => Vni::MAX,
        }
    }
}

/// A network's tunnels of such a kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tunnel {
    /// The kind.
    pub kind: TunnelKind,
    /// The identifier, at most [`TunnelKind::max_id`].
    pub id: u32,
}

/// How a network's frames travel between hosts (`provider:network_type`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Segment {
    /// Within a host only.
    Local,
    /// Across hosts in VXLAN under this identifier.
    Vxlan(Vni),
    /// By the hosts' interfaces to a physical network.
    Physical(PhysicalSegment),
    /// Not at all: hosts don't speak these tunnels.
    Tunnel(Tunnel),
    /// Not at all: the network's last segment was deleted.
    None,
}

impl Segment {
    /// The API's `provider:network_type`.
    pub fn network_type(&self) -> &'static str {
        match self {
            Segment::Local => "local",
            Segment::Vxlan(_) => "vxlan",
            Segment::Physical(PhysicalSegment { vlan: None, .. }) => "flat",
            Segment::Physical(_) => "vlan",
            Segment::Tunnel(tunnel) => tunnel.kind.as_str(),
            Segment::None => "none",
        }
    }

    /// The identifier of a VXLAN segment.
    pub fn vni(&self) -> Option<Vni> {
        match self {
            Segment::Vxlan(vni) => Some(*vni),
            _ => None,
        }
    }

    /// The physical network that it is in, if any.
    pub fn physical(&self) -> Option<&PhysicalSegment> {
        match self {
            Segment::Physical(physical) => Some(physical),
            _ => None,
        }
    }

    /// The tunnels that hosts don't speak, if it is of such.
    pub fn tunnel(&self) -> Option<Tunnel> {
        match self {
            Segment::Tunnel(tunnel) => Some(*tunnel),
            _ => None,
        }
    }

    /// The API's `provider:segmentation_id`: an identifier of tunnels or a VLAN.
    pub fn segmentation_id(&self) -> Option<u32> {
        match self {
            Segment::Vxlan(vni) => Some(vni.get()),
            Segment::Physical(physical) => physical.vlan.map(|vlan| vlan.get().into()),
            Segment::Tunnel(tunnel) => Some(tunnel.id),
            Segment::Local | Segment::None => None,
        }
    }
}

/// One of the segments of a network, as an object of the API. Something outside joins them; hosts carry the first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetworkSegment {
    /// UUID.
    pub id: SegmentId,
    /// Its network.
    pub network_id: NetworkId,
    /// Name, at most 255 characters, if it was given one.
    pub name: Option<String>,
    /// Description, at most 255 characters; none of a segment that came with its network.
    pub description: Option<String>,
    /// Its place among those of its network; there may be gaps.
    pub index: u32,
    /// How frames travel in it; never [`Segment::None`].
    pub segment: Segment,
    /// Times and revision.
    pub stamp: Stamp,
}

/// A layer-2 broadcast domain of a project.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Network {
    /// UUID.
    pub id: NetworkId,
    /// Number in the packet path.
    pub number: NetworkNumber,
    /// Owner's project id.
    pub project_id: String,
    /// Name, at most 255 characters, not unique.
    pub name: String,
    /// Description, at most 255 characters.
    pub description: String,
    /// Administrative state; false stops traffic of the network's ports.
    pub admin_state_up: bool,
    /// A release before sharing policies has written that every project may use it; recovery makes a policy of that.
    pub was_shared: bool,
    /// Largest IP packet in octets that an instance may send.
    pub mtu: u32,
    /// How its frames travel: by its first segment.
    pub segment: Segment,
    /// Whether its ports begin with port security.
    pub port_security_enabled: bool,
    /// Whether its hosts may choose further addresses of their own in the prefixes in which they form one (RFC 8981).
    pub privacy_addresses: bool,
    /// Zones in which it is to be served, as given; shown, and without effect.
    pub availability_zone_hints: Vec<String>,
    /// Domain of its ports' names in lower case; empty for none.
    pub dns_domain: String,
    /// Times and revision.
    pub stamp: Stamp,
}
