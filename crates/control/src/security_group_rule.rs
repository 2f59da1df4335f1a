//! Security groups' rules.

use crate::{Config, Error, SecurityError};
use hadron_model::{
    AddressGroupId, Direction, Ethertype, IpNet, Protocol, Remote, SecurityGroupId, SecurityGroupRule,
    SecurityGroupRuleId,
};
use hadron_store::Tx;

/// What a rule or a template matches, as a caller names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleMatch<R> {
    /// Which way.
    pub direction: Direction,
    /// Which family.
    pub ethertype: Ethertype,
    /// Which protocol; `None` is any.
    pub protocol: Option<Protocol>,
    /// Lowest port, or ICMP type.
    pub port_range_min: Option<u16>,
    /// Highest port, or ICMP code.
    pub port_range_max: Option<u16>,
    /// The other end; several given at once are refused here, behind what is wrong with the rest.
    pub remote: Result<R, SecurityError>,
}

/// A rule to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewRule {
    /// Its group.
    pub security_group_id: SecurityGroupId,
    /// Owner's project id.
    pub project_id: String,
    /// What it matches.
    pub matches: RuleMatch<Remote>,
    /// Description.
    pub description: String,
}

/// The other end by the three attributes of the API, of which at most one may be given.
pub fn remote(
    prefix: Option<IpNet>,
    group: Option<SecurityGroupId>,
    address_group: Option<AddressGroupId>,
) -> Result<Remote, SecurityError> {
    match (prefix, group, address_group) {
        (None, None, None) => Ok(Remote::Any),
        (Some(prefix), None, None) => Ok(Remote::Prefix(prefix)),
        (None, Some(id), None) => Ok(Remote::Group(id)),
        (None, None, Some(id)) => Ok(Remote::AddressGroup(id)),
        _ => Err(SecurityError::MultipleRemoteEntities),
    }
}

/// Refuses a bulk create whose rules are of several groups or projects, are not valid, or mean the same. To be called before
/// [`crate::bulk::create`] with [`create`].
pub fn check_bulk(rules: &[NewRule]) -> Result<(), Error> {
    todo!("{rules:?}")
}

/// Creates a rule.
pub fn create(tx: &mut Tx, config: &Config, new: &NewRule) -> Result<SecurityGroupRule, Error> {
    todo!("{tx:?} {config:?} {new:?}")
}

/// Deletes a rule; `revision` is the one that the caller demands, if any.
pub fn delete(tx: &mut Tx, id: SecurityGroupRuleId, revision: Option<u64>) -> Result<(), Error> {
    todo!("{tx:?} {id:?} {revision:?}")
}
