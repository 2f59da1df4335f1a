//! Routers outside: the hosts that stand for them there, and the ports of their addresses that hosts may use.
//!
//! Both are of a router's port on an external network, and go after it: a port's id is never used again, so what is left of a router that is
//! gone harms nobody until it is cleared away.

use crate::Error;
use crate::steps::BATCH;
use hadron_model::nat::{MOST_BLOCKS, MOST_SLOTS, PORT_BLOCKS, SLOTS};
use hadron_model::{
    Gateway, GatewayHosts, Host, HostNumber, Network, NetworkId, Port, PortId, PortLease, PortNumber, Router,
    RouterPortRole, Timestamp,
};
use hadron_store::{Revision, Snapshot, Tx};
use std::collections::{BTreeSet, HashMap};

/// Hosts that stand for a router: one that does, and those that take over.
pub const GATEWAYS: usize = 3;

/// Gives a host blocks of a router's ports until it has `wanted`, by the number of the router's port outside. How many it got: fewer, or none,
/// when it has them already, when they run out, or when the router doesn't share its address. What it has that ends stays, and counts. A host that
/// has some gets at most half of what is left.
pub fn lease(tx: &mut Tx, host: &str, interface: u32, wanted: usize) -> Result<usize, Error> {
    let Some(mut lease) = held(tx, host, interface)? else { return Ok(0) };
    let missing = wanted.min(MOST_BLOCKS).saturating_sub(lease.blocks_in_force().len());
    let stays: Vec<u16> = lease.blocks.iter().copied().filter(|block| lease.ending.contains(block)).collect();
    let kept = keep(&mut lease, &stays[..stays.len().min(missing)]);
    let taken: BTreeSet<u16> =
        leases_of(tx.view(), lease.port_id).flat_map(|lease| lease.blocks.iter().copied()).collect();
    let free = PORT_BLOCKS.len() - taken.len();
    let share = if lease.blocks.is_empty() { free } else { free.div_ceil(2) };
    let count = (missing - kept).min(share);
    lease.blocks.extend(PORT_BLOCKS.filter(|block| !taken.contains(block)).take(count));
    if kept + count > 0 {
        tx.put(lease);
    }
    Ok(kept + count)
}

/// Gives a host slots of a router's address, by the number of the router's port outside. How many it got: none that another host has, none
/// beyond [`MOST_SLOTS`], and none while as many end. Those that it has and that end stay.
pub fn lease_slots(tx: &mut Tx, host: &str, interface: u32, wanted: &[u16]) -> Result<usize, Error> {
    let Some(mut lease) = held(tx, host, interface)? else { return Ok(0) };
    let kept = keep(&mut lease, wanted);
    let taken: BTreeSet<u16> =
        leases_of(tx.view(), lease.port_id).flat_map(|lease| lease.slots.iter().copied()).collect();
    let free = wanted.iter().copied().filter(|slot| SLOTS.contains(slot) && !taken.contains(slot));
    let in_force = MOST_SLOTS.saturating_sub(lease.slots_in_force().len());
    let room = in_force.min((2 * MOST_SLOTS).saturating_sub(lease.slots.len()));
    let slots: BTreeSet<u16> = free.take(room).collect();
    lease.slots.extend(&slots);
    if kept + slots.len() > 0 {
        tx.put(lease);
    }
    Ok(kept + slots.len())
}

/// Lets numbers of a lease that end stay after all: until it has ended they are its host's alone. How many there were.
fn keep(lease: &mut PortLease, numbers: &[u16]) -> usize {
    let before = lease.ending.len();
    lease.ending.retain(|number| !numbers.contains(number));
    before - lease.ending.len()
}

