//! Which host stands for a router outside: the first in the server's order that is a way to the external network. Every host finds it for itself,
//! from the order and from what it hears of the others; hosts that hear different things for a moment do no harm, since whoever stands
//! for a router only relays. But one that hears no other of three rather believes that it is cut off itself, and stands back.

use super::calculation::{Calculation, Inputs, Provider};
use super::rules::network_of;
use hadron_pipeline::table::{HeardKey, floating_flag};
use hadron_pipeline::{Address, Mac};
use hadron_wire::row::{Gateway, NetworkRow, Prefix, RouterInterfaceRow, Row, RowKey};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Who is to be watched.
pub type Targets = BTreeMap<HeardKey, Target>;

/// Whoever is watched.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Target {
    /// Another host, at the address of the key.
    Host {
        /// Its number.
        number: u32,
        /// VNI by which it is asked.
        vni: u32,
    },
    /// A next hop of routers here, at the address of the key.
    NextHop {
        /// The interface that leads there.
        provider: Provider,
        /// The VLAN, 0 for untagged frames.
        vlan: u32,
    },
}

/// What does not answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outages {
    /// Hosts that are no way to an external network now: number of the network, number of the host.
    pub hosts: BTreeSet<(u32, u32)>,
    /// External networks of which this host hears no next hop.
    pub upstreams: BTreeSet<u32>,
}

impl Outages {
    /// The networks of which the two say different things.
    pub(super) fn difference(&self, other: &Outages) -> BTreeSet<u32> {
        let hosts = self.hosts.symmetric_difference(&other.hosts).map(|(network, _)| *network);
        hosts.chain(self.upstreams.symmetric_difference(&other.upstreams).copied()).collect()
    }
}

/// From so many in an order on, one that hears none of the others is cut off sooner than all of them are gone.
const CROWD: usize = 3;

/// [`floating_flag::ANSWERED`] on the host that stands for a router on a network. When none is a way outside, it is the first.
pub(super) fn answered(inputs: &Inputs, network: u32, gateway: &Gateway, has_provider: bool) -> u32 {
    let own = inputs.host.number;
    let is_way = |host: &u32| match *host == own {
        true => has_provider && !inputs.outages.upstreams.contains(&network),
        false => !inputs.outages.hosts.contains(&(network, *host)),
    };
    let chosen = gateway.hosts.iter().find(|host| is_way(host)).or(gateway.hosts.first());
    let ways = gateway.hosts.iter().filter(|host| is_way(host)).count();
    let is_cut_off = is_way(&own) && ways == 1 && gateway.hosts.len() >= CROWD;
    if has_provider && chosen == Some(&own) && !is_cut_off { floating_flag::ANSWERED } else { 0 }
}

/// This host's own way to a router's external network: the MAC of its interface there. None while it hears of no next hop by that, and another
/// host that stands for the router is a way.
pub(super) fn own_way(inputs: &Inputs, network: &NetworkRow, gateway: &Gateway) -> Option<Mac> {
    let Inputs { host, outages, .. } = inputs;
    let is_other_way =
        |other: &u32| *other != host.number && !outages.hosts.contains(&(network.number, *other));
    let is_dead = outages.upstreams.contains(&network.number)
        && network.vni.is_some()
        && gateway.hosts.iter().any(is_other_way);
    host.segment_of(network).filter(|_| !is_dead).map(|(provider, _)| provider.mac)
}

/// The host by which this one, which has no way of its own to the physical network, sends outside.
pub(super) fn relay(inputs: &Inputs, network: u32, gateway: &Gateway) -> Option<u32> {
    let mut others = gateway.hosts.iter().copied().filter(|host| *host != inputs.host.number);
    let first = others.clone().next();
    others.find(|host| !inputs.outages.hosts.contains(&(network, *host))).or(first)
}

/// Whether what leaves by the router's interface gets anywhere, as far as this host hears. Where nobody watches, it does.
pub(super) fn is_way(inputs: &Inputs, router: u32, port: u32) -> bool {
    let Some(Row::RouterInterface(row)) = inputs.rows.get(&RowKey::RouterInterface { router, port }) else {
        return true;
    };
    let (Some(gateway), Some(network)) = (&row.gateway, network_of(inputs, row.network)) else { return true };
    let Inputs { host, outages, .. } = inputs;
    let is_own = host.segment_of(network).is_some() && !outages.upstreams.contains(&row.network);
    let is_other = |other: &u32| *other != host.number && !outages.hosts.contains(&(row.network, *other));
    is_own || gateway.hosts.iter().any(is_other)
}

/// The rows of a router's default routes.
pub(super) fn ways_of(router: u32) -> [RowKey; 2] {
    let v4 = Prefix { address: Ipv4Addr::UNSPECIFIED.to_ipv6_mapped(), length: 96 };
    let v6 = Prefix { address: Ipv6Addr::UNSPECIFIED, length: 0 };
    [v4, v6].map(|destination| RowKey::Route { router, destination })
}

impl Calculation {
    /// Whom this host has to watch, as one that stands for routers or sends by those who do.
    pub fn targets(&self) -> Targets {
        let mut targets = Targets::new();
        for row in self.attached_rows() {
            let Row::RouterInterface(row @ RouterInterfaceRow { network, gateway: Some(gateway), .. }) = row
            else {
                continue;
            };
            let Some(network) = network_of(self.inputs(), *network) else { continue };
            let segment = self.host().segment_of(network);
            let (is_watched, next_hops) = self.next_hops(row);
            let watches = is_watched || gateway.hosts.contains(&self.host().number);
            if watches || segment.is_none() {
                targets.extend(gateway.hosts.iter().filter_map(|host| self.host_target(network, *host)));
            }
            if let (Some((provider, vlan)), true) = (segment, watches) {
                let keys = next_hops.into_iter().map(|address| HeardKey { network: network.number, address });
                targets.extend(keys.map(|key| (key, Target::NextHop { provider, vlan })));
            }
        }
        targets
    }

    fn host_target(&self, network: &NetworkRow, host: u32) -> Option<(HeardKey, Target)> {
        let key = RowKey::Presence { network: network.number, host };
        let Row::Presence(presence) = self.rows().get(&key)? else { return None };
        let key = HeardKey { network: network.number, address: presence.underlay.into() };
        let target = Target::Host { number: host, vni: network.vni? };
        (host != self.host().number).then_some((key, target))
    }

    /// Where a router sends what leaves by an interface for everywhere, and whether every host that sends there watches it.
    fn next_hops(&self, row: &RouterInterfaceRow) -> (bool, Vec<Address>) {
        let routes = ways_of(row.router).into_iter().filter_map(|key| match self.rows().get(&key) {
            Some(Row::Route(route)) => Some(route),
            _ => None,
        });
        let (mut is_watched, mut next_hops) = (false, Vec::new());
        for route in routes {
            let paths = route.paths.iter().chain(&route.others).filter(|path| path.port == row.port);
            next_hops.extend(paths.map(|path| Address::from(path.gateway)));
            is_watched |= route.is_watched;
        }
        (is_watched, next_hops)
    }
}
