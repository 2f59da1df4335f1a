//! Routes among the subnets of a routed network: one of a segment leads to those of the other segments by its gateway. They stand
//! among its `host_routes`, where everybody sees them (Neutron's extension `segments-peer-subnet-host-routes`).

use super::of_network;
use crate::steps::{self, BATCH};
use crate::{Config, Error, Step, stamp};
use hadron_model::{HostRoute, IpNet, Network, NetworkId, Subnet};
use hadron_store::{CommitInfo, Store, Stored, Tx};
use std::sync::Arc;

/// Those on other segments, of the subnet's family.
fn peers(tx: &Tx, subnet: &Subnet) -> Vec<Arc<Stored<Subnet>>> {
    let mut peers = of_network(tx, subnet.network_id);
    peers.retain(|peer| peer.id != subnet.id && are_peers(peer, subnet));
    peers
}

fn are_peers(one: &Subnet, other: &Subnet) -> bool {
    one.segment_id != other.segment_id && one.cidr.addr().is_ipv6() == other.cidr.addr().is_ipv6()
}

/// The route to a peer, if the subnet has a gateway.
fn route_to(subnet: &Subnet, peer: IpNet) -> Option<HostRoute> {
    subnet.gateway_ip.map(|nexthop| HostRoute { destination: peer, nexthop })
}

/// Adds the routes to peers that no route of the subnet's covers, as many as a subnet may have.
pub(super) fn complete(tx: &Tx, config: &Config, subnet: &mut Subnet) {
    for peer in peers(tx, subnet) {
        let is_covered = subnet.host_routes.iter().any(|route| route.destination.contains(&peer.cidr));
        if !is_covered && subnet.host_routes.len() < config.max_subnet_host_routes {
            subnet.host_routes.extend(route_to(subnet, peer.cidr));
        }
    }
}

/// Brings a changed subnet's routes in line with its gateway and what was asked for.
pub(super) fn follow(tx: &Tx, config: &Config, old: &Subnet, subnet: &mut Subnet) {
    let is_changed = subnet.gateway_ip != old.gateway_ip || subnet.host_routes != old.host_routes;
    if subnet.segment_id.is_none() || !is_changed {
        return;
    }
    if subnet.gateway_ip != old.gateway_ip {
        let stale: Vec<_> = peers(tx, subnet).iter().filter_map(|peer| route_to(old, peer.cidr)).collect();
        subnet.host_routes.retain(|route| !stale.contains(route));
    }
    complete(tx, config, subnet);
}

/// Gives some subnets of a network the routes to peers that they lack. Nothing is left to do if there is no such network.
fn fill(tx: &mut Tx, config: &Config, network: NetworkId) -> Result<Step<()>, Error> {
    // Guarded: who changes a network's subnets writes it.
    if tx.get::<Network>(&network).is_none() {
        return Ok(Step::Done(()));
    }
    let completed = |old: &Arc<Stored<Subnet>>| {
        let mut subnet = old.value.clone();
        complete(tx, config, &mut subnet);
        (subnet != old.value).then_some(subnet)
    };
    let lacking: Vec<Subnet> = of_network(tx, network).iter().filter_map(completed).take(BATCH + 1).collect();
    let is_last = lacking.len() <= BATCH;
    lacking.into_iter().take(BATCH).for_each(|subnet| write(tx, subnet));
    Ok(if is_last { Step::Done(()) } else { Step::More })
}

fn write(tx: &mut Tx, mut subnet: Subnet) {
    stamp::touch(tx, &mut subnet);
    tx.put(subnet);
}

/// Gives the peers of a subnet that has come their route to it: as many as fit in its transaction, the rest by [`fill_all`].
pub(super) fn announce(tx: &mut Tx, config: &Config, subnet: &Subnet) -> Result<(), Error> {
    if subnet.segment_id.is_some() {
        fill(tx, config, subnet.network_id)?;
    }
    Ok(())
}

/// Gives all subnets of a network their routes to each other.
pub async fn fill_all(
    store: &Store,
    info: &CommitInfo,
    config: &Config,
    network: NetworkId,
) -> Result<(), Error> {
    steps::run(store, info, |tx| fill(tx, config, network)).await.map(|_| ())
}

/// Takes from some peers of a subnet that goes their route to it; whether none is left that has one.
pub(super) fn withdraw(tx: &mut Tx, subnet: &Subnet) -> bool {
    let leading = leading_to(tx, subnet);
    let is_last = leading.len() <= BATCH;
    for mut peer in leading.into_iter().take(BATCH) {
        let route = route_to(&peer, subnet.cidr);
        peer.host_routes.retain(|other| Some(*other) != route);
        write(tx, peer);
    }
    is_last
}

/// Leads the peers' routes to the prefix that an enlarged subnet has now.
pub(super) fn lead_on(tx: &mut Tx, old: &Subnet, cidr: IpNet) -> Result<(), Error> {
    let leading = leading_to(tx, old);
    if leading.len() > BATCH {
        return Err(Error::InvalidInput(format!(
            "the subnet can't be enlarged: more than {BATCH} subnets of its network have a route to it"
        )));
    }
    for mut peer in leading {
        let route = route_to(&peer, old.cidr);
        for other in peer.host_routes.iter_mut().filter(|other| Some(**other) == route) {
            other.destination = cidr;
        }
        write(tx, peer);
    }
    Ok(())
}

/// The subnets of the network that lead to a subnet by their gateway.
fn leading_to(tx: &Tx, subnet: &Subnet) -> Vec<Subnet> {
    let leads = |peer: &&Arc<Stored<Subnet>>| {
        route_to(peer, subnet.cidr).is_some_and(|route| peer.host_routes.contains(&route))
    };
    peers(tx, subnet).iter().filter(leads).map(|peer| peer.value.clone()).collect()
}