/// Begins to end slots that a host no longer needs, by the number of the router's port outside: they are in no row of its any more, and free
/// with [`end`]. How many it had.
pub fn give_back(tx: &mut Tx, host: &str, interface: u32, slots: &[u16]) -> usize {
    let Some(port) = tx.view().port_by_number(PortNumber(interface)).map(|port| port.id) else { return 0 };
    let Some(host) = tx.view().get::<Host>(&host.to_owned()).map(|host| host.number) else { return 0 };
    let Some(mut lease) = tx.get::<PortLease>(&(port, host)).map(|stored| stored.value.clone()) else {
        return 0;
    };
    let ending: BTreeSet<u16> =
        lease.slots_in_force().into_iter().filter(|slot| slots.contains(slot)).collect();
    if !ending.is_empty() {
        lease.ending.extend(&ending);
        tx.put(lease);
    }
    ending.len()
}

/// Begins to end whole leases, as of hosts that no longer reach the router.
pub fn give_up(tx: &mut Tx, leases: &[(PortId, HostNumber)]) {
    for key in leases.iter().take(BATCH) {
        let Some(mut lease) = tx.get::<PortLease>(key).map(|stored| stored.value.clone()) else { continue };
        let ending: Vec<u16> = lease.blocks.iter().chain(&lease.slots).copied().collect();
        if ending.len() > lease.ending.len() {
            lease.ending = ending;
            tx.put(lease);
        }
    }
}

/// Ends what ends of leases, and with the last of it the lease. From here on it may be another host's, so their hosts must have in force what
/// the rows say since `modified`, when the lease was last written; one that was written again stays as it is.
pub fn end(tx: &mut Tx, leases: &[((PortId, HostNumber), Revision)]) {
    for (key, modified) in leases.iter().take(BATCH) {
        let Some(stored) = tx.get::<PortLease>(key).filter(|stored| stored.modified == *modified) else {
            continue;
        };
        let (blocks, slots) = (stored.blocks_in_force(), stored.slots_in_force());
        if blocks.is_empty() && slots.is_empty() {
            tx.delete::<PortLease>(key);
        } else {
            tx.put(PortLease { blocks, slots, ending: Vec::new(), ..stored.value.clone() });
        }
    }
}

/// What a host has of a router's address, by the number of the router's port outside, guarded against every other lease of that; `None` if
/// the router doesn't share the address.
fn held(tx: &mut Tx, host: &str, interface: u32) -> Result<Option<PortLease>, Error> {
    let Some(port) = tx.view().port_by_number(PortNumber(interface)).map(|port| port.id) else {
        return Ok(None);
    };
    let host = tx.get::<Host>(&host.to_owned()).ok_or_else(|| Error::HostUnknown(host.to_owned()))?.number;
    if !shares_address(tx, port) {
        return Ok(None);
    }
    tx.guard_range::<PortLease>(port);
    let lease = tx.get::<PortLease>(&(port, host)).map(|stored| stored.value.clone());
    let none =
        || PortLease { port_id: port, host, blocks: Vec::new(), slots: Vec::new(), ending: Vec::new() };
    Ok(Some(lease.unwrap_or_else(none)))
}

/// Whether the port is a router's on an external network, which leaves with that port's IPv4 address.
fn shares_address(tx: &mut Tx, port: PortId) -> bool {
    let Some(port) = tx.get::<Port>(&port) else { return false };
    let Some((router, RouterPortRole::Gateway)) = port.router() else { return false };
    let has_address = port.fixed_ips.iter().any(|fixed| fixed.ip_address.is_ipv4());
    let router = tx.get::<Router>(&router);
    let gateway = router.as_ref().and_then(|router| router.gateways.iter().find(|it| it.port_id == port.id));
    has_address && gateway.is_some_and(|gateway| gateway.enable_snat)
}

/// The leases of a router's ports, by host.
pub fn leases_of(view: &Snapshot, port: PortId) -> impl Iterator<Item = &PortLease> {
    let first = (port, HostNumber(0));
    view.iter_from::<PortLease>(first)
        .map(|lease| &lease.value)
        .take_while(move |lease| lease.port_id == port)
}

