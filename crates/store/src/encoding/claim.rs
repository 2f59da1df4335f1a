//! The store's own records.

use super::Encoded;
use super::network::{tunnel_kind, tunnel_number};
use super::parts::{address, address_bytes, bad, mac, uuid, uuid_bytes};
use crate::{
    AddressClaim, BulkIntent, Counter, CounterRecord, Created, DecodeError, Duty, MacClaim, Milestone,
    SegmentClaim, TunnelClaim, Turn, VniClaim,
};
use hadron_model::{
    AddressGroupId, AddressScopeId, DefaultStatefulnessId, FloatingIpId, NetworkId, PacketLogId,
    PhysicalSegment, PortForwardingId, PortId, RbacPolicyId, RouterId, SecurityGroupId, SecurityGroupRuleId,
    SegmentId, SegmentRangeId, SubnetId, SubnetPoolId, Tunnel, Vni,
};
use uuid::Uuid;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AddressClaimMessage {
    #[prost(bytes = "vec", tag = "1")]
    subnet_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    address: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    port_id: Vec<u8>,
}

impl Encoded for AddressClaim {
    type Message = AddressClaimMessage;
    const LAST_FIELD: u32 = 3;

    fn to_message(&self) -> AddressClaimMessage {
        AddressClaimMessage {
            subnet_id: uuid_bytes(self.subnet_id.0),
            address: address_bytes(self.address),
            port_id: uuid_bytes(self.port_id.0),
        }
    }

