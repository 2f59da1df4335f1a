//! What a port says for others: name services, DHCP clients, compute services, hosts' switches.

use crate::SubnetPoolId;
use ipnet::IpNet;

/// A DHCP option that a port's clients are to get (`extra_dhcp_opts`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ExtraDhcpOpt {
    /// Name or number, as given; at most 64 characters.
    pub name: String,
    /// Whether it is of DHCPv6.
    pub is_ipv6: bool,
    /// Value as given; at most 255 characters.
    pub value: String,
}

/// A prefix of a subnet pool that is an instance's to hand on (RFC 8415 §6.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Delegation {
    /// The pool that it is taken from.
    pub subnetpool_id: SubnetPoolId,
    /// The prefix, of IPv6, with host bits zero.
    pub prefix: IpNet,
}

/// A port's attributes that are kept and shown for others.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PortDetails {
    /// `dns_name` in lower case; empty for none.
    pub dns_name: String,
    /// `dns_domain` in lower case; empty for the network's.
    pub dns_domain: String,
    /// `extra_dhcp_opts`, one of each name and family, sorted.
    pub extra_dhcp_opts: Vec<ExtraDhcpOpt>,
    /// Whether the port was made to have no addresses (`ip_allocation` is `none`).
    pub is_addressless: bool,
    /// Whether the port was made to get its addresses with its host (`ip_allocation` is `deferred`).
    pub is_deferred: bool,
    /// `data_plane_status`, which a monitor of the network sets: `ACTIVE` or `DOWN`.
    pub data_plane_status: Option<String>,
    /// Whether `propagate_uplink_status` is false; true is the default.
    pub hides_uplink_status: bool,
    /// `numa_affinity_policy`, for the compute service.
    pub numa_affinity_policy: Option<String>,
    /// `device_profile`, for the compute service.
    pub device_profile: Option<String>,
    /// `hardware_offload_type`, for the compute service.
    pub hardware_offload_type: Option<String>,
    /// `hints`, a JSON object as text, for the switch of a host.
    pub hints: Option<String>,
    /// `trusted`, for the compute service; `None` is unsaid.
    pub trusted: Option<bool>,
    /// The prefix that is delegated to its instance.
    pub delegation: Option<Delegation>,
}
