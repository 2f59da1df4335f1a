//! `/v2.0/security-groups`

use super::security_group_rule::RulesOf;
use super::{Object, Request, Resource, Scope, Tagging, default_group, names, tagging};
use crate::ApiError;
use crate::attribute::{Attribute, Convert, Default, Validate};
use crate::field::Field;
use crate::filter::Filters;
use crate::request::Call;
use crate::state::ApiState;
use crate::values::Values;
use crate::view::View;
use hadron_control::rbac::may_use;
use hadron_control::security_group::{self, NewSecurityGroup, SecurityGroupChange};
use hadron_control::{Config, Error, Step};
use hadron_model::{SecurityGroup, SecurityGroupId, Shareable};
use hadron_store::{Snapshot, Stored, Tx};
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub struct SecurityGroups;

type Column = Attribute<SecurityGroup>;

const BY: &[&str] = &["security-group"];

const TABLE: &[Column] = &[
    Column::new("id", |group, _| Some(Field::Id(group.id.0)))
        .by(BY)
        .filter_sort()
        .primary_key()
        .validate(Validate::Uuid),
    Column::new("name", |group, _| Some(Field::Text(&group.name)))
        .by(BY)
        .post_put()
        .filter_sort()
        .default(Default::Text(""))
        .validate(Validate::NameNotDefault(255)),
    Column::new("stateful", |group, _| Some(Field::Bool(group.stateful)))
        .by(&["stateful-security-group"])
        .post_put()
        .filter()
        .default(Default::Bool(true))
        .convert(Convert::Boolean),
    Column::new("tenant_id", |group, _| Some(Field::Text(&group.project_id)))
        .by(BY)
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("project_id", |group, _| Some(Field::Text(&group.project_id)))
        .by(&["project-id"])
        .mirror_of("tenant_id")
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("description", |group, _| Some(Field::Text(&group.description)))
        .by(&["standard-attr-description"])
        .post_put()
        .filter()
        .default(Default::Text(""))
        .validate(Validate::String(255)),
    Column::new("shared", |group, view| {
        Some(Field::Bool(view.is_shared_with(Shareable::SecurityGroup(group.id), view.project())))
    })
    .by(&["security-groups-shared-filtering"])
    .filter()
    .required_by_policy()
    .enforce_policy()
    .convert(Convert::Boolean),
    Column::new("security_group_rules", |group, view| Some(Field::Rules(RulesOf::new(view, group.id))))
        .by(BY),
    Column::new("revision_number", |group, _| Some(Field::Integer(group.stamp.revision_number)))
        .by(&["standard-attr-revisions"])
        .filter()
        .default(Default::Null),
    Column::new("created_at", |group, _| Some(Field::Time(group.stamp.created_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
    Column::new("updated_at", |group, _| Some(Field::Time(group.stamp.updated_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
    tagging::tags(),
    tagging::tags_any(),
    tagging::not_tags(),
    tagging::not_tags_any(),
];

impl Object for SecurityGroup {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn key_of(id: Uuid) -> SecurityGroupId {
        SecurityGroupId(id)
    }
}

impl Resource for SecurityGroups {
    type Record = SecurityGroup;
    type New = NewSecurityGroup;
    type Change = SecurityGroupChange;

    const MEMBER: &'static str = "security_group";
    const COLLECTION: &'static str = "security_groups";
    const NOT_FOUND: &'static str = "SecurityGroupNotFound";
    const ATTRIBUTES: &'static [Column] = TABLE;
    const NAMES: &'static [&'static str] = &names::<SecurityGroup, { TABLE.len() }>(TABLE);
    const IS_ON_HOSTS: bool = true;
    const TAGS: Option<Tagging<SecurityGroup>> = Some(Tagging::OF_STAMP);

    fn candidates(view: &Snapshot, scope: Scope<'_>, filters: &Filters) -> Vec<Arc<Stored<SecurityGroup>>> {
        if let Some(ids) = filters.ids("id") {
            return ids.iter().filter_map(|id| view.get(&SecurityGroupId(*id)).cloned()).collect();
        }
        if let Some(projects) = filters.texts("project_id").or(filters.texts("tenant_id")) {
            let groups = projects.iter().flat_map(|project| view.security_groups_of_project(project));
            return groups.cloned().collect();
        }
        match scope {
            Scope::All => view.iter::<SecurityGroup>().cloned().collect(),
            Scope::Project(project) => {
                let granted: BTreeSet<_> = view.security_groups_granted(project).collect();
                let granted = granted.iter().filter_map(|id| view.get::<SecurityGroup>(id));
                let of_others = granted.filter(|group| group.project_id != project);
                view.security_groups_of_project(project).chain(of_others).cloned().collect()
            }
        }
    }

    async fn settle(state: &ApiState, call: &Call, filters: &Filters) {
        default_group::ensure(state, call, filters).await;
    }

    fn is_within_reach(group: &SecurityGroup, view: &View<'_>) -> bool {
        may_use(view, Shareable::SecurityGroup(group.id), view.project())
    }

    fn check_parents(_: Request<'_>, _: &dyn Fn(Uuid) -> bool, _: &Values) -> Result<(), ApiError> {
        Ok(())
    }

    fn prepare_new(
        _: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<NewSecurityGroup, ApiError> {
        Ok(NewSecurityGroup {
            project_id: values.text("project_id").unwrap_or_default(),
            name: values.text("name").unwrap_or_default(),
            description: values.text("description").unwrap_or_default(),
            stateful: values.boolean("stateful").filter(|_| values.is_given("stateful")),
        })
    }

    fn prepare_change(
        _: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        _: &SecurityGroup,
        values: &Values,
    ) -> Result<SecurityGroupChange, ApiError> {
        Ok(SecurityGroupChange {
            name: values.text("name"),
            description: values.text("description"),
            stateful: values.boolean("stateful"),
        })
    }

    fn create(tx: &mut Tx, config: &Config, new: &NewSecurityGroup) -> Result<SecurityGroup, Error> {
        security_group::create(tx, config, new)
    }

    fn update(
        tx: &mut Tx,
        _: &Config,
        id: Uuid,
        change: &SecurityGroupChange,
        revision: Option<u64>,
    ) -> Result<SecurityGroup, Error> {
        security_group::update(tx, SecurityGroupId(id), change, revision)
    }

    fn delete(
        tx: &mut Tx,
        _: &Config,
        id: Uuid,
        is_admin: bool,
        revision: Option<u64>,
    ) -> Result<Step<()>, Error> {
        security_group::delete(tx, SecurityGroupId(id), is_admin, revision)
    }
}
