//! `/v2.0/ports`

use super::port_values::{
    binding_change, check_device, fixed_ips, new_binding, or, profile, relies_on, security_change,
    vif_details,
};
use super::{Object, Request, Resource, Scope, Tagging, names, port_detail, tagging};
use crate::ApiError;
use crate::attribute::{Attribute, Convert, Default, Validate};
use crate::field::Field;
use crate::filter::Filters;
use crate::values::Values;
use crate::view::View;
use hadron_control::binding::{self, VNIC_NORMAL};
use hadron_control::port::{self, NewMac, NewPort, PortChange};
use hadron_control::{Config, Error, Step, floating_ip};
use hadron_model::{Network, NetworkId, Port, PortId, SecurityGroupId, SubnetId};
use hadron_store::{Snapshot, Stored, Tx};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub struct Ports;

pub(super) const VNIC_TYPES: &[Option<&str>] = &[
    Some("normal"),
    Some("direct"),
    Some("macvtap"),
    Some("baremetal"),
    Some("direct-physical"),
    Some("virtio-forwarder"),
    Some("smart-nic"),
    Some("vdpa"),
    Some("accelerator-direct"),
    Some("accelerator-direct-physical"),
    Some("remote-managed"),
];

type Column = Attribute<Port>;

const TABLE: &[Column] = &[
    Column::new("id", |port, _| Some(Field::Id(port.id.0)))
        .filter_sort()
        .primary_key()
        .validate(Validate::Uuid),
    Column::new("name", |port, _| Some(Field::Text(&port.name)))
        .post_put()
        .filter_sort()
        .default(Default::Text(""))
        .validate(Validate::NameString(255)),
    Column::new("network_id", |port, _| Some(Field::Id(port.network_id.0)))
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::Uuid),
    Column::new("admin_state_up", |port, _| Some(Field::Bool(port.admin_state_up)))
        .post_put()
        .filter_sort()
        .default(Default::Bool(true))
        .convert(Convert::Boolean),
    Column::new("mac_address", |port, _| Some(Field::Mac(port.mac_address)))
        .by(&["port-mac-address-regenerate"])
        .post_put()
        .filter_sort()
        .enforce_policy()
        .default(Default::Unspecified)
        .convert(Convert::Mac)
        .validate(Validate::Mac),
    Column::new("fixed_ips", |port, _| Some(Field::FixedIps(&port.fixed_ips)))
        .post_put()
        .filter()
        .enforce_policy()
        .pairs()
        .default(Default::Unspecified)
        .validate(Validate::FixedIps),
    Column::new("device_id", |port, _| Some(Field::Text(&port.device_id)))
        .post_put()
        .filter_sort()
        .enforce_policy()
        .default(Default::Text(""))
        .validate(Validate::String(255)),
    Column::new("device_owner", |port, _| Some(Field::Text(&port.device_owner)))
        .post_put()
        .filter_sort()
        .enforce_policy()
        .default(Default::Text(""))
        .validate(Validate::String(255)),
    Column::new("tenant_id", |port, _| Some(Field::Text(&port.project_id)))
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("project_id", |port, _| Some(Field::Text(&port.project_id)))
        .by(&["project-id"])
        .mirror_of("tenant_id")
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("status", |port, _| Some(Field::Text(port.status.as_str()))).filter_sort(),
    Column::new("binding:vif_type", |port, view| Some(Field::Text(binding::vif_type(view, port).as_str())))
        .by(&["binding"])
        .enforce_policy()
        .default(Default::Unspecified),
    Column::new("binding:vif_details", |port, view| {
        Some(vif_details(view, port.network_id, &port.binding, binding::vif_type(view, port)))
    })
    .by(&["binding"])
    .enforce_policy()
    .default(Default::Unspecified)
    .validate(Validate::ObjectOrNone),
    Column::new("binding:vnic_type", |port, _| Some(Field::Text(or(&port.binding.vnic_type, VNIC_NORMAL))))
        .by(&["binding"])
        .post_put()
        .enforce_policy()
        .default(Default::Text(VNIC_NORMAL))
        .validate(Validate::Words(VNIC_TYPES)),
    Column::new("binding:host_id", |port, _| Some(Field::Text(&port.binding.host_id)))
        .by(&["binding"])
        .post_put()
        .filter()
        .enforce_policy()
        .default(Default::Unspecified),
    Column::new("binding:profile", |port, _| Some(profile(&port.binding, port.details.trusted)))
        .by(&["binding"])
        .post_put()
        .enforce_policy()
        .default(Default::Unspecified)
        .validate(Validate::ObjectOrNone),
    Column::new("port_security_enabled", |port, _| Some(Field::Bool(port.port_security_enabled)))
        .by(&["port-security"])
        .post_put()
        .enforce_policy()
        .default(Default::Unspecified)
        .convert(Convert::Boolean),
    Column::new("security_groups", |port, _| {
        Some(Field::Ids(port.security_groups.iter().map(|id| id.0).collect()))
    })
    .by(&["security-group"])
    .post_put()
    .filter()
    .default(Default::Unspecified)
    .convert(Convert::NullToList)
    .validate(Validate::Uuids),
    Column::new("allowed_address_pairs", |port, _| Some(Field::AddressPairs(&port.allowed_address_pairs)))
        .by(&["allowed-address-pairs"])
        .post_put()
        .enforce_policy()
        .pairs()
        .default(Default::Unspecified)
        .convert(Convert::NullToList)
        .validate(Validate::AddressPairs),
    Column::new("description", |port, _| Some(Field::Text(&port.description)))
        .by(&["standard-attr-description"])
        .post_put()
        .filter()
        .default(Default::Text(""))
        .validate(Validate::String(255)),
    Column::new("revision_number", |port, _| Some(Field::Integer(port.stamp.revision_number)))
        .by(&["standard-attr-revisions"])
        .filter()
        .default(Default::Null),
    Column::new("created_at", |port, _| Some(Field::Time(port.stamp.created_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
    Column::new("updated_at", |port, _| Some(Field::Time(port.stamp.updated_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
    port_detail::DATA_PLANE_STATUS,
    port_detail::PROPAGATE_UPLINK_STATUS,
    port_detail::NUMA_AFFINITY_POLICY,
    port_detail::DEVICE_PROFILE,
    port_detail::HARDWARE_OFFLOAD_TYPE,
    port_detail::HINTS,
    port_detail::RESOURCE_REQUEST,
    port_detail::TRUSTED,
    port_detail::IP_ALLOCATION,
    port_detail::EXTRA_DHCP_OPTS,
    port_detail::DNS_NAME,
    port_detail::DNS_DOMAIN,
    port_detail::DNS_ASSIGNMENT,
    port_detail::DELEGATED_PREFIX,
    tagging::tags_on_create(),
    tagging::tags_any(),
    tagging::not_tags(),
    tagging::not_tags_any(),
];

impl Object for Port {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn key_of(id: Uuid) -> PortId {
        PortId(id)
    }
}

impl Resource for Ports {
    type Record = Port;
    type New = NewPort;
    type Change = PortChange;

    const MEMBER: &'static str = "port";
    const COLLECTION: &'static str = "ports";
    const NOT_FOUND: &'static str = "PortNotFound";
    const ATTRIBUTES: &'static [Attribute<Port>] = TABLE;
    const NAMES: &'static [&'static str] = &names::<Port, { TABLE.len() }>(TABLE);
    const IS_ON_HOSTS: bool = true;
    const TAGS: Option<Tagging<Port>> = Some(Tagging::OF_STAMP);

    fn candidates(view: &Snapshot, scope: Scope<'_>, filters: &Filters) -> Vec<Arc<Stored<Port>>> {
        if let Some(ids) = filters.ids("id") {
            return ids.iter().filter_map(|id| view.get::<Port>(&PortId(*id)).cloned()).collect();
        }
        if let Some(devices) = filters.texts("device_id").filter(|ids| ids.iter().all(|id| !id.is_empty())) {
            return devices.iter().flat_map(|id| view.ports_of_device(id)).cloned().collect();
        }
        if let Some(subnets) = filters.paired_ids("fixed_ips", "subnet_id") {
            return unique(subnets.iter().flat_map(|id| view.ports_of_subnet(SubnetId(*id))));
        }
        if let Some(groups) = filters.ids("security_groups") {
            return unique(groups.iter().flat_map(|id| view.ports_of_group(SecurityGroupId(*id))));
        }
        if let Some(networks) = filters.ids("network_id") {
            return networks.iter().flat_map(|id| view.ports_of_network(NetworkId(*id))).cloned().collect();
        }
        if let Some(hosts) =
            filters.texts("binding:host_id").filter(|ids| ids.iter().all(|id| !id.is_empty()))
        {
            return hosts.iter().flat_map(|host| view.ports_of_host(host)).cloned().collect();
        }
        match scope {
            Scope::All => view.iter::<Port>().cloned().collect(),
            Scope::Project(project) => {
                let own = view.ports_of_project(project);
                let networks = view.networks_of_project(project);
                unique(own.chain(networks.flat_map(|network| view.ports_of_network(network.id))))
            }
        }
    }

    fn is_within_reach(port: &Port, view: &View<'_>) -> bool {
        let is_own = |network: &Stored<Network>| network.project_id == view.project();
        port.project_id == view.project()
            || view.get::<Network>(&port.network_id).is_some_and(|network| is_own(network))
    }

    fn check_parents(
        _: Request<'_>,
        is_network_visible: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<(), ApiError> {
        let network = values.uuid("network_id").ok_or_else(ApiError::internal)?;
        if is_network_visible(network) {
            Ok(())
        } else {
            Err(Error::NetworkNotFound(NetworkId(network)).into())
        }
    }

    fn prepare_new(
        request: Request<'_>,
        is_subnet_visible: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<NewPort, ApiError> {
        let device_owner = values.text("device_owner").unwrap_or_default();
        let device_id = values.text("device_id").unwrap_or_default();
        check_device(request, &device_owner, &device_id)?;
        let project_id = values.text("project_id").unwrap_or_default();
        let security = security_change(request, values, &project_id, &[])?;
        let network_id = NetworkId(values.uuid("network_id").ok_or_else(ApiError::internal)?);
        Ok(NewPort {
            relies_on: relies_on(request, Some(network_id), security.security_groups.as_deref(), &project_id),
            network_id,
            project_id,
            name: values.text("name").unwrap_or_default(),
            description: values.text("description").unwrap_or_default(),
            admin_state_up: values.boolean("admin_state_up").unwrap_or(true),
            mac_address: values.mac("mac_address"),
            fixed_ips: fixed_ips(values, is_subnet_visible)?,
            device_id,
            device_owner,
            binding: new_binding(values)?,
            security,
            details: port_detail::change(values)?,
            tags: values.texts("tags").unwrap_or_default().into_iter().collect(),
        })
    }

    fn prepare_change(
        request: Request<'_>,
        is_subnet_visible: &dyn Fn(Uuid) -> bool,
        old: &Port,
        values: &Values,
    ) -> Result<PortChange, ApiError> {
        let device_owner = values.text("device_owner");
        let device_id = values.text("device_id");
        if device_owner.is_some() || device_id.is_some() {
            let owner = device_owner.as_deref().unwrap_or(&old.device_owner);
            check_device(request, owner, device_id.as_deref().unwrap_or(&old.device_id))?;
        }
        let security = security_change(request, values, &old.project_id, &old.security_groups)?;
        let groups = security.security_groups.iter().flatten();
        let new: Vec<_> = groups.filter(|id| !old.security_groups.contains(id)).copied().collect();
        Ok(PortChange {
            relies_on: relies_on(request, None, Some(&new), &old.project_id),
            name: values.text("name"),
            description: values.text("description"),
            admin_state_up: values.boolean("admin_state_up"),
            mac_address: values
                .get("mac_address")
                .map(|_| values.mac("mac_address").map_or(NewMac::Random, NewMac::Given)),
            fixed_ips: fixed_ips(values, is_subnet_visible)?,
            device_id,
            device_owner,
            binding: binding_change(values)?,
            security,
            details: port_detail::change(values)?,
        })
    }

    fn create(tx: &mut Tx, config: &Config, new: &NewPort) -> Result<Port, Error> {
        port::create(tx, config, new)
    }

    fn update(
        tx: &mut Tx,
        config: &Config,
        id: Uuid,
        change: &PortChange,
        revision: Option<u64>,
    ) -> Result<Port, Error> {
        port::update(tx, config, PortId(id), change, revision)
    }

    fn delete(
        tx: &mut Tx,
        config: &Config,
        id: Uuid,
        is_admin: bool,
        revision: Option<u64>,
    ) -> Result<Step<()>, Error> {
        floating_ip::check_release(tx, PortId(id), is_admin)?;
        port::delete(tx, config, PortId(id), revision)
    }
}

/// Each port once, by id.
fn unique<'a>(ports: impl Iterator<Item = &'a Arc<Stored<Port>>>) -> Vec<Arc<Stored<Port>>> {
    let by_id: BTreeMap<PortId, &Arc<Stored<Port>>> = ports.map(|port| (port.id, port)).collect();
    by_id.into_values().cloned().collect()
}
