//! What of other projects depends on a policy.

use super::owner_of;
use crate::{Error, SharingError, topology};
use hadron_model::{
    Access, DefaultNetwork, NetworkId, Port, RbacPolicy, Router, RouterId, SecurityGroupRule, Shareable,
    Target,
};
use hadron_store::{MacClaim, Tx};
use std::collections::BTreeSet;

/// Refuses to take a policy from its target while something depends on it. `new` is the target that takes its place, if any.
pub(super) fn check_unused(tx: &mut Tx, policy: &RbacPolicy, new: Option<&Target>) -> Result<(), Error> {
    if is_of_default_network(tx, policy) {
        let details = "the default external network is everyone's".to_owned();
        return Err(SharingError::PolicyInUse { object: policy.object, details }.into());
    }
    let in_use = match policy.access {
        Access::Shared => is_shared_in_use(tx, policy, new),
        Access::External => is_external_in_use(tx, policy, new),
    };
    if !in_use {
        return Ok(());
    }
    let details = format!("what '{}' has depends on it", policy.target.as_str());
    Err(SharingError::PolicyInUse { object: policy.object, details }.into())
}

/// Whether the policy lets everyone use the network that automatic topologies lead to.
fn is_of_default_network(tx: &mut Tx, policy: &RbacPolicy) -> bool {
    match (policy.object, policy.access, &policy.target) {
        (Shareable::Network(network), Access::External, Target::Everyone) => {
            // Guarded: another server may make it the default one.
            tx.get::<DefaultNetwork>(&network);
            topology::is_default(tx.view(), network)
        }
        _ => false,
    }
}

/// Refuses while a router has a gateway on the network.
pub(crate) fn check_no_gateways(tx: &mut Tx, network: NetworkId) -> Result<(), Error> {
    // A gateway made meanwhile by another server takes a MAC of the network.
    tx.guard_range::<MacClaim>(network);
    let is_gateway = |port: &Port| port.device_owner == hadron_model::router::DEVICE_OWNER_ROUTER_GATEWAY;
    if tx.view().ports_of_network(network).any(|port| is_gateway(port)) {
        return Err(SharingError::ExternalNetworkInUse(network).into());
    }
    Ok(())
}

fn is_shared_in_use(tx: &mut Tx, policy: &RbacPolicy, new: Option<&Target>) -> bool {
    let object = policy.object;
    let owner = owner_of(tx, object);
    if owner.as_deref() == Some(policy.target.as_str()) {
        return false;
    }
    // Of a network, Neutron asks also when everyone takes the target's place.
    if new == Some(&Target::Everyone) && !matches!(object, Shareable::Network(_)) {
        return false;
    }
    let mut dependents = dependents(tx, object);
    dependents.retain(|project| Some(project) != owner.as_ref());
    match &policy.target {
        Target::Project(project) => {
            tx.view().rbac_policy(object, Access::Shared, &Target::Everyone).is_none()
                && dependents.contains(project)
        }
        Target::Everyone => {
            let has_own = |project: &String| {
                let target = Target::Project(project.clone());
                tx.view().rbac_policy(object, Access::Shared, &target).is_some()
            };
            !dependents.iter().all(has_own)
        }
    }
}

/// The projects whose objects use this one. What comes meanwhile makes the transaction run again.
fn dependents(tx: &mut Tx, object: Shareable) -> BTreeSet<String> {
    match object {
        Shareable::Network(_) => {}
        Shareable::SecurityGroup(_) => tx.guard_range::<Port>(()),
        Shareable::AddressGroup(_) => tx.guard_range::<SecurityGroupRule>(()),
        // Whoever begins to use these writes them.
        Shareable::AddressScope(_) | Shareable::SubnetPool(_) => {}
    }
    if let Shareable::Network(network) = object {
        tx.guard_range::<MacClaim>(network);
    }
    let view = tx.view();
    match object {
        // Ports of nobody belong to routers.
        Shareable::Network(id) => {
            let projects = view.ports_of_network(id).map(|it| it.project_id.clone());
            projects.filter(|project| !project.is_empty()).collect()
        }
        Shareable::SecurityGroup(id) => view.ports_of_group(id).map(|it| it.project_id.clone()).collect(),
        Shareable::AddressGroup(id) => {
            view.rules_by_address_group(id).map(|it| it.project_id.clone()).collect()
        }
        Shareable::AddressScope(id) => {
            view.subnet_pools_of_scope(id).map(|it| it.project_id.clone()).collect()
        }
        Shareable::SubnetPool(id) => {
            let ports = view.delegations_of_pool(id).map(|it| it.project_id.clone());
            ports.chain(view.subnets_of_pool(id).map(|it| it.project_id.clone())).collect()
        }
    }
}

/// Whether routers have a gateway on the network that rests on the policy.
fn is_external_in_use(tx: &mut Tx, policy: &RbacPolicy, new: Option<&Target>) -> bool {
    let Shareable::Network(network) = policy.object else { return false };
    tx.guard_range::<MacClaim>(network);
    let owner = owner_of(tx, policy.object);
    let view = tx.view();
    let is_covered = |project: &str| {
        let by = |target: &Target| {
            *target != policy.target && view.rbac_policy(policy.object, Access::External, target).is_some()
        };
        by(&Target::Everyone)
            || by(&Target::Project(project.to_owned()))
            || new.is_some_and(|new| *new == Target::Everyone || new.as_str() == project)
            || owner.as_deref() == Some(project)
    };
    let routers: Vec<RouterId> = view.routers_on(network).collect();
    let mut attached = routers
        .iter()
        .filter_map(|id| view.get::<Router>(id))
        .filter(|router| router.gateway_on(network).is_some())
        .map(|router| router.project_id.as_str());
    match &policy.target {
        Target::Everyone => attached.any(|project| !is_covered(project)),
        Target::Project(target) => attached.any(|project| project == target && !is_covered(project)),
    }
}
