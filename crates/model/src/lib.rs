//! The nouns of hadron and their invariants, as plain types without I/O.
//!
//! This room owns what a network, subnet, port, security group, router, floating IP, host and the identity's project, user and role *are*: their attributes in
//! the types that make a wrong value impossible or hard to write. It knows nothing of storage ([`hadron-store`] encodes
//! these types), of operations ([`hadron-control`]) or of JSON ([`hadron-api`]).
//!
//! Begin with [`network`], [`subnet`] and [`port`]; [`id`] explains the two kinds of identity that an object has.
//!
//! [`hadron-store`]: ../hadron_store/index.html
//! [`hadron-control`]: ../hadron_control/index.html
//! [`hadron-api`]: ../hadron_api/index.html
#![forbid(unsafe_code)]

pub mod address;
pub mod agent;
pub mod floating_ip;
pub mod host;
pub mod id;
pub mod identity;
pub mod instance;
pub mod mac;
pub mod nat;
pub mod network;
pub mod packet_log;
pub mod port;
pub mod port_details;
pub mod protocol;
pub mod publication;
pub mod quota;
pub mod rbac;
pub mod router;
pub mod security;
pub mod segment_range;
pub mod stamp;
pub mod subnet;
pub mod subnet_pool;
pub mod tag;
pub mod topology;

pub use address::{AddressRange, IpVersion};
pub use agent::{Agent, AgentRole};
pub use floating_ip::{Association, FloatingIp, ForwardedProtocol, PortForwarding, PortRange};
pub use host::{Host, JoinToken};
pub use id::AgentId;
pub use id::{
    AddressGroupId, AddressScopeId, DefaultStatefulnessId, FloatingIpId, FloatingIpNumber, HostNumber,
    NetworkId, NetworkNumber, PacketLogId, PolicyNumber, PortForwardingId, PortId, PortNumber, RbacPolicyId,
    RouterId, RouterNumber, RuleNumber, SecurityGroupId, SecurityGroupRuleId, SegmentId, SegmentRangeId,
    SetNumber, SubnetId, SubnetNumber, SubnetPoolId,
};
pub use instance::{Instance, InstanceKey};
pub use ipnet::{IpNet, Ipv4Net, Ipv6Net};
pub use mac::Mac;
pub use nat::{GatewayHosts, PortLease};
pub use network::{Network, NetworkSegment, PhysicalSegment, Segment, Tunnel, TunnelKind, VlanId, Vni};
pub use packet_log::{LoggedEvents, PacketLog};
pub use port::{AddressPair, Binding, FixedIp, Port, PortStatus};
pub use port_details::{Delegation, ExtraDhcpOpt, PortDetails};
pub use protocol::Protocol;
pub use publication::{NameValue, PublishedName};
pub use quota::ProjectQuota;
pub use rbac::{Access, RbacPolicy, Shareable, Target};
pub use router::{ExtraRoute, Gateway, Router, RouterPortRole};
pub use security::{
    AddressGroup, DefaultGroup, DefaultRule, DefaultStatefulness, Direction, Ethertype, Policy, Remote,
    SecurityGroup, SecurityGroupRule, TemplateRemote,
};
pub use segment_range::{SegmentPool, SegmentRange};
pub use stamp::{Stamp, Stamped, Timestamp};
pub use subnet::{HostRoute, Ipv6Mode, Subnet};
pub use subnet_pool::{AddressScope, SubnetPool};
pub use tag::Tags;
pub use topology::{AutoTopology, DefaultNetwork};
