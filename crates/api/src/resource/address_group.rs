//! `/v2.0/address-groups`

use super::{Object, Request, Resource, Scope, names};
use crate::ApiError;
use crate::attribute::{Attribute, Convert, Default, Validate};
use crate::field::Field;
use crate::filter::Filters;
use crate::validate::{parse_prefix, show};
use crate::values::Values;
use crate::view::View;
use axum::http::StatusCode;
use hadron_control::address_group::{self, AddressGroupChange, NewAddressGroup};
use hadron_control::rbac::may_use;
use hadron_control::{Config, Error, Step};
use hadron_model::{AddressGroup, AddressGroupId, IpNet, Shareable};
use hadron_store::{Snapshot, Stored, Tx};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub struct AddressGroups;

/// A change of an address group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Of its attributes.
    Attributes(AddressGroupChange),
    /// These come to it.
    Add(Vec<IpNet>),
    /// These leave it.
    Remove(Vec<IpNet>),
}

type Column = Attribute<AddressGroup>;

const ADD: &str = "add_addresses";
const REMOVE: &str = "remove_addresses";
const BY: &[&str] = &["address-group"];

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
        .validate(Validate::NameString(255)),
    Column::new("description", |group, _| Some(Field::Text(&group.description)))
        .by(&["standard-attr-description", "address-group"])
        .post_put()
        .filter_sort()
        .default(Default::Text(""))
        .validate(Validate::String(1024)),
    Column::new("project_id", |group, _| Some(Field::Text(&group.project_id)))
        .by(BY)
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("tenant_id", |group, _| Some(Field::Text(&group.project_id)))
        .by(&["project-id"])
        .mirror_of("project_id")
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("addresses", |group, _| Some(Field::Prefixes(&group.addresses)))
        .by(BY)
        .post()
        .default(Default::Unspecified)
        .convert(Convert::NullToList)
        .validate(Validate::Prefixes),
    Column::new("shared", |group, view| {
        Some(Field::Bool(view.is_shared_with(Shareable::AddressGroup(group.id), view.project())))
    })
    .by(BY)
    .hidden()
    .default(Default::Bool(false))
    .convert(Convert::Boolean),
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
];

impl Object for AddressGroup {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn key_of(id: Uuid) -> AddressGroupId {
        AddressGroupId(id)
    }
}

impl Resource for AddressGroups {
    type Record = AddressGroup;
    type New = NewAddressGroup;
    type Change = Change;

    const MEMBER: &'static str = "address_group";
    const COLLECTION: &'static str = "address_groups";
    const NOT_FOUND: &'static str = "AddressGroupNotFound";
    const ATTRIBUTES: &'static [Column] = TABLE;
    const NAMES: &'static [&'static str] = &names::<AddressGroup, { TABLE.len() }>(TABLE);
    const IS_ON_HOSTS: bool = true;
    const ACTIONS: &'static [&'static str] = &[ADD, REMOVE];

    fn candidates(view: &Snapshot, scope: Scope<'_>, filters: &Filters) -> Vec<Arc<Stored<AddressGroup>>> {
        if let Some(ids) = filters.ids("id") {
            return ids.iter().filter_map(|id| view.get(&AddressGroupId(*id)).cloned()).collect();
        }
        match scope {
            Scope::All => view.iter::<AddressGroup>().cloned().collect(),
            Scope::Project(project) => {
                let granted: BTreeSet<_> = view.address_groups_granted(project).collect();
                let granted = granted.iter().filter_map(|id| view.get::<AddressGroup>(id));
                let of_others = granted.filter(|group| group.project_id != project);
                view.address_groups_of_project(project).chain(of_others).cloned().collect()
            }
        }
    }

    fn is_within_reach(group: &AddressGroup, view: &View<'_>) -> bool {
        may_use(view, Shareable::AddressGroup(group.id), view.project())
    }

    fn check_parents(_: Request<'_>, _: &dyn Fn(Uuid) -> bool, _: &Values) -> Result<(), ApiError> {
        Ok(())
    }

    fn prepare_new(
        _: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<NewAddressGroup, ApiError> {
        Ok(NewAddressGroup {
            project_id: values.text("project_id").unwrap_or_default(),
            name: values.text("name").unwrap_or_default(),
            description: values.text("description").unwrap_or_default(),
            addresses: values.prefixes("addresses").unwrap_or_default(),
        })
    }

    fn prepare_change(
        _: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        _: &AddressGroup,
        values: &Values,
    ) -> Result<Change, ApiError> {
        Ok(Change::Attributes(AddressGroupChange {
            name: values.text("name"),
            description: values.text("description"),
        }))
    }

    fn prepare_action(_: Request<'_>, action: &str, body: &Value) -> Result<Change, ApiError> {
        let list = body.get("addresses").and_then(Value::as_array);
        let list = list.ok_or_else(|| ApiError::bad_request("the body has no list 'addresses'"))?;
        let addresses = list.iter().map(prefix).collect::<Result<Vec<_>, _>>()?;
        Ok(if action == ADD { Change::Add(addresses) } else { Change::Remove(addresses) })
    }

    fn create(tx: &mut Tx, config: &Config, new: &NewAddressGroup) -> Result<AddressGroup, Error> {
        address_group::create(tx, config, new)
    }

    fn update(
        tx: &mut Tx,
        config: &Config,
        id: Uuid,
        change: &Change,
        revision: Option<u64>,
    ) -> Result<AddressGroup, Error> {
        let id = AddressGroupId(id);
        match change {
            Change::Attributes(change) => address_group::update(tx, id, change, revision),
            Change::Add(addresses) => address_group::add_addresses(tx, config, id, addresses, revision),
            Change::Remove(addresses) => address_group::remove_addresses(tx, id, addresses, revision),
        }
    }

    fn delete(tx: &mut Tx, _: &Config, id: Uuid, _: bool, revision: Option<u64>) -> Result<Step<()>, Error> {
        address_group::delete(tx, AddressGroupId(id), revision)
    }
}

/// A prefix, or an address alone.
fn prefix(value: &Value) -> Result<IpNet, ApiError> {
    value.as_str().and_then(parse_prefix).ok_or_else(|| {
        let message = format!("'{}' is not a valid IP subnet", show(value));
        ApiError::new(StatusCode::BAD_REQUEST, "AddrFormatError", message)
    })
}
