//! `/v2.0/network-ip-availabilities`: how many addresses networks have, and how many of them are used.

use super::endpoint::{Answer, Endpoint};
use super::{Object, answer};
use crate::ApiError;
use crate::attribute::{Attribute, Mask};
use crate::description::{Description, OperationKind, operations};
use crate::error::json_response;
use crate::field::Field;
use crate::filter::{Filters, fields};
use crate::json::Writer;
use crate::page::Page;
use crate::policy::{Policy, RuleId, Target};
use crate::query::Query;
use crate::request::Call;
use crate::state::ApiState;
use crate::validate::parse_uuid;
use crate::values::Table;
use crate::view::View;
use axum::body::Body;
use axum::http::{Method, Response, StatusCode};
use hadron_model::address::to_bits;
use hadron_model::{AddressRange, IpVersion, Network, NetworkId, Subnet};
use hadron_store::{Snapshot, Stored};
use std::borrow::Cow;
use std::sync::Arc;

const MEMBER: &str = "network_ip_availability";
const COLLECTION: &str = "network_ip_availabilities";
const BY: &[&str] = &["network-ip-availability"];
/// What is counted is written by [`Counts`] and [`write`], not read as an attribute.
const COUNTED: crate::attribute::Read<Network> = |_, _| None;

type Column = Attribute<Network>;

pub(super) const TABLE: &[Column] = &[
    Column::new("network_id", |network, _| Some(Field::Id(network.id.0))).by(BY).filter_sort().primary_key(),
    Column::new("network_name", |network, _| Some(Field::Text(&network.name))).by(BY).filter(),
    Column::new("tenant_id", |network, _| Some(Field::Text(&network.project_id))).by(BY).filter(),
    Column::new("project_id", |network, _| Some(Field::Text(&network.project_id)))
        .by(&["project-id"])
        .mirror_of("tenant_id")
        .filter(),
    Column::new("total_ips", COUNTED).by(BY),
    Column::new("used_ips", COUNTED).by(BY),
    Column::new("subnet_ip_availability", COUNTED).by(BY),
    Column::new("ip_version", COUNTED).by(BY).hidden().filter(),
    Column::new("ip_availability_details", COUNTED).by(&["network-ip-availability-details"]),
];

pub(super) const NAMES: &[&str] = &super::names::<Network, { TABLE.len() }>(TABLE);

/// Addresses of a subnet, or of all subnets of a network together.
#[derive(Clone, Copy, Default)]
struct Counts {
    /// Of the pools; without pools of the prefix.
    total: u128,
    /// Of the prefix, without the network's and the broadcast address of IPv4.
    in_subnet: u128,
    in_pools: u128,
    used: u128,
    used_of_pools: u128,
}

impl Counts {
    fn of(view: &Snapshot, subnet: &Subnet) -> Self {
        let size = |pool: &AddressRange| (to_bits(pool.last()) - to_bits(pool.first())).saturating_add(1);
        let all = Snapshot::prefix_size(subnet.cidr);
        let in_pools = subnet.allocation_pools.iter().map(size).fold(0, u128::saturating_add);
        Self {
            total: if subnet.allocation_pools.is_empty() { all } else { in_pools },
            in_subnet: if subnet.cidr.addr().is_ipv4() { all.saturating_sub(2) } else { all },
            in_pools,
            used: view.claimed_address_count(subnet.id).into(),
            used_of_pools: in_pools.saturating_sub(view.free_address_count(subnet.id)),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            total: self.total.saturating_add(other.total),
            in_subnet: self.in_subnet.saturating_add(other.in_subnet),
            in_pools: self.in_pools.saturating_add(other.in_pools),
            used: self.used + other.used,
            used_of_pools: self.used_of_pools + other.used_of_pools,
        }
    }

    /// `ip_availability_details`
    fn details(&self) -> String {
        format!(
            "{{\"total_ips_in_subnet\":{},\"total_ips_in_allocation_pool\":{},\"used_ips_in_subnet\":{},\
             \"used_ips_in_allocation_pool\":{}}}",
            self.in_subnet, self.in_pools, self.used, self.used_of_pools
        )
    }
}

/// The list, and one network's part of it.
pub(super) struct NetworkIpAvailabilities {
    get: Option<RuleId>,
}

impl NetworkIpAvailabilities {
    pub(super) fn new(policy: &Policy) -> Self {
        Self { get: policy.deciding("get_network_ip_availability") }
    }

    fn may_see(&self, state: &ApiState, call: &Call, network: &Network) -> bool {
        state.policy.check(self.get, &call.caller, &OfProject(&network.project_id))
    }

