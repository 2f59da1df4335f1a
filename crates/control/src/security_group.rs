//! Security groups, and the default one that every project has.

use crate::network::set;
use crate::quota::{self, Counted};
use crate::{
    Config, Error, SecurityError, Step, default_rule, default_statefulness, packet_log, rbac, stamp,
};
use hadron_model::security::DEFAULT_GROUP_NAME;
use hadron_model::{
    DefaultGroup, DefaultRule, Policy, Remote, RuleNumber, SecurityGroup, SecurityGroupId, SecurityGroupRule,
    SecurityGroupRuleId, SetNumber, Shareable, TemplateRemote,
};
use hadron_store::{Counter, Logged, StoreError, Tx};

/// Most rules that one transaction removes.
const BATCH: usize = 100;

/// A security group to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewSecurityGroup {
    /// Owner's project id.
    pub project_id: String,
    /// Name; `default` in any case is refused.
    pub name: String,
    /// Description.
    pub description: String,
    /// Whether answers to what its rules allow are allowed; `None` is what the project's groups begin with.
    pub stateful: Option<bool>,
}

/// Changes to a security group; `None` leaves as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SecurityGroupChange {
    /// Name; of a default group none may be given.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Whether answers are allowed; it can't change while ports have the group.
    pub stateful: Option<bool>,
}

/// Creates a security group with the rules of the templates, and the project's default group if it has none yet.
pub fn create(tx: &mut Tx, config: &Config, new: &NewSecurityGroup) -> Result<SecurityGroup, Error> {
    check_name(&new.name)?;
    quota::check(tx, config, &new.project_id, Counted::SecurityGroup, 1)?;
    ensure_default(tx, config, &new.project_id)?;
    let templates = default_rule::templates(tx, false)?;
    quota::check(tx, config, &new.project_id, Counted::SecurityGroupRule, templates.len())?;
    insert(tx, new, false, &templates)
}

/// The project's default group; it is created if there is none yet. Whoever lists a project's groups or rules calls this
/// first unless [`hadron_store::Snapshot::default_group_of_project`] has one.
pub fn ensure_default(tx: &mut Tx, config: &Config, project: &str) -> Result<SecurityGroupId, Error> {
    if let Some(group) = tx.view().default_group_of_project(project) {
        return Ok(group.id);
    }
    let templates = default_rule::templates(tx, true)?;
    quota::check(tx, config, project, Counted::SecurityGroupRule, templates.len())?;
    create_default(tx, project)
}

/// Creates the default group of a project that has none, whatever its quota.
pub(crate) fn create_default(tx: &mut Tx, project: &str) -> Result<SecurityGroupId, Error> {
    let templates = default_rule::templates(tx, true)?;
    let new = NewSecurityGroup {
        project_id: project.to_owned(),
        name: DEFAULT_GROUP_NAME.to_owned(),
        description: "Default security group".to_owned(),
        stateful: Some(true),
    };
    let group = insert(tx, &new, true, &templates)?;
    let claim = DefaultGroup { project_id: project.to_owned(), security_group_id: group.id };
    tx.insert(claim).map_err(|_| Error::Store(StoreError::Conflict))?;
    Ok(group.id)
}

/// Changes a security group; `revision` is the one that the caller demands, if any.
pub fn update(
    tx: &mut Tx,
    id: SecurityGroupId,
    change: &SecurityGroupChange,
    revision: Option<u64>,
) -> Result<SecurityGroup, Error> {
    change.name.as_deref().map_or(Ok(()), check_name)?;
    let old = tx.get::<SecurityGroup>(&id).ok_or(SecurityError::GroupNotFound(id))?;
    stamp::check_revision(&old.stamp, revision)?;
    if change.stateful.is_some_and(|stateful| stateful != old.stateful) {
        check_unused(tx, id)?;
    }
    if old.is_default && change.name.is_some() {
        return Err(SecurityError::CannotUpdateDefault.into());
    }
    let mut group = old.value.clone();
    set(&mut group.name, &change.name);
    set(&mut group.description, &change.description);
    set(&mut group.stateful, &change.stateful);
    if group != old.value {
        stamp::touch(tx, &mut group);
        tx.put(group.clone());
    }
    Ok(group)
}

