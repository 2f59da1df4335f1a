//! Networks.

use super::Encoded;
use super::parts::{StampMessage, bad, stamp, stamp_message, uuid, uuid_bytes};
use crate::DecodeError;
use hadron_model::{
    Network, NetworkId, NetworkNumber, PhysicalSegment, Segment, Tunnel, TunnelKind, VlanId, Vni,
};

const LOCAL: u32 = 1;
const VXLAN: u32 = 2;
/// Of a physical network; the number is a VLAN, or 0.
const PHYSICAL: u32 = 3;
const GRE: u32 = 4;
const GENEVE: u32 = 5;

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
        let segment_type = match self.segment {
            Segment::Local => LOCAL,
            Segment::Vxlan(_) => VXLAN,
            Segment::Physical(_) => PHYSICAL,
            Segment::Tunnel(tunnel) => tunnel_number(tunnel.kind),
        };
        let physical_network = self.segment.physical().map(|physical| physical.network.clone());
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
            segment_number: self.segment.segmentation_id().unwrap_or(0),
            physical_network: physical_network.unwrap_or_default(),
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
            segment: match message.segment_type {
                LOCAL => Segment::Local,
                VXLAN => Segment::Vxlan(Vni::new(message.segment_number).ok_or_else(|| bad("VNI"))?),
                PHYSICAL => Segment::Physical(PhysicalSegment {
                    network: message.physical_network,
                    vlan: vlan(message.segment_number)?,
                }),
                number => {
                    let kind = tunnel_kind(number).ok_or_else(|| bad("segment type"))?;
                    Segment::Tunnel(Tunnel { kind, id: message.segment_number })
                }
            },
            port_security_enabled: !message.port_security_disabled,
            privacy_addresses: message.privacy_addresses,
            availability_zone_hints: message.availability_zone_hints,
            dns_domain: message.dns_domain,
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