/// Chooses the hosts that stand for a router at its port outside, among those with an interface to the physical network: those that do so
/// stay, in their order, and go when they are not heard of, unless nobody is; others come by how few they stand for first. Whether that
/// changed anything.
///
/// Who is known to be gone must not be among them: one of three that hears neither of the others believes that it is cut off itself.
pub fn choose_hosts(tx: &mut Tx, port: PortId) -> bool {
    let now = tx.info().time;
    let old = tx.get::<GatewayHosts>(&port).map(|stored| stored.value.clone());
    let Some(network) = tx.view().get::<Port>(&port).map(|port| port.network_id) else { return false };
    let candidates = Candidates::on(tx.view(), network, now);
    let hosts = candidates.stand_for(tx.view(), old.as_ref());
    let is_same = old.as_ref().map_or(hosts.is_empty(), |old| old.hosts == hosts);
    if !is_same {
        let epoch = old.map_or(1, |old| old.epoch + 1);
        tx.put(GatewayHosts { port_id: port, hosts, epoch });
    }
    !is_same
}

/// The router's ports outside whose hosts are not those that they should be.
pub fn misplaced(view: &Snapshot, now: Timestamp) -> Vec<PortId> {
    let mut candidates = HashMap::new();
    let gateways = view.iter::<Router>().flat_map(|router| router.gateways.iter());
    let is_misplaced = |gateway: &&Gateway| {
        let network = gateway.network_id;
        let candidates = candidates.entry(network).or_insert_with(|| Candidates::on(view, network, now));
        let old = view.get::<GatewayHosts>(&gateway.port_id).map(|stored| &stored.value);
        candidates.stand_for(view, old) != old.map_or(&[][..], |old| &old.hosts)
    };
    gateways.filter(is_misplaced).map(|gateway| gateway.port_id).collect()
}

/// Forgets the hosts of a port that goes.
pub(crate) fn forget(tx: &mut Tx, port: PortId) {
    tx.delete::<GatewayHosts>(&port);
}

/// The hosts with an interface to a network's physical network.
struct Candidates {
    alive: BTreeSet<HostNumber>,
    dead: BTreeSet<HostNumber>,
}

impl Candidates {
    /// None for a network that is in no physical one.
    fn on(view: &Snapshot, network: NetworkId, now: Timestamp) -> Self {
        let network = view.get::<Network>(&network).filter(|network| network.segment.physical().is_some());
        let hosts = network.into_iter().flat_map(|network| {
            view.iter::<Host>().filter(|host| host.reaches(&network.segment)).map(|host| &host.value)
        });
        let (alive, dead): (Vec<_>, Vec<_>) = hosts.partition(|host| is_heard(view, host, now));
        let numbers = |hosts: Vec<&Host>| hosts.into_iter().map(|host| host.number).collect();
        Self { alive: numbers(alive), dead: numbers(dead) }
    }

    /// Those that are to stand for a router for which `old` do.
    fn stand_for(&self, view: &Snapshot, old: Option<&GatewayHosts>) -> Vec<HostNumber> {
        let stays = |among: &BTreeSet<HostNumber>| {
            let old = old.map_or(&[][..], |old| &old.hosts).iter().copied();
            old.filter(|host| among.contains(host)).collect::<Vec<_>>()
        };
        let mut hosts = stays(&self.alive);
        if hosts.len() < GATEWAYS && hosts.len() < self.alive.len() {
            let load = load(view);
            let mut others: Vec<_> =
                self.alive.iter().copied().filter(|host| !hosts.contains(host)).collect();
            others.sort_by_key(|host| (load.get(host).copied().unwrap_or(0), *host));
            hosts.extend(others.into_iter().take(GATEWAYS - hosts.len()));
        }
        if hosts.is_empty() { stays(&self.dead) } else { hosts }
    }
}

/// Whether the host's node was heard of late; one that was never heard has just joined.
pub fn is_heard(view: &Snapshot, host: &Host, now: Timestamp) -> bool {
    let mut agents = view.agents_of_host(&host.name).peekable();
    agents.peek().is_none() || agents.any(|agent| agent.is_alive(now))
}

/// For how many routers each host stands first.
fn load(view: &Snapshot) -> HashMap<HostNumber, usize> {
    let mut load = HashMap::new();
    for first in view.iter::<GatewayHosts>().filter_map(|it| it.hosts.first()) {
        *load.entry(*first).or_default() += 1;
    }
    load
}
