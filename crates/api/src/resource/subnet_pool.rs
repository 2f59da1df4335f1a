//! `/v2.0/subnetpools`

use super::{Object, Request, Resource, Scope, Tagging, names, tagging};
use crate::ApiError;
use crate::attribute::{Attribute, Convert, Default, Validate};
use crate::field::Field;
use crate::filter::Filters;
use crate::validate::{parse_prefix, parse_uuid, show};
use crate::values::Values;
use crate::view::View;
use axum::http::StatusCode;
use hadron_control::rbac::may_use;
use hadron_control::subnet_pool::{self, NewSubnetPool, SubnetPoolChange};
use hadron_control::{Config, Error, Step};
use hadron_model::{AddressScopeId, IpNet, NetworkId, Shareable, SubnetPool, SubnetPoolId};
use hadron_store::{Snapshot, Stored, Tx};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub struct SubnetPools;

/// A change of a subnet pool; with the project that asks, unless an administrator does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Of its attributes.
    Attributes(SubnetPoolChange),
    /// These come to it.
    Add(Vec<IpNet>, Option<String>),
    /// These leave it.
    Remove(Vec<IpNet>),
    /// The subnets of a network come to it.
    Onboard(NetworkId, Option<String>),
}

type Column = Attribute<SubnetPool>;

const ADD: &str = "add_prefixes";
const REMOVE: &str = "remove_prefixes";
const ONBOARD: &str = "onboard_network_subnets";

/// A length of prefixes, which is shown as text.
const fn length(name: &'static str, read: crate::attribute::Read<SubnetPool>) -> Column {
    Column::new(name, read)
        .post_put()
        .filter_sort()
        .default(Default::Unspecified)
        .convert(Convert::Integer)
        .validate(Validate::NonNegative)
}

