//! Ports and their binding to a host.

use crate::{
    Mac, NetworkId, PolicyNumber, PortDetails, PortId, PortNumber, SecurityGroupId, Stamp, SubnetId,
};
use ipnet::IpNet;
use std::net::IpAddr;

/// `device_owner` of the port that stands for a network's DHCP service; it lives on every host that has the network.
pub const DEVICE_OWNER_DHCP: &str = "network:dhcp";

/// How the `device_owner` of a network's own ports begins. They are trusted: no port security, no security groups.
pub const DEVICE_OWNER_NETWORK_PREFIX: &str = "network:";

/// An address of a port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FixedIp {
    /// The subnet that it comes from.
    pub subnet_id: SubnetId,
    /// The address.
    pub ip_address: IpAddr,
}

/// An address or prefix beside its own from which a port may send (`allowed_address_pairs`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AddressPair {
    /// The addresses. The bits behind the prefix are as they were given.
    pub ip: IpNet,
    /// Whether it was given with a length, and is so shown.
    pub has_length: bool,
    /// The MAC that goes with them; `None` is the port's.
    pub mac: Option<Mac>,
}

impl AddressPair {
    /// `ip_address` as it was given.
    pub fn ip_address(&self) -> String {
        if self.has_length { self.ip.to_string() } else { self.ip.addr().to_string() }
    }
}

/// Operational state as the API shows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PortStatus {
    /// Wired on its host.
    Active,
    /// Not wired, or not bound.
    Down,
    /// Bound, wiring under way.
    Build,
    /// Cannot be wired.
    Error,
    /// There is nothing to wire: it holds an address for something else.
    NotApplicable,
}

impl PortStatus {
    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            PortStatus::Active => "ACTIVE",
            PortStatus::Down => "DOWN",
            PortStatus::Build => "BUILD",
            PortStatus::Error => "ERROR",
            PortStatus::NotApplicable => "N/A",
        }
    }
}

/// Where a port is plugged (`binding:*`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Binding {
    /// Host name, empty when unbound.
    pub host_id: String,
    /// `binding:vnic_type`; empty stands for `normal`.
    pub vnic_type: String,
    /// `binding:profile`, a JSON object as text; empty stands for `{}`.
    pub profile: String,
}

/// An attachment point of a network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Port {
    /// UUID.
    pub id: PortId,
    /// Number in the packet path.
    pub number: PortNumber,
    /// Its network.
    pub network_id: NetworkId,
    /// Owner's project id.
    pub project_id: String,
    /// Name, at most 255 characters.
    pub name: String,
    /// Description, at most 255 characters.
    pub description: String,
    /// MAC, unique in the network.
    pub mac_address: Mac,
    /// Addresses, each unique in its subnet.
    pub fixed_ips: Vec<FixedIp>,
    /// Administrative state; false stops the port's traffic.
    pub admin_state_up: bool,
    /// What uses the port, as the caller names it.
    pub device_id: String,
    /// What kind of thing uses it, as `compute:nova`.
    pub device_owner: String,
    /// Where it is plugged.
    pub binding: Binding,
    /// Where it could be plugged next (`binding-extended`), by host: each host once, and not the one where it is.
    pub inactive_bindings: Vec<Binding>,
    /// Operational state, as last reported by its host.
    pub status: PortStatus,
    /// Whether its traffic is filtered: source addresses and security groups.
    pub port_security_enabled: bool,
    /// Sorted, distinct; empty without port security.
    pub security_groups: Vec<SecurityGroupId>,
    /// Further addresses from which it may send, in the order given; empty without port security.
    pub allowed_address_pairs: Vec<AddressPair>,
    /// The number of the policy of its groups; `None` without port security.
    pub policy: Option<PolicyNumber>,
    /// What it says for others.
    pub details: PortDetails,
    /// Times and revision.
    pub stamp: Stamp,
}

impl Port {
    /// The name of the interface that a host's node looks for: `tap` and the first 11 characters of the id.
    pub fn interface_name(&self) -> String {
        interface_name(self.id)
    }

    /// Whether it is one of the network's own ports, which are trusted (`device_owner` begins with `network:`).
    pub fn is_trusted(&self) -> bool {
        is_trusted(&self.device_owner)
    }

    /// Whether every host serves the port rather than one that it is bound to: it is a network's DHCP service, or a router's or
    /// floating IP's.
    pub fn is_everywhere(&self) -> bool {
        self.is_distributed()
            || self.router().is_some()
            || self.device_owner == crate::floating_ip::DEVICE_OWNER_FLOATING_IP
    }

    /// Whether the port is that of its network's DHCP service.
    pub fn is_distributed(&self) -> bool {
        self.device_owner == DEVICE_OWNER_DHCP
    }
}

/// The name of the interface of port `id`: `tap` and the first 11 characters of the id.
pub fn interface_name(id: PortId) -> String {
    format!("tap{}", &id.to_string()[..11])
}

/// Whether ports of this `device_owner` are a network's own.
pub fn is_trusted(device_owner: &str) -> bool {
    device_owner.starts_with(DEVICE_OWNER_NETWORK_PREFIX)
}
