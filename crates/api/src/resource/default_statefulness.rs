//! `/v2.0/security-groups-default-statefulness`

use super::{Object, Request, Resource, Scope, names};
use crate::ApiError;
use crate::attribute::{Attribute, Convert, Default, Validate};
use crate::field::Field;
use crate::filter::Filters;
use crate::values::Values;
use hadron_control::default_statefulness::{self, NewDefaultStatefulness};
use hadron_control::{Config, Error, Step};
use hadron_model::{DefaultStatefulness, DefaultStatefulnessId};
use hadron_store::{Snapshot, Stored, Tx};
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub struct DefaultStatefulnesses;

type Column = Attribute<DefaultStatefulness>;

const BY: &[&str] = &["security-groups-default-statefulness"];

const TABLE: &[Column] = &[
    Column::new("id", |setting, _| Some(Field::Id(setting.id.0)))
        .by(BY)
        .filter_sort()
        .primary_key()
        .validate(Validate::Uuid),
    Column::new("project_id", |setting, _| Some(Field::text(setting.project_id.as_deref())))
        .by(BY)
        .post()
        .filter_sort()
        .required_by_policy()
        .default(Default::Null)
        .validate(Validate::StringOrNone(255)),
    Column::new("tenant_id", |setting, _| Some(Field::text(setting.project_id.as_deref())))
        .by(&["project-id"])
        .mirror_of("project_id")
        .post()
        .filter_sort()
        .required_by_policy()
        .default(Default::Null)
        .validate(Validate::StringOrNone(255)),
    Column::new("stateful", |setting, _| Some(Field::Bool(setting.stateful)))
        .by(BY)
        .post_put()
        .filter_sort()
        .default(Default::Bool(true))
        .convert(Convert::Boolean),
];

impl Object for DefaultStatefulness {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn key_of(id: Uuid) -> DefaultStatefulnessId {
        DefaultStatefulnessId(id)
    }
}

impl Resource for DefaultStatefulnesses {
    type Record = DefaultStatefulness;
    type New = NewDefaultStatefulness;
    /// What groups begin with from now on.
    type Change = Option<bool>;

    // As the official client calls it. Neutron's own name for one is that of the list.
    const MEMBER: &'static str = "security_group_default_statefulness";
    const POLICY_NAME: &'static str = "security_groups_default_statefulness";
    const COLLECTION: &'static str = "security_groups_default_statefulness";
    const NOT_FOUND: &'static str = "SecurityGroupDefaultStatefulnessNotFound";
    const ATTRIBUTES: &'static [Column] = TABLE;
    const NAMES: &'static [&'static str] = &names::<DefaultStatefulness, { TABLE.len() }>(TABLE);
    const IS_BULK: bool = false;

    fn candidates(
        view: &Snapshot,
        scope: Scope<'_>,
        filters: &Filters,
    ) -> Vec<Arc<Stored<DefaultStatefulness>>> {
        if let Some(ids) = filters.ids("id") {
            return ids.iter().filter_map(|id| view.get(&DefaultStatefulnessId(*id)).cloned()).collect();
        }
        match scope {
            Scope::All => view.iter::<DefaultStatefulness>().cloned().collect(),
            Scope::Project(project) => {
                view.default_statefulness(Some(project)).into_iter().cloned().collect()
            }
        }
    }

    fn check_parents(_: Request<'_>, _: &dyn Fn(Uuid) -> bool, _: &Values) -> Result<(), ApiError> {
        Ok(())
    }

    fn prepare_new(
        _: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<NewDefaultStatefulness, ApiError> {
        Ok(NewDefaultStatefulness {
            project_id: values.text("project_id"),
            stateful: values.boolean("stateful").unwrap_or(true),
        })
    }

    fn prepare_change(
        _: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        _: &DefaultStatefulness,
        values: &Values,
    ) -> Result<Option<bool>, ApiError> {
        Ok(values.boolean("stateful"))
    }

    fn create(tx: &mut Tx, _: &Config, new: &NewDefaultStatefulness) -> Result<DefaultStatefulness, Error> {
        default_statefulness::create(tx, new)
    }

    fn update(
        tx: &mut Tx,
        _: &Config,
        id: Uuid,
        stateful: &Option<bool>,
        _: Option<u64>,
    ) -> Result<DefaultStatefulness, Error> {
        default_statefulness::update(tx, DefaultStatefulnessId(id), *stateful)
    }

    fn delete(tx: &mut Tx, _: &Config, id: Uuid, _: bool, _: Option<u64>) -> Result<Step<()>, Error> {
        default_statefulness::delete(tx, DefaultStatefulnessId(id)).map(Step::Done)
    }
}
