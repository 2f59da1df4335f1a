//! `/v2.0/default-security-group-rules`

use super::security_group_rule::{address_group_not_found, group_not_found};
use super::{Object, Request, Resource, Scope, names, rule_match};
use crate::ApiError;
use crate::attribute::{Attribute, Convert, Default, Validate};
use crate::field::Field;
use crate::filter::Filters;
use crate::validate::parse_uuid;
use crate::values::Values;
use hadron_control::default_rule::{self, NewDefaultRule};
use hadron_control::security_group_rule::remote;
use hadron_control::{Config, Error, SecurityError, Step};
use hadron_model::{
    AddressGroup, AddressGroupId, DefaultRule, IpNet, Remote, SecurityGroup, SecurityGroupId,
    SecurityGroupRuleId, TemplateRemote,
};
use hadron_store::{Snapshot, Stored, Tx};
use std::convert::Infallible;
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub struct DefaultRules;

/// `remote_group_id` of a template that means the group that its rule is made for.
const PARENT: &str = "PARENT";

type Column = Attribute<DefaultRule>;

const BY: &[&str] = &["security-groups-default-rules"];

const TABLE: &[Column] = &[
    Column::new("id", |rule, _| Some(Field::Id(rule.id.0)))
        .by(BY)
        .filter_sort()
        .primary_key()
        .validate(Validate::Uuid),
    // A template is nobody's.
    Column::new("tenant_id", |_, _| None)
        .by(BY)
        .post()
        .hidden()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("project_id", |_, _| None)
        .by(&["project-id"])
        .mirror_of("tenant_id")
        .post()
        .hidden()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("description", |rule, _| Some(Field::Text(&rule.description)))
        .by(&["security-groups-default-rules", "standard-attr-description"])
        .post()
        .filter()
        .default(Default::Text(""))
        .validate(Validate::String(255)),
    rule_match::optional("remote_group_id", BY, |rule, _| {
        Some(match rule.remote {
            TemplateRemote::Parent => Field::Text(PARENT),
            TemplateRemote::Fixed(remote) => remote.group().map_or(Field::Null, |id| Field::Id(id.0)),
        })
    }),
    rule_match::optional("remote_address_group_id", BY, |rule, _| {
        Some(fixed(rule).and_then(Remote::address_group).map_or(Field::Null, |id| Field::Id(id.0)))
    }),
    rule_match::direction(BY, |rule, _| Some(Field::Text(rule.direction.as_str()))),
    rule_match::protocol(BY, |rule, _| Some(rule_match::protocol_field(rule.protocol))),
    rule_match::port("port_range_min", BY, |rule, _| Some(rule_match::port_field(rule.port_range_min))),
    rule_match::port("port_range_max", BY, |rule, _| Some(rule_match::port_field(rule.port_range_max))),
    rule_match::ethertype(BY, |rule, _| Some(Field::Text(rule.ethertype.as_str()))),
    rule_match::remote_ip_prefix(BY, |rule, _| {
        Some(fixed(rule).and_then(Remote::prefix).map_or(Field::Null, Field::Prefix))
    }),
    Column::new("used_in_default_sg", |rule, _| Some(Field::Bool(rule.used_in_default_sg)))
        .by(BY)
        .post()
        .filter()
        .convert(Convert::Boolean),
    Column::new("used_in_non_default_sg", |rule, _| Some(Field::Bool(rule.used_in_non_default_sg)))
        .by(BY)
        .post()
        .filter()
        .convert(Convert::Boolean),
    // Announced, but never shown.
    Column::new("revision_number", |_, _| None)
        .by(&["standard-attr-revisions"])
        .filter()
        .default(Default::Null),
    Column::new("created_at", |_, _| None).by(&["standard-attr-timestamp"]).default(Default::Null),
    Column::new("updated_at", |_, _| None).by(&["standard-attr-timestamp"]).default(Default::Null),
];

impl Object for DefaultRule {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn key_of(id: Uuid) -> SecurityGroupRuleId {
        SecurityGroupRuleId(id)
    }
}

