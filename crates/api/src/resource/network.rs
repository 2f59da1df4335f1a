//! `/v2.0/networks`

use super::{Object, Request, Resource, Scope, Tagging, names, segment, sharing, tagging};
use crate::ApiError;
use crate::attribute::{Attribute, Convert, Default, Validate};
use crate::field::Field;
use crate::filter::Filters;
use crate::values::Values;
use crate::view::View;
use hadron_control::agent;
use hadron_control::network::{self, NetworkChange, NewNetwork};
use hadron_control::rbac::may_use;
use hadron_control::segment::Provider;
use hadron_control::topology;
use hadron_control::{Config, Error, SegmentError, Step, network_segment};
use hadron_model::{IpVersion, Network, NetworkId, Segment, Shareable, SubnetPool};
use hadron_store::{Snapshot, Stored, Tx};
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub struct Networks;

type Column = Attribute<Network>;

const TABLE: &[Column] = &[
    Column::new("id", |network, _| Some(Field::Id(network.id.0)))
        .filter_sort()
        .primary_key()
        .validate(Validate::Uuid),
    Column::new("name", |network, _| Some(Field::Text(&network.name)))
        .post_put()
        .filter_sort()
        .default(Default::Text(""))
        .validate(Validate::NameString(255)),
    Column::new("subnets", |network, view| {
        Some(Field::Ids(view.subnets_of(network.id).map(|subnet| subnet.id.0).collect()))
    })
    .default(Default::EmptyList),
    Column::new("admin_state_up", |network, _| Some(Field::Bool(network.admin_state_up)))
        .post_put()
        .filter_sort()
        .default(Default::Bool(true))
        .convert(Convert::Boolean),
    Column::new("status", |_, _| Some(Field::Text("ACTIVE"))).filter_sort(),
    Column::new("tenant_id", |network, _| Some(Field::Text(&network.project_id)))
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("project_id", |network, _| Some(Field::Text(&network.project_id)))
        .by(&["project-id"])
        .mirror_of("tenant_id")
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("shared", |network, view| {
        Some(Field::Bool(view.is_shared_with(Shareable::Network(network.id), view.project())))
    })
    .post_put()
    .filter()
    .required_by_policy()
    .enforce_policy()
    .default(Default::Bool(false))
    .convert(Convert::Boolean),
    Column::new("router:external", |network, view| Some(Field::Bool(view.is_external(network.id))))
        .by(&["external-net"])
        .post_put()
        .filter()
        .required_by_policy()
        .enforce_policy()
        .default(Default::Bool(false))
        .convert(Convert::Boolean),
    Column::new("is_default", |network, view| {
        view.is_external(network.id).then(|| Field::Bool(topology::is_default(view, network.id)))
    })
    .by(&["auto-allocated-topology"])
    .post_put()
    .filter()
    .required_by_policy()
    .enforce_policy()
    .default(Default::Bool(false))
    .convert(Convert::Boolean),
    Column::new("ipv4_address_scope", |network, view| Some(address_scope(network, view, IpVersion::V4)))
        .by(&["address-scope"])
        .validate(Validate::StringOrNone(usize::MAX)),
    Column::new("ipv6_address_scope", |network, view| Some(address_scope(network, view, IpVersion::V6)))
        .by(&["address-scope"])
        .validate(Validate::StringOrNone(usize::MAX)),
    Column::new("mtu", |network, _| Some(Field::Integer(network.mtu.into())))
        .by(&["net-mtu", "net-mtu-writable"])
        .post_put()
        .filter_sort()
        .enforce_policy()
        .default(Default::Integer(0))
        .convert(Convert::Integer)
        .validate(Validate::NonNegative),
    Column::new("provider:network_type", |network, view| {
        only_segment(network, view).map(|only| match only {
            Segment::None => Field::Null,
            segment => Field::Text(segment.network_type()),
        })
    })
    .by(&["provider"])
    .post_put()
    .filter()
    .enforce_policy()
    .default(Default::Unspecified)
    .validate(Validate::String(32)),
    Column::new("provider:physical_network", |network, view| {
        only_segment(network, view).map(segment::physical_network)
    })
    .by(&["provider"])
    .post_put()
    .filter()
    .enforce_policy()
    .default(Default::Unspecified)
    .validate(Validate::String(64)),
    Column::new("provider:segmentation_id", |network, view| {
        only_segment(network, view).map(segment::segmentation_id)
    })
    .by(&["provider"])
    .post_put()
    .filter()
    .enforce_policy()
    .default(Default::Unspecified)
    .convert(Convert::Integer),
    Column::new("segments", |network, view| match only_segment(network, view) {
        Some(_) => None,
        None => Some(Field::OwnedJson(segment::list(view, network.id))),
    })
    .by(&["multi-provider"])
    .post_put()
    .enforce_policy()
    .pairs()
    .default(Default::Unspecified)
    .validate(Validate::Segments),
    Column::new("l2_adjacency", |network, view| {
        Some(Field::Bool(network_segment::is_adjacent(view, network.id)))
    })
    .by(&["l2_adjacency"]),
    Column::new("port_security_enabled", |network, _| Some(Field::Bool(network.port_security_enabled)))
        .by(&["port-security"])
        .post_put()
        .enforce_policy()
        .default(Default::Bool(true))
        .convert(Convert::Boolean),
    Column::new("hadron:privacy_addresses", |network, _| Some(Field::Bool(network.privacy_addresses)))
        .by(&["hadron-privacy-addresses"])
        .post_put()
        .filter()
        .enforce_policy()
        .default(Default::Bool(false))
        .convert(Convert::Boolean),
    Column::new("description", |network, _| Some(Field::Text(&network.description)))
        .by(&["standard-attr-description"])
        .post_put()
        .filter()
        .default(Default::Text(""))
        .validate(Validate::String(255)),
    Column::new("revision_number", |network, _| Some(Field::Integer(network.stamp.revision_number)))
        .by(&["standard-attr-revisions"])
        .filter()
        .default(Default::Null),
    Column::new("created_at", |network, _| Some(Field::Time(network.stamp.created_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
    Column::new("updated_at", |network, _| Some(Field::Time(network.stamp.updated_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
    Column::new("availability_zone_hints", |network, _| {
        Some(Field::Texts(network.availability_zone_hints.iter().map(String::as_str).collect()))
    })
    .by(&["network_availability_zone"])
    .post()
    .sort()
    .default(Default::EmptyList)
    .validate(Validate::ZoneHints),
    Column::new("availability_zones", |network, view| {
        Some(Field::Texts(agent::zones_of_network(view.snapshot(), network.id).into_iter().collect()))
    })
    .by(&["network_availability_zone"]),
    Column::new("dns_domain", |network, _| Some(Field::Text(&network.dns_domain)))
        .by(&["dns-integration"])
        .post_put()
        .default(Default::Text(""))
        .convert(Convert::LowerCase)
        .validate(Validate::DnsDomain(255)),
    tagging::tags(),
    tagging::tags_any(),
    tagging::not_tags(),
    tagging::not_tags_any(),
];

impl Object for Network {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn key_of(id: Uuid) -> NetworkId {
        NetworkId(id)
    }
}

impl Resource for Networks {
    type Record = Network;
    type New = NewNetwork;
    type Change = NetworkChange;

    const MEMBER: &'static str = "network";
    const COLLECTION: &'static str = "networks";
    const NOT_FOUND: &'static str = "NetworkNotFound";
    const ATTRIBUTES: &'static [Attribute<Network>] = TABLE;
    const NAMES: &'static [&'static str] = &names::<Network, { TABLE.len() }>(TABLE);
    const IS_ON_HOSTS: bool = true;
    const TAGS: Option<Tagging<Network>> = Some(Tagging::OF_STAMP);

    fn candidates(view: &Snapshot, scope: Scope<'_>, filters: &Filters) -> Vec<Arc<Stored<Network>>> {
        if let Some(ids) = filters.ids("id") {
            return ids.iter().filter_map(|id| view.get::<Network>(&NetworkId(*id)).cloned()).collect();
        }
        match scope {
            Scope::All => view.iter::<Network>().cloned().collect(),
            Scope::Project(project) => {
                let own = view.networks_of_project(project);
                let granted = sharing::networks(view, project);
                let granted = granted.iter().filter_map(|id| view.get::<Network>(id));
                own.chain(granted.filter(|network| network.project_id != project)).cloned().collect()
            }
        }
    }

    fn is_within_reach(network: &Network, view: &View<'_>) -> bool {
        may_use(view, Shareable::Network(network.id), view.project())
    }

    fn check_parents(_: Request<'_>, _: &dyn Fn(Uuid) -> bool, _: &Values) -> Result<(), ApiError> {
        Ok(())
    }

    fn prepare_new(
        _: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<NewNetwork, ApiError> {
        Ok(NewNetwork {
            project_id: values.text("project_id").unwrap_or_default(),
            name: values.text("name").unwrap_or_default(),
            description: values.text("description").unwrap_or_default(),
            admin_state_up: values.boolean("admin_state_up").unwrap_or(true),
            shared: values.boolean("shared").unwrap_or(false),
            external: values.boolean("router:external").unwrap_or(false),
            is_default: values.boolean("is_default").unwrap_or(false),
            mtu: mtu(values).unwrap_or(0),
            port_security_enabled: values.boolean("port_security_enabled").unwrap_or(true),
            privacy_addresses: values.boolean("hadron:privacy_addresses").unwrap_or(false),
            availability_zone_hints: values
                .texts("availability_zone_hints")
                .unwrap_or_default()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            segments: segments(values)?,
            dns_domain: values.text("dns_domain").unwrap_or_default(),
        })
    }

    fn prepare_change(
        _: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        _: &Network,
        values: &Values,
    ) -> Result<NetworkChange, ApiError> {
        if values.get("segments").is_some() {
            return Err(ApiError::invalid_input("segments of a network are changed by /v2.0/segments"));
        }
        Ok(NetworkChange {
            name: values.text("name"),
            description: values.text("description"),
            admin_state_up: values.boolean("admin_state_up"),
            shared: values.boolean("shared"),
            external: values.boolean("router:external"),
            is_default: values.boolean("is_default"),
            mtu: mtu(values),
            port_security_enabled: values.boolean("port_security_enabled"),
            privacy_addresses: values.boolean("hadron:privacy_addresses"),
            provider: provider(values),
            dns_domain: values.text("dns_domain"),
        })
    }

    fn create(tx: &mut Tx, config: &Config, new: &NewNetwork) -> Result<Network, Error> {
        network::create(tx, config, new)
    }

    fn update(
        tx: &mut Tx,
        config: &Config,
        id: Uuid,
        change: &NetworkChange,
        revision: Option<u64>,
    ) -> Result<Network, Error> {
        network::update(tx, config, NetworkId(id), change, revision)
    }

    fn delete(
        tx: &mut Tx,
        config: &Config,
        id: Uuid,
        _: bool,
        revision: Option<u64>,
    ) -> Result<Step<()>, Error> {
        network::delete(tx, config, NetworkId(id), revision)
    }
}

/// The scope of the network's subnets of a family, if they are of a pool in one.
fn address_scope(network: &Network, view: &Snapshot, version: IpVersion) -> Field<'static> {
    let mut pools =
        view.subnets_of(network.id).filter_map(|subnet| view.get::<SubnetPool>(&subnet.subnetpool_id?));
    let scope = pools.find_map(|pool| pool.address_scope_id.filter(|_| pool.ip_version == version));
    scope.map_or(Field::Null, |id| Field::Id(id.0))
}

/// Larger than any segment carries, if it does not fit.
fn mtu(values: &Values) -> Option<u32> {
    values.integer("mtu").map(|mtu| u32::try_from(mtu).unwrap_or(u32::MAX))
}

/// The segment of a network that has not several.
fn only_segment<'a>(network: &'a Network, view: &Snapshot) -> Option<&'a Segment> {
    Some(&network.segment).filter(|_| view.segments_of(network.id).nth(1).is_none())
}

/// What is asked for of each segment of a new network.
fn segments(values: &Values) -> Result<Vec<Provider>, ApiError> {
    let provider = provider(values);
    match segment::requested(values) {
        None => Ok(vec![provider]),
        Some(_) if !provider.is_empty() => Err(Error::from(SegmentError::WithProvider).into()),
        // Neutron takes an empty list for none.
        Some(segments) if segments.is_empty() => Ok(vec![provider]),
        Some(segments) if segments.iter().any(|segment| segment.network_type.is_none()) => {
            Err(ApiError::invalid_input("provider:network_type required"))
        }
        Some(segments) => Ok(segments),
    }
}

fn provider(values: &Values) -> Provider {
    Provider {
        network_type: values.text("provider:network_type"),
        physical_network: values.text("provider:physical_network"),
        segmentation_id: values.integer("provider:segmentation_id"),
    }
}