    async fn list(&self, state: &ApiState, call: &Call) -> Result<Response<Body>, ApiError> {
        let table = Table { attributes: TABLE, names: NAMES };
        // Not an attribute of networks, but of the subnets that are counted.
        let of_networks = Query::parse(&call.query.rewritten(&["ip_version"], &[]))?;
        let filters = Filters::read(table, &of_networks)?;
        let page = Page::read(table, &call.query)?;
        let versions: Vec<&str> = call.query.all("ip_version").collect();
        let snapshot = state.view().await;
        let view = View::new(&snapshot, call.caller.project());
        let mut records: Vec<Arc<Stored<Network>>> = match filters.ids("network_id") {
            Some(ids) => ids.iter().filter_map(|id| view.get(&NetworkId(*id)).cloned()).collect(),
            None => view.iter::<Network>().cloned().collect(),
        };
        records.retain(|network| {
            filters.accept(TABLE, &network.value, &view)
                && self.may_see(state, call, network)
                && (versions.is_empty() || subnets(&view, network.id, &versions).next().is_some())
        });
        let marker = page.marker.as_deref().and_then(parse_uuid).and_then(|id| view.get(&NetworkId(id)));
        let marker = marker.map(|network| page.row(table, &network.value, &view));
        let records = page.sort(table, records, &view);
        let records = page.cut(table, records, marker.as_deref(), &view);
        let mask = fields(table, &call.query);
        let mut out = format!("{{\"{COLLECTION}\":[").into_bytes();
        let mut json = Writer::new(&mut out);
        for (index, network) in records.iter().enumerate() {
            json.raw(if index == 0 { b"" } else { b"," });
            write(&view, network, &versions, mask, &mut json);
        }
        json.raw(b"]");
        let ends = answer::ends(&records);
        let ends = ends.as_ref().map(|(first, last)| (first.as_str(), last.as_str()));
        page.write_links(&mut json, COLLECTION, &call.address, &call.query, records.len(), ends);
        json.raw(b"}");
        Ok(json_response(StatusCode::OK, out))
    }

    async fn show(&self, state: &ApiState, call: &Call, id: &str) -> Result<Response<Body>, ApiError> {
        let table = Table { attributes: TABLE, names: NAMES };
        let snapshot = state.view().await;
        let view = View::new(&snapshot, call.caller.project());
        let network = parse_uuid(id).and_then(|id| view.get::<Network>(&Network::key_of(id)));
        let not_found = || {
            ApiError::new(
                StatusCode::NOT_FOUND,
                "NetworkNotFound",
                format!("network {id} could not be found"),
            )
        };
        let network = network.ok_or_else(not_found)?;
        if !self.may_see(state, call, network) {
            let is_own = network.project_id == call.caller.project();
            return Err(if is_own { ApiError::not_found() } else { not_found() });
        }
        let mut out = format!("{{\"{MEMBER}\":").into_bytes();
        let mut json = Writer::new(&mut out);
        write(&view, network, &[], fields(table, &call.query), &mut json);
        json.raw(b"}");
        Ok(json_response(StatusCode::OK, out))
    }
}

/// The subnets of a network that are counted: all, or those of these families.
fn subnets<'a>(
    view: &'a Snapshot,
    network: NetworkId,
    versions: &'a [&str],
) -> impl Iterator<Item = &'a Arc<Stored<Subnet>>> {
    view.subnets_of(network).filter(move |subnet| {
        let version = IpVersion::of(subnet.cidr.addr()).number().to_string();
        versions.is_empty() || versions.contains(&version.as_str())
    })
}

/// Writes what a network has.
fn write(view: &View<'_>, network: &Network, versions: &[&str], mask: Mask, json: &mut Writer<'_>) {
    let mut all = Counts::default();
    let mut of_subnets = Vec::new();
    let mut list = Writer::new(&mut of_subnets);
    for (index, subnet) in subnets(view, network.id, versions).enumerate() {
        let counts = Counts::of(view, subnet);
        all = all.plus(counts);
        list.raw(if index == 0 { b"{\"subnet_id\":" } else { b",{\"subnet_id\":" });
        list.uuid(subnet.id.0);
        list.raw(b",\"ip_version\":");
        list.integer(IpVersion::of(subnet.cidr.addr()).number().into());
        list.raw(b",\"cidr\":");
        list.prefix(subnet.cidr);
        list.raw(b",\"subnet_name\":");
        list.text(&subnet.name);
        list.raw(format!(",\"used_ips\":{},\"total_ips\":{}", counts.used, counts.total).as_bytes());
        list.raw(format!(",\"ip_availability_details\":{}}}", counts.details()).as_bytes());
    }
    json.raw(b"{");
    let shown = TABLE.iter().enumerate().filter(|(index, column)| column.visible && mask.has(*index));
    for (place, (_, column)) in shown.enumerate() {
        json.raw(if place == 0 { b"\"" } else { b",\"" });
        json.raw(column.name.as_bytes());
        json.raw(b"\":");
        match column.name {
            "total_ips" => json.raw(all.total.to_string().as_bytes()),
            "used_ips" => json.raw(all.used.to_string().as_bytes()),
            "ip_availability_details" => json.raw(all.details().as_bytes()),
            "subnet_ip_availability" => {
                json.raw(b"[");
                json.raw(&of_subnets);
                json.raw(b"]");
            }
            _ => (column.read)(network, view).unwrap_or(Field::Null).write(json),
        }
    }
    json.raw(b"}");
}

impl Endpoint for NetworkIpAvailabilities {
    fn member(&self) -> &'static str {
        MEMBER
    }

    fn collection(&self) -> &'static str {
        COLLECTION
    }

    fn describe(&self) -> Description {
        Description {
            member: MEMBER,
            collection: COLLECTION,
            operations: operations(
                "network-ip-availabilities",
                &[("GET", "", OperationKind::List), ("GET", "/{id}", OperationKind::Show)],
            ),
            attributes: None,
            is_bulk: false,
        }
    }

    fn answer<'a>(&'a self, state: &'a ApiState, call: Call) -> Answer<'a> {
        Box::pin(async move {
            match (&call.method, call.id.as_deref()) {
                (&Method::GET, None) => self.list(state, &call).await,
                (&Method::GET, Some(id)) => self.show(state, &call, id).await,
                _ => Err(ApiError::method_not_allowed()),
            }
        })
    }
}

/// Something of a project.
struct OfProject<'a>(&'a str);

impl Target for OfProject<'_> {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        matches!(name, "project_id" | "tenant_id").then_some(Cow::Borrowed(self.0))
    }
}
