//! Random routers: interfaces in every network, routes of all lengths, some of which lead to each other, to nobody, or in circles.

use super::case::{World, v4, v6};
use super::policies::PORTS;
use super::random::Random;
use hadron_datapath::table::*;
use hadron_datapath::{Address, Mac};
use std::collections::BTreeMap;

/// The tables of routers.
#[derive(Default)]
pub struct Routers {
    pub interfaces: BTreeMap<RouterInterfaceKey, RouterInterface>,
    pub routes: BTreeMap<RouteKey, Route>,
    pub floating_sources: BTreeMap<FloatingSourceKey, FloatingSource>,
    pub floating_ips: BTreeMap<FloatingIpKey, FloatingIp>,
    pub nat_pools: BTreeMap<NatPoolKey, NatPool>,
    pub nat_owners: BTreeMap<NatOwnerKey, NatOwner>,
    pub forwardings: BTreeMap<ForwardingKey, Forwarding>,
    pub scopes: BTreeMap<ScopeKey, Scope>,
}

const ROUTERS: u32 = 2;
const NETWORKS: u32 = 3;

fn interface_of(router: u32, network: u32) -> u32 {
    router * 16 + network
}

/// The MAC of a router's interface.
pub fn mac_of(router: u32, network: u32) -> Mac {
    Mac([2, 0, 0, 1, router as u8, network as u8])
}

/// Of the router itself.
fn own_v4(router: u32, network: u32) -> Address {
    v4((200 + 8 * router + network) as u8)
}

fn own_v6(router: u32, network: u32) -> Address {
    v6((200 + 8 * router + network) as u8)
}

impl World {
    /// The MAC of a router in the network of the port that has this one.
    pub fn router_beside(&self, random: &mut Random, mac: Mac) -> Mac {
        let network = self.ports.values().find(|port| port.mac == mac).map_or(1, |port| port.network);
        mac_of(1 + random.below(ROUTERS as usize) as u32, network)
    }

    pub fn add_routers(&mut self, random: &mut Random) {
        let has_scopes = random.one_in(4);
        for router in 1..=ROUTERS {
            for network in 1..=NETWORKS {
                self.add_router_interface(random, (router, network), has_scopes);
            }
            for address in [v4(0), v6(0)] {
                let network = 1 + random.below(NETWORKS as usize) as u32;
                let path = Path { interface: interface_of(router, network), gateway: Address::UNSPECIFIED };
                if !random.one_in(4) {
                    self.routers.routes.insert(RouteKey::new(router, address, 120), Route::forward(&[path]));
                }
            }
            for _ in 0..random.below(12) {
                let route = self.any_route(random, router);
                self.routers.routes.insert(any_destination(random, router), route);
            }
        }
        if random.one_in(4) {
            self.add_circle(random);
        }
        self.add_floating_ips(random);
        self.add_shared_addresses(random);
    }

    /// Some slots of this host become nobody's or another one's, and some of another one this host's.
    pub fn move_slots(&mut self, random: &mut Random) {
        self.routers.nat_owners.retain(|key, owner| {
            let is_slot = key.block >= NAT_BLOCKS;
            if is_slot && random.one_in(3) {
                owner.host = random.below(3) as u32;
            }
            !(is_slot && random.one_in(6))
        });
    }

