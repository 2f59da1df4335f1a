//! How much a project may have.
//!
//! The deployment has limits ([`Quotas`](crate::Quotas)), of which an administrator may make exceptions for a project. What a project has is
//! counted in the indexes. A limit holds whatever happens at the same time: who creates something that is counted takes a
//! turn of its project and kind, so that nobody counts what another server is adding to.

use crate::{Config, Error, ObjectError};
use hadron_model::ProjectQuota;
use hadron_store::{Snapshot, Tx};
use std::collections::BTreeMap;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Counted {
    /// Networks.
    Network,
    /// Subnets.
    Subnet,
    /// Ports.
    Port,
    /// Security groups.
    SecurityGroup,
    /// Security groups' rules.
    SecurityGroupRule,
    /// Address groups.
    AddressGroup,
    /// Routers.
    Router,
    /// Extra routes of one router.
    RouterRoute,
    /// Floating IPs.
    FloatingIp,
    /// Policies that share objects.
    RbacPolicy,
    /// Subnet pools.
    SubnetPool,
}

impl Counted {
    /// The kinds whose limits the API shows, in its order. Neutron does not count address groups.
    pub const SHOWN: [Counted; 10] = [
        Counted::Network,
        Counted::Subnet,
        Counted::SubnetPool,
        Counted::Port,
        Counted::RouterRoute,
        Counted::Router,
        Counted::FloatingIp,
        Counted::RbacPolicy,
        Counted::SecurityGroup,
        Counted::SecurityGroupRule,
    ];

    /// The API's name.
    pub fn name(self) -> &'static str {
        match self {
            Counted::Network => "network",
            Counted::Subnet => "subnet",
            Counted::Port => "port",
            Counted::SecurityGroup => "security_group",
            Counted::SecurityGroupRule => "security_group_rule",
            Counted::AddressGroup => "address_group",
            Counted::Router => "router",
            Counted::RouterRoute => "router_route",
            Counted::FloatingIp => "floatingip",
            Counted::RbacPolicy => "rbac_policy",
            Counted::SubnetPool => "subnetpool",
        }
    }

    /// The deployment's limit; `None` is no limit.
    pub fn default_limit(self, config: &Config) -> Option<usize> {
        let quotas = &config.quotas;
        match self {
            Counted::Network => quotas.network,
            Counted::Subnet => quotas.subnet,
            Counted::Port => quotas.port,
            Counted::SecurityGroup => quotas.security_group,
            Counted::SecurityGroupRule => quotas.security_group_rule,
            Counted::AddressGroup => quotas.address_group,
            Counted::Router => quotas.router,
            Counted::RouterRoute => quotas.router_route,
            Counted::FloatingIp => quotas.floating_ip,
            Counted::RbacPolicy => quotas.rbac_policy,
            Counted::SubnetPool => quotas.subnetpool,
        }
    }

    /// How many a project has.
    pub fn used(self, view: &Snapshot, project: &str) -> usize {
        match self {
            Counted::Network => view.count_networks_of_project(project),
            Counted::Subnet => view.count_subnets_of_project(project),
            Counted::Port => view.count_ports_of_project(project),
            Counted::SecurityGroup => view.count_security_groups_of_project(project),
            Counted::SecurityGroupRule => view.count_security_group_rules_of_project(project),
            Counted::AddressGroup => view.count_address_groups_of_project(project),
            Counted::Router => view.count_routers_of_project(project),
            // The limit is of each router.
            Counted::RouterRoute => 0,
            Counted::FloatingIp => view.count_floating_ips_of_project(project),
            Counted::RbacPolicy => view.count_rbac_policies_of_project(project),
            Counted::SubnetPool => view.count_subnet_pools_of_project(project),
        }
    }

    /// The limit of a project, given its exceptions; `None` is no limit.
    pub fn limit(self, config: &Config, own: Option<&ProjectQuota>) -> Option<usize> {
        match own.and_then(|own| own.limits.get(self.name())) {
            Some(limit) => limit.map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
            None => self.default_limit(config),
        }
    }
}

/// Refuses `more` objects if the project would then have more than its quota. The owner's project counts, whoever asks.
pub fn check(tx: &mut Tx, config: &Config, project: &str, what: Counted, more: usize) -> Result<(), Error> {
    let own = tx.get::<ProjectQuota>(&project.to_owned());
    let Some(limit) = what.limit(config, own.as_deref().map(|own| &own.value)) else { return Ok(()) };
    take_turn(tx, project, what);
    if what.used(tx.view(), project) + more > limit {
        return Err(Error::OverQuota(what.name()));
    }
    Ok(())
}

fn take_turn(tx: &mut Tx, project: &str, what: Counted) {
    tx.take_turn(format!("quota {} {project}", what.name()));
}

/// Changes limits of a project, by kind; `None` is no limit. Limits below what the project has are refused unless `force`.
pub fn update(
    tx: &mut Tx,
    project: &str,
    limits: &BTreeMap<Counted, Option<u32>>,
    force: bool,
) -> Result<ProjectQuota, Error> {
    for (what, limit) in limits {
        let Some(limit) = limit.filter(|_| !force) else { continue };
        take_turn(tx, project, *what);
        let used = what.used(tx.view(), project);
        if used > usize::try_from(limit).unwrap_or(usize::MAX) {
            return Err(ObjectError::QuotaBelowUsage { kind: what.name(), limit, used }.into());
        }
    }
    let old = tx.get::<ProjectQuota>(&project.to_owned()).map(|old| old.value.clone());
    let mut quota = old.clone().unwrap_or_default();
    quota.project_id = project.to_owned();
    quota.limits.extend(limits.iter().map(|(what, limit)| (what.name().to_owned(), *limit)));
    if old.as_ref() != Some(&quota) && !quota.limits.is_empty() {
        tx.put(quota.clone());
    }
    Ok(quota)
}

/// Gives a project the deployment's limits again.
pub fn delete(tx: &mut Tx, project: &str) -> Result<(), Error> {
    let key = project.to_owned();
    tx.get::<ProjectQuota>(&key).ok_or_else(|| ObjectError::ProjectQuotaNotFound(key.clone()))?;
    tx.delete::<ProjectQuota>(&key);
    Ok(())
}
