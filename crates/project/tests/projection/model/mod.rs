//! A small cloud that random operations change, and the store that follows it.

mod instance;
mod packet_log;
mod router;
mod security;

use hadron_model::{
    AddressGroup, Binding, Delegation, ExtraDhcpOpt, FixedIp, FloatingIp, GatewayHosts, Host, HostNumber,
    Instance, IpNet, LoggedEvents, Mac, Network, NetworkId, NetworkNumber, PacketLog, PhysicalSegment,
    PolicyNumber, Port, PortDetails, PortForwarding, PortId, PortLease, PortNumber, PortStatus, Router,
    SecurityGroup, SecurityGroupId, SecurityGroupRule, Segment, Stamp, Subnet, SubnetId, SubnetNumber,
    SubnetPool, SubnetPoolId, Timestamp, Vni, port::DEVICE_OWNER_DHCP, router::DEVICE_OWNER_ROUTER_GATEWAY,
    router::DEVICE_OWNER_ROUTER_INTERFACE,
};
use hadron_store::{Commit, CommitInfo, Store, StoreError, Tx, Watch};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use uuid::Uuid;

pub const HOSTS: u8 = 4;
pub const NETWORKS: u8 = 3;
pub const SUBNETS: u8 = 6;
pub const PORTS: u8 = 12;
pub const GROUPS: u8 = 3;
pub const RULES: u8 = 7;
pub const ADDRESS_GROUPS: u8 = 2;
pub const ROUTERS: u8 = 3;
pub const FLOATING_IPS: u8 = 4;
pub const FORWARDINGS: u8 = 4;
/// Subnet s is of pool s mod this.
pub const POOLS: u8 = 4;
pub const LOGS: u8 = 4;
pub const PROJECTS: u8 = 2;
pub const INSTANCES: u8 = 3;

/// The cloud as plain maps.
#[derive(Clone, Default, Debug)]
pub struct Model {
    pub hosts: BTreeMap<u8, Host>,
    pub networks: BTreeMap<u8, Network>,
    pub subnets: BTreeMap<u8, Subnet>,
    pub ports: BTreeMap<u8, Port>,
    pub groups: BTreeMap<u8, SecurityGroup>,
    pub rules: BTreeMap<u8, SecurityGroupRule>,
    pub address_groups: BTreeMap<u8, AddressGroup>,
    pub policies: BTreeMap<Vec<SecurityGroupId>, PolicyNumber>,
    pub routers: BTreeMap<u8, Router>,
    pub floating_ips: BTreeMap<u8, FloatingIp>,
    pub forwardings: BTreeMap<u8, PortForwarding>,
    pub pools: BTreeMap<u8, SubnetPool>,
    pub gateway_hosts: BTreeMap<PortId, GatewayHosts>,
    pub leases: BTreeMap<(PortId, HostNumber), PortLease>,
    pub logs: BTreeMap<u8, PacketLog>,
    pub instances: BTreeMap<u8, Instance>,
    /// How often each host has joined; a host that joins again has another number.
    pub joined: BTreeMap<u8, u32>,
}

