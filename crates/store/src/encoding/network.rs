//! Networks.

use super::Encoded;
use super::parts::{StampMessage, bad, stamp, stamp_message, uuid, uuid_bytes};
use crate::DecodeError;
use hadron_model::{
    Network, NetworkId, NetworkNumber, NetworkSegment, PhysicalSegment, Segment, SegmentId, Tunnel,
    TunnelKind, VlanId, Vni,
};

const LOCAL: u32 = 1;
const VXLAN: u32 = 2;
/// Of a physical network; the number is a VLAN, or 0.
const PHYSICAL: u32 = 3;
const GRE: u32 = 4;
const GENEVE: u32 = 5;
const NONE: u32 = 6;

/// The number of a kind of tunnel that hosts don't speak.
pub(super) fn tunnel_number(kind: TunnelKind) -> u32 {
    match kind {
        TunnelKind::Gre => GRE,
        TunnelKind::Geneve => GENEVE,
    }
}

/// The kind of a number.
pub(super) fn tunnel_kind(number: u32) -> Option<TunnelKind> {
    [TunnelKind::Gre, TunnelKind::Geneve].into_iter().find(|kind| tunnel_number(*kind) == number)
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct NetworkMessage {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(uint32, tag = "2")]
    number: u32,
    #[prost(string, tag = "3")]
    project_id: String,
    #[prost(string, tag = "4")]
    name: String,
    #[prost(string, tag = "5")]
    description: String,
    #[prost(bool, tag = "6")]
    admin_state_up: bool,
    #[prost(bool, tag = "7")]
    was_shared: bool,
    #[prost(uint32, tag = "8")]
    mtu: u32,
    #[prost(uint32, tag = "9")]
    segment_type: u32,
    #[prost(uint32, tag = "10")]
    segment_number: u32,
    #[prost(message, optional, tag = "11")]
    stamp: Option<StampMessage>,
    /// Inverted, so that networks from before it have port security.
    #[prost(bool, tag = "12")]
    port_security_disabled: bool,
    #[prost(bool, tag = "13")]
    privacy_addresses: bool,
    #[prost(string, tag = "14")]
    physical_network: String,
    #[prost(string, repeated, tag = "30")]
    availability_zone_hints: Vec<String>,
    #[prost(string, tag = "40")]
    dns_domain: String,
}

impl Encoded for Network {
    type Message = NetworkMessage;
    const LAST_FIELD: u32 = 40;
    with_tags!();

    fn to_message(&self) -> NetworkMessage {
        let SegmentMessage { segment_type, number, physical_network } = segment_message(&self.segment);
        NetworkMessage {
            id: uuid_bytes(self.id.0),
            number: self.number.0,
            project_id: self.project_id.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            admin_state_up: self.admin_state_up,
            was_shared: self.was_shared,
            mtu: self.mtu,
            segment_type,
            segment_number: number,
            physical_network,
            availability_zone_hints: self.availability_zone_hints.clone(),
            dns_domain: self.dns_domain.clone(),
            stamp: stamp_message(&self.stamp),
            port_security_disabled: !self.port_security_enabled,
            privacy_addresses: self.privacy_addresses,
        }
    }

    fn from_message(message: NetworkMessage) -> Result<Self, DecodeError> {
        Ok(Network {
            id: NetworkId(uuid(&message.id)?),
            number: NetworkNumber(message.number),
            project_id: message.project_id,
            name: message.name,
            description: message.description,
            admin_state_up: message.admin_state_up,
            was_shared: message.was_shared,
            mtu: message.mtu,
            segment: segment(SegmentMessage {
                segment_type: message.segment_type,
                number: message.segment_number,
                physical_network: message.physical_network,
            })?,
            port_security_enabled: !message.port_security_disabled,
            privacy_addresses: message.privacy_addresses,
            availability_zone_hints: message.availability_zone_hints,
            dns_domain: message.dns_domain,
            stamp: stamp(message.stamp),
        })
    }
}

/// How frames travel.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SegmentMessage {
    #[prost(uint32, tag = "1")]
    segment_type: u32,
    #[prost(uint32, tag = "2")]
    number: u32,
    #[prost(string, tag = "3")]
    physical_network: String,
}

fn segment_message(segment: &Segment) -> SegmentMessage {
    let segment_type = match segment {
        Segment::Local => LOCAL,
        Segment::Vxlan(_) => VXLAN,
        Segment::Physical(_) => PHYSICAL,
        Segment::Tunnel(tunnel) => tunnel_number(tunnel.kind),
        Segment::None => NONE,
    };
    let physical_network = segment.physical().map(|physical| physical.network.clone());
    SegmentMessage {
        segment_type,
        number: segment.segmentation_id().unwrap_or(0),
        physical_network: physical_network.unwrap_or_default(),
    }
}

fn segment(message: SegmentMessage) -> Result<Segment, DecodeError> {
    let SegmentMessage { segment_type, number, physical_network } = message;
    Ok(match segment_type {
        LOCAL => Segment::Local,
        VXLAN => Segment::Vxlan(Vni::new(number).ok_or_else(|| bad("VNI"))?),
        PHYSICAL => Segment::Physical(PhysicalSegment { network: physical_network, vlan: vlan(number)? }),
        NONE => Segment::None,
        other => {
            let kind = tunnel_kind(other).ok_or_else(|| bad("segment type"))?;
            Segment::Tunnel(Tunnel { kind, id: number })
        }
    })
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct NetworkSegmentMessage {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    network_id: Vec<u8>,
    #[prost(string, optional, tag = "3")]
    name: Option<String>,
    #[prost(string, optional, tag = "4")]
    description: Option<String>,
    #[prost(uint32, tag = "5")]
    index: u32,
    #[prost(message, optional, tag = "6")]
    segment: Option<SegmentMessage>,
    #[prost(message, optional, tag = "7")]
    stamp: Option<StampMessage>,
}

impl Encoded for NetworkSegment {
    type Message = NetworkSegmentMessage;
    const LAST_FIELD: u32 = 7;
    with_tags!();

    fn to_message(&self) -> NetworkSegmentMessage {
        NetworkSegmentMessage {
            id: uuid_bytes(self.id.0),
            network_id: uuid_bytes(self.network_id.0),
            name: self.name.clone(),
            description: self.description.clone(),
            index: self.index,
            segment: Some(segment_message(&self.segment)),
            stamp: stamp_message(&self.stamp),
        }
    }

    fn from_message(message: NetworkSegmentMessage) -> Result<Self, DecodeError> {
        Ok(NetworkSegment {
            id: SegmentId(uuid(&message.id)?),
            network_id: NetworkId(uuid(&message.network_id)?),
            name: message.name,
            description: message.description,
            index: message.index,
            segment: segment(message.segment.ok_or_else(|| bad("segment"))?)?,
            stamp: stamp(message.stamp),
        })
    }
}

/// The VLAN of a number; 0 is none.
pub(super) fn vlan(number: u32) -> Result<Option<VlanId>, DecodeError> {
    if number == 0 {
        return Ok(None);
    }
    u16::try_from(number).ok().and_then(VlanId::new).map(Some).ok_or_else(|| bad("VLAN"))
}
