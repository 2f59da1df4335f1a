//! Records that the store keeps for the sake of uniqueness and order, beside the model's nouns.

use crate::Counter;
use hadron_model::{
    AddressGroupId, AddressScopeId, DefaultStatefulnessId, FloatingIpId, Mac, NetworkId, PacketLogId,
    PhysicalSegment, PortForwardingId, PortId, RbacPolicyId, RouterId, SecurityGroupId, SecurityGroupRuleId,
    SegmentId, SegmentRangeId, SubnetId, SubnetPoolId, Tunnel, Vni,
};
use std::net::IpAddr;
use uuid::Uuid;

/// An address of a subnet is taken by a port. The subnet and the address are its key, so it can't be taken twice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressClaim {
    /// The subnet.
    pub subnet_id: SubnetId,
    /// The address.
    pub address: IpAddr,
    /// Who has it.
    pub port_id: PortId,
}

/// A MAC of a network is taken by a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MacClaim {
    /// The network.
    pub network_id: NetworkId,
    /// The MAC.
    pub mac: Mac,
    /// Who has it.
    pub port_id: PortId,
}

/// A VXLAN identifier is taken by a network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VniClaim {
    /// The identifier.
    pub vni: Vni,
    /// Who has it.
    pub network_id: NetworkId,
}

/// A segment of a physical network is taken by a network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentClaim {
    /// The segment.
    pub segment: PhysicalSegment,
    /// Who has it.
    pub network_id: NetworkId,
}

/// An identifier of tunnels that hosts don't speak is taken by a network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TunnelClaim {
    /// The identifier and of what.
    pub tunnel: Tunnel,
    /// Who has it.
    pub network_id: NetworkId,
}

/// An address of a port has a floating IP of a network: it can have one of each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FloatingClaim {
    /// The port.
    pub port_id: PortId,
    /// Its address.
    pub address: IpAddr,
    /// The floating IP's network.
    pub floating_network_id: NetworkId,
    /// Who has it.
    pub floating_ip_id: FloatingIpId,
}

impl FloatingClaim {
    pub(crate) fn key(&self) -> (PortId, (IpAddr, NetworkId)) {
        (self.port_id, (self.address, self.floating_network_id))
    }
}

/// What a bulk create has made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Created {
    /// A network.
    Network(NetworkId),
    /// A subnet.
    Subnet(SubnetId),
    /// A port.
    Port(PortId),
    /// A security group.
    SecurityGroup(SecurityGroupId),
    /// A security group's rule.
    SecurityGroupRule(SecurityGroupRuleId),
    /// An address group.
    AddressGroup(AddressGroupId),
    /// Nothing that would have to be removed: what it stands for is not created by requests.
    Nothing,
    /// A template of a security group's rule.
    DefaultRule(SecurityGroupRuleId),
    /// A policy that shares an object.
    RbacPolicy(RbacPolicyId),
    /// An address scope.
    AddressScope(AddressScopeId),
    /// A subnet pool.
    SubnetPool(SubnetPoolId),
    /// A network's segment.
    Segment(SegmentId),
    /// A range of identifiers of networks.
    SegmentRange(SegmentRangeId),
    /// A router.
    Router(RouterId),
    /// A floating IP.
    FloatingIp(FloatingIpId),
    /// A port forwarding.
    PortForwarding(PortForwardingId),
    /// A packet log.
    PacketLog(PacketLogId),
    /// A setting of whether groups begin stateful.
    DefaultStatefulness(DefaultStatefulnessId),
}

/// A bulk create under way that is larger than one transaction. One that is found at start was interrupted and is undone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BulkIntent {
    /// Its identity, random.
    pub id: Uuid,
    /// What it has made so far.
    pub created: Vec<Created>,
}

/// Something that happens once in the life of a store, whichever server does it, has happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Milestone {
    /// What, as its owner names it; the key of the record.
    pub name: String,
}

/// Something that one writer does at a time, where several servers share the store: see [`Tx::take_turn`](crate::Tx::take_turn).
/// The record is there for the sake of its last modification.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Turn {
    /// What, as its owner names it; the key of the record.
    pub name: String,
}

/// Something that one of the servers that share a store does for all of them. Who does it shows that it is there by writing the record
/// again; one that nobody writes any more is anyone's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Duty {
    /// What, as its owner names it; the key of the record.
    pub name: String,
    /// The server that does it: a random id of its process.
    pub holder: Uuid,
    /// How often it has shown that it is there.
    pub beat: u64,
}

/// How far a counter's numbers have been leased to servers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CounterRecord {
    /// Which counter.
    pub counter: Counter,
    /// The lowest number that nobody has leased.
    pub next: u32,
}
