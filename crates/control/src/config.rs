//! What an operator decides for the whole deployment.

use hadron_model::TunnelKind;
use std::ops::RangeInclusive;

/// Limits per project; `None` is no limit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quotas {
    /// Networks.
    pub network: Option<usize>,
    /// Subnets.
    pub subnet: Option<usize>,
    /// Ports, those of the network's DHCP service included.
    pub port: Option<usize>,
    /// Security groups, the default one included.
    pub security_group: Option<usize>,
    /// Rules of all the project's security groups together.
    pub security_group_rule: Option<usize>,
    /// Address groups.
    pub address_group: Option<usize>,
    /// Routers.
    pub router: Option<usize>,
    /// Extra routes of one router.
    pub router_route: Option<usize>,
    /// Floating IPs.
    pub floating_ip: Option<usize>,
    /// Policies that share objects.
    pub rbac_policy: Option<usize>,
    /// Subnet pools.
    pub subnetpool: Option<usize>,
}

impl Default for Quotas {
    /// Neutron's defaults.
    fn default() -> Self {
        Self {
            network: Some(100),
            subnet: Some(100),
            port: Some(500),
            security_group: Some(10),
            security_group_rule: Some(100),
            address_group: None,
            router: Some(10),
            router_route: Some(30),
            floating_ip: Some(50),
            rbac_policy: Some(10),
            subnetpool: None,
        }
    }
}

/// The family of the addresses between which hosts tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Underlay {
    /// IPv4: VXLAN takes 50 octets of each packet.
    #[default]
    Ipv4,
    /// IPv6: VXLAN takes 70 octets of each packet.
    Ipv6,
}

impl Underlay {
    /// Octets that VXLAN adds around an instance's IP packet: outer IP 20 or 40, UDP 8, VXLAN 8, inner Ethernet 14
    /// (RFC 7348 §5).
    pub fn vxlan_overhead(self) -> u32 {
        match self {
            Underlay::Ipv4 => 50,
            Underlay::Ipv6 => 70,
        }
    }

    /// Octets that other tunnels add: outer IP 20 or 40, inner Ethernet 14, and of Geneve without options 16 as of VXLAN (RFC 8926
    /// §3.1), of GRE with a key 8 (RFC 2890 §2).
    pub fn tunnel_overhead(self, kind: TunnelKind) -> u32 {
        match kind {
            TunnelKind::Geneve => self.vxlan_overhead(),
            TunnelKind::Gre => self.vxlan_overhead() - 8,
        }
    }
}

/// The kind of network that a project gets when it asks for none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TenantNetworkType {
    /// Across hosts in VXLAN.
    #[default]
    Vxlan,
    /// Within a host.
    Local,
}

/// VLANs of a physical network that networks get when none is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VlanRange {
    /// Name of the physical network.
    pub physical_network: String,
    /// The VLANs, within 1 to 4094.
    pub vlans: RangeInclusive<u16>,
}

/// The deployment's settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// What a project's networks are.
    pub tenant_network_type: TenantNetworkType,
    /// Identifiers that networks get by themselves.
    pub tenant_vnis: RangeInclusive<u32>,
    /// VLANs of physical networks that networks get by themselves, by preference.
    pub vlan_ranges: Vec<VlanRange>,
    /// Largest IP packet on the underlay, in octets.
    pub underlay_mtu: u32,
    /// Family of the underlay.
    pub underlay: Underlay,
    /// First three octets of generated MACs.
    pub base_mac: [u8; 3],
    /// Limits per project.
    pub quotas: Quotas,
    /// Most name servers of a subnet.
    pub max_dns_nameservers: usize,
    /// Most host routes of a subnet.
    pub max_subnet_host_routes: usize,
    /// Most allocation pools of a subnet.
    pub max_allocation_pools: usize,
    /// Most addresses of a port.
    pub max_fixed_ips: usize,
    /// Most objects in one bulk create.
    pub max_bulk: usize,
    /// Most allowed address pairs of a port.
    pub max_allowed_address_pairs: usize,
    /// Most addresses of an address group.
    pub max_address_group_addresses: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tenant_network_type: TenantNetworkType::default(),
            tenant_vnis: 1..=0x7f_ffff,
            vlan_ranges: Vec::new(),
            underlay_mtu: 1500,
            underlay: Underlay::default(),
            base_mac: [0xfa, 0x16, 0x3e],
            quotas: Quotas::default(),
            max_dns_nameservers: 5,
            max_subnet_host_routes: 20,
            max_allocation_pools: 256,
            max_fixed_ips: 40,
            max_bulk: 10_000,
            max_allowed_address_pairs: 10,
            max_address_group_addresses: 10_000,
        }
    }
}
