//! New addresses for a port that has some.

use super::{FixedIpRequest, Holder, add_auto, check_count, claim, release, resolve, routed};
use crate::{Config, Error, slaac, subnet};
use hadron_model::{FixedIp, Mac, Port, Subnet, SubnetId};
use hadron_store::{Stored, Tx};
use std::sync::Arc;

/// What becomes of a port's addresses.
#[derive(Default)]
struct Plan {
    keep: Vec<FixedIp>,
    remove: Vec<FixedIp>,
    add: Vec<FixedIpRequest>,
}

/// Gives `port`, which holds the addresses in its `fixed_ips`, those in `requests` (`None`: the same as before) under the
/// MAC that it has now; `old_mac` is the one that it had. The answer is the new list, IPv4 first.
///
/// An address that is asked for again stays; a request for a subnet takes over an address of that subnet; addresses that
/// the port forms itself stay unless given up by name, and follow its MAC.
pub(crate) fn change(
    tx: &mut Tx,
    config: &Config,
    port: &Port,
    old_mac: Mac,
    requests: Option<&[FixedIpRequest]>,
) -> Result<Vec<FixedIp>, Error> {
    let subnets = subnet::of_network(tx, port.network_id);
    let holder = Holder::of(port);
    let as_before: Vec<FixedIpRequest>;
    let requests = match requests {
        Some(requests) => requests,
        None => {
            as_before = port.fixed_ips.iter().map(same_again).collect();
            &as_before
        }
    };
    let formed = if port.mac_address == old_mac { vec![] } else { formed_by(port, old_mac, &subnets) };
    let plan = plan(port, requests, &formed, &subnets);
    let mut usable: Vec<_> = subnets.into_iter().filter(|subnet| subnet.serves(&port.device_owner)).collect();
    if !plan.add.is_empty() {
        routed::keep_connected(tx.view(), holder, &mut usable)?;
    }
    let mut wanted = resolve(&usable, holder, &plan.add)?;
    let given_up =
        requests.iter().filter(|request| request.delete_subnet).filter_map(|request| request.subnet_id);
    let handled: Vec<SubnetId> = plan.keep.iter().map(|ip| ip.subnet_id).chain(given_up).collect();
    add_auto(&mut wanted, &usable, holder, &handled);
    check_count(config, plan.keep.len() + wanted.len())?;
    for ip in &plan.remove {
        release(tx, ip);
    }
    let mut addresses = plan.keep;
    addresses.extend(claim(tx, holder, wanted)?);
    addresses.sort_by_key(|ip| ip.ip_address.is_ipv6());
    Ok(addresses)
}

fn same_again(ip: &FixedIp) -> FixedIpRequest {
    FixedIpRequest { subnet_id: Some(ip.subnet_id), ip_address: Some(ip.ip_address), delete_subnet: false }
}

/// The addresses that the port formed from `mac`.
fn formed_by(port: &Port, mac: Mac, subnets: &[Arc<Stored<Subnet>>]) -> Vec<FixedIp> {
    let is_formed = |ip: &&FixedIp| {
        subnets.iter().any(|subnet| {
            subnet.id == ip.subnet_id
                && slaac::is_auto_address(subnet)
                && slaac::address(subnet, mac) == Some(ip.ip_address)
        })
    };
    port.fixed_ips.iter().filter(is_formed).copied().collect()
}

/// Sorts the port's addresses and the requests; `formed` follow a MAC that has gone and are replaced.
fn plan(
    port: &Port,
    requests: &[FixedIpRequest],
    formed: &[FixedIp],
    subnets: &[Arc<Stored<Subnet>>],
) -> Plan {
    let mut plan = Plan { remove: formed.to_vec(), ..Plan::default() };
    let mut left: Vec<FixedIp> = port.fixed_ips.iter().filter(|ip| !formed.contains(ip)).copied().collect();
    let asks_for_gone =
        |request: &FixedIpRequest| formed.iter().any(|ip| request.ip_address == Some(ip.ip_address));
    let live = || requests.iter().filter(|request| !request.delete_subnet && !asks_for_gone(request));
    for request in live().filter(|request| request.ip_address.is_some()) {
        let same = |ip: &FixedIp| {
            Some(ip.ip_address) == request.ip_address && request.subnet_id.is_none_or(|id| id == ip.subnet_id)
        };
        match left.iter().position(same) {
            Some(index) => plan.keep.push(left.remove(index)),
            None => plan.add.push(*request),
        }
    }
    for request in live().filter(|request| request.ip_address.is_none()) {
        match left.iter().position(|ip| Some(ip.subnet_id) == request.subnet_id) {
            Some(index) => plan.keep.push(left.remove(index)),
            None => plan.add.push(*request),
        }
    }
    let stays = |ip: &FixedIp| {
        let given_up =
            requests.iter().any(|request| request.delete_subnet && request.subnet_id == Some(ip.subnet_id));
        let is_auto = subnets.iter().any(|s| s.id == ip.subnet_id && slaac::is_auto_address(s));
        is_auto && slaac::applies_to(&port.device_owner) && !given_up
    };
    let (stay, go): (Vec<FixedIp>, Vec<FixedIp>) = left.into_iter().partition(stays);
    plan.keep.extend(stay);
    plan.remove.extend(go);
    plan
}