/// An operation. One that isn't legal at its time does nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    PutHost {
        host: u8,
        /// With 2 it has an interface to the physical network.
        address: u8,
    },
    DropHost {
        host: u8,
    },
    PutNetwork {
        network: u8,
        vxlan: bool,
        up: bool,
        /// With 1500 it is in the physical network if it isn't in VXLAN.
        mtu: u32,
    },
    DropNetwork {
        network: u8,
    },
    /// Subnets 2n and 2n + 1 are of network n; the odd ones are IPv6.
    PutSubnet {
        subnet: u8,
        gateway: bool,
        dhcp: bool,
    },
    DropSubnet {
        subnet: u8,
    },
    /// Port p is of network p mod [`NETWORKS`].
    PutPort {
        port: u8,
        host: Option<u8>,
        dhcp: bool,
        up: bool,
        subnets: u8,
        mac: u8,
        /// A bit for each group; `None` without port security.
        groups: Option<u8>,
        pair: bool,
        /// The router that it is an interface of; never bound then.
        router: Option<u8>,
        /// It is the router's gateway then.
        outside: bool,
    },
    DropPort {
        port: u8,
    },
    PutGroup {
        group: u8,
        stateful: bool,
    },
    DropGroup {
        group: u8,
    },
    /// Rule r is of group r mod [`GROUPS`].
    PutRule {
        rule: u8,
        remote: u8,
        port: Option<u16>,
    },
    DropRule {
        rule: u8,
    },
    /// A bit for each prefix that it may have.
    PutAddressGroup {
        group: u8,
        addresses: u8,
    },
    DropAddressGroup {
        group: u8,
    },
    /// A bit for each route that it may have.
    PutRouter {
        router: u8,
        up: bool,
        routes: u8,
        /// The ports that are its gateways, and whether each translates.
        gateways: Vec<(u8, bool)>,
        ecmp: Option<bool>,
    },
    DropRouter {
        router: u8,
    },
    PutFloatingIp {
        floating: u8,
        network: u8,
        router: Option<u8>,
        port: Option<u8>,
    },
    DropFloatingIp {
        floating: u8,
    },
    PutPool {
        pool: u8,
        scope: Option<u8>,
    },
    DropPool {
        pool: u8,
    },
    /// No two have the same ports. Shape 0 is ICMP, 1 a port of TCP, 2 a range, 3 a range that leads to one port.
    PutForwarding {
        forwarding: u8,
        floating: u8,
        port: u8,
        shape: u8,
    },
    DropForwarding {
        forwarding: u8,
    },
    /// The hosts that stand for a router outside at a port that may be its gateway, a bit for each.
    PutGatewayHosts {
        port: u8,
        hosts: u8,
    },
    DropGatewayHosts {
        port: u8,
    },
    /// Ports of that port's address for a host, of which some end.
    PutLease {
        port: u8,
        host: u8,
        blocks: u8,
        ending: u8,
    },
    DropLease {
        port: u8,
        host: u8,
    },
    /// Log l is of project l mod [`PROJECTS`].
    PutLog {
        log: u8,
        enabled: bool,
        events: LoggedEvents,
        group: Option<u8>,
        port: Option<u8>,
        of_every_project: bool,
    },
    DropLog {
        log: u8,
    },
    /// Ports belong to the instance of their number mod [`INSTANCES`], but for one MAC.
    PutInstance {
        instance: u8,
        user_data: u8,
    },
    DropInstance {
        instance: u8,
    },
}

pub fn any_op() -> impl Strategy<Value = Op> {
    let host = 0..HOSTS;
    prop_oneof![
        2 => (host.clone(), 0u8..3).prop_map(|(host, address)| Op::PutHost { host, address }),
        1 => host.clone().prop_map(|host| Op::DropHost { host }),
        2 => (0..NETWORKS, prop::bool::weighted(0.7), any::<bool>(), prop::sample::select(vec![1450, 1500]))
            .prop_map(|(network, vxlan, up, mtu)| Op::PutNetwork { network, vxlan, up, mtu }),
        1 => (0..NETWORKS).prop_map(|network| Op::DropNetwork { network }),
        2 => (0..SUBNETS, any::<bool>(), any::<bool>())
            .prop_map(|(subnet, gateway, dhcp)| Op::PutSubnet { subnet, gateway, dhcp }),
        1 => (0..SUBNETS).prop_map(|subnet| Op::DropSubnet { subnet }),
        8 => (
            0..PORTS, prop::option::weighted(0.8, host), prop::bool::weighted(0.15), any::<bool>(), 0u8..4, 0u8..3,
            prop::option::weighted(0.8, 0u8..1 << GROUPS), any::<bool>(),
            (prop::option::weighted(0.4, 0..ROUTERS), prop::bool::weighted(0.4)),
        )
            .prop_map(|(port, host, dhcp, up, subnets, mac, groups, pair, (router, outside))| {
                Op::PutPort { port, host, dhcp, up, subnets, mac, groups, pair, router, outside }
            }),
        8 => security::any_op(),
        8 => router::any_op(),
        4 => packet_log::any_op(),
        3 => instance::any_op(),
        3 => (0..PORTS).prop_map(|port| Op::DropPort { port }),
    ]
}

pub fn host_name(host: u8) -> String {
    format!("host{host}")
}

fn id(kind: u8, index: u8) -> Uuid {
    Uuid::from_u128(u128::from(kind) << 120 | u128::from(index))
}

fn network_id(network: u8) -> NetworkId {
    NetworkId(id(1, network))
}

fn subnet_id(subnet: u8) -> SubnetId {
    SubnetId(id(2, subnet))
}

fn port_id(port: u8) -> PortId {
    PortId(id(3, port))
}

fn project(of: u8) -> String {
    format!("project{}", of % PROJECTS)
}

fn subnet_address(subnet: u8, host: u8) -> IpAddr {
    if subnet.is_multiple_of(2) {
        Ipv4Addr::new(10, 0, subnet, host).into()
    } else {
        Ipv6Addr::new(0x2001, 0xdb8, subnet.into(), 0, 0, 0, 0, host.into()).into()
    }
}

