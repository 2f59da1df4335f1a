//! `/v2.0/security-group-rules`

use super::{Object, Request, Resource, Scope, answer, default_group, names, rule_match, sharing};
use crate::ApiError;
use crate::attribute::{Attribute, Convert, Default, Mask, Validate};
use crate::field::Field;
use crate::filter::Filters;
use crate::json::Writer;
use crate::request::Call;
use crate::state::ApiState;
use crate::validate::parse_uuid;
use crate::values::Values;
use crate::view::View;
use axum::http::StatusCode;
use hadron_control::rbac::may_use;
use hadron_control::security_group_rule::{self, NewRule};
use hadron_control::{Config, Error, Step};
use hadron_model::{
    AddressGroup, AddressGroupId, Remote, SecurityGroup, SecurityGroupId, SecurityGroupRule,
    SecurityGroupRuleId, Shareable,
};
use hadron_store::{Snapshot, Stored, Tx};
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub struct SecurityGroupRules;

type Column = Attribute<SecurityGroupRule>;

const BY: &[&str] = &["security-group"];

const TABLE: &[Column] = &[
    Column::new("id", |rule, _| Some(Field::Id(rule.id.0)))
        .by(BY)
        .filter_sort()
        .primary_key()
        .validate(Validate::Uuid),
    Column::new("security_group_id", |rule, _| Some(Field::Id(rule.security_group_id.0)))
        .by(BY)
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(36)),
    rule_match::optional("remote_group_id", BY, |rule, _| {
        Some(rule.remote.group().map_or(Field::Null, |id| Field::Id(id.0)))
    }),
    rule_match::direction(BY, |rule, _| Some(Field::Text(rule.direction.as_str()))),
    rule_match::protocol(BY, |rule, _| Some(rule_match::protocol_field(rule.protocol))),
    rule_match::port("port_range_min", BY, |rule, _| Some(rule_match::port_field(rule.port_range_min))),
    rule_match::port("port_range_max", BY, |rule, _| Some(rule_match::port_field(rule.port_range_max))),
    rule_match::ethertype(BY, |rule, _| Some(Field::Text(rule.ethertype.as_str()))),
    rule_match::remote_ip_prefix(BY, |rule, _| Some(rule.remote.prefix().map_or(Field::Null, Field::Prefix))),
    Column::new("tenant_id", |rule, _| Some(Field::Text(&rule.project_id)))
        .by(BY)
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("project_id", |rule, _| Some(Field::Text(&rule.project_id)))
        .by(&["project-id"])
        .mirror_of("tenant_id")
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("normalized_cidr", |rule, _| Some(rule.normalized_cidr().map_or(Field::Null, Field::Prefix)))
        .by(&["security-groups-normalized-cidr"])
        .filter_sort()
        .validate(Validate::PrefixOrNone),
    rule_match::optional("remote_address_group_id", &["security-groups-remote-address-group"], |rule, _| {
        Some(rule.remote.address_group().map_or(Field::Null, |id| Field::Id(id.0)))
    }),
    Column::new("belongs_to_default_sg", |rule, view| {
        let group = view.get::<SecurityGroup>(&rule.security_group_id);
        Some(Field::Bool(group.is_some_and(|group| group.is_default)))
    })
    .by(&["security-groups-rules-belongs-to-default-sg"])
    .filter()
    .convert(Convert::BooleanIfGiven),
    Column::new("description", |rule, _| Some(Field::text(rule.description.as_deref())))
        .by(&["standard-attr-description"])
        .post_put()
        .filter()
        .default(Default::Text(""))
        .validate(Validate::String(255)),
    Column::new("revision_number", |rule, _| Some(Field::Integer(rule.stamp.revision_number)))
        .by(&["standard-attr-revisions"])
        .filter()
        .default(Default::Null),
    Column::new("created_at", |rule, _| Some(Field::Time(rule.stamp.created_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
    Column::new("updated_at", |rule, _| Some(Field::Time(rule.stamp.updated_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
];

impl Object for SecurityGroupRule {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn key_of(id: Uuid) -> SecurityGroupRuleId {
        SecurityGroupRuleId(id)
    }
}

impl Resource for SecurityGroupRules {
    type Record = SecurityGroupRule;
    type New = NewRule;
    /// A rule never changes.
    type Change = Infallible;

    const MEMBER: &'static str = "security_group_rule";
    const COLLECTION: &'static str = "security_group_rules";
    const NOT_FOUND: &'static str = "SecurityGroupRuleNotFound";
    const ATTRIBUTES: &'static [Column] = TABLE;
    const NAMES: &'static [&'static str] = &names::<SecurityGroupRule, { TABLE.len() }>(TABLE);
    const IS_ON_HOSTS: bool = true;

    fn candidates(
        view: &Snapshot,
        scope: Scope<'_>,
        filters: &Filters,
    ) -> Vec<Arc<Stored<SecurityGroupRule>>> {
        if let Some(ids) = filters.ids("id") {
            return ids.iter().filter_map(|id| view.get(&SecurityGroupRuleId(*id)).cloned()).collect();
        }
        if let Some(groups) = filters.ids("security_group_id") {
            let rules = groups.iter().flat_map(|id| view.rules_of_group(SecurityGroupId(*id)));
            return rules.cloned().collect();
        }
        if let Some(groups) = filters.ids("remote_group_id") {
            let rules = groups.iter().flat_map(|id| view.rules_by_remote_group(SecurityGroupId(*id)));
            return rules.cloned().collect();
        }
        if let Some(groups) = filters.ids("remote_address_group_id") {
            let rules = groups.iter().flat_map(|id| view.rules_by_address_group(AddressGroupId(*id)));
            return rules.cloned().collect();
        }
        match scope {
            Scope::All => view.iter::<SecurityGroupRule>().cloned().collect(),
            // A group's owner sees its rules, whoever made them.
            Scope::Project(project) => {
                let groups = view.security_groups_of_project(project);
                groups.flat_map(|group| view.rules_of_group(group.id)).cloned().collect()
            }
        }
    }

    async fn settle(state: &ApiState, call: &Call, filters: &Filters) {
        default_group::ensure(state, call, filters).await;
    }

    fn check_parents(
        request: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<(), ApiError> {
        // Policy judges by the group's owner, whether or not the caller sees the group.
        let id = values.text("security_group_id").unwrap_or_default();
        let group = parse_uuid(&id).and_then(|id| request.view.get::<SecurityGroup>(&SecurityGroupId(id)));
        group.map(|_| ()).ok_or_else(|| group_not_found(&id))
    }

    fn prepare_new(
        request: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<NewRule, ApiError> {
        let project = values.text("project_id").unwrap_or_default();
        let remote = security_group_rule::remote(
            values.prefix("remote_ip_prefix"),
            rule_match::named(values, "remote_group_id").map(|_| SecurityGroupId(Uuid::nil())),
            rule_match::named(values, "remote_address_group_id").map(|_| AddressGroupId(Uuid::nil())),
        );
        let new = NewRule {
            security_group_id: SecurityGroupId(
                values.uuid("security_group_id").ok_or_else(ApiError::internal)?,
            ),
            matches: rule_match::read(values, remote)?,
            description: values.text("description").unwrap_or_default(),
            project_id: project,
            relies_on: vec![],
        };
        // What is wrong with the rest is told before what its other end is not.
        security_group_rule::check_bulk(std::slice::from_ref(&new))?;
        let remote = security_group_rule::remote(
            values.prefix("remote_ip_prefix"),
            remote_group(request, values, &new.project_id)?,
            remote_address_group(request, values, &new.project_id)?,
        );
        let remote_set = remote.as_ref().ok().and_then(|remote| match *remote {
            Remote::Group(id) => Some(Shareable::SecurityGroup(id)),
            Remote::AddressGroup(id) => Some(Shareable::AddressGroup(id)),
            Remote::Any | Remote::Prefix(_) => None,
        });
        let relies_on = remote_set.and_then(|set| sharing::reliance(request, set, &new.project_id));
        let relies_on = relies_on.into_iter().collect();
        Ok(NewRule { matches: rule_match::read(values, remote)?, relies_on, ..new })
    }

    fn prepare_change(
        _: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        _: &SecurityGroupRule,
        _: &Values,
    ) -> Result<Infallible, ApiError> {
        Err(ApiError::method_not_allowed())
    }

    fn check_many(news: &[NewRule]) -> Result<(), Error> {
        security_group_rule::check_bulk(news)
    }

    fn create(tx: &mut Tx, config: &Config, new: &NewRule) -> Result<SecurityGroupRule, Error> {
        security_group_rule::create(tx, config, new)
    }

    fn update(
        _: &mut Tx,
        _: &Config,
        _: Uuid,
        change: &Infallible,
        _: Option<u64>,
    ) -> Result<SecurityGroupRule, Error> {
        match *change {}
    }

    fn delete(tx: &mut Tx, _: &Config, id: Uuid, _: bool, revision: Option<u64>) -> Result<Step<()>, Error> {
        security_group_rule::delete(tx, SecurityGroupRuleId(id), revision).map(Step::Done)
    }
}

/// The answer to a group that there is none of, or none that the caller may use. `id` is what was given.
pub(super) fn group_not_found(id: &str) -> ApiError {
    let message = format!("security group {id} does not exist");
    ApiError::new(StatusCode::NOT_FOUND, "SecurityGroupNotFound", message)
}

/// As [`group_not_found`], for an address group.
pub(super) fn address_group_not_found(id: &str) -> ApiError {
    let message = format!("address group {id} could not be found");
    ApiError::new(StatusCode::NOT_FOUND, "AddressGroupNotFound", message)
}

/// Whether the owner of something may use the group in it: its own and those shared with it; an administrator may use any.
pub(super) fn may_use_group(request: Request<'_>, id: SecurityGroupId, project: &str) -> bool {
    let group = request.view.get::<SecurityGroup>(&id);
    group.is_some() && (request.is_admin || may_use(request.view, Shareable::SecurityGroup(id), project))
}

fn remote_group(
    request: Request<'_>,
    values: &Values,
    project: &str,
) -> Result<Option<SecurityGroupId>, ApiError> {
    let Some(text) = rule_match::named(values, "remote_group_id") else { return Ok(None) };
    let id = parse_uuid(&text).map(SecurityGroupId).filter(|id| may_use_group(request, *id, project));
    id.map(Some).ok_or_else(|| group_not_found(&text))
}

fn remote_address_group(
    request: Request<'_>,
    values: &Values,
    project: &str,
) -> Result<Option<AddressGroupId>, ApiError> {
    let Some(text) = rule_match::named(values, "remote_address_group_id") else { return Ok(None) };
    let may_use = |id: &AddressGroupId| {
        request.view.get::<AddressGroup>(id).is_some()
            && (request.is_admin || may_use(request.view, Shareable::AddressGroup(*id), project))
    };
    let id = parse_uuid(&text).map(AddressGroupId).filter(may_use);
    id.map(Some).ok_or_else(|| address_group_not_found(&text))
}

/// A group's rules, as the group shows them.
#[derive(Clone)]
pub struct RulesOf<'a> {
    view: &'a View<'a>,
    group: SecurityGroupId,
}

impl<'a> RulesOf<'a> {
    pub(super) fn new(view: &'a View<'a>, group: SecurityGroupId) -> Self {
        Self { view, group }
    }

    /// Writes the list, each rule with everything that is visible of one.
    pub(crate) fn write(&self, json: &mut Writer<'_>) {
        let mask = Mask::of(TABLE, |_, attribute| attribute.visible);
        json.raw(b"[");
        for (index, rule) in self.view.rules_of_group(self.group).enumerate() {
            if index > 0 {
                json.raw(b",");
            }
            answer::write_object(TABLE, mask, &rule.value, self.view, json);
        }
        json.raw(b"]");
    }
}

impl PartialEq for RulesOf<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.group == other.group && std::ptr::eq(self.view, other.view)
    }
}

impl fmt::Debug for RulesOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rules of {}", self.group)
    }
}
