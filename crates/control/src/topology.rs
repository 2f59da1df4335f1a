//! Automatic topologies: a project that asks for a network gets one with subnets of the default pools and a router to the default
//! external network. The same one each time, made in one transaction; nothing of it is left if a part can't be had.

use crate::network::{self, NewNetwork};
use crate::rbac::{self, Reliance};
use crate::router::{self, Attachment, Detachment, GatewayRequest, NewRouter};
use crate::segment::Provider;
use crate::subnet::{self, Gateway, NewSubnet, Prefix};
use crate::{Config, Error, PoolError, RouterError, Step, TopologyError};
use hadron_model::{
    AutoTopology, DefaultNetwork, IpVersion, Network, NetworkId, Router, RouterId, Shareable, Subnet,
    SubnetId, SubnetPool,
};
use hadron_store::{Snapshot, Tx};

/// Whether automatic topologies lead to the network.
pub fn is_default(view: &Snapshot, network: NetworkId) -> bool {
    view.has::<DefaultNetwork>(&network) && view.is_external(network)
}

/// Makes an external network the default one, or no longer; of others nothing is noted. Whether that was a change.
pub(crate) fn set_default(tx: &mut Tx, network: NetworkId, is_default: bool) -> Result<bool, Error> {
    if !tx.view().is_external(network) || self::is_default(tx.view(), network) == is_default {
        return Ok(false);
    }
    if !is_default {
        tx.delete::<DefaultNetwork>(&network);
        return Ok(true);
    }
    // Another server may make another one the default.
    tx.guard_range::<DefaultNetwork>(());
    if let Some(other) = default_network(tx.view()) {
        return Err(TopologyError::DefaultNetworkExists(other).into());
    }
    let stale: Vec<NetworkId> = tx.view().iter::<DefaultNetwork>().map(|it| it.network_id).collect();
    for id in stale {
        tx.delete::<DefaultNetwork>(&id);
    }
    tx.put(DefaultNetwork { network_id: network });
    Ok(true)
}

fn default_network(view: &Snapshot) -> Option<NetworkId> {
    let mut all = view.iter::<DefaultNetwork>().map(|it| it.network_id);
    all.find(|id| is_default(view, *id))
}

/// The default pools that a project may use, IPv4 first.
fn default_pools(view: &Snapshot, project: &str) -> Vec<SubnetPool> {
    let pools =
        [IpVersion::V4, IpVersion::V6].into_iter().filter_map(|version| view.default_subnet_pool(version));
    pools
        .filter(|pool| rbac::may_use(view, Shareable::SubnetPool(pool.id), project))
        .map(|pool| pool.value.clone())
        .collect()
}

/// What a topology of a project would be made of, if it can be: the way out and the pools.
pub fn check(view: &Snapshot, project: &str) -> Result<(NetworkId, Vec<SubnetPool>), TopologyError> {
    let outside = default_network(view).ok_or(TopologyError::NoDefaultNetwork)?;
    let pools = default_pools(view, project);
    if pools.is_empty() {
        return Err(TopologyError::NoDefaultPools);
    }
    Ok((outside, pools))
}

/// The network of a project's topology, if it has one.
pub fn find(view: &Snapshot, project: &str) -> Option<NetworkId> {
    let topology = view.get::<AutoTopology>(&project.to_owned())?;
    view.has::<Network>(&topology.network_id).then_some(topology.network_id)
}

/// The network of a project's topology, made if it has none.
pub fn provide(tx: &mut Tx, config: &Config, project: &str) -> Result<NetworkId, Error> {
    // Guarded: another server may make one.
    tx.get::<AutoTopology>(&project.to_owned());
    if let Some(network) = find(tx.view(), project) {
        return Ok(network);
    }
    let (outside, pools) = check(tx.view(), project)?;
    let (network, subnets) = make_network(tx, config, project, &pools).map_err(in_network)?;
    let router = make_router(tx, config, project, outside, &subnets).map_err(in_router)?;
    tx.put(AutoTopology { project_id: project.to_owned(), network_id: network, router_id: router });
    Ok(network)
}