    /// Addresses that instances share at some interfaces, with few ports, some of which other hosts have.
    fn add_shared_addresses(&mut self, random: &mut Random) {
        let interfaces: Vec<(RouterInterfaceKey, u32)> =
            self.routers.interfaces.iter().map(|(key, row)| (*key, row.network)).collect();
        for (key, network) in interfaces {
            if random.one_in(3) {
                continue;
            }
            let address = random.pick(&self.addresses_v4);
            let octets = address.0[12..].try_into().expect("four octets");
            let blocks: Vec<NatBlock> =
                (0..random.pick(&[0, 1, 1, 2])).map(|_| random.below(4) as NatBlock).collect();
            self.routers
                .nat_pools
                .insert(NatPoolKey { interface: key.interface }, NatPool::new(octets, &blocks));
            for _ in 0..random.below(4) {
                let block = random.below(4) as NatBlock;
                let owner = NatOwnerKey { network, address: octets, block, pad: [0; 2] };
                self.routers.nat_owners.insert(owner, NatOwner { host: 1 + random.below(3) as u32 });
            }
            for (remote, protocol) in
                self.addresses_v4.iter().flat_map(|remote| [(remote, 47), (remote, 132)])
            {
                let block = nat_slot(protocol, remote.0[12..].try_into().expect("four octets"));
                let owner = NatOwnerKey { network, address: octets, block, pad: [0; 2] };
                if random.one_in(2) {
                    self.routers.nat_owners.insert(owner, NatOwner { host: random.below(3) as u32 });
                }
            }
            let mut flags = floating_flag::SHARED | random.pick(&[floating_flag::ANSWERED, 0]);
            if random.one_in(2) {
                flags |= floating_flag::FORWARDS;
                self.add_forwardings(random, key.interface, (network, octets));
            }
            let value = FloatingIp { interface: key.interface, flags, ..FloatingIp::default() };
            self.routers.floating_ips.insert(FloatingIpKey { network, address }, value);
            if let Some(row) = self.routers.interfaces.get_mut(&key) {
                let lends = random.pick(&[
                    router_interface_flag::TRANSLATED_ONLY,
                    router_interface_flag::TRANSLATED_ONLY,
                    0,
                ]);
                row.flags |= router_interface_flag::EXTERNAL | lends;
            }
            if random.one_in(2) {
                let flags = floating_flag::OWN | random.pick(&[floating_flag::ANSWERED, 0]);
                let value = FloatingIp { interface: key.interface, flags, ..FloatingIp::default() };
                let address = random.pick(&self.addresses_v6);
                self.routers.floating_ips.insert(FloatingIpKey { network, address }, value);
                self.states.insert(0);
            }
            let neighbour = Neighbour { mac: mac_of(1, network), kind: neighbour_kind::ROUTER };
            if random.one_in(2) {
                let entry = FdbEntry { kind: target::ROUTER, id: OUTSIDE };
                self.fdb.insert(FdbKey::new(network, neighbour.mac), entry);
                self.neighbours.insert(NeighbourKey { network, address }, neighbour);
            }
        }
    }

    /// Ports of a shared address that lead to instances of this host or to others.
    fn add_forwardings(&mut self, random: &mut Random, interface: u32, (network, address): (u32, [u8; 4])) {
        for _ in 0..random.below(8) {
            let protocol = random.pick(&[1, 6, 6, 17, 17, 33, 132, 136]);
            let bits = random.pick(&[0, 5, 12, 16, 16]);
            let port = random.pick(&PORTS) & !(u16::MAX.checked_shr(u32::from(bits)).unwrap_or(0));
            let inside = random.pick(&self.addresses_v4);
            let other = random.pick(&PORTS);
            let row = Forwarding {
                host: random.pick(&[0, 0, 0, 2]),
                port: random.below(9) as u32,
                inside: inside.0[12..].try_into().expect("four octets"),
                outside_port: port,
                inside_port: random.pick(&[port, other]),
                is_one: random.below(2) as u32,
            };
            self.routers.forwardings.insert(ForwardingKey::new(network, address, protocol, port, bits), row);
            if random.one_in(2) {
                let key = FloatingSourceKey { interface, inside };
                self.routers.floating_sources.insert(key, FloatingSource::default());
            }
        }
    }

    /// Each router's default routes lead to the other.
    fn add_circle(&mut self, random: &mut Random) {
        let network = 1 + random.below(NETWORKS as usize) as u32;
        for router in 1..=ROUTERS {
            let interface = interface_of(router, network);
            let other = 3 - router;
            let defaults = [
                (Address::UNSPECIFIED_V4, 96, own_v4(other, network)),
                (Address::UNSPECIFIED, 0, own_v6(other, network)),
            ];
            for (address, length, gateway) in defaults {
                let route = Route::forward(&[Path { interface, gateway }]);
                self.routers.routes.insert(RouteKey::new(router, address, length), route);
            }
        }
    }

