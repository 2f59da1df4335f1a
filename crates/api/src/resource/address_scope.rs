//! `/v2.0/address-scopes`

use super::{Object, Request, Resource, Scope, names};
use crate::ApiError;
use crate::attribute::{Attribute, Convert, Default, Validate};
use crate::field::Field;
use crate::filter::Filters;
use crate::values::Values;
use crate::view::View;
use hadron_control::address_scope::{self, AddressScopeChange, NewAddressScope};
use hadron_control::rbac::may_use;
use hadron_control::{Config, Error, Step};
use hadron_model::{AddressScope, AddressScopeId, IpVersion, Shareable};
use hadron_store::{Snapshot, Stored, Tx};
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub struct AddressScopes;

type Column = Attribute<AddressScope>;

const BY: &[&str] = &["address-scope"];

const TABLE: &[Column] = &[
    Column::new("id", |scope, _| Some(Field::Id(scope.id.0)))
        .by(BY)
        .filter_sort()
        .primary_key()
        .validate(Validate::Uuid),
    Column::new("name", |scope, _| Some(Field::Text(&scope.name)))
        .by(BY)
        .post_put()
        .filter_sort()
        .default(Default::Text(""))
        .validate(Validate::NameString(255)),
    Column::new("tenant_id", |scope, _| Some(Field::Text(&scope.project_id)))
        .by(BY)
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("project_id", |scope, _| Some(Field::Text(&scope.project_id)))
        .by(&["project-id"])
        .mirror_of("tenant_id")
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("shared", |scope, view| {
        Some(Field::Bool(view.is_shared_with(Shareable::AddressScope(scope.id), view.project())))
    })
    .by(BY)
    .post_put()
    .filter_sort()
    .required_by_policy()
    .enforce_policy()
    .default(Default::Bool(false))
    .convert(Convert::Boolean),
    Column::new("ip_version", |scope, _| Some(Field::Integer(scope.ip_version.number().into())))
        .by(BY)
        .post()
        .filter_sort()
        .convert(Convert::Integer)
        .validate(Validate::Integers(&[4, 6])),
];

impl Object for AddressScope {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn key_of(id: Uuid) -> AddressScopeId {
        AddressScopeId(id)
    }
}

impl Resource for AddressScopes {
    type Record = AddressScope;
    type New = NewAddressScope;
    type Change = AddressScopeChange;

    const MEMBER: &'static str = "address_scope";
    const COLLECTION: &'static str = "address_scopes";
    const NOT_FOUND: &'static str = "AddressScopeNotFound";
    const ATTRIBUTES: &'static [Column] = TABLE;
    const NAMES: &'static [&'static str] = &names::<AddressScope, { TABLE.len() }>(TABLE);
    const IS_BULK: bool = false;

    fn candidates(view: &Snapshot, scope: Scope<'_>, filters: &Filters) -> Vec<Arc<Stored<AddressScope>>> {
        if let Some(ids) = filters.ids("id") {
            return ids.iter().filter_map(|id| view.get(&AddressScopeId(*id)).cloned()).collect();
        }
        match scope {
            Scope::All => view.iter::<AddressScope>().cloned().collect(),
            Scope::Project(project) => {
                let granted: BTreeSet<_> = view.address_scopes_granted(project).collect();
                let granted = granted.iter().filter_map(|id| view.get::<AddressScope>(id));
                let of_others = granted.filter(|scope| scope.project_id != project);
                view.address_scopes_of_project(project).chain(of_others).cloned().collect()
            }
        }
    }

    fn is_within_reach(scope: &AddressScope, view: &View<'_>) -> bool {
        may_use(view, Shareable::AddressScope(scope.id), view.project())
    }

    fn check_parents(_: Request<'_>, _: &dyn Fn(Uuid) -> bool, _: &Values) -> Result<(), ApiError> {
        Ok(())
    }

    fn prepare_new(
        _: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<NewAddressScope, ApiError> {
        let version = values.integer("ip_version").and_then(|version| u64::try_from(version).ok());
        Ok(NewAddressScope {
            project_id: values.text("project_id").unwrap_or_default(),
            name: values.text("name").unwrap_or_default(),
            ip_version: version.and_then(IpVersion::new).ok_or_else(ApiError::internal)?,
            shared: values.boolean("shared").unwrap_or(false),
        })
    }

    fn prepare_change(
        request: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        _: &AddressScope,
        values: &Values,
    ) -> Result<AddressScopeChange, ApiError> {
        Ok(AddressScopeChange {
            name: values.text("name"),
            shared: values.boolean("shared"),
            asker: request.view.project().to_owned(),
        })
    }

    fn create(tx: &mut Tx, _: &Config, new: &NewAddressScope) -> Result<AddressScope, Error> {
        address_scope::create(tx, new)
    }

    /// A scope counts no changes, so that none can be demanded.
    fn update(
        tx: &mut Tx,
        _: &Config,
        id: Uuid,
        change: &AddressScopeChange,
        _: Option<u64>,
    ) -> Result<AddressScope, Error> {
        address_scope::update(tx, AddressScopeId(id), change)
    }

    fn delete(tx: &mut Tx, _: &Config, id: Uuid, _: bool, _: Option<u64>) -> Result<Step<()>, Error> {
        address_scope::delete(tx, AddressScopeId(id))
    }
}
