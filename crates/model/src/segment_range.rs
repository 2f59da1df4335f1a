//! Ranges of identifiers from which networks get theirs.

use crate::{SegmentRangeId, Stamp, TunnelKind, VlanId, Vni};

/// What identifiers are of.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SegmentPool {
    /// VLANs of a physical network.
    Vlan(String),
    /// VXLAN.
    Vxlan,
    /// Tunnels that hosts don't speak.
    Tunnel(TunnelKind),
}

impl SegmentPool {
    /// The pool of the API's `network_type` and `physical_network`, which is of VLANs alone; `None` for a type without identifiers.
    pub fn new(network_type: &str, physical_network: &str) -> Option<Self> {
        Some(match network_type {
            "vlan" => Self::Vlan(physical_network.to_owned()),
            "vxlan" => Self::Vxlan,
            "gre" => Self::Tunnel(TunnelKind::Gre),
            "geneve" => Self::Tunnel(TunnelKind::Geneve),
            _ => return None,
        })
    }

    /// The API's `network_type`.
    pub fn network_type(&self) -> &'static str {
        match self {
            Self::Vlan(_) => "vlan",
            Self::Vxlan => "vxlan",
            Self::Tunnel(kind) => kind.as_str(),
        }
    }

    /// The API's `physical_network`; empty of what is not VLAN.
    pub fn physical_network(&self) -> &str {
        match self {
            Self::Vlan(physical) => physical,
            Self::Vxlan | Self::Tunnel(_) => "",
        }
    }

    /// The highest identifier.
    pub fn max_id(&self) -> u32 {
        match self {
            Self::Vlan(_) => VlanId::MAX.into(),
            Self::Vxlan => Vni::MAX,
            Self::Tunnel(kind) => kind.max_id(),
        }
    }
}

/// A range of identifiers from which networks get theirs (`network-segment-range`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentRange {
    /// UUID.
    pub id: SegmentRangeId,
    /// The project whose networks get its identifiers; empty for all.
    pub project_id: String,
    /// Name, at most 255 characters.
    pub name: String,
    /// Description, at most 255 characters; none of a default.
    pub description: Option<String>,
    /// Whether it shows what the servers are started with.
    pub is_default: bool,
    /// What its identifiers are of.
    pub pool: SegmentPool,
    /// The first identifier.
    pub first: u32,
    /// The last identifier.
    pub last: u32,
    /// Times, revision and tags.
    pub stamp: Stamp,
}

impl SegmentRange {
    /// Whether networks of a project get its identifiers.
    pub fn is_for(&self, project: &str) -> bool {
        self.project_id.is_empty() || self.project_id == project
    }
}