const TABLE: &[Column] = &[
    Column::new("id", |pool, _| Some(Field::Id(pool.id.0)))
        .filter_sort()
        .primary_key()
        .validate(Validate::Uuid),
    Column::new("name", |pool, _| Some(Field::Text(&pool.name)))
        .post_put()
        .filter_sort()
        .validate(Validate::NotEmptyName),
    Column::new("tenant_id", |pool, _| Some(Field::Text(&pool.project_id)))
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("project_id", |pool, _| Some(Field::Text(&pool.project_id)))
        .by(&["project-id"])
        .mirror_of("tenant_id")
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("prefixes", |pool, _| Some(Field::Prefixes(&pool.prefixes)))
        .post_put()
        .validate(Validate::Prefixes),
    Column::new("default_quota", |pool, _| Some(pool.default_quota.map_or(Field::Null, Field::Integer)))
        .post_put()
        .filter_sort()
        .default(Default::Unspecified)
        .convert(Convert::Integer)
        .validate(Validate::NonNegative),
    Column::new("ip_version", |pool, _| Some(Field::Integer(pool.ip_version.number().into()))).filter_sort(),
    length("default_prefixlen", |pool, _| Some(Field::Decimal(pool.default_prefixlen.into()))),
    length("min_prefixlen", |pool, _| Some(Field::Decimal(pool.min_prefixlen.into()))),
    length("max_prefixlen", |pool, _| Some(Field::Decimal(pool.max_prefixlen.into()))),
    Column::new("is_default", |pool, _| Some(Field::Bool(pool.is_default)))
        .post_put()
        .filter_sort()
        .required_by_policy()
        .enforce_policy()
        .default(Default::Bool(false))
        .convert(Convert::Boolean),
    Column::new("shared", |pool, view| {
        Some(Field::Bool(view.is_shared_with(Shareable::SubnetPool(pool.id), view.project())))
    })
    .post()
    .filter_sort()
    .required_by_policy()
    .enforce_policy()
    .default(Default::Bool(false))
    .convert(Convert::Boolean),
    Column::new("address_scope_id", |pool, _| {
        Some(pool.address_scope_id.map_or(Field::Null, |id| Field::Id(id.0)))
    })
    .by(&["address-scope"])
    .post_put()
    .filter_sort()
    .default(Default::Unspecified)
    .validate(Validate::UuidOrNone),
    tagging::tags(),
    tagging::tags_any(),
    tagging::not_tags(),
    tagging::not_tags_any(),
    Column::new("description", |pool, _| Some(Field::Text(&pool.description)))
        .by(&["standard-attr-description"])
        .post_put()
        .filter()
        .default(Default::Text(""))
        .validate(Validate::String(255)),
    Column::new("revision_number", |pool, _| Some(Field::Integer(pool.stamp.revision_number)))
        .by(&["standard-attr-revisions"])
        .filter()
        .default(Default::Null),
    Column::new("created_at", |pool, _| Some(Field::Time(pool.stamp.created_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
    Column::new("updated_at", |pool, _| Some(Field::Time(pool.stamp.updated_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
];

impl Object for SubnetPool {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn key_of(id: Uuid) -> SubnetPoolId {
        SubnetPoolId(id)
    }
}

impl Resource for SubnetPools {
    type Record = SubnetPool;
    type New = NewSubnetPool;
    type Change = Change;

    const MEMBER: &'static str = "subnetpool";
    const COLLECTION: &'static str = "subnetpools";
    const NOT_FOUND: &'static str = "SubnetPoolNotFound";
    const ATTRIBUTES: &'static [Column] = TABLE;
    const NAMES: &'static [&'static str] = &names::<SubnetPool, { TABLE.len() }>(TABLE);
    const IS_BULK: bool = false;
    const TAGS: Option<Tagging<SubnetPool>> = Some(Tagging::OF_STAMP);
    const ACTIONS: &'static [&'static str] = &[ADD, REMOVE, ONBOARD];

    fn candidates(view: &Snapshot, scope: Scope<'_>, filters: &Filters) -> Vec<Arc<Stored<SubnetPool>>> {
        if let Some(ids) = filters.ids("id") {
            return ids.iter().filter_map(|id| view.get(&SubnetPoolId(*id)).cloned()).collect();
        }
        match scope {
            Scope::All => view.iter::<SubnetPool>().cloned().collect(),
            Scope::Project(project) => {
                let granted: BTreeSet<_> = view.subnet_pools_granted(project).collect();
                let granted = granted.iter().filter_map(|id| view.get::<SubnetPool>(id));
                let of_others = granted.filter(|pool| pool.project_id != project);
                view.subnet_pools_of_project(project).chain(of_others).cloned().collect()
            }
        }
    }

    fn is_within_reach(pool: &SubnetPool, view: &View<'_>) -> bool {
        may_use(view, Shareable::SubnetPool(pool.id), view.project())
    }

    fn check_parents(_: Request<'_>, _: &dyn Fn(Uuid) -> bool, _: &Values) -> Result<(), ApiError> {
        Ok(())
    }

    fn prepare_new(
        request: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<NewSubnetPool, ApiError> {
        Ok(NewSubnetPool {
            project_id: values.text("project_id").unwrap_or_default(),
            name: values.text("name").unwrap_or_default(),
            description: values.text("description").unwrap_or_default(),
            prefixes: values.prefixes("prefixes").unwrap_or_default(),
            default_prefixlen: values.integer("default_prefixlen"),
            min_prefixlen: values.integer("min_prefixlen"),
            max_prefixlen: values.integer("max_prefixlen"),
            default_quota: quota(values),
            address_scope_id: values.uuid("address_scope_id").map(AddressScopeId),
            is_default: values.boolean("is_default").unwrap_or(false),
            shared: values.boolean("shared").unwrap_or(false),
            asker: asker(request),
        })
    }

    fn prepare_change(
        request: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        _: &SubnetPool,
        values: &Values,
    ) -> Result<Change, ApiError> {
        let scope = values.uuid("address_scope_id").map(AddressScopeId);
        Ok(Change::Attributes(SubnetPoolChange {
            name: values.text("name"),
            description: values.text("description"),
            prefixes: values.prefixes("prefixes"),
            default_prefixlen: values.integer("default_prefixlen"),
            min_prefixlen: values.integer("min_prefixlen"),
            max_prefixlen: values.integer("max_prefixlen"),
            default_quota: quota(values),
            address_scope_id: values.get("address_scope_id").map(|_| scope),
            is_default: values.boolean("is_default"),
            asker: asker(request),
        }))
    }

    fn prepare_action(request: Request<'_>, action: &str, body: &Value) -> Result<Change, ApiError> {
        if action == ONBOARD {
            return network(request, body).map(|network| Change::Onboard(network, asker(request)));
        }
        let list = body.get("prefixes").and_then(Value::as_array).filter(|list| !list.is_empty());
        let list =
            list.ok_or_else(|| ApiError::bad_request("the body has no list 'prefixes', or an empty one"))?;
        let prefixes = list.iter().map(prefix).collect::<Result<Vec<_>, _>>()?;
        Ok(if action == ADD { Change::Add(prefixes, asker(request)) } else { Change::Remove(prefixes) })
    }

    fn act(
        tx: &mut Tx,
        config: &Config,
        id: Uuid,
        change: &Change,
        revision: Option<u64>,
    ) -> Option<Result<Value, Error>> {
        let Change::Onboard(network, _) = change else {
            let changed = Self::update(tx, config, id, change, revision);
            return Some(changed.map(|pool| json!({"prefixes": texts(&pool.prefixes)})));
        };
        let changed = Self::update(tx, config, id, change, revision);
        let subnets =
            tx.view().subnets_of(*network).filter(|subnet| subnet.subnetpool_id == Some(SubnetPoolId(id)));
        let onboarded =
            subnets.map(|subnet| json!({"id": subnet.id.to_string(), "cidr": subnet.cidr.to_string()}));
        let onboarded: Value = onboarded.collect();
        Some(changed.map(|_| onboarded))
    }

    fn create(tx: &mut Tx, config: &Config, new: &NewSubnetPool) -> Result<SubnetPool, Error> {
        subnet_pool::create(tx, config, new)
    }

    fn update(
        tx: &mut Tx,
        _: &Config,
        id: Uuid,
        change: &Change,
        revision: Option<u64>,
    ) -> Result<SubnetPool, Error> {
        let id = SubnetPoolId(id);
        match change {
            Change::Attributes(change) => subnet_pool::update(tx, id, change, revision),
            Change::Add(prefixes, asker) => {
                subnet_pool::add_prefixes(tx, id, prefixes, asker.as_deref(), revision)
            }
            Change::Remove(prefixes) => subnet_pool::remove_prefixes(tx, id, prefixes, revision),
            Change::Onboard(network, asker) => {
                subnet_pool::onboard(tx, id, *network, asker.as_deref(), revision)
            }
        }
    }

    fn delete(tx: &mut Tx, _: &Config, id: Uuid, _: bool, revision: Option<u64>) -> Result<Step<()>, Error> {
        subnet_pool::delete(tx, SubnetPoolId(id), revision)
    }
}

fn asker(request: Request<'_>) -> Option<String> {
    (!request.is_admin).then(|| request.view.project().to_owned())
}

fn quota(values: &Values) -> Option<u64> {
    values.integer("default_quota").and_then(|quota| u64::try_from(quota).ok())
}

fn texts(prefixes: &[IpNet]) -> Vec<String> {
    prefixes.iter().map(IpNet::to_string).collect()
}

fn prefix(value: &Value) -> Result<IpNet, ApiError> {
    value.as_str().and_then(parse_prefix).ok_or_else(|| {
        let message = format!("'{}' is not a valid IP subnet", show(value));
        ApiError::new(StatusCode::BAD_REQUEST, "AddrFormatError", message)
    })
}

/// The network of a body, if the caller may know of it.
fn network(request: Request<'_>, body: &Value) -> Result<NetworkId, ApiError> {
    let value = body.get("network_id").filter(|value| !value.is_null());
    let value = value.ok_or_else(|| ApiError::invalid_input("network_id must be given"))?;
    let id = value.as_str().and_then(parse_uuid).filter(|id| request.sees.network(*id));
    id.map(NetworkId).ok_or_else(|| {
        let message = format!("network {} could not be found", show(value));
        ApiError::new(StatusCode::NOT_FOUND, "NetworkNotFound", message)
    })
}
