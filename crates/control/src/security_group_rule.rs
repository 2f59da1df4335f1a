//! Security groups' rules.

use crate::quota::{self, Counted};
use crate::rbac::Reliance;
use crate::{Config, Error, SecurityError, policy, rbac, stamp};
use hadron_model::protocol::{ICMP, ICMPV6};
use hadron_model::{
    AddressGroup, AddressGroupId, DefaultRule, Direction, Ethertype, IpNet, Policy, Protocol, Remote,
    RuleNumber, SecurityGroup, SecurityGroupId, SecurityGroupRule, SecurityGroupRuleId,
};
use hadron_store::{Counter, SetId, Tx};
use std::collections::BTreeSet;

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
    /// The other end; several given at once are refused when everything else has been found right.
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
    /// What of others it uses.
    pub relies_on: Vec<Reliance>,
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
    let Some(first) = rules.first() else { return Ok(()) };
    let mut meanings = BTreeSet::new();
    for rule in rules {
        if rule.security_group_id != first.security_group_id {
            return Err(SecurityError::NotSingleGroupRules.into());
        }
        if rule.project_id != first.project_id {
            return Err(SecurityError::RulesNotSingleProject.into());
        }
    }
    for rule in rules {
        let (matches, remote) = check(&rule.matches, |remote| *remote)?;
        if !meanings.insert(meaning(&matches, remote)) {
            return Err(SecurityError::DuplicateRuleInPost.into());
        }
    }
    Ok(())
}

/// Creates a rule.
pub fn create(tx: &mut Tx, config: &Config, new: &NewRule) -> Result<SecurityGroupRule, Error> {
    quota::check(tx, config, &new.project_id, Counted::SecurityGroupRule, 1)?;
    let (matches, remote) = check(&new.matches, |remote| *remote)?;
    check_remote(tx, remote)?;
    rbac::check_reliance(tx, &new.relies_on)?;
    // Guarded and written: rules of a group come and go one after another.
    let group = tx
        .get::<SecurityGroup>(&new.security_group_id)
        .ok_or(SecurityError::GroupNotFound(new.security_group_id))?;
    let wanted = meaning(&matches, remote);
    let same = tx
        .view()
        .rules_of_group(group.id)
        .find(|rule| meaning(&RuleMatch::of_rule(rule), rule.remote) == wanted)
        .map(|rule| rule.id);
    if let Some(same) = same {
        return Err(SecurityError::RuleExists(same).into());
    }
    if let Some(set) = SetId::of(remote) {
        // Another server may make a policy of the group.
        tx.guard_range::<Policy>(());
        policy::check_further_remote(tx.view(), group.id, matches.direction, set)?;
    }
    let rule = SecurityGroupRule {
        id: SecurityGroupRuleId::random(),
        number: RuleNumber(tx.next_number(Counter::Rule)?),
        security_group_id: group.id,
        project_id: new.project_id.clone(),
        direction: matches.direction,
        ethertype: matches.ethertype,
        protocol: matches.protocol,
        port_range_min: matches.port_range_min,
        port_range_max: matches.port_range_max,
        remote,
        description: Some(new.description.clone()),
        stamp: stamp::born(tx, 0),
    };
    tx.put(rule.clone());
    touch(tx, &group);
    Ok(rule)
}

/// Deletes a rule; `revision` is the one that the caller demands, if any.
pub fn delete(tx: &mut Tx, id: SecurityGroupRuleId, revision: Option<u64>) -> Result<(), Error> {
    let rule = tx.get::<SecurityGroupRule>(&id).ok_or(SecurityError::RuleNotFound(id))?;
    stamp::check_revision(&rule.stamp, revision)?;
    tx.delete::<SecurityGroupRule>(&id);
    if let Some(group) = tx.get::<SecurityGroup>(&rule.security_group_id) {
        touch(tx, &group);
    }
    Ok(())
}

/// Counts a change of the group's rules, as Neutron does.
fn touch(tx: &mut Tx, group: &SecurityGroup) {
    let mut group = group.clone();
    stamp::touch(tx, &mut group);
    tx.put(group);
}

fn check_remote(tx: &mut Tx, remote: Remote) -> Result<(), SecurityError> {
    match remote {
        Remote::Group(id) if tx.get::<SecurityGroup>(&id).is_none() => Err(SecurityError::GroupNotFound(id)),
        Remote::AddressGroup(id) if tx.get::<AddressGroup>(&id).is_none() => {
            Err(SecurityError::AddressGroupNotFound(id))
        }
        _ => Ok(()),
    }
}

