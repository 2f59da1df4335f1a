//! Policies: one for each distinct set of security groups that ports have.
//!
//! A policy's record is found by its groups, so that there is one, whichever server makes it; it goes with its last port.

use crate::{Error, SecurityError};
use hadron_model::security::MAX_REMOTE_SETS;
use hadron_model::{Direction, Policy, PolicyNumber, SecurityGroupId};
use hadron_store::{Counter, SetId, Snapshot, Tx};
use std::collections::BTreeSet;

/// How few ports a policy has for its record to be written with each that comes or goes, so that servers that make or remove
/// the last at the same time notice. A server's count lags behind by what others commit in a few milliseconds, which is less.
const FEW: usize = 32;

/// The policy of `groups`, which are sorted and distinct, for a further port.
pub(crate) fn acquire(tx: &mut Tx, groups: &[SecurityGroupId]) -> Result<PolicyNumber, Error> {
    if let Some(policy) = tx.get::<Policy>(&groups.to_vec()) {
        if tx.view().ports_of_policy(policy.number).take(FEW).count() < FEW {
            tx.put(policy.value.clone());
        }
        return Ok(policy.number);
    }
    check_remotes(tx.view(), groups, None)?;
    let policy = Policy { number: PolicyNumber(tx.next_number(Counter::Policy)?), groups: groups.to_vec() };
    let number = policy.number;
    tx.put(policy);
    Ok(number)
}

/// Removes the policy if no port has it any more, after a port has given it up.
pub(crate) fn release(tx: &mut Tx, number: PolicyNumber) {
    let view = tx.view();
    let left = view.ports_of_policy(number).take(FEW).count();
    let Some(groups) = view.policy_by_number(number).map(|policy| policy.groups.clone()) else { return };
    if left >= FEW {
        return;
    }
    if let Some(policy) = tx.get::<Policy>(&groups) {
        if left == 0 {
            tx.delete::<Policy>(&groups);
        } else {
            tx.put(policy.value.clone());
        }
    }
}

/// Refuses a further set that the rules of `group` name, if that made too many for the group or one of its policies.
pub(crate) fn check_further_remote(
    view: &Snapshot,
    group: SecurityGroupId,
    direction: Direction,
    set: SetId,
) -> Result<(), SecurityError> {
    if view.remotes_of_group(group, direction).any(|named| named == set) {
        return Ok(());
    }
    check_remotes(view, &[group], Some((direction, set)))?;
    view.policies_of_group(group)
        .try_for_each(|policy| check_remotes(view, &policy.groups, Some((direction, set))))
}

fn check_remotes(
    view: &Snapshot,
    groups: &[SecurityGroupId],
    further: Option<(Direction, SetId)>,
) -> Result<(), SecurityError> {
    for direction in Direction::ALL {
        let named = groups.iter().flat_map(|group| view.remotes_of_group(*group, direction));
        let further = further.filter(|further| further.0 == direction).map(|further| further.1);
        let count = named.chain(further).collect::<BTreeSet<_>>().len();
        if count > MAX_REMOTE_SETS {
            return Err(SecurityError::TooManyRemoteGroups { direction, count, limit: MAX_REMOTE_SETS });
        }
    }
    Ok(())
}
