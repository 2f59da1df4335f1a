//! `/v2.0/rbac-policies`

use super::{Object, Request, Resource, Scope, names};
use crate::ApiError;
use crate::attribute::{Attribute, Convert, Default, Validate};
use crate::field::Field;
use crate::filter::Filters;
use crate::values::Values;
use hadron_control::rbac::{self, NewRbacPolicy, RbacPolicyChange};
use hadron_control::{Config, Error, SharingError, Step};
use hadron_model::{RbacPolicy, RbacPolicyId, Shareable, Target};
use hadron_store::{Snapshot, Stored, Tx};
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub struct RbacPolicies;

type Column = Attribute<RbacPolicy>;

const BY: &[&str] = &["rbac-policies"];

const TABLE: &[Column] = &[
    Column::new("id", |policy, _| Some(Field::Id(policy.id.0)))
        .by(BY)
        .filter()
        .primary_key()
        .validate(Validate::Uuid),
    Column::new("object_type", |policy, _| Some(Field::Text(policy.object.object_type())))
        .by(BY)
        .post()
        .filter()
        .enforce_policy()
        .default(Default::Null)
        .convert(Convert::SharedType),
    Column::new("object_id", |policy, _| Some(Field::Id(policy.object.id())))
        .by(BY)
        .post()
        .filter()
        .enforce_policy()
        .validate(Validate::Uuid),
    Column::new("target_tenant", |policy, _| Some(Field::Text(policy.target.as_str())))
        .by(BY)
        .post_put()
        .filter()
        .enforce_policy()
        .validate(Validate::TargetProject),
    Column::new("tenant_id", |policy, _| Some(Field::Text(&policy.project_id)))
        .by(BY)
        .post()
        .filter()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("project_id", |policy, _| Some(Field::Text(&policy.project_id)))
        .by(&["project-id"])
        .mirror_of("tenant_id")
        .post()
        .filter()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("action", |policy, _| Some(Field::Text(policy.access.as_str())))
        .by(BY)
        .post()
        .filter()
        .enforce_policy()
        .validate(Validate::String(255)),
];

impl Object for RbacPolicy {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn key_of(id: Uuid) -> RbacPolicyId {
        RbacPolicyId(id)
    }
}

impl Resource for RbacPolicies {
    type Record = RbacPolicy;
    type New = NewRbacPolicy;
    type Change = RbacPolicyChange;

    const MEMBER: &'static str = "rbac_policy";
    const COLLECTION: &'static str = "rbac_policies";
    const NOT_FOUND: &'static str = "RbacPolicyNotFound";
    const ATTRIBUTES: &'static [Column] = TABLE;
    const NAMES: &'static [&'static str] = &names::<RbacPolicy, { TABLE.len() }>(TABLE);
    const IS_BULK: bool = false;

    fn candidates(view: &Snapshot, scope: Scope<'_>, filters: &Filters) -> Vec<Arc<Stored<RbacPolicy>>> {
        if let Some(ids) = filters.ids("id") {
            return ids.iter().filter_map(|id| view.get(&RbacPolicyId(*id)).cloned()).collect();
        }
        if let Some(objects) = filters.ids("object_id") {
            let objects = Shareable::TYPES
                .iter()
                .flat_map(|kind| objects.iter().filter_map(|id| Shareable::new(kind, *id)));
            return objects.flat_map(|object| view.rbac_policies_of_object(object)).cloned().collect();
        }
        match scope {
            Scope::All => view.iter::<RbacPolicy>().cloned().collect(),
            Scope::Project(project) => view.rbac_policies_of_project(project).cloned().collect(),
        }
    }

    fn check_parents(_: Request<'_>, _: &dyn Fn(Uuid) -> bool, _: &Values) -> Result<(), ApiError> {
        Ok(())
    }

    fn prepare_new(
        request: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<NewRbacPolicy, ApiError> {
        let object_type = values.text("object_type").unwrap_or_default();
        let id = values.uuid("object_id").ok_or_else(ApiError::internal)?;
        let object = Shareable::new(&object_type, id).ok_or_else(ApiError::internal)?;
        let action = values.text("action").unwrap_or_default();
        let valid = object.accesses();
        let access = valid.iter().find(|access| access.as_str() == action).copied();
        let object_type = object.object_type();
        Ok(NewRbacPolicy {
            project_id: values.text("project_id").unwrap_or_default(),
            object,
            access: access
                .ok_or_else(|| Error::from(SharingError::InvalidAction { action, object_type, valid }))?,
            target: Target::new(&values.text("target_tenant").unwrap_or_default()),
            asker: asker(request),
        })
    }

    fn prepare_change(
        request: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        _: &RbacPolicy,
        values: &Values,
    ) -> Result<RbacPolicyChange, ApiError> {
        let target = values.text("target_tenant").map(|target| Target::new(&target));
        Ok(RbacPolicyChange { target, asker: asker(request) })
    }

    fn create(tx: &mut Tx, config: &Config, new: &NewRbacPolicy) -> Result<RbacPolicy, Error> {
        rbac::create(tx, config, new)
    }

    /// A policy counts no changes, so that none can be demanded.
    fn update(
        tx: &mut Tx,
        _: &Config,
        id: Uuid,
        change: &RbacPolicyChange,
        _: Option<u64>,
    ) -> Result<RbacPolicy, Error> {
        rbac::update(tx, RbacPolicyId(id), change)
    }

    fn delete(tx: &mut Tx, _: &Config, id: Uuid, _: bool, _: Option<u64>) -> Result<Step<()>, Error> {
        rbac::delete(tx, RbacPolicyId(id)).map(Step::Done)
    }
}

fn asker(request: Request<'_>) -> Option<String> {
    (!request.is_admin).then(|| request.view.project().to_owned())
}
