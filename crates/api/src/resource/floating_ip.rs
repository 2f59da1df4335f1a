//! `/v2.0/floatingips`

use super::floating_ip_fields::{ForwardingsOf, PortDetails};
use super::{Object, Request, Resource, Scope, Tagging, names, tagging};
use crate::ApiError;
use crate::attribute::{Attribute, Convert, Default, Mask, Validate};
use crate::field::Field;
use crate::filter::Filters;
use crate::values::Values;
use crate::view::View;
use hadron_control::floating_ip::{self, AssociationRequest, FloatingIpChange, NewFloatingIp};
use hadron_control::{Config, Error, RouterError, Step};
use hadron_model::{FloatingIp, FloatingIpId, NetworkId, PortId, RouterId, SubnetId, Tags};
use hadron_store::{Snapshot, Stored, Tx};
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub struct FloatingIps;

type Column = Attribute<FloatingIp>;

const BY: &[&str] = &["router"];

const TABLE: &[Column] = &[
    Column::new("id", |floating, _| Some(Field::Id(floating.id.0)))
        .by(BY)
        .filter_sort()
        .primary_key()
        .validate(Validate::Uuid),
    Column::new("tenant_id", |floating, _| Some(Field::Text(&floating.project_id)))
        .by(BY)
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("project_id", |floating, _| Some(Field::Text(&floating.project_id)))
        .by(&["project-id"])
        .mirror_of("tenant_id")
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("floating_ip_address", |floating, _| Some(Field::Address(floating.floating_ip_address)))
        .by(BY)
        .post()
        .filter_sort()
        .enforce_policy()
        .default(Default::Null)
        .validate(Validate::AddressOrNone),
    Column::new("floating_network_id", |floating, _| Some(Field::Id(floating.floating_network_id.0)))
        .by(BY)
        .post()
        .filter_sort()
        .validate(Validate::Uuid),
    Column::new("subnet_id", |_, _| None)
        .by(BY)
        .post()
        .hidden()
        .default(Default::Null)
        .validate(Validate::UuidOrNone),
    Column::new("router_id", |floating, _| Some(id(floating.router_id.map(|router| router.0))))
        .by(&["router", "floating-ip-router-writable"])
        .post_put()
        .filter_sort()
        .default(Default::Null)
        .validate(Validate::UuidOrNone),
    Column::new("port_id", |floating, _| Some(id(floating.association.map(|to| to.port_id.0))))
        .by(BY)
        .post_put()
        .filter()
        .required_by_policy()
        .default(Default::Null)
        .validate(Validate::UuidOrNone),
    Column::new("fixed_ip_address", |floating, _| {
        Some(Field::address(floating.association.map(|to| to.fixed_ip_address)))
    })
    .by(BY)
    .post_put()
    .filter_sort()
    .default(Default::Null)
    .validate(Validate::AddressOrNone),
    Column::new("status", |floating, view| Some(Field::Text(floating_ip::status(view, floating))))
        .by(BY)
        .filter_sort(),
    Column::new("port_details", |floating, view| {
        Some(PortDetails::of(floating, view).map_or(Field::Null, Field::PortDetails))
    })
    .by(&["fip-port-details"])
    .default(Default::Unspecified),
    Column::new("port_forwardings", |floating, view| {
        Some(Field::Forwardings(ForwardingsOf::new(view, floating.id)))
    })
    .by(&["expose-port-forwarding-in-fip"])
    .default(Default::Null),
    Column::new("description", |floating, _| Some(Field::Text(&floating.description)))
        .by(&["standard-attr-description"])
        .post_put()
        .filter()
        .default(Default::Text(""))
        .validate(Validate::String(255)),
    Column::new("revision_number", |floating, _| Some(Field::Integer(floating.stamp.revision_number)))
        .by(&["standard-attr-revisions"])
        .filter()
        .default(Default::Null),
    Column::new("created_at", |floating, _| Some(Field::Time(floating.stamp.created_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
    Column::new("updated_at", |floating, _| Some(Field::Time(floating.stamp.updated_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
    Column::new("dns_name", |floating, _| Some(Field::Text(&floating.dns_name)))
        .by(&["dns-integration"])
        .post()
        .default(Default::Text(""))
        .convert(Convert::LowerCase)
        .validate(Validate::RelativeDnsName(255)),
    Column::new("dns_domain", |floating, _| Some(Field::Text(&floating.dns_domain)))
        .by(&["dns-integration"])
        .post()
        .default(Default::Text(""))
        .convert(Convert::LowerCase)
        .validate(Validate::DnsDomain(255)),
    tagging::tags(),
    tagging::tags_any(),
    tagging::not_tags(),
    tagging::not_tags_any(),
];

impl Object for FloatingIp {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn key_of(id: Uuid) -> FloatingIpId {
        FloatingIpId(id)
    }
}

impl Resource for FloatingIps {
    type Record = FloatingIp;
    type New = NewFloatingIp;
    type Change = FloatingIpChange;

    const MEMBER: &'static str = "floatingip";
    const COLLECTION: &'static str = "floatingips";
    const NOT_FOUND: &'static str = "FloatingIPNotFound";
    const ATTRIBUTES: &'static [Column] = TABLE;
    const NAMES: &'static [&'static str] = &names::<FloatingIp, { TABLE.len() }>(TABLE);
    const IS_ON_HOSTS: bool = true;
    const TAGS: Option<Tagging<FloatingIp>> = Some(Tagging::OF_STAMP);

    fn candidates(view: &Snapshot, scope: Scope<'_>, filters: &Filters) -> Vec<Arc<Stored<FloatingIp>>> {
        if let Some(ids) = filters.ids("id") {
            return ids.iter().filter_map(|id| view.get(&FloatingIpId(*id)).cloned()).collect();
        }
        if let Some(ports) = filters.ids("port_id") {
            return ports.iter().flat_map(|id| view.floating_ips_of_port(PortId(*id))).cloned().collect();
        }
        if let Some(routers) = filters.ids("router_id") {
            return routers
                .iter()
                .flat_map(|id| view.floating_ips_of_router(RouterId(*id)))
                .cloned()
                .collect();
        }
        match scope {
            Scope::All => view.iter::<FloatingIp>().cloned().collect(),
            Scope::Project(project) => view.floating_ips_of_project(project).cloned().collect(),
        }
    }

    fn is_within_reach(floating_ip: &FloatingIp, view: &View<'_>) -> bool {
        floating_ip.project_id == view.project()
    }

    fn check_parents(
        _: Request<'_>,
        is_network_visible: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<(), ApiError> {
        let network = values.uuid("floating_network_id").ok_or_else(ApiError::internal)?;
        if is_network_visible(network) {
            Ok(())
        } else {
            Err(Error::NetworkNotFound(NetworkId(network)).into())
        }
    }

    fn prepare_new(
        request: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<NewFloatingIp, ApiError> {
        let network = values.uuid("floating_network_id").ok_or_else(ApiError::internal)?;
        Ok(NewFloatingIp {
            project_id: values.text("project_id").unwrap_or_default(),
            description: values.text("description").unwrap_or_default(),
            floating_network_id: NetworkId(network),
            subnet_id: values.uuid("subnet_id").map(SubnetId),
            floating_ip_address: values.address("floating_ip_address").flatten(),
            association: association(request, values, values.uuid("port_id"))?,
            dns_name: values.text("dns_name").unwrap_or_default(),
            dns_domain: values.text("dns_domain").unwrap_or_default(),
            tags: Tags::default(),
        })
    }

    fn prepare_change(
        request: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        old: &FloatingIp,
        values: &Values,
    ) -> Result<FloatingIpChange, ApiError> {
        let asked = association(request, values, values.uuid("port_id"))?;
        // A change of nothing ends what it leads to, as naming no port does.
        let is_ended = values.given == Mask::EMPTY || values.get("port_id").is_some();
        let again = || match old.association.filter(|_| values.uuid("router_id").is_some()) {
            Some(to) => association_with(request, values, to.port_id.0, Some(to.fixed_ip_address)).map(Some),
            None => Ok(None),
        };
        let association = match asked {
            Some(asked) => Some(Some(asked)),
            None if is_ended => Some(None),
            None => again()?.map(Some),
        };
        Ok(FloatingIpChange { description: values.text("description"), association })
    }

    fn create(tx: &mut Tx, config: &Config, new: &NewFloatingIp) -> Result<FloatingIp, Error> {
        floating_ip::create(tx, config, new)
    }

    fn update(
        tx: &mut Tx,
        _: &Config,
        id: Uuid,
        change: &FloatingIpChange,
        revision: Option<u64>,
    ) -> Result<FloatingIp, Error> {
        floating_ip::update(tx, FloatingIpId(id), change, revision)
    }

    fn delete(
        tx: &mut Tx,
        config: &Config,
        id: Uuid,
        _: bool,
        revision: Option<u64>,
    ) -> Result<Step<()>, Error> {
        floating_ip::delete(tx, config, FloatingIpId(id), revision).map(Step::Done)
    }
}

fn id(value: Option<Uuid>) -> Field<'static> {
    value.map_or(Field::Null, Field::Id)
}

/// What the values lead to; without a port no address of it can be named.
fn association(
    request: Request<'_>,
    values: &Values,
    port: Option<Uuid>,
) -> Result<Option<AssociationRequest>, ApiError> {
    let address = values.address("fixed_ip_address").flatten();
    match port {
        Some(port) => association_with(request, values, port, address).map(Some),
        None if address.is_some() => Err(Error::BadRequest {
            resource: "floatingip",
            reason: "fixed_ip_address can't be given without port_id".to_owned(),
        }
        .into()),
        None => Ok(None),
    }
}

fn association_with(
    request: Request<'_>,
    values: &Values,
    port: Uuid,
    fixed_ip_address: Option<std::net::IpAddr>,
) -> Result<AssociationRequest, ApiError> {
    if !request.sees.port(port) {
        return Err(Error::PortNotFound(PortId(port)).into());
    }
    let router = values.uuid("router_id");
    if let Some(router) = router.filter(|router| !request.sees.router(*router)) {
        return Err(Error::from(RouterError::NotFound(RouterId(router))).into());
    }
    Ok(AssociationRequest {
        port_id: PortId(port),
        fixed_ip_address,
        router_id: router.map(RouterId),
        may_be_foreign: request.is_admin,
    })
}
