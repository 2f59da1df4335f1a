//! `/v2.0/subnets`

use super::{Object, Request, Resource, Scope, Tagging, names, sharing, tagging};
use crate::ApiError;
use crate::attribute::{Attribute, Convert, Default, Validate};
use crate::field::Field;
use crate::filter::Filters;
use crate::validate::parse_uuid;
use crate::values::Values;
use crate::view::View;
use axum::http::StatusCode;
use hadron_control::rbac::may_use;
use hadron_control::subnet::{self, Gateway, NewSubnet, Prefix, SubnetChange};
use hadron_control::{Config, Error, Step, slaac};
use hadron_model::{
    IpNet, IpVersion, Ipv6Mode, Network, NetworkId, SegmentId, Shareable, Subnet, SubnetId, SubnetPoolId,
};
use hadron_store::{CommitInfo, Snapshot, Store, Stored, Tx};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub struct Subnets;

const MODES: &[Option<&str>] = &[Some("dhcpv6-stateful"), Some("dhcpv6-stateless"), Some("slaac"), None];

/// `subnetpool_id` of a subnet whose prefix a router gets from the outside.
const PREFIX_DELEGATION: &str = "prefix_delegation";

type Column = Attribute<Subnet>;

const TABLE: &[Column] = &[
    Column::new("id", |subnet, _| Some(Field::Id(subnet.id.0)))
        .filter_sort()
        .primary_key()
        .validate(Validate::Uuid),
    Column::new("name", |subnet, _| Some(Field::Text(&subnet.name)))
        .post_put()
        .filter_sort()
        .default(Default::Text(""))
        .validate(Validate::NameString(255)),
    Column::new("ip_version", |subnet, _| {
        Some(Field::Integer(if subnet.cidr.addr().is_ipv6() { 6 } else { 4 }))
    })
    .post()
    .filter_sort()
    .convert(Convert::Integer)
    .validate(Validate::Integers(&[4, 6])),
    Column::new("network_id", |subnet, _| Some(Field::Id(subnet.network_id.0)))
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::Uuid),
    Column::new("subnetpool_id", |subnet, _| {
        Some(subnet.subnetpool_id.map_or(Field::Null, |id| Field::Id(id.0)))
    })
    .post()
    .filter_sort()
    .default(Default::Unspecified)
    .validate(Validate::SubnetPoolOrNone),
    Column::new("prefixlen", |_, _| None)
        .post()
        .hidden()
        .default(Default::Unspecified)
        .convert(Convert::Integer)
        .validate(Validate::NonNegative),
    Column::new("use_default_subnetpool", |_, _| None)
        .by(&["default-subnetpools"])
        .post()
        .hidden()
        .default(Default::Bool(false))
        .convert(Convert::Boolean),
    Column::new("cidr", |subnet, _| Some(Field::Prefix(subnet.cidr)))
        .post_put()
        .filter_sort()
        .default(Default::Unspecified)
        .convert(Convert::Prefix)
        .validate(Validate::PrefixOrNone),
    Column::new("gateway_ip", |subnet, _| Some(Field::address(subnet.gateway_ip)))
        .post_put()
        .filter_sort()
        .default(Default::Unspecified)
        .convert(Convert::Address)
        .validate(Validate::AddressOrNone),
    Column::new("allocation_pools", |subnet, _| Some(Field::Pools(&subnet.allocation_pools)))
        .post_put()
        .default(Default::Unspecified)
        .convert(Convert::Pools)
        .validate(Validate::Pools),
    Column::new("dns_nameservers", |subnet, _| Some(Field::Addresses(&subnet.dns_nameservers)))
        .post_put()
        .default(Default::Unspecified)
        .convert(Convert::NullToList)
        .validate(Validate::NameServers),
    Column::new("host_routes", |subnet, _| Some(Field::Routes(&subnet.host_routes)))
        .post_put()
        .default(Default::Unspecified)
        .convert(Convert::NullToList)
        .validate(Validate::HostRoutes),
    Column::new("tenant_id", |subnet, _| Some(Field::Text(&subnet.project_id)))
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("project_id", |subnet, _| Some(Field::Text(&subnet.project_id)))
        .by(&["project-id"])
        .mirror_of("tenant_id")
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("enable_dhcp", |subnet, _| Some(Field::Bool(subnet.enable_dhcp)))
        .post_put()
        .filter_sort()
        .default(Default::Bool(true))
        .convert(Convert::Boolean),
    Column::new("ipv6_ra_mode", |subnet, _| Some(mode(subnet.ipv6_ra_mode)))
        .post()
        .filter_sort()
        .default(Default::Unspecified)
        .validate(Validate::Words(MODES)),
    Column::new("ipv6_address_mode", |subnet, _| Some(mode(subnet.ipv6_address_mode)))
        .post()
        .filter_sort()
        .default(Default::Unspecified)
        .validate(Validate::Words(MODES)),
    Column::new("shared", |subnet, view| {
        Some(Field::Bool(view.is_shared_with(Shareable::Network(subnet.network_id), view.project())))
    })
    .hidden()
    .filter()
    .required_by_policy()
    .enforce_policy()
    .default(Default::Bool(false))
    .convert(Convert::Boolean),
    Column::new("router:external", |subnet, view| Some(Field::Bool(view.is_external(subnet.network_id))))
        .by(&["subnet-external-network"])
        .filter()
        .required_by_policy()
        .enforce_policy()
        .default(Default::Bool(false))
        .convert(Convert::Boolean),
    Column::new("description", |subnet, _| Some(Field::Text(&subnet.description)))
        .by(&["standard-attr-description"])
        .post_put()
        .filter()
        .default(Default::Text(""))
        .validate(Validate::String(255)),
    Column::new("revision_number", |subnet, _| Some(Field::Integer(subnet.stamp.revision_number)))
        .by(&["standard-attr-revisions"])
        .filter()
        .default(Default::Null),
    Column::new("created_at", |subnet, _| Some(Field::Time(subnet.stamp.created_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
    Column::new("updated_at", |subnet, _| Some(Field::Time(subnet.stamp.updated_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
    Column::new("service_types", |subnet, _| {
        Some(Field::Texts(subnet.service_types.iter().map(String::as_str).collect()))
    })
    .by(&["subnet-service-types"])
    .post_put()
    .default(Default::Unspecified)
    .validate(Validate::ServiceTypes),
    Column::new("dns_publish_fixed_ip", |subnet, _| Some(Field::Bool(subnet.dns_publish_fixed_ip)))
        .by(&["subnet-dns-publish-fixed-ip"])
        .post_put()
        .default(Default::Bool(false))
        .convert(Convert::Boolean),
    Column::new("segment_id", |subnet, _| Some(subnet.segment_id.map_or(Field::Null, |id| Field::Id(id.0))))
        .by(&["segment", "subnet-segmentid-writable"])
        .post_put()
        .filter_sort()
        .default(Default::Null)
        .validate(Validate::UuidOrNone),
    tagging::tags(),
    tagging::tags_any(),
    tagging::not_tags(),
    tagging::not_tags_any(),
];

impl Object for Subnet {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn key_of(id: Uuid) -> SubnetId {
        SubnetId(id)
    }
}

impl Resource for Subnets {
    type Record = Subnet;
    type New = NewSubnet;
    type Change = SubnetChange;

    const MEMBER: &'static str = "subnet";
    const COLLECTION: &'static str = "subnets";
    const NOT_FOUND: &'static str = "SubnetNotFound";
    const ATTRIBUTES: &'static [Attribute<Subnet>] = TABLE;
    const NAMES: &'static [&'static str] = &names::<Subnet, { TABLE.len() }>(TABLE);
    const IS_ON_HOSTS: bool = true;
    const TAGS: Option<Tagging<Subnet>> = Some(Tagging::OF_STAMP);

    fn candidates(view: &Snapshot, scope: Scope<'_>, filters: &Filters) -> Vec<Arc<Stored<Subnet>>> {
        if let Some(ids) = filters.ids("id") {
            return ids.iter().filter_map(|id| view.get::<Subnet>(&SubnetId(*id)).cloned()).collect();
        }
        if let Some(pools) = filters.ids("subnetpool_id") {
            return pools.iter().flat_map(|id| view.subnets_of_pool(SubnetPoolId(*id))).cloned().collect();
        }
        if let Some(networks) = filters.ids("network_id") {
            return networks.iter().flat_map(|id| view.subnets_of(NetworkId(*id))).cloned().collect();
        }
        match scope {
            Scope::All => view.iter::<Subnet>().cloned().collect(),
            Scope::Project(project) => {
                let own = view.networks_of_project(project).map(|network| network.id);
                let granted = sharing::networks(view, project);
                let on_these = own.chain(granted).flat_map(|network| view.subnets_of(network));
                let subnets = view.subnets_of_project(project).chain(on_these);
                // Each once.
                subnets
                    .map(|subnet| (subnet.id, subnet))
                    .collect::<BTreeMap<_, _>>()
                    .into_values()
                    .cloned()
                    .collect()
            }
        }
    }

    fn is_within_reach(subnet: &Subnet, view: &View<'_>) -> bool {
        subnet.project_id == view.project()
            || may_use(view, Shareable::Network(subnet.network_id), view.project())
    }

    fn check_parents(
        request: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<(), ApiError> {
        // Policy judges by the network's owner, whether or not the caller sees the network.
        let network = NetworkId(values.uuid("network_id").ok_or_else(ApiError::internal)?);
        match request.view.get::<Network>(&network) {
            Some(_) => Ok(()),
            None => Err(Error::NetworkNotFound(network).into()),
        }
    }

    fn prepare_new(
        request: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<NewSubnet, ApiError> {
        let prefix = prefix(request, values)?;
        let pool = match prefix {
            Prefix::OfPool { pool, .. } => Some(Shareable::SubnetPool(pool)),
            Prefix::Given(_) => None,
        };
        let caller = request.view.project();
        let relies_on = pool.and_then(|pool| sharing::reliance(request, pool, caller)).into_iter().collect();
        Ok(NewSubnet {
            network_id: NetworkId(values.uuid("network_id").ok_or_else(ApiError::internal)?),
            project_id: values.text("project_id").unwrap_or_default(),
            name: values.text("name").unwrap_or_default(),
            description: values.text("description").unwrap_or_default(),
            ip_version: if values.integer("ip_version") == Some(6) { 6 } else { 4 },
            prefix,
            relies_on,
            gateway: match values.address("gateway_ip") {
                None => Gateway::First,
                Some(None) => Gateway::Absent,
                Some(Some(address)) => Gateway::At(address),
            },
            allocation_pools: values.pools("allocation_pools"),
            dns_nameservers: values.addresses("dns_nameservers").unwrap_or_default(),
            host_routes: values.routes("host_routes").unwrap_or_default(),
            enable_dhcp: values.boolean("enable_dhcp").unwrap_or(true),
            ipv6_ra_mode: parse_mode(values.get("ipv6_ra_mode")),
            ipv6_address_mode: parse_mode(values.get("ipv6_address_mode")),
            service_types: service_types(values).unwrap_or_default(),
            dns_publish_fixed_ip: values.boolean("dns_publish_fixed_ip").unwrap_or(false),
            segment_id: values.uuid("segment_id").map(SegmentId),
        })
    }

    fn prepare_change(
        _: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        _: &Subnet,
        values: &Values,
    ) -> Result<SubnetChange, ApiError> {
        Ok(SubnetChange {
            name: values.text("name"),
            description: values.text("description"),
            cidr: values.prefix("cidr"),
            gateway_ip: values.address("gateway_ip"),
            allocation_pools: values.pools("allocation_pools"),
            dns_nameservers: values.addresses("dns_nameservers"),
            host_routes: values.routes("host_routes"),
            enable_dhcp: values.boolean("enable_dhcp"),
            service_types: service_types(values),
            dns_publish_fixed_ip: values.boolean("dns_publish_fixed_ip"),
            segment_id: values.get("segment_id").map(|_| values.uuid("segment_id").map(SegmentId)),
        })
    }

    fn create(tx: &mut Tx, config: &Config, new: &NewSubnet) -> Result<Subnet, Error> {
        subnet::create(tx, config, new)
    }

    async fn complete(store: &Store, config: &Config, info: &CommitInfo, made: &Subnet) -> Result<(), Error> {
        if !slaac::is_auto_address(made) && made.segment_id.is_none() {
            return Ok(());
        }
        let (store, config, info, made) = (store.clone(), config.clone(), info.clone(), made.clone());
        // To the end, whether or not the caller waits for it.
        let task = tokio::spawn(async move {
            slaac::fill_all(&store, &info, made.id).await?;
            match made.segment_id {
                Some(_) => subnet::fill_peer_routes(&store, &info, &config, made.network_id).await,
                None => Ok(()),
            }
        });
        task.await.unwrap_or(Ok(()))
    }

    fn update(
        tx: &mut Tx,
        config: &Config,
        id: Uuid,
        change: &SubnetChange,
        revision: Option<u64>,
    ) -> Result<Subnet, Error> {
        subnet::update(tx, config, SubnetId(id), change, revision)
    }

    fn delete(
        tx: &mut Tx,
        config: &Config,
        id: Uuid,
        _: bool,
        revision: Option<u64>,
    ) -> Result<Step<()>, Error> {
        subnet::delete(tx, config, SubnetId(id), revision)
    }
}

/// Where the prefix comes from: `cidr`, `subnetpool_id`, `prefixlen` and `use_default_subnetpool`.
fn prefix(request: Request<'_>, values: &Values) -> Result<Prefix, ApiError> {
    let bad = |reason: &str| ApiError::bad_resource("subnets", reason);
    let cidr = values.prefix("cidr");
    let length = values.integer("prefixlen");
    if cidr.is_some() && length.is_some() {
        return Err(bad("cidr and prefixlen can't be given together"));
    }
    let named = values.text("subnetpool_id");
    let is_default = values.boolean("use_default_subnetpool") == Some(true);
    if named.is_some() && is_default {
        return Err(bad("subnetpool_id and use_default_subnetpool can't be given together"));
    }
    let pool = match named.as_deref() {
        // As in Neutron, a prefix that is given needs no delegation.
        Some(PREFIX_DELEGATION) if cidr.is_some() => None,
        Some(PREFIX_DELEGATION) => {
            return Err(bad("prefixes are not delegated here; give a cidr or a subnet pool"));
        }
        Some(id) => Some(pool(request, id)?),
        None if is_default => Some(default_pool(request, values, cidr)?),
        None => None,
    };
    let length = length.map(|length| u8::try_from(length).unwrap_or(u8::MAX));
    match (pool, cidr) {
        (Some(pool), cidr) => Ok(Prefix::OfPool { pool, cidr, length }),
        (None, Some(cidr)) => Ok(Prefix::Given(cidr)),
        (None, None) => Err(bad("without a cidr it needs a subnet pool")),
    }
}

/// The pool of an id, if the caller may know of it.
fn pool(request: Request<'_>, id: &str) -> Result<SubnetPoolId, ApiError> {
    let pool = parse_uuid(id).filter(|id| request.sees.subnet_pool(*id)).map(SubnetPoolId);
    pool.ok_or_else(|| {
        let message = format!("subnet pool {id} could not be found");
        ApiError::new(StatusCode::NOT_FOUND, "SubnetPoolNotFound", message)
    })
}

/// The default pool of the subnet's family, if the caller may know of it.
fn default_pool(
    request: Request<'_>,
    values: &Values,
    cidr: Option<IpNet>,
) -> Result<SubnetPoolId, ApiError> {
    let asked = if values.integer("ip_version") == Some(6) { IpVersion::V6 } else { IpVersion::V4 };
    let version = cidr.map_or(asked, |cidr| IpVersion::of(cidr.addr()));
    let pool = request.view.default_subnet_pool(version).map(|pool| pool.id);
    pool.filter(|id| request.sees.subnet_pool(id.0)).ok_or_else(|| {
        let message = format!("there is no default subnet pool of IPv{}", version.number());
        ApiError::bad_resource("subnets", message)
    })
}

fn mode(mode: Option<Ipv6Mode>) -> Field<'static> {
    Field::text(mode.map(Ipv6Mode::as_str))
}

fn parse_mode(value: Option<&Value>) -> Option<Ipv6Mode> {
    let word = value?.as_str()?;
    Ipv6Mode::ALL.into_iter().find(|mode| mode.as_str() == word)
}

/// Owners of ports, each once, in order; null is none.
fn service_types(values: &Values) -> Option<Vec<String>> {
    let list = values.get("service_types")?.as_array().into_iter().flatten();
    let distinct: BTreeSet<&str> = list.filter_map(Value::as_str).collect();
    Some(distinct.into_iter().map(str::to_owned).collect())
}
