//! What the indexes say of shared objects and subnet pools is what a search finds.

use crate::arbitrary::record;
use crate::{Record, Snapshot, Stored};
use hadron_model::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

fn all<T: Record>(snapshot: &Snapshot) -> Vec<Arc<Stored<T>>> {
    snapshot.iter::<T>().cloned().collect()
}

fn policies(snapshot: &Snapshot) -> Result<(), TestCaseError> {
    let policies = all::<RbacPolicy>(snapshot);
    for project in ["", "p1", "p2"] {
        let is_for = |policy: &&Arc<Stored<RbacPolicy>>| {
            policy.target == Target::Everyone || policy.target == Target::Project(project.to_owned())
        };
        for policy in &policies {
            let (object, access) = (policy.object, policy.access);
            let same = |it: &&Arc<Stored<RbacPolicy>>| (it.object, it.access) == (object, access);
            let expected = policies.iter().filter(same).any(|it| is_for(&it));
            let grant = snapshot.rbac_grant(object, access, project);
            prop_assert_eq!(grant.is_some(), expected);
            prop_assert!(grant.is_none_or(|grant| is_for(&grant) && same(&grant)));
            prop_assert_eq!(snapshot.rbac_policy(object, access, &policy.target), Some(policy));
            let of_object = policies.iter().filter(|it| it.object == object).count();
            prop_assert_eq!(snapshot.rbac_policies_of_object(object).count(), of_object);
        }
        let mut granted: BTreeSet<Shareable> =
            snapshot.networks_granted(project, Access::Shared).map(Shareable::Network).collect();
        granted.extend(snapshot.subnet_pools_granted(project).map(Shareable::SubnetPool));
        granted.extend(snapshot.address_scopes_granted(project).map(Shareable::AddressScope));
        granted.extend(snapshot.address_groups_granted(project).map(Shareable::AddressGroup));
        granted.extend(snapshot.security_groups_granted(project).map(Shareable::SecurityGroup));
        let shared = policies.iter().filter(|it| it.access == Access::Shared).filter(is_for);
        prop_assert_eq!(granted, shared.map(|policy| policy.object).collect::<BTreeSet<_>>());
        let external: BTreeSet<_> = snapshot.networks_granted(project, Access::External).collect();
        for network in external {
            prop_assert!(snapshot.is_external(network));
        }
    }
    Ok(())
}

fn pools(snapshot: &Snapshot) -> Result<(), TestCaseError> {
    let subnets = all::<Subnet>(snapshot);
    for pool in snapshot.iter::<SubnetPool>() {
        let of_pool: Vec<_> = subnets.iter().filter(|it| it.subnetpool_id == Some(pool.id)).collect();
        prop_assert!(snapshot.subnets_of_pool(pool.id).eq(of_pool.iter().copied()));
        for subnet in &subnets {
            let is_inside = pool.prefixes.iter().any(|prefix| prefix.contains(&subnet.cidr));
            let is_taken = of_pool.iter().any(|it| it.cidr == subnet.cidr);
            prop_assert_eq!(snapshot.is_prefix_free(pool.id, subnet.cidr), is_inside && !is_taken);
            let same = of_pool.iter().filter(|it| it.project_id == subnet.project_id);
            let taken: u128 = same.map(|it| Snapshot::prefix_size(it.cidr)).sum();
            prop_assert_eq!(snapshot.pool_addresses_taken(pool.id, &subnet.project_id), taken);
        }
        for length in [pool.ip_version.bits() - 3, pool.ip_version.bits() - 64 % pool.ip_version.bits()] {
            let next = snapshot.next_free_prefix(pool.id, length);
            prop_assert!(next.is_none_or(|next| snapshot.is_prefix_free(pool.id, next)));
        }
        if let Some(scope) = pool.address_scope_id {
            prop_assert!(snapshot.subnet_pools_of_scope(scope).any(|it| it == pool));
        }
        let default = snapshot.default_subnet_pool(pool.ip_version);
        prop_assert!(!pool.is_default || default.is_some_and(|it| it.is_default));
        prop_assert!(snapshot.subnet_pools_of_project(&pool.project_id).any(|it| it == pool));
    }
    for scope in snapshot.iter::<AddressScope>() {
        prop_assert!(snapshot.address_scopes_of_project(&scope.project_id).any(|it| it == scope));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn answers_are_those_of_a_search(changes in vec((record(), prop::bool::weighted(0.9)), 0..200)) {
        let mut snapshot = Snapshot::default();
        for (record, keep) in changes {
            snapshot.set_any(&record.key(), keep.then_some(record.clone()));
        }
        policies(&snapshot)?;
        pools(&snapshot)?;
    }
}
