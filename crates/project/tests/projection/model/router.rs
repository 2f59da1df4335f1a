//! Routers and floating IPs of the small cloud. Interfaces and gateways are ports.

use super::{
    FLOATING_IPS, FORWARDINGS, HOSTS, Model, NETWORKS, Op, POOLS, PORTS, ROUTERS, id, network_id, port_id,
    subnet_address,
};
use hadron_model::{
    AddressScopeId, Association, ExtraRoute, FloatingIp, FloatingIpId, FloatingIpNumber, ForwardedProtocol,
    Gateway, GatewayHosts, IpVersion, PortForwarding, PortForwardingId, PortLease, PortRange, Router,
    RouterId, RouterNumber, Stamp, SubnetPool, SubnetPoolId,
};
use hadron_store::Tx;
use proptest::prelude::*;
use std::collections::BTreeMap;

pub fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..ROUTERS, prop::bool::weighted(0.8), 0u8..16, prop::collection::vec((0..PORTS, any::<bool>()), 0..4), any::<Option<bool>>())
            .prop_map(|(router, up, routes, gateways, ecmp)| Op::PutRouter { router, up, routes, gateways, ecmp }),
        1 => (0..ROUTERS).prop_map(|router| Op::DropRouter { router }),
        3 => (0..FLOATING_IPS, 0..NETWORKS, prop::option::weighted(0.9, 0..ROUTERS), prop::option::weighted(0.9, 0..PORTS))
            .prop_map(|(floating, network, router, port)| Op::PutFloatingIp { floating, network, router, port }),
        1 => (0..FLOATING_IPS).prop_map(|floating| Op::DropFloatingIp { floating }),
        3 => (0..POOLS, prop::option::weighted(0.8, 0u8..2)).prop_map(|(pool, scope)| Op::PutPool { pool, scope }),
        1 => (0..POOLS).prop_map(|pool| Op::DropPool { pool }),
        3 => (0..FORWARDINGS, 0..FLOATING_IPS, 0..PORTS, 0u8..4)
            .prop_map(|(forwarding, floating, port, shape)| Op::PutForwarding { forwarding, floating, port, shape }),
        1 => (0..FORWARDINGS).prop_map(|forwarding| Op::DropForwarding { forwarding }),
        3 => (0..PORTS, 0u8..1 << HOSTS).prop_map(|(port, hosts)| Op::PutGatewayHosts { port, hosts }),
        1 => (0..PORTS).prop_map(|port| Op::DropGatewayHosts { port }),
        3 => (0..PORTS, 0..HOSTS, 1u8..3, 0u8..3)
            .prop_map(|(port, host, blocks, ending)| Op::PutLease { port, host, blocks, ending }),
        1 => (0..PORTS, 0..HOSTS).prop_map(|(port, host)| Op::DropLease { port, host }),
    ]
}

pub fn router_id(router: u8) -> RouterId {
    RouterId(id(7, router))
}

impl Model {
    pub(super) fn apply_router(&mut self, op: &Op, tx: &mut Tx) -> bool {
        match *op {
            Op::PutRouter { router, up, routes, ref gateways, ecmp } => {
                let chosen: BTreeMap<u8, bool> = gateways.iter().copied().collect();
                let gateways = chosen.into_iter().map(|(port, enable_snat)| Gateway {
                    network_id: network_id(port % NETWORKS),
                    port_id: port_id(port),
                    enable_snat,
                });
                let record = Router {
                    gateways: gateways.collect(),
                    default_route_ecmp: ecmp,
                    default_route_bfd: ecmp.map(|_| up),
                    ..a_router(router, up, routes)
                };
                self.routers.insert(router, record.clone());
                tx.put(record);
            }
            Op::DropRouter { router } => {
                if self.routers.remove(&router).is_none() {
                    return false;
                }
                tx.delete::<Router>(&router_id(router));
            }
            Op::PutFloatingIp { floating, network, router, port } => {
                let record = a_floating_ip(floating, network, router, port);
                self.floating_ips.insert(floating, record.clone());
                tx.put(record);
            }
            Op::DropFloatingIp { floating } => {
                if self.floating_ips.remove(&floating).is_none() {
                    return false;
                }
                tx.delete::<FloatingIp>(&FloatingIpId(id(8, floating)));
            }
            Op::PutPool { pool, scope } => {
                let record = a_pool(pool, scope);
                self.pools.insert(pool, record.clone());
                tx.put(record);
            }
            Op::DropPool { pool } => {
                if self.pools.remove(&pool).is_none() {
                    return false;
                }
                tx.delete::<SubnetPool>(&SubnetPoolId(id(10, pool)));
            }
            Op::PutForwarding { forwarding, floating, port, shape } => {
                let record = a_forwarding(forwarding, floating, port, shape);
                self.forwardings.insert(forwarding, record.clone());
                tx.put(record);
            }
            Op::DropForwarding { forwarding } => {
                if self.forwardings.remove(&forwarding).is_none() {
                    return false;
                }
                tx.delete::<PortForwarding>(&PortForwardingId(id(9, forwarding)));
            }
            Op::PutGatewayHosts { port, hosts } => {
                let named = (0..HOSTS).filter(|host| hosts & (1 << host) != 0);
                let hosts = named.filter_map(|host| self.hosts.get(&host)).map(|host| host.number).collect();
                let record = GatewayHosts { port_id: port_id(port), hosts, epoch: 1 };
                self.gateway_hosts.insert(port_id(port), record.clone());
                tx.put(record);
            }
            Op::DropGatewayHosts { port } => {
                if self.gateway_hosts.remove(&port_id(port)).is_none() {
                    return false;
                }
                tx.delete::<GatewayHosts>(&port_id(port));
            }
            Op::PutLease { port, host, blocks, ending } => {
                let Some(host) = self.hosts.get(&host).map(|host| host.number) else { return false };
                let [blocks, slots] =
                    [16, 1024].map(|first| (0..blocks).map(|it| first + u16::from(it)).collect());
                let ending = [17, 1024, 16].into_iter().take(ending.into()).collect();
                let record = PortLease { port_id: port_id(port), host, blocks, slots, ending };
                self.leases.insert((port_id(port), host), record.clone());
                tx.put(record);
            }
            Op::DropLease { port, host } => {
                let Some(host) = self.hosts.get(&host).map(|host| host.number) else { return false };
                if self.leases.remove(&(port_id(port), host)).is_none() {
                    return false;
                }
                tx.delete::<PortLease>(&(port_id(port), host));
            }
            _ => unreachable!("only for routers"),
        }
        true
    }
}

