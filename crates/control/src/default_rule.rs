//! The templates of the rules with which security groups begin.

use crate::security_group_rule::{RuleMatch, check, meaning};
use crate::{Error, SecurityError, stamp};
use hadron_model::{
    AddressGroup, DefaultRule, Direction, Ethertype, Remote, SecurityGroup, SecurityGroupRuleId,
    TemplateRemote,
};
use hadron_store::{Milestone, Snapshot, Tx};

/// The milestone of the first templates.
const SEEDED: &str = "default-security-group-rules";

/// A template to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewDefaultRule {
    /// What it matches.
    pub matches: RuleMatch<TemplateRemote>,
    /// Whether projects' default groups begin with it.
    pub used_in_default_sg: bool,
    /// Whether other groups begin with it.
    pub used_in_non_default_sg: bool,
    /// Description.
    pub description: String,
}

/// Creates a template. Groups that exist stay as they are.
pub fn create(tx: &mut Tx, new: &NewDefaultRule) -> Result<DefaultRule, Error> {
    ensure_seeded(tx)?;
    let (matches, remote) = check(&new.matches, fixed)?;
    let rule = DefaultRule {
        id: SecurityGroupRuleId::random(),
        direction: matches.direction,
        ethertype: matches.ethertype,
        protocol: matches.protocol,
        port_range_min: matches.port_range_min,
        port_range_max: matches.port_range_max,
        remote,
        used_in_default_sg: new.used_in_default_sg,
        used_in_non_default_sg: new.used_in_non_default_sg,
        description: new.description.clone(),
        stamp: stamp::born(tx, 0),
    };
    if !is_remote_there(tx.view(), remote) {
        return Err(missing(remote).into());
    }
    // Another server may add the same.
    tx.guard_range::<DefaultRule>(());
    let same = tx.view().iter::<DefaultRule>().find(|other| is_same(other, &rule)).map(|other| other.id);
    if let Some(same) = same {
        return Err(SecurityError::DefaultRuleExists(same).into());
    }
    tx.put(rule.clone());
    Ok(rule)
}

/// Deletes a template. Groups that exist stay as they are.
pub fn delete(tx: &mut Tx, id: SecurityGroupRuleId, revision: Option<u64>) -> Result<(), Error> {
    let rule = tx.get::<DefaultRule>(&id).ok_or(SecurityError::DefaultRuleNotFound(id))?;
    stamp::check_revision(&rule.stamp, revision)?;
    tx.delete::<DefaultRule>(&id);
    Ok(())
}

/// Makes the templates with which a deployment begins, once in its life: an operator may delete them. Egress is open, and a
/// default group lets its own ports in.
pub fn ensure_seeded(tx: &mut Tx) -> Result<(), Error> {
    let milestone = Milestone { name: SEEDED.to_owned() };
    if tx.view().has::<Milestone>(&milestone.name) || tx.insert(milestone).is_err() {
        return Ok(());
    }
    for (direction, remote, used_in_non_default_sg) in [
        (Direction::Egress, TemplateRemote::Fixed(Remote::Any), true),
        (Direction::Ingress, TemplateRemote::Parent, false),
    ] {
        for ethertype in Ethertype::ALL {
            tx.put(DefaultRule {
                id: SecurityGroupRuleId::random(),
                direction,
                ethertype,
                protocol: None,
                port_range_min: None,
                port_range_max: None,
                remote,
                used_in_default_sg: true,
                used_in_non_default_sg,
                description: format!("Legacy default SG rule for {} traffic", direction.as_str()),
                stamp: stamp::born(tx, 0),
            });
        }
    }
    Ok(())
}

/// The templates of a new group's rules, in the order of their ids. Those that name a group which is gone are left out.
pub(crate) fn templates(tx: &mut Tx, is_default: bool) -> Result<Vec<DefaultRule>, Error> {
    ensure_seeded(tx)?;
    let is_used = |rule: &DefaultRule| {
        if is_default { rule.used_in_default_sg } else { rule.used_in_non_default_sg }
    };
    let view = tx.view();
    let rules = view.iter::<DefaultRule>().map(|rule| &rule.value).filter(|rule| is_used(rule));
    Ok(rules.filter(|rule| is_remote_there(view, rule.remote)).cloned().collect())
}

fn fixed(remote: &TemplateRemote) -> Remote {
    match remote {
        TemplateRemote::Parent => Remote::Any,
        TemplateRemote::Fixed(remote) => *remote,
    }
}

fn is_remote_there(view: &Snapshot, remote: TemplateRemote) -> bool {
    match fixed(&remote) {
        Remote::Any | Remote::Prefix(_) => true,
        Remote::Group(id) => view.has::<SecurityGroup>(&id),
        Remote::AddressGroup(id) => view.has::<AddressGroup>(&id),
    }
}

fn missing(remote: TemplateRemote) -> SecurityError {
    match fixed(&remote) {
        Remote::AddressGroup(id) => SecurityError::AddressGroupNotFound(id),
        Remote::Group(id) => SecurityError::GroupNotFound(id),
        Remote::Any | Remote::Prefix(_) => SecurityError::Conflict(String::new()),
    }
}

/// Whether the two would be the same rule in a group that both are made for.
fn is_same(a: &DefaultRule, b: &DefaultRule) -> bool {
    let meaning = |rule: &DefaultRule| {
        let is_parent = rule.remote == TemplateRemote::Parent;
        (is_parent, meaning(&RuleMatch::of_template(rule), fixed(&rule.remote)))
    };
    let shares_use = (a.used_in_default_sg && b.used_in_default_sg)
        || (a.used_in_non_default_sg && b.used_in_non_default_sg);
    shares_use && meaning(a) == meaning(b)
}