impl RuleMatch<()> {
    pub(crate) fn of_rule(rule: &SecurityGroupRule) -> Self {
        Self {
            direction: rule.direction,
            ethertype: rule.ethertype,
            protocol: rule.protocol,
            port_range_min: rule.port_range_min,
            port_range_max: rule.port_range_max,
            remote: Ok(()),
        }
    }

    pub(crate) fn of_template(rule: &DefaultRule) -> Self {
        Self {
            direction: rule.direction,
            ethertype: rule.ethertype,
            protocol: rule.protocol,
            port_range_min: rule.port_range_min,
            port_range_max: rule.port_range_max,
            remote: Ok(()),
        }
    }
}

/// What two rules of a group that are the same have in common. The protocol's name and its number are the same, and so are
/// no prefix and one of length 0; a prefix counts as it was given.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Meaning {
    direction: Direction,
    ethertype: Ethertype,
    protocol: Option<u8>,
    ports: (Option<u16>, Option<u16>),
    remote: Remote,
}

pub(crate) fn meaning<R>(matches: &RuleMatch<R>, remote: Remote) -> Meaning {
    let is_everything = |prefix: IpNet| prefix.prefix_len() == 0 && prefix == prefix.trunc();
    Meaning {
        direction: matches.direction,
        ethertype: matches.ethertype,
        protocol: matches.protocol.map(Protocol::number),
        ports: (matches.port_range_min, matches.port_range_max),
        remote: if remote.prefix().is_some_and(is_everything) { Remote::Any } else { remote },
    }
}

/// The match in its canonical form and its other end, or why it is none.
pub(crate) fn check<R: Copy>(
    given: &RuleMatch<R>,
    fixed: impl FnOnce(&R) -> Remote,
) -> Result<(RuleMatch<()>, R), SecurityError> {
    let mut it = RuleMatch {
        direction: given.direction,
        ethertype: given.ethertype,
        protocol: canonical_protocol(given.ethertype, given.protocol),
        port_range_min: given.port_range_min,
        port_range_max: given.port_range_max,
        remote: Ok(()),
    };
    if (it.port_range_min, it.port_range_max) == (Some(1), Some(u16::MAX)) {
        (it.port_range_min, it.port_range_max) = (None, None);
    }
    check_ports(&it)?;
    if let Some(prefix) = given.remote.as_ref().ok().and_then(|remote| fixed(remote).prefix())
        && Ethertype::of(prefix.addr()) != it.ethertype
    {
        return Err(SecurityError::RuleParameterConflict { ethertype: it.ethertype, cidr: prefix });
    }
    if let (Ethertype::Ipv4, Some(protocol)) = (it.ethertype, it.protocol)
        && matches!(protocol.number(), 41 | 43 | 44 | 58..=60)
    {
        return Err(SecurityError::EthertypeConflictWithProtocol { ethertype: it.ethertype, protocol });
    }
    let remote = given.remote.clone()?;
    Ok((it, remote))
}

/// ICMP in an IPv6 rule is ICMPv6, by name or by number as it was given.
fn canonical_protocol(ethertype: Ethertype, protocol: Option<Protocol>) -> Option<Protocol> {
    let protocol = protocol?;
    if ethertype == Ethertype::Ipv4 || !protocol.is_icmp() {
        return Some(protocol);
    }
    Some(if protocol.name().is_some() { Protocol::icmpv6() } else { Protocol::numbered(ICMPV6) })
}

fn check_ports(it: &RuleMatch<()>) -> Result<(), SecurityError> {
    let (min, max) = (it.port_range_min, it.port_range_max);
    if (min, max) == (None, None) {
        return Ok(());
    }
    let protocol = it.protocol.ok_or(SecurityError::ProtocolRequiredWithPorts)?;
    if protocol.has_ports() {
        if min == Some(0) || max == Some(0) {
            return Err(SecurityError::InvalidPortValue("0".to_owned()));
        }
        let is_range = min.zip(max).is_some_and(|(min, max)| min <= max);
        return if is_range { Ok(()) } else { Err(SecurityError::InvalidPortRange) };
    }
    if !matches!(protocol.number(), ICMP | ICMPV6) {
        return Err(SecurityError::InvalidProtocolForPort(protocol));
    }
    for (field, attribute, value) in [("type", "port_range_min", min), ("code", "port_range_max", max)] {
        if let Some(value) = value.filter(|value| *value > 255) {
            return Err(SecurityError::InvalidIcmpValue { field, attribute, value });
        }
    }
    match (min, max) {
        (None, Some(code)) => Err(SecurityError::MissingIcmpType(code)),
        _ => Ok(()),
    }
}