/// Deletes a security group that no port has, with its rules, those of other groups that name it, and the
/// logs in force that do. A default group is
/// deleted for an administrator only.
pub fn delete(
    tx: &mut Tx,
    id: SecurityGroupId,
    is_admin: bool,
    revision: Option<u64>,
) -> Result<Step<()>, Error> {
    check_unused(tx, id)?;
    let group = tx.get::<SecurityGroup>(&id).ok_or(SecurityError::GroupNotFound(id))?;
    stamp::check_revision(&group.stamp, revision)?;
    if group.is_default && !is_admin {
        return Err(SecurityError::CannotRemoveDefault.into());
    }
    // Another server may add a rule that names the group.
    tx.guard_range::<SecurityGroupRule>(());
    if packet_log::naming(tx.view(), Logged::Group(id)).next().is_some() {
        packet_log::delete_naming(tx, Logged::Group(id));
        return Ok(Step::More);
    }
    let view = tx.view();
    let naming = view.rules_by_remote_group(id).filter(|rule| rule.security_group_id != id);
    let rules: Vec<SecurityGroupRuleId> =
        naming.chain(view.rules_of_group(id)).take(BATCH + 1).map(|rule| rule.id).collect();
    for rule in rules.iter().take(BATCH) {
        tx.delete::<SecurityGroupRule>(rule);
    }
    if rules.len() > BATCH || !rbac::remove_some(tx, Shareable::SecurityGroup(id)) {
        return Ok(Step::More);
    }
    if group.is_default {
        tx.delete::<DefaultGroup>(&group.project_id);
    }
    tx.delete::<SecurityGroup>(&id);
    Ok(Step::Done(()))
}

/// Refuses if a port has the group.
fn check_unused(tx: &mut Tx, id: SecurityGroupId) -> Result<(), SecurityError> {
    // Another server may make a policy of the group.
    tx.guard_range::<Policy>(());
    match tx.view().policies_of_group(id).next() {
        Some(_) => Err(SecurityError::GroupInUse(id)),
        None => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), SecurityError> {
    if name.to_lowercase() == DEFAULT_GROUP_NAME { Err(SecurityError::DefaultAlreadyExists) } else { Ok(()) }
}

fn insert(
    tx: &mut Tx,
    new: &NewSecurityGroup,
    is_default: bool,
    templates: &[DefaultRule],
) -> Result<SecurityGroup, Error> {
    let group = SecurityGroup {
        id: SecurityGroupId::random(),
        number: SetNumber(tx.next_number(Counter::Set)?),
        project_id: new.project_id.clone(),
        name: new.name.clone(),
        description: new.description.clone(),
        stateful: new
            .stateful
            .unwrap_or_else(|| default_statefulness::of_project(tx.view(), &new.project_id)),
        is_default,
        stamp: stamp::born(tx, 1),
    };
    tx.put(group.clone());
    for template in templates {
        let rule = instantiate(tx, &group, template)?;
        tx.put(rule);
    }
    Ok(group)
}

fn instantiate(
    tx: &mut Tx,
    group: &SecurityGroup,
    template: &DefaultRule,
) -> Result<SecurityGroupRule, Error> {
    Ok(SecurityGroupRule {
        id: SecurityGroupRuleId::random(),
        number: RuleNumber(tx.next_number(Counter::Rule)?),
        security_group_id: group.id,
        project_id: group.project_id.clone(),
        direction: template.direction,
        ethertype: template.ethertype,
        protocol: template.protocol,
        port_range_min: template.port_range_min,
        port_range_max: template.port_range_max,
        remote: match template.remote {
            TemplateRemote::Parent => Remote::Group(group.id),
            TemplateRemote::Fixed(remote) => remote,
        },
        description: None,
        stamp: stamp::born(tx, 0),
    })
}
