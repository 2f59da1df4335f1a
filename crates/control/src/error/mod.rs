//! What an operation is refused for, in Neutron's kinds.

mod binding;
mod log;
mod object;
mod pool;
mod router;
mod security;
mod segment;
mod sharing;
mod topology;

pub use binding::BindingError;
pub use log::LogError;
pub use object::ObjectError;
pub use pool::PoolError;
pub use router::RouterError;
pub use security::SecurityError;
pub use segment::SegmentError;
pub use sharing::SharingError;
pub use topology::TopologyError;

use hadron_model::{AddressRange, IpNet, Mac, NetworkId, PhysicalSegment, PortId, SubnetId};
use hadron_store::StoreError;
use std::net::IpAddr;

/// A refused operation. [`Error::type_name`] is Neutron's exception, [`Error::status`] its HTTP status.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such network, or the caller can't see it.
    #[error("network {0} could not be found")]
    NetworkNotFound(NetworkId),
    /// There is no such subnet, or the caller can't see it.
    #[error("subnet {0} could not be found")]
    SubnetNotFound(SubnetId),
    /// There is no such port, or the caller can't see it.
    #[error("port {0} could not be found")]
    PortNotFound(PortId),
    /// Ports keep the network from being deleted.
    #[error("There are one or more ports still in use on the network {network}: {}; delete them first",
        ids(.ports))]
    NetworkInUse {
        /// The network.
        network: NetworkId,
        /// Its ports.
        ports: Vec<PortId>,
    },
    /// Ports have addresses of the subnet.
    #[error("subnet {subnet} is in use: one or more ports have an address of it; delete them first")]
    SubnetInUse {
        /// The subnet.
        subnet: SubnetId,
    },
    /// A value that can't be what it should.
    #[error("invalid input for operation: {0}")]
    InvalidInput(String),
    /// A request that contradicts itself or asks for what does not exist.
    #[error("bad {resource} request: {reason}")]
    BadRequest {
        /// Collection or header.
        resource: &'static str,
        /// Why.
        reason: String,
    },
    /// The gateway lies in a pool, from which it would be given to a port.
    #[error("gateway {gateway} conflicts with allocation pool {}", range(.pool))]
    GatewayConflictWithAllocationPools {
        /// The gateway.
        gateway: IpAddr,
        /// The pool.
        pool: AddressRange,
    },
    /// A pool reaches beyond the subnet's usable addresses.
    #[error("allocation pool {} spans beyond the subnet's CIDR {cidr}", range(.pool))]
    OutOfBoundsAllocationPool {
        /// The pool.
        pool: AddressRange,
        /// The subnet's prefix.
        cidr: IpNet,
    },
    /// Two pools of a subnet share addresses.
    #[error("allocation pools {} and {} of subnet {cidr} overlap", range(.first), range(.second))]
    OverlappingAllocationPools {
        /// One.
        first: AddressRange,
        /// The other.
        second: AddressRange,
        /// The subnet's prefix.
        cidr: IpNet,
    },
    /// A pool's ends are of another family than the subnet, or in the wrong order.
    #[error("allocation pool {start}-{end} is not valid")]
    InvalidAllocationPool {
        /// The lower end as given.
        start: IpAddr,
        /// The upper end as given.
        end: IpAddr,
    },
    /// A router has the gateway address that is to change.
    #[error("gateway {gateway} is in use by port {port}; it can't change")]
    GatewayIpInUse {
        /// The address.
        gateway: IpAddr,
        /// The router's port.
        port: PortId,
    },
    /// Too many name servers.
    #[error("subnet {subnet} has more than {limit} DNS name servers")]
    DnsNameServersExhausted {
        /// The subnet's id, or `new subnet`.
        subnet: String,
        /// How many there may be.
        limit: usize,
    },
    /// Too many host routes.
    #[error("subnet {subnet} has more than {limit} host routes")]
    HostRoutesExhausted {
        /// The subnet's id, or `new subnet`.
        subnet: String,
        /// How many there may be.
        limit: usize,
    },
    /// No subnet that the port may use has a free address.
    #[error("no more IP addresses available on network {0}")]
    IpAddressGenerationFailure(NetworkId),
    /// Another port has the address.
    #[error("IP address {address} is already allocated in subnet {subnet}")]
    IpAddressAlreadyAllocated {
        /// The address.
        address: IpAddr,
        /// Its subnet.
        subnet: SubnetId,
    },
    /// The address is not a host's address of the subnet that it was asked from.
    #[error("IP address {0} is not a valid address of the subnet given")]
    InvalidIpForSubnet(IpAddr),
    /// The address belongs to no subnet of the network.
    #[error("IP address {0} is not a valid address of any subnet of the network")]
    InvalidIpForNetwork(IpAddr),
    /// A subnet whose hosts form their addresses themselves was asked for another one.
    #[error("IP address {address} can't be set on subnet {subnet}, where hosts form their own address")]
    AllocationOnAutoAddressSubnet {
        /// The address.
        address: IpAddr,
        /// The subnet.
        subnet: SubnetId,
    },
    /// Another port of the network has the MAC.
    #[error("MAC address {mac} is in use on network {network}")]
    MacAddressInUse {
        /// The network.
        network: NetworkId,
        /// The MAC.
        mac: Mac,
    },
    /// A bound port's MAC can't change.
    #[error("port {port} is bound as {vif_type}; its MAC can't change from {old} to {new}: unbind it first")]
    PortBound {
        /// The port.
        port: PortId,
        /// How it is bound.
        vif_type: &'static str,
        /// Its MAC.
        old: Mac,
        /// The one asked for.
        new: Mac,
    },
    /// A bound port's kind of interface can't change.
    #[error("port {port} of network {network} is in use by device {device:?}")]
    PortInUse {
        /// The port.
        port: PortId,
        /// Its network.
        network: NetworkId,
        /// Its `device_id`.
        device: String,
    },
    /// The port serves the network itself.
    #[error("{operation} is not supported on port {port}, whose device owner is {device_owner}")]
    UnsupportedPortDeviceOwner {
        /// What was asked.
        operation: &'static str,
        /// The port.
        port: PortId,
        /// Its `device_owner`.
        device_owner: String,
    },
    /// A router's port must name a router of its own project.
    #[error("device {0} is not a router of this project")]
    DeviceIdNotOwnedByTenant(String),
    /// Another network has the VXLAN identifier.
    #[error("tunnel id {0} is in use by another network")]
    TunnelIdInUse(u32),
    /// Another network has the segment of the physical network.
    #[error("{}", taken(.0))]
    SegmentInUse(PhysicalSegment),
    /// Every identifier for projects' networks is taken.
    #[error("no identifier is left for another network; widen the range for tenants")]
    NoNetworkAvailable,
    /// The network's MTU is below what the subnet's family needs.
    #[error("an MTU below {minimum} on network {network} conflicts with its subnets")]
    NetworkMtuSubnetConflict {
        /// The network.
        network: NetworkId,
        /// The family's smallest MTU.
        minimum: u32,
    },
    /// Other projects use the network that is to be shared no longer.
    #[error("network {0} can't stop being shared: other projects have ports or subnets on it")]
    InvalidSharedSetting(String),
    /// The project has as many as it may have.
    #[error("quota exceeded for resources: ['{0}']")]
    OverQuota(&'static str),
    /// The object is not at the revision that the caller demands.
    #[error("the request demands revision {demanded}, the object is at revision {current}")]
    RevisionNumberConstraintFailed {
        /// From `If-Match`.
        demanded: u64,
        /// The object's.
        current: u64,
    },
    /// No such host has joined.
    #[error("host {0} is unknown; join it with a token first")]
    HostUnknown(String),
    /// A node reports on a port that is not its own.
    #[error("port {port} is not bound to host {host}")]
    PortNotOnHost {
        /// The port.
        port: PortId,
        /// Who reported.
        host: String,
    },
    /// Ports keep the host from being removed.
    #[error("host {host} has {ports} bound ports; move them or remove it with force")]
    HostInUse {
        /// The host.
        host: String,
        /// How many.
        ports: usize,
    },
    /// Another node has the host's name.
    #[error("a host named {0} has joined with another key; remove it first or choose another name")]
    HostNameTaken(String),
    /// Another host has the underlay address.
    #[error("underlay address {address} belongs to host {host}; each host needs its own")]
    UnderlayInUse {
        /// The address.
        address: IpAddr,
        /// Who has it.
        host: String,
    },
    /// The join token is unknown, used, expired or for another host.
    #[error("the join token is unknown, used, expired or made for another host; make a new one")]
    JoinTokenInvalid,
    /// About what objects of every kind have.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// About a port's bindings.
    #[error(transparent)]
    Binding(#[from] BindingError),
    /// About routers, floating IPs or port forwardings.
    #[error(transparent)]
    Router(#[from] RouterError),
    /// About security groups, port security or address groups.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// About packet logs.
    #[error(transparent)]
    Log(#[from] LogError),
    /// About what is shared with whom.
    #[error(transparent)]
    Sharing(#[from] SharingError),
    /// About subnet pools and address scopes.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// About segments of networks.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// About automatic topologies.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Error {
    /// An [`Error::InvalidInput`] with this text.
    pub(crate) fn input(text: impl Into<String>) -> Self {
        Self::InvalidInput(text.into())
    }

    /// The name of Neutron's exception; of errors that the API of Neutron does not have, a name in its style.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::NetworkNotFound(_) => "NetworkNotFound",
            Self::SubnetNotFound(_) => "SubnetNotFound",
            Self::PortNotFound(_) => "PortNotFound",
            Self::NetworkInUse { .. } => "NetworkInUse",
            Self::SubnetInUse { .. } => "SubnetInUse",
            Self::InvalidInput(_) => "InvalidInput",
            Self::BadRequest { .. } => "BadRequest",
            Self::GatewayConflictWithAllocationPools { .. } => "GatewayConflictWithAllocationPools",
            Self::OutOfBoundsAllocationPool { .. } => "OutOfBoundsAllocationPool",
            Self::OverlappingAllocationPools { .. } => "OverlappingAllocationPools",
            Self::InvalidAllocationPool { .. } => "InvalidAllocationPool",
            Self::GatewayIpInUse { .. } => "GatewayIpInUse",
            Self::DnsNameServersExhausted { .. } => "DNSNameServersExhausted",
            Self::HostRoutesExhausted { .. } => "HostRoutesExhausted",
            Self::IpAddressGenerationFailure(_) => "IpAddressGenerationFailure",
            Self::IpAddressAlreadyAllocated { .. } => "IpAddressAlreadyAllocated",
            Self::InvalidIpForSubnet(_) => "InvalidIpForSubnet",
            Self::InvalidIpForNetwork(_) => "InvalidIpForNetwork",
            Self::AllocationOnAutoAddressSubnet { .. } => "AllocationOnAutoAddressSubnet",
            Self::MacAddressInUse { .. } => "MacAddressInUse",
            Self::PortBound { .. } => "PortBound",
            Self::PortInUse { .. } => "PortInUse",
            Self::UnsupportedPortDeviceOwner { .. } => "UnsupportedPortDeviceOwner",
            Self::DeviceIdNotOwnedByTenant(_) => "DeviceIDNotOwnedByTenant",
            Self::TunnelIdInUse(_) => "TunnelIdInUse",
            Self::SegmentInUse(PhysicalSegment { vlan: None, .. }) => "FlatNetworkInUse",
            Self::SegmentInUse(_) => "VlanIdInUse",
            Self::NoNetworkAvailable => "NoNetworkAvailable",
            Self::NetworkMtuSubnetConflict { .. } => "NetworkMTUSubnetConflict",
            Self::InvalidSharedSetting(_) => "InvalidSharedSetting",
            Self::OverQuota(_) => "OverQuota",
            Self::RevisionNumberConstraintFailed { .. } => "RevisionNumberConstraintFailed",
            Self::HostUnknown(_) => "HostUnknown",
            Self::PortNotOnHost { .. } => "PortNotOnHost",
            Self::HostInUse { .. } => "HostInUse",
            Self::HostNameTaken(_) => "HostNameTaken",
            Self::UnderlayInUse { .. } => "UnderlayInUse",
            Self::JoinTokenInvalid => "JoinTokenInvalid",
            Self::Object(error) => error.type_name(),
            Self::Binding(error) => error.type_name(),
            Self::Topology(error) => error.type_name(),
            Self::Router(error) => error.type_name(),
            Self::Security(error) => error.type_name(),
            Self::Log(error) => error.type_name(),
            Self::Sharing(error) => error.type_name(),
            Self::Pool(error) => error.type_name(),
            Self::Segment(error) => error.type_name(),
            Self::Store(StoreError::Unavailable { .. } | StoreError::Conflict | StoreError::Closed) => {
                "ServiceUnavailable"
            }
            Self::Store(StoreError::TooLarge { .. }) => "InvalidInput",
            Self::Store(_) => "HTTPInternalServerError",
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::NetworkNotFound(_)
            | Self::SubnetNotFound(_)
            | Self::PortNotFound(_)
            | Self::HostUnknown(_) => 404,
            Self::InvalidInput(_)
            | Self::BadRequest { .. }
            | Self::OutOfBoundsAllocationPool { .. }
            | Self::InvalidAllocationPool { .. }
            | Self::DnsNameServersExhausted { .. }
            | Self::HostRoutesExhausted { .. }
            | Self::InvalidIpForSubnet(_)
            | Self::InvalidIpForNetwork(_)
            | Self::AllocationOnAutoAddressSubnet { .. } => 400,
            Self::NetworkInUse { .. }
            | Self::SubnetInUse { .. }
            | Self::GatewayConflictWithAllocationPools { .. }
            | Self::OverlappingAllocationPools { .. }
            | Self::GatewayIpInUse { .. }
            | Self::IpAddressGenerationFailure(_)
            | Self::IpAddressAlreadyAllocated { .. }
            | Self::MacAddressInUse { .. }
            | Self::PortBound { .. }
            | Self::PortInUse { .. }
            | Self::UnsupportedPortDeviceOwner { .. }
            | Self::DeviceIdNotOwnedByTenant(_)
            | Self::TunnelIdInUse(_)
            | Self::SegmentInUse(_)
            | Self::NetworkMtuSubnetConflict { .. }
            | Self::InvalidSharedSetting(_)
            | Self::OverQuota(_)
            | Self::HostInUse { .. }
            | Self::HostNameTaken(_)
            | Self::UnderlayInUse { .. } => 409,
            Self::RevisionNumberConstraintFailed { .. } => 412,
            Self::PortNotOnHost { .. } | Self::JoinTokenInvalid => 403,
            Self::Object(error) => error.status(),
            Self::Binding(error) => error.status(),
            Self::Topology(error) => error.status(),
            Self::Router(error) => error.status(),
            Self::Security(error) => error.status(),
            Self::Log(error) => error.status(),
            Self::Sharing(error) => error.status(),
            Self::Pool(error) => error.status(),
            Self::Segment(error) => error.status(),
            Self::NoNetworkAvailable => 503,
            Self::Store(StoreError::Unavailable { .. } | StoreError::Conflict | StoreError::Closed) => 503,
            Self::Store(StoreError::TooLarge { .. }) => 400,
            Self::Store(_) => 500,
        }
    }
}

/// At most 20 ids, and how many more there are.
fn ids(ports: &[PortId]) -> String {
    const SHOWN: usize = 20;
    let mut text = ports.iter().take(SHOWN).map(PortId::to_string).collect::<Vec<_>>().join(",");
    if ports.len() > SHOWN {
        text.push_str(&format!(" and {} more", ports.len() - SHOWN));
    }
    text
}

fn taken(segment: &PhysicalSegment) -> String {
    let network = &segment.network;
    match segment.vlan {
        None => format!("unable to create the flat network. Physical network {network} is in use"),
        Some(vlan) => {
            let vlan = vlan.get();
            format!("unable to create the network. The VLAN {vlan} on physical network {network} is in use")
        }
    }
}

fn range(range: &AddressRange) -> String {
    format!("{}-{}", range.first(), range.last())
}