impl Model {
    /// Performs `op` on the maps and in `tx`. Returns whether it was legal.
    pub fn apply(&mut self, op: &Op, tx: &mut Tx) -> bool {
        match *op {
            Op::PutHost { host, address } => {
                let is_new = !self.hosts.contains_key(&host);
                let joined = self.joined.entry(host).or_insert(0);
                *joined += u32::from(is_new);
                let record = a_host(host, *joined, address);
                self.hosts.insert(host, record.clone());
                tx.put(record);
            }
            Op::DropHost { host } => {
                if self.hosts.remove(&host).is_none() {
                    return false;
                }
                tx.delete::<Host>(&host_name(host));
            }
            Op::PutNetwork { network, vxlan, up, mtu } => {
                let record = a_network(network, vxlan, up, mtu);
                self.networks.insert(network, record.clone());
                tx.put(record);
            }
            Op::DropNetwork { network } => {
                let id = network_id(network);
                let in_use = self.subnets.values().any(|subnet| subnet.network_id == id)
                    || self.ports.values().any(|port| port.network_id == id);
                if in_use || self.networks.remove(&network).is_none() {
                    return false;
                }
                tx.delete::<Network>(&id);
            }
            Op::PutSubnet { subnet, gateway, dhcp } => {
                if !self.networks.contains_key(&(subnet / 2)) {
                    return false;
                }
                let record = a_subnet(subnet, gateway, dhcp);
                self.subnets.insert(subnet, record.clone());
                tx.put(record);
            }
            Op::DropSubnet { subnet } => {
                let id = subnet_id(subnet);
                let in_use =
                    self.ports.values().any(|port| port.fixed_ips.iter().any(|fixed| fixed.subnet_id == id));
                if in_use || self.subnets.remove(&subnet).is_none() {
                    return false;
                }
                tx.delete::<Subnet>(&id);
            }
            Op::PutPort { port, .. } => {
                if !self.networks.contains_key(&(port % NETWORKS)) {
                    return false;
                }
                let record = self.a_port(op);
                self.ports.insert(port, record.clone());
                tx.put(record);
                self.sync_policies(tx);
            }
            Op::DropPort { port } => {
                if self.ports.remove(&port).is_none() {
                    return false;
                }
                tx.delete::<Port>(&port_id(port));
                self.sync_policies(tx);
            }
            Op::PutRouter { .. }
            | Op::DropRouter { .. }
            | Op::PutFloatingIp { .. }
            | Op::DropFloatingIp { .. }
            | Op::PutPool { .. }
            | Op::DropPool { .. }
            | Op::PutForwarding { .. }
            | Op::DropForwarding { .. }
            | Op::PutGatewayHosts { .. }
            | Op::DropGatewayHosts { .. }
            | Op::PutLease { .. }
            | Op::DropLease { .. } => return self.apply_router(op, tx),
            Op::PutLog { .. } | Op::DropLog { .. } => return self.apply_log(op, tx),
            Op::PutInstance { .. } | Op::DropInstance { .. } => return self.apply_instance(op, tx),
            _ => return self.apply_security(op, tx),
        }
        true
    }

    fn a_port(&self, op: &Op) -> Port {
        let Op::PutPort { port, host, dhcp, up, subnets, mac, groups, pair, router, outside } = *op else {
            unreachable!("only for ports")
        };
        let router = router.filter(|_| !dhcp);
        let security = self.security_of(groups.filter(|_| !dhcp), pair, port);
        let network = port % NETWORKS;
        let fixed_ips = (0..2).filter(|bit| subnets & (1 << bit) != 0).map(|bit| network * 2 + bit);
        Port {
            id: port_id(port),
            number: PortNumber(100 + u32::from(port)),
            network_id: network_id(network),
            project_id: project(port),
            name: String::new(),
            description: String::new(),
            mac_address: Mac([0xfa, 0x16, 0x3e, mac, 0, port]),
            fixed_ips: fixed_ips
                .filter(|subnet| self.subnets.contains_key(subnet))
                .map(|subnet| FixedIp {
                    subnet_id: subnet_id(subnet),
                    ip_address: subnet_address(subnet, 10 + port),
                })
                .collect(),
            admin_state_up: up,
            device_id: match router {
                Some(router) => router::router_id(router).0.to_string(),
                None if mac == 0 => String::new(),
                None => instance::id(port % INSTANCES),
            },
            device_owner: match router {
                Some(_) if outside => DEVICE_OWNER_ROUTER_GATEWAY.to_owned(),
                Some(_) => DEVICE_OWNER_ROUTER_INTERFACE.to_owned(),
                None if dhcp => DEVICE_OWNER_DHCP.to_owned(),
                None => String::new(),
            },
            binding: Binding {
                host_id: host.filter(|_| !dhcp && router.is_none()).map(host_name).unwrap_or_default(),
                ..Binding::default()
            },
            status: PortStatus::Down,
            port_security_enabled: security.policy.is_some(),
            security_groups: security.groups,
            details: PortDetails {
                delegation: (mac > 0 && router.is_none() && !dhcp).then(|| delegation(port)),
                ..details(pair, up)
            },
            inactive_bindings: vec![],
            allowed_address_pairs: security.pairs,
            policy: security.policy,
            stamp: Stamp::default(),
        }
    }
}