/// Deletes a project's topology, if it has one. Ports of the project's on its network keep it.
pub fn delete(tx: &mut Tx, config: &Config, project: &str) -> Result<Step<()>, Error> {
    let key = project.to_owned();
    let Some(topology) = tx.get::<AutoTopology>(&key).map(|topology| topology.value.clone()) else {
        return Ok(Step::Done(()));
    };
    if tx.view().has::<Router>(&topology.router_id) {
        let subnets: Vec<SubnetId> =
            tx.view().subnets_of(topology.network_id).map(|subnet| subnet.id).collect();
        for subnet in subnets {
            let what = Detachment { port: None, subnet: Some(subnet) };
            match router::detach(tx, config, topology.router_id, what, None) {
                Ok(_) | Err(Error::Router(RouterError::InterfaceNotFoundForSubnet { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        router::delete(tx, topology.router_id, None)?;
    }
    if tx.view().has::<Network>(&topology.network_id)
        && network::delete(tx, config, topology.network_id, None)? == Step::More
    {
        return Ok(Step::More);
    }
    tx.delete::<AutoTopology>(&key);
    Ok(Step::Done(()))
}

fn make_network(
    tx: &mut Tx,
    config: &Config,
    project: &str,
    pools: &[SubnetPool],
) -> Result<(NetworkId, Vec<SubnetId>), Error> {
    let new = NewNetwork {
        project_id: project.to_owned(),
        name: "auto_allocated_network".to_owned(),
        description: String::new(),
        admin_state_up: true,
        shared: false,
        external: false,
        is_default: false,
        mtu: 0,
        port_security_enabled: true,
        privacy_addresses: false,
        availability_zone_hints: vec![],
        segments: vec![Provider::default()],
        dns_domain: String::new(),
    };
    let network = network::create(tx, config, &new)?.id;
    let mut subnets = Vec::with_capacity(pools.len());
    for pool in pools {
        let made: Subnet = subnet::create(tx, config, &new_subnet(network, project, pool))?;
        subnets.push(made.id);
    }
    Ok((network, subnets))
}

fn new_subnet(network_id: NetworkId, project: &str, pool: &SubnetPool) -> NewSubnet {
    NewSubnet {
        network_id,
        project_id: project.to_owned(),
        name: format!("auto_allocated_subnet_v{}", pool.ip_version.number()),
        description: String::new(),
        ip_version: pool.ip_version.number(),
        prefix: Prefix::OfPool { pool: pool.id, cidr: None, length: None },
        gateway: Gateway::First,
        allocation_pools: None,
        dns_nameservers: vec![],
        host_routes: vec![],
        enable_dhcp: true,
        ipv6_ra_mode: None,
        ipv6_address_mode: None,
        service_types: vec![],
        dns_publish_fixed_ip: false,
        segment_id: None,
        relies_on: vec![Reliance { object: Shareable::SubnetPool(pool.id), project: project.to_owned() }],
    }
}

fn make_router(
    tx: &mut Tx,
    config: &Config,
    project: &str,
    outside: NetworkId,
    subnets: &[SubnetId],
) -> Result<RouterId, Error> {
    let new = NewRouter {
        project_id: project.to_owned(),
        name: "auto_allocated_router".to_owned(),
        description: String::new(),
        admin_state_up: true,
        gateway: Some(GatewayRequest { network_id: outside, enable_snat: None, fixed_ips: vec![] }),
        distributed: None,
        ha: None,
        default_route_ecmp: None,
        default_route_bfd: None,
        availability_zone_hints: vec![],
    };
    let router = router::create(tx, config, &new)?.id;
    for &id in subnets {
        let what = Attachment::Subnet { id, may_be_foreign: false, project: project.to_owned() };
        router::attach(tx, config, router, &what, None)?;
    }
    Ok(router)
}

/// What of the deployment keeps the network from being made is its error; quotas are the project's.
fn in_network(error: Error) -> Error {
    match error {
        Error::Pool(PoolError::PoolQuotaExceeded) => error,
        Error::Pool(_) | Error::BadRequest { .. } | Error::InvalidInput(_) => {
            TopologyError::Network(error.to_string()).into()
        }
        other => other,
    }
}

fn in_router(error: Error) -> Error {
    match error {
        Error::BadRequest { .. } | Error::InvalidInput(_) => TopologyError::Router(error.to_string()).into(),
        other => other,
    }
}