impl Resource for DefaultRules {
    type Record = DefaultRule;
    type New = NewDefaultRule;
    /// A template never changes.
    type Change = Infallible;

    const MEMBER: &'static str = "default_security_group_rule";
    const COLLECTION: &'static str = "default_security_group_rules";
    const NOT_FOUND: &'static str = "DefaultSecurityGroupRuleNotFound";
    const ATTRIBUTES: &'static [Column] = TABLE;
    const NAMES: &'static [&'static str] = &names::<DefaultRule, { TABLE.len() }>(TABLE);
    const IS_BULK: bool = false;

    /// There are few, and whoever reads the API sees all.
    fn candidates(view: &Snapshot, _: Scope<'_>, _: &Filters) -> Vec<Arc<Stored<DefaultRule>>> {
        view.iter::<DefaultRule>().cloned().collect()
    }

    fn check_parents(_: Request<'_>, _: &dyn Fn(Uuid) -> bool, _: &Values) -> Result<(), ApiError> {
        Ok(())
    }

    fn prepare_new(
        request: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<NewDefaultRule, ApiError> {
        let prefix = values.prefix("remote_ip_prefix");
        let group = rule_match::named(values, "remote_group_id");
        let address_group = rule_match::named(values, "remote_address_group_id");
        let remote = match group.as_deref() {
            Some(PARENT) => parent(prefix, address_group.as_deref()),
            _ => {
                let group = group.map(|id| find_group(request, &id)).transpose()?;
                let address_group = address_group.map(|id| find_address_group(request, &id)).transpose()?;
                remote(prefix, group, address_group).map(TemplateRemote::Fixed)
            }
        };
        Ok(NewDefaultRule {
            matches: rule_match::read(values, remote)?,
            used_in_default_sg: values.boolean("used_in_default_sg").unwrap_or(false),
            used_in_non_default_sg: values.boolean("used_in_non_default_sg").unwrap_or(false),
            description: values.text("description").unwrap_or_default(),
        })
    }

    fn prepare_change(
        _: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        _: &DefaultRule,
        _: &Values,
    ) -> Result<Infallible, ApiError> {
        Err(ApiError::method_not_allowed())
    }

    fn create(tx: &mut Tx, _: &Config, new: &NewDefaultRule) -> Result<DefaultRule, Error> {
        default_rule::create(tx, new)
    }

    fn update(
        _: &mut Tx,
        _: &Config,
        _: Uuid,
        change: &Infallible,
        _: Option<u64>,
    ) -> Result<DefaultRule, Error> {
        match *change {}
    }

    fn delete(tx: &mut Tx, _: &Config, id: Uuid, _: bool, revision: Option<u64>) -> Result<Step<()>, Error> {
        default_rule::delete(tx, SecurityGroupRuleId(id), revision).map(Step::Done)
    }
}

fn fixed(rule: &DefaultRule) -> Option<Remote> {
    match rule.remote {
        TemplateRemote::Parent => None,
        TemplateRemote::Fixed(remote) => Some(remote),
    }
}

fn parent(prefix: Option<IpNet>, address_group: Option<&str>) -> Result<TemplateRemote, SecurityError> {
    match (prefix, address_group) {
        (None, None) => Ok(TemplateRemote::Parent),
        _ => Err(SecurityError::MultipleRemoteEntities),
    }
}

fn find_group(request: Request<'_>, id: &str) -> Result<SecurityGroupId, ApiError> {
    let found = parse_uuid(id).map(SecurityGroupId);
    let found = found.filter(|id| request.view.get::<SecurityGroup>(id).is_some());
    found.ok_or_else(|| group_not_found(id))
}

fn find_address_group(request: Request<'_>, id: &str) -> Result<AddressGroupId, ApiError> {
    let found = parse_uuid(id).map(AddressGroupId);
    let found = found.filter(|id| request.view.get::<AddressGroup>(id).is_some());
    found.ok_or_else(|| address_group_not_found(id))
}
