//! Refusals about segments of networks.

use hadron_model::{NetworkId, SegmentId, SegmentRangeId, SubnetId};

/// A refused change of segments. Named and numbered as Neutron's exceptions.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SegmentError {
    /// There is no such segment.
    #[error("segment {0} could not be found")]
    NotFound(SegmentId),
    /// Subnets are of the segment.
    #[error("segment {segment} can't be deleted: {} subnets are of it, {}; delete them first", .subnets.len(), .subnets[0])]
    InUse {
        /// The segment.
        segment: SegmentId,
        /// The subnets, at least one.
        subnets: Vec<SubnetId>,
    },
    /// A new network names the same segment twice.
    #[error("a segment is twice in the request")]
    Duplicate,
    /// A new network has both segments and provider attributes.
    #[error("segments and provider attributes can't both be given")]
    WithProvider,
    /// The segment is of another network than the subnet.
    #[error("segment {segment} is not of the subnet's network {network}")]
    NetworkIdsDontMatch {
        /// The subnet's network.
        network: NetworkId,
        /// The segment.
        segment: SegmentId,
    },
    /// Of a network's subnets some are of segments and some are not.
    #[error("the subnets of network {0} must all be of segments, or none of them")]
    SubnetsNotAllAssociated(NetworkId),
    /// A subnet is of a segment already.
    #[error("a subnet that is of a segment stays so")]
    AssociationChange,
    /// A subnet can't come to one of several segments.
    #[error("network {0} has several segments: a subnet can come to a segment only where it is the only one")]
    MultipleSegments(NetworkId),
    /// There is no such range.
    #[error("network segment range {0} could not be found")]
    RangeNotFound(SegmentRangeId),
    /// The range shows what the servers are started with.
    #[error("network segment range {0} is a default, which the servers' options make")]
    RangeIsDefault(SegmentRangeId),
    /// Another range has some of the identifiers.
    #[error("the range overlaps with network segment range {0}")]
    RangeOverlaps(SegmentRangeId),
    /// Networks have identifiers of the range.
    #[error("identifiers of network segment range {0} are in use by networks")]
    RangeInUse(SegmentRangeId),
    /// Networks of the type have no identifiers.
    #[error("network_type '{0}' has no ranges; use vlan, vxlan, gre or geneve")]
    RangeTypeNotSupported(String),
    /// A port's addresses are of subnets that its host has not.
    #[error("host {host} is not connected to any segment of network {network} of which its subnets are")]
    HostNotConnected {
        /// The host.
        host: String,
        /// The network.
        network: NetworkId,
    },
    /// A port moves to a host that has not the subnets of its addresses.
    #[error(
        "host {host} is not connected to the segments of port {port}'s addresses; give it others with the host"
    )]
    HostNotCompatible {
        /// The host.
        host: String,
        /// The port.
        port: hadron_model::PortId,
    },
}

impl SegmentError {
    /// The name of Neutron's exception.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "SegmentNotFound",
            Self::InUse { .. } => "SegmentInUse",
            Self::Duplicate => "SegmentsContainDuplicateEntry",
            Self::WithProvider => "SegmentsSetInConjunctionWithProviders",
            Self::NetworkIdsDontMatch { .. } => "NetworkIdsDontMatch",
            Self::SubnetsNotAllAssociated(_) => "SubnetsNotAllAssociatedWithSegments",
            Self::AssociationChange => "SubnetSegmentAssociationChangeNotAllowed",
            Self::MultipleSegments(_) => "NoUpdateSubnetWhenMultipleSegmentsOnNetwork",
            Self::RangeNotFound(_) => "NetworkSegmentRangeNotFound",
            Self::RangeIsDefault(_) => "NetworkSegmentRangeDefaultReadOnly",
            Self::RangeOverlaps(_) => "NetworkSegmentRangeOverlaps",
            Self::RangeInUse(_) => "NetworkSegmentRangeReferencedByProject",
            Self::RangeTypeNotSupported(_) => "NetworkSegmentRangeNetTypeNotSupported",
            Self::HostNotConnected { .. } => "HostNotConnectedToAnySegment",
            Self::HostNotCompatible { .. } => "HostNotCompatibleWithFixedIps",
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotFound(_) | Self::RangeNotFound(_) => 404,
            Self::RangeOverlaps(_) | Self::RangeInUse(_) => 409,
            Self::InUse { .. } | Self::HostNotConnected { .. } | Self::HostNotCompatible { .. } => 409,
            _ => 400,
        }
    }
}