    fn from_message(message: AddressClaimMessage) -> Result<Self, DecodeError> {
        Ok(AddressClaim {
            subnet_id: SubnetId(uuid(&message.subnet_id)?),
            address: address(&message.address)?,
            port_id: PortId(uuid(&message.port_id)?),
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MacClaimMessage {
    #[prost(bytes = "vec", tag = "1")]
    network_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    mac: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    port_id: Vec<u8>,
}

impl Encoded for MacClaim {
    type Message = MacClaimMessage;
    const LAST_FIELD: u32 = 3;

    fn to_message(&self) -> MacClaimMessage {
        MacClaimMessage {
            network_id: uuid_bytes(self.network_id.0),
            mac: self.mac.0.to_vec(),
            port_id: uuid_bytes(self.port_id.0),
        }
    }

    fn from_message(message: MacClaimMessage) -> Result<Self, DecodeError> {
        Ok(MacClaim {
            network_id: NetworkId(uuid(&message.network_id)?),
            mac: mac(&message.mac)?,
            port_id: PortId(uuid(&message.port_id)?),
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct VniClaimMessage {
    #[prost(uint32, tag = "1")]
    vni: u32,
    #[prost(bytes = "vec", tag = "2")]
    network_id: Vec<u8>,
}

impl Encoded for VniClaim {
    type Message = VniClaimMessage;
    const LAST_FIELD: u32 = 2;

    fn to_message(&self) -> VniClaimMessage {
        VniClaimMessage { vni: self.vni.get(), network_id: uuid_bytes(self.network_id.0) }
    }

    fn from_message(message: VniClaimMessage) -> Result<Self, DecodeError> {
        Ok(VniClaim {
            vni: Vni::new(message.vni).ok_or_else(|| bad("VNI"))?,
            network_id: NetworkId(uuid(&message.network_id)?),
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SegmentClaimMessage {
    #[prost(string, tag = "1")]
    physical_network: String,
    #[prost(uint32, tag = "2")]
    vlan: u32,
    #[prost(bytes = "vec", tag = "3")]
    network_id: Vec<u8>,
}

impl Encoded for SegmentClaim {
    type Message = SegmentClaimMessage;
    const LAST_FIELD: u32 = 3;

    fn to_message(&self) -> SegmentClaimMessage {
        SegmentClaimMessage {
            physical_network: self.segment.network.clone(),
            vlan: self.segment.vlan.map_or(0, |vlan| vlan.get().into()),
            network_id: uuid_bytes(self.network_id.0),
        }
    }

    fn from_message(message: SegmentClaimMessage) -> Result<Self, DecodeError> {
        let vlan = super::network::vlan(message.vlan)?;
        Ok(SegmentClaim {
            segment: PhysicalSegment { network: message.physical_network, vlan },
            network_id: NetworkId(uuid(&message.network_id)?),
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TunnelClaimMessage {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(uint32, tag = "2")]
    id: u32,
    #[prost(bytes = "vec", tag = "3")]
    network_id: Vec<u8>,
}

impl Encoded for TunnelClaim {
    type Message = TunnelClaimMessage;
    const LAST_FIELD: u32 = 3;

    fn to_message(&self) -> TunnelClaimMessage {
        TunnelClaimMessage {
            kind: tunnel_number(self.tunnel.kind),
            id: self.tunnel.id,
            network_id: uuid_bytes(self.network_id.0),
        }
    }

    fn from_message(message: TunnelClaimMessage) -> Result<Self, DecodeError> {
        let kind = tunnel_kind(message.kind).ok_or_else(|| bad("kind of tunnel"))?;
        Ok(TunnelClaim {
            tunnel: Tunnel { kind, id: message.id },
            network_id: NetworkId(uuid(&message.network_id)?),
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BulkIntentMessage {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(message, repeated, tag = "2")]
    created: Vec<CreatedMessage>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CreatedMessage {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(bytes = "vec", tag = "2")]
    id: Vec<u8>,
}

const NETWORK: u32 = 1;
const SUBNET: u32 = 2;
const PORT: u32 = 3;
const SECURITY_GROUP: u32 = 4;
const SECURITY_GROUP_RULE: u32 = 5;
const ADDRESS_GROUP: u32 = 6;
const DEFAULT_RULE: u32 = 7;
const ROUTER: u32 = 8;
const NOTHING: u32 = 63;
const FLOATING_IP: u32 = 9;
const PORT_FORWARDING: u32 = 10;
const PACKET_LOG: u32 = 20;
const DEFAULT_STATEFULNESS: u32 = 21;
const RBAC_POLICY: u32 = 11;
const ADDRESS_SCOPE: u32 = 12;
const SUBNET_POOL: u32 = 13;
const SEGMENT: u32 = 14;
const SEGMENT_RANGE: u32 = 15;

fn created_message(created: &Created) -> CreatedMessage {
    let (kind, id) = match created {
        Created::Network(id) => (NETWORK, id.0),
        Created::Subnet(id) => (SUBNET, id.0),
        Created::Port(id) => (PORT, id.0),
        Created::SecurityGroup(id) => (SECURITY_GROUP, id.0),
        Created::SecurityGroupRule(id) => (SECURITY_GROUP_RULE, id.0),
        Created::AddressGroup(id) => (ADDRESS_GROUP, id.0),
        Created::DefaultRule(id) => (DEFAULT_RULE, id.0),
        Created::RbacPolicy(id) => (RBAC_POLICY, id.0),
        Created::AddressScope(id) => (ADDRESS_SCOPE, id.0),
        Created::SubnetPool(id) => (SUBNET_POOL, id.0),
        Created::Segment(id) => (SEGMENT, id.0),
        Created::SegmentRange(id) => (SEGMENT_RANGE, id.0),
        Created::Nothing => (NOTHING, Uuid::nil()),
        Created::Router(id) => (ROUTER, id.0),
        Created::FloatingIp(id) => (FLOATING_IP, id.0),
        Created::PortForwarding(id) => (PORT_FORWARDING, id.0),
        Created::PacketLog(id) => (PACKET_LOG, id.0),
        Created::DefaultStatefulness(id) => (DEFAULT_STATEFULNESS, id.0),
    };
    CreatedMessage { kind, id: uuid_bytes(id) }
}

fn created(message: &CreatedMessage) -> Result<Created, DecodeError> {
    let id = uuid(&message.id)?;
    Ok(match message.kind {
        NOTHING => Created::Nothing,
        NETWORK => Created::Network(NetworkId(id)),
        SUBNET => Created::Subnet(SubnetId(id)),
        PORT => Created::Port(PortId(id)),
        SECURITY_GROUP => Created::SecurityGroup(SecurityGroupId(id)),
        SECURITY_GROUP_RULE => Created::SecurityGroupRule(SecurityGroupRuleId(id)),
        ADDRESS_GROUP => Created::AddressGroup(AddressGroupId(id)),
        DEFAULT_RULE => Created::DefaultRule(SecurityGroupRuleId(id)),
        RBAC_POLICY => Created::RbacPolicy(RbacPolicyId(id)),
        ADDRESS_SCOPE => Created::AddressScope(AddressScopeId(id)),
        SUBNET_POOL => Created::SubnetPool(SubnetPoolId(id)),
        SEGMENT => Created::Segment(SegmentId(id)),
        SEGMENT_RANGE => Created::SegmentRange(SegmentRangeId(id)),
        ROUTER => Created::Router(RouterId(id)),
        FLOATING_IP => Created::FloatingIp(FloatingIpId(id)),
        PORT_FORWARDING => Created::PortForwarding(PortForwardingId(id)),
        PACKET_LOG => Created::PacketLog(PacketLogId(id)),
        DEFAULT_STATEFULNESS => Created::DefaultStatefulness(DefaultStatefulnessId(id)),
        _ => return Err(bad("kind of object")),
    })
}

impl Encoded for BulkIntent {
    type Message = BulkIntentMessage;
    const LAST_FIELD: u32 = 2;

    fn to_message(&self) -> BulkIntentMessage {
        BulkIntentMessage {
            id: uuid_bytes(self.id),
            created: self.created.iter().map(created_message).collect(),
        }
    }

    fn from_message(message: BulkIntentMessage) -> Result<Self, DecodeError> {
        Ok(BulkIntent {
            id: uuid(&message.id)?,
            created: message.created.iter().map(created).collect::<Result<_, _>>()?,
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CounterMessage {
    #[prost(uint32, tag = "1")]
    counter: u32,
    #[prost(uint32, tag = "2")]
    next: u32,
}

impl Encoded for CounterRecord {
    type Message = CounterMessage;
    const LAST_FIELD: u32 = 2;

    fn to_message(&self) -> CounterMessage {
        CounterMessage { counter: self.counter as u32, next: self.next }
    }

    fn from_message(message: CounterMessage) -> Result<Self, DecodeError> {
        let counter = Counter::ALL.into_iter().find(|counter| *counter as u32 == message.counter);
        Ok(CounterRecord { counter: counter.ok_or_else(|| bad("counter"))?, next: message.next })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MilestoneMessage {
    #[prost(string, tag = "1")]
    name: String,
}

impl Encoded for Milestone {
    type Message = MilestoneMessage;
    const LAST_FIELD: u32 = 1;

    fn to_message(&self) -> MilestoneMessage {
        MilestoneMessage { name: self.name.clone() }
    }

    fn from_message(message: MilestoneMessage) -> Result<Self, DecodeError> {
        Ok(Milestone { name: message.name })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TurnMessage {
    #[prost(string, tag = "1")]
    name: String,
}

impl Encoded for Turn {
    type Message = TurnMessage;
    const LAST_FIELD: u32 = 1;

    fn to_message(&self) -> TurnMessage {
        TurnMessage { name: self.name.clone() }
    }

    fn from_message(message: TurnMessage) -> Result<Self, DecodeError> {
        Ok(Turn { name: message.name })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DutyMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "2")]
    holder: Vec<u8>,
    #[prost(uint64, tag = "3")]
    beat: u64,
}

impl Encoded for Duty {
    type Message = DutyMessage;
    const LAST_FIELD: u32 = 3;

    fn to_message(&self) -> DutyMessage {
        DutyMessage { name: self.name.clone(), holder: uuid_bytes(self.holder), beat: self.beat }
    }

    fn from_message(message: DutyMessage) -> Result<Self, DecodeError> {
        Ok(Duty { name: message.name, holder: uuid(&message.holder)?, beat: message.beat })
    }
}