fn a_floating_ip(floating: u8, network: u8, router: Option<u8>, port: Option<u8>) -> FloatingIp {
    FloatingIp {
        id: FloatingIpId(id(8, floating)),
        number: FloatingIpNumber(60 + u32::from(floating)),
        project_id: String::new(),
        description: String::new(),
        floating_network_id: network_id(network),
        floating_port_id: port_id(200 + floating),
        floating_ip_address: subnet_address(2 * network, 100 + floating),
        association: port.map(|port| Association {
            port_id: port_id(port),
            fixed_ip_address: subnet_address(2 * (port % NETWORKS), 10 + port),
        }),
        router_id: router.map(router_id),
        dns_name: String::new(),
        dns_domain: String::new(),
        stamp: Stamp::default(),
    }
}

fn a_pool(pool: u8, scope: Option<u8>) -> SubnetPool {
    let is_v4 = pool.is_multiple_of(2);
    SubnetPool {
        id: SubnetPoolId(id(10, pool)),
        project_id: String::new(),
        name: String::new(),
        description: String::new(),
        ip_version: if is_v4 { IpVersion::V4 } else { IpVersion::V6 },
        prefixes: vec![if is_v4 { "10.0.0.0/8" } else { "fd00::/8" }.parse().unwrap()],
        default_prefixlen: 24,
        min_prefixlen: 8,
        max_prefixlen: 32,
        default_quota: None,
        address_scope_id: scope.map(|scope| AddressScopeId(id(11, scope))),
        is_default: false,
        stamp: Stamp::default(),
    }
}

fn a_forwarding(forwarding: u8, floating: u8, port: u8, shape: u8) -> PortForwarding {
    let first = 1000 * (1 + u16::from(forwarding));
    let (external, internal) = match shape {
        // Only one of a floating IP can be without ports.
        0 if forwarding == 0 => (None, None),
        0 | 1 => (PortRange::new(first, first), PortRange::new(22, 22)),
        2 => (PortRange::new(first, first + 9), PortRange::new(80, 89)),
        _ => (PortRange::new(first + 5, first + 9), PortRange::new(80, 80)),
    };
    PortForwarding {
        id: PortForwardingId(id(9, forwarding)),
        floating_ip_id: FloatingIpId(id(8, floating)),
        description: String::new(),
        protocol: if external.is_none() { ForwardedProtocol::Icmp } else { ForwardedProtocol::Tcp },
        external,
        internal_port_id: port_id(port),
        internal_ip_address: subnet_address(2 * (port % NETWORKS), 10 + port),
        internal,
        stamp: Stamp::default(),
    }
}

fn a_router(router: u8, up: bool, routes: u8) -> Router {
    let all = [
        ("0.0.0.0/0", subnet_address(0, 5)),
        ("0.0.0.0/0", subnet_address(2, 5)),
        ("10.99.0.0/16", subnet_address(4, 5)),
        ("::/0", subnet_address(1, 5)),
    ];
    let chosen = all.into_iter().enumerate().filter(|(bit, _)| routes & (1 << bit) != 0);
    let mut routes: Vec<ExtraRoute> = chosen
        .map(|(_, (destination, next_hop))| ExtraRoute {
            destination: destination.parse().unwrap(),
            next_hop,
        })
        .collect();
    routes.sort();
    Router {
        id: router_id(router),
        number: RouterNumber(70 + u32::from(router)),
        project_id: String::new(),
        name: String::new(),
        description: String::new(),
        admin_state_up: up,
        gateways: vec![],
        routes,
        distributed: None,
        ha: None,
        default_route_ecmp: None,
        default_route_bfd: None,
        availability_zone_hints: vec![],
        flavor_id: None,
        stamp: Stamp::default(),
    }
}