    fn add_router_interface(&mut self, random: &mut Random, (router, network): (u32, u32), has_scopes: bool) {
        let (interface, mac) = (interface_of(router, network), mac_of(router, network));
        let (v4, v6) = (own_v4(router, network), own_v6(router, network));
        // Most clouds know no scopes.
        let mut scoped = 0;
        for family in [family::IPV4, family::IPV6].map(u32::from) {
            if has_scopes && !random.one_in(3) {
                let scope = Scope { scope: [random.below(2) as u8; 16] };
                self.routers.scopes.insert(ScopeKey { interface, family }, scope);
                scoped = router_interface_flag::SCOPED;
            }
        }
        let several = if random.one_in(3) { router_interface_flag::ONE_OF_SEVERAL } else { 0 };
        let row = RouterInterface {
            router,
            network,
            mac,
            mtu: random.pick(&[1450, 1450, 100, 60]),
            address_v4: if random.one_in(8) { [0; 4] } else { std::array::from_fn(|byte| v4.0[12 + byte]) },
            address_v6: if random.one_in(8) { mac.link_local() } else { v6 },
            flags: scoped | several | random.pick(&[0, 0, 0, 0, 0, 0, 1, 1, 3, 3, 2, 5, 7]),
            relay: random.pick(&[0, 0, 0, 0, 0, 0, 0, 1, 2, 9]),
            own_mac: mac,
            ..RouterInterface::default()
        };
        self.routers.interfaces.insert(RouterInterfaceKey { interface }, row);
        self.macs.push(mac);
        self.addresses_v4.push(v4);
        self.addresses_v6.push(v6);
        let entry = FdbEntry { kind: target::ROUTER, id: interface };
        self.fdb.insert(FdbKey::new(network, mac), entry);
        for address in [v4, v6, mac.link_local()] {
            let neighbour = Neighbour { mac, kind: neighbour_kind::ROUTER };
            self.neighbours.insert(NeighbourKey { network, address }, neighbour);
        }
        for address in [v4, v6] {
            self.routers.routes.insert(RouteKey::new(router, address, 128), Route::local());
        }
    }

    /// Instances' addresses that stand for each other, in networks that routers lead to by chance.
    fn add_floating_ips(&mut self, random: &mut Random) {
        for _ in 0..random.pick(&[0, 2, 6, 30]) {
            let (router, network) =
                (1 + random.below(ROUTERS as usize) as u32, 1 + random.below(NETWORKS as usize) as u32);
            let interface =
                if random.one_in(20) { random.below(40) as u32 } else { interface_of(router, network) };
            let [inside, address] = [(); 2].map(|()| random.pick(&self.addresses_v4));
            let flags = random.pick(&[floating_flag::ANSWERED, floating_flag::ANSWERED, 0]);
            let value = FloatingIp { interface, port: random.below(9) as u32, inside, flags };
            self.routers.floating_ips.insert(FloatingIpKey { network, address }, value);
            if !random.one_in(4) {
                let key = FloatingSourceKey { interface, inside };
                self.routers.floating_sources.insert(key, FloatingSource { address });
            }
            let row = self.routers.interfaces.get_mut(&RouterInterfaceKey { interface });
            if let Some(row) = row.filter(|_| random.one_in(3)) {
                row.flags |= router_interface_flag::EXTERNAL;
            }
            let mac = mac_of(router, network);
            if random.one_in(6) {
                let entry = FdbEntry { kind: target::ROUTER, id: OUTSIDE };
                self.fdb.insert(FdbKey::new(network, mac), entry);
                let neighbour = Neighbour { mac, kind: neighbour_kind::ROUTER };
                self.neighbours.insert(NeighbourKey { network, address }, neighbour);
            }
        }
    }

    fn any_route(&self, random: &mut Random, router: u32) -> Route {
        let mut paths = |counts: &[usize]| -> Vec<Path> {
            (0..random.pick(counts)).map(|_| self.any_path(random, router)).collect()
        };
        let (paths, others) = (paths(&[0, 1, 1, 1, 2, 8]), paths(&[0, 0, 1, 3]));
        let route = Route::forward(&paths).or_by(&others);
        match random.below(16) {
            0 => Route { kind: random.pick(&[0, route_kind::LOCAL, 3]), ..route },
            1 => Route { count: random.byte().into(), ..route },
            _ => route,
        }
    }

    fn any_path(&self, random: &mut Random, router: u32) -> Path {
        let network = 1 + random.below(NETWORKS as usize) as u32;
        let gateway = match random.below(8) {
            0 => random.pick(&self.addresses_v4),
            1 => random.pick(&self.addresses_v6),
            2 => own_v4(3 - router, network),
            3 => own_v6(3 - router, network),
            _ => Address::UNSPECIFIED,
        };
        Path {
            interface: interface_of(if random.one_in(20) { 3 - router } else { router }, network),
            gateway,
        }
    }
}

/// A prefix with host bits zero.
fn any_destination(random: &mut Random, router: u32) -> RouteKey {
    let last = random.byte();
    let address = if random.one_in(2) { v4(last) } else { v6(last) };
    let length = match address.is_v4() {
        true => random.pick(&[96, 96, 112, 120, 120, 124, 125, 126, 128]),
        false => random.pick(&[0u8, 0, 64, 64, 120, 124, 125, 126, 128]),
    };
    let mut bytes = address.0;
    for (index, byte) in bytes.iter_mut().enumerate() {
        let kept = u32::from(length).saturating_sub(index as u32 * 8).min(8);
        *byte &= (0xff00_u32 >> kept) as u8;
    }
    RouteKey::new(router, Address(bytes), length)
}