/// One of three prefixes, so that some ports have the same one.
fn delegation(port: u8) -> Delegation {
    let prefix = format!("fd00:d{}::/56", port % 3).parse().unwrap();
    Delegation { subnetpool_id: SubnetPoolId(id(9, 0)), prefix }
}

/// What a port says beside its addresses.
fn details(has_name: bool, has_option: bool) -> PortDetails {
    let option = ExtraDhcpOpt { name: "bootfile-name".into(), is_ipv6: false, value: "pxe.0".into() };
    PortDetails {
        dns_name: if has_name { "web".into() } else { String::new() },
        extra_dhcp_opts: has_option.then_some(option).into_iter().collect(),
        ..PortDetails::default()
    }
}

fn a_host(host: u8, joined: u32, address: u8) -> Host {
    Host {
        name: host_name(host),
        number: HostNumber(1 + u32::from(host) + 100 * joined),
        underlay: Ipv4Addr::new(192, 0, address, host).into(),
        key_fingerprint: [0; 32],
        joined_at: Timestamp(0),
        physical_networks: (address == 2).then(|| "physnet".to_owned()).into_iter().collect(),
    }
}

fn a_network(network: u8, vxlan: bool, up: bool, mtu: u32) -> Network {
    let vni = Vni::new(5000 + u32::from(network)).unwrap();
    Network {
        id: network_id(network),
        number: NetworkNumber(10 + u32::from(network)),
        project_id: String::new(),
        name: String::new(),
        description: String::new(),
        admin_state_up: up,
        was_shared: false,
        mtu,
        segment: match (vxlan, mtu) {
            (true, _) => Segment::Vxlan(vni),
            (false, 1500) => Segment::Physical(PhysicalSegment { network: "physnet".into(), vlan: None }),
            (false, _) => Segment::Local,
        },
        port_security_enabled: true,
        availability_zone_hints: vec![],
        dns_domain: if up { "Example.org.".to_lowercase() } else { String::new() },
        privacy_addresses: mtu == 1500,
        stamp: Stamp::default(),
    }
}

fn a_subnet(subnet: u8, gateway: bool, dhcp: bool) -> Subnet {
    let prefix_len = if subnet.is_multiple_of(2) { 24 } else { 64 };
    Subnet {
        id: subnet_id(subnet),
        number: SubnetNumber(50 + u32::from(subnet)),
        network_id: network_id(subnet / 2),
        project_id: String::new(),
        name: String::new(),
        description: String::new(),
        subnetpool_id: Some(SubnetPoolId(id(10, subnet % POOLS))),
        cidr: IpNet::new(subnet_address(subnet, 0), prefix_len).unwrap(),
        gateway_ip: gateway.then(|| subnet_address(subnet, 1)),
        allocation_pools: vec![],
        dns_nameservers: vec![],
        host_routes: vec![],
        enable_dhcp: dhcp,
        ipv6_ra_mode: None,
        ipv6_address_mode: None,
        service_types: vec![],
        dns_publish_fixed_ip: false,
        segment_id: None,
        stamp: Stamp::default(),
    }
}

/// The model and a store that holds the same.
pub struct Cloud {
    pub model: Model,
    pub store: Store,
    watch: Watch,
    runtime: tokio::runtime::Runtime,
}

impl Cloud {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let store = runtime.block_on(Store::in_memory());
        Self { model: Model::default(), watch: store.watch(), store, runtime }
    }

    /// Performs the operations in one transaction; returns its commit if it changed anything.
    pub fn commit(&mut self, ops: &[Op]) -> Option<Arc<Commit>> {
        let before = self.model.clone();
        let (store, mut model) = (self.store.clone(), before.clone());
        let write = store.write(CommitInfo::system(), |tx| {
            model = before.clone();
            for op in ops {
                model.apply(op, tx);
            }
            Ok::<_, StoreError>(())
        });
        self.runtime.block_on(write).unwrap();
        self.model = model;
        let commit = self.watch.next_known();
        assert_eq!(self.watch.snapshot().position(), self.store.snapshot().position());
        commit
    }
}
