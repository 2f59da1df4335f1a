//! `/v2.0/floatingips/ID/port_forwardings`

use super::{Object, Parent, Request, Resource, Scope, names};
use crate::ApiError;
use crate::attribute::{Attribute, Convert, Default, Validate};
use crate::field::Field;
use crate::filter::Filters;
use crate::values::Values;
use hadron_control::port_forwarding::{self, ForwardingChange, NewForwarding};
use hadron_control::{Config, Error, Step};
use hadron_model::{
    FloatingIp, FloatingIpId, ForwardedProtocol, PortForwarding, PortForwardingId, PortId, PortRange,
};
use hadron_store::{Snapshot, Stored, Tx};
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub struct PortForwardings;

/// The lowest and the highest number of a port.
const NUMBERS: (i64, i64) = (1, 65_535);

const PROTOCOLS: &[Option<&str>] =
    &[Some("dccp"), Some("icmp"), Some("ipv6-icmp"), Some("sctp"), Some("tcp"), Some("udp")];

type Column = Attribute<PortForwarding>;

const BY: &[&str] = &["floating-ip-port-forwarding"];
const RANGES: &[&str] = &["floating-ip-port-forwarding", "floating-ip-port-forwarding-port-ranges"];
const RANGES_ALONE: &[&str] = &["floating-ip-port-forwarding-port-ranges"];

const TABLE: &[Column] = &[
    Column::new("id", |forwarding, _| Some(Field::Id(forwarding.id.0)))
        .by(BY)
        .filter_sort()
        .primary_key()
        .validate(Validate::Uuid),
    Column::new("project_id", |forwarding, view| {
        let floating = view.get::<FloatingIp>(&forwarding.floating_ip_id);
        floating.map(|floating| Field::Text(&floating.project_id))
    })
    .by(BY)
    .post()
    .hidden()
    .required_by_policy()
    .validate(Validate::String(255)),
    Column::new("external_port", |forwarding, _| one(forwarding.external))
        .by(RANGES)
        .post_put()
        .filter_sort()
        .default(Default::Null)
        .validate(Validate::RangeOrNone(NUMBERS.0, NUMBERS.1)),
    Column::new("external_port_range", |forwarding, _| range(forwarding.external))
        .by(RANGES_ALONE)
        .post_put()
        .filter_sort()
        .default(Default::Null)
        .validate(Validate::PortRange(NUMBERS.0, NUMBERS.1)),
    Column::new("internal_port", |forwarding, _| one(forwarding.internal))
        .by(RANGES)
        .post_put()
        .default(Default::Null)
        .validate(Validate::RangeOrNone(NUMBERS.0, NUMBERS.1)),
    Column::new("internal_port_range", |forwarding, _| range(forwarding.internal))
        .by(RANGES_ALONE)
        .post_put()
        .default(Default::Null)
        .validate(Validate::PortRange(NUMBERS.0, NUMBERS.1)),
    Column::new("internal_ip_address", |forwarding, _| Some(Field::Address(forwarding.internal_ip_address)))
        .by(BY)
        .post_put()
        .validate(Validate::Address),
    Column::new("internal_port_id", |forwarding, _| Some(Field::Id(forwarding.internal_port_id.0)))
        .by(BY)
        .post_put()
        .filter_sort()
        .validate(Validate::Uuid),
    Column::new("protocol", |forwarding, _| Some(Field::Text(forwarding.protocol.as_str())))
        .by(BY)
        .post_put()
        .filter_sort()
        .convert(Convert::ForwardedProtocol)
        .validate(Validate::Words(PROTOCOLS)),
    Column::new("description", |forwarding, _| Some(Field::Text(&forwarding.description)))
        .by(&["floating-ip-port-forwarding-description"])
        .post_put()
        .filter()
        .default(Default::Text(""))
        .validate(Validate::String(1024)),
];

impl Object for PortForwarding {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn key_of(id: Uuid) -> PortForwardingId {
        PortForwardingId(id)
    }
}

impl Resource for PortForwardings {
    type Record = PortForwarding;
    type New = NewForwarding;
    type Change = ForwardingChange;

    const MEMBER: &'static str = "port_forwarding";
    const COLLECTION: &'static str = "port_forwardings";
    const NOT_FOUND: &'static str = "PortForwardingNotFound";
    const POLICY_NAME: &'static str = "floatingip_port_forwarding";
    const PARENT: Option<Parent<PortForwarding>> = Some(Parent {
        member: "floatingip",
        collection: "floatingips",
        not_found: "FloatingIPNotFound",
        is_visible: |sees, id| sees.floating_ip(id),
        of: |forwarding| forwarding.floating_ip_id.0,
        project: |view, id| view.get::<FloatingIp>(&FloatingIpId(id)).map(|it| it.project_id.as_str()),
    });
    const ATTRIBUTES: &'static [Column] = TABLE;
    const NAMES: &'static [&'static str] = &names::<PortForwarding, { TABLE.len() }>(TABLE);
    const IS_ON_HOSTS: bool = true;

    fn candidates(view: &Snapshot, _: Scope<'_>, filters: &Filters) -> Vec<Arc<Stored<PortForwarding>>> {
        match filters.parent {
            Some(floating) => view.forwardings_of_floating_ip(FloatingIpId(floating)).cloned().collect(),
            None => vec![],
        }
    }

    fn check_parents(_: Request<'_>, _: &dyn Fn(Uuid) -> bool, _: &Values) -> Result<(), ApiError> {
        Ok(())
    }

    fn prepare_new(
        request: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<NewForwarding, ApiError> {
        let port = values.uuid("internal_port_id").ok_or_else(ApiError::internal)?;
        check_port(request, Some(port))?;
        Ok(NewForwarding {
            floating_ip_id: FloatingIpId(values.parent.ok_or_else(ApiError::internal)?),
            description: values.text("description").unwrap_or_default(),
            protocol: protocol(values).ok_or_else(ApiError::internal)?,
            external: ports(values, "external_port", "external_port_range"),
            internal_port_id: PortId(port),
            internal_ip_address: values
                .address("internal_ip_address")
                .flatten()
                .ok_or_else(ApiError::internal)?,
            internal: ports(values, "internal_port", "internal_port_range"),
        })
    }

    fn prepare_change(
        request: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        _: &PortForwarding,
        values: &Values,
    ) -> Result<ForwardingChange, ApiError> {
        let port = values.uuid("internal_port_id");
        check_port(request, port)?;
        Ok(ForwardingChange {
            description: values.text("description"),
            protocol: protocol(values),
            external: ports(values, "external_port", "external_port_range"),
            internal_port_id: port.map(PortId),
            internal_ip_address: values.address("internal_ip_address").flatten(),
            internal: ports(values, "internal_port", "internal_port_range"),
        })
    }

    fn create(tx: &mut Tx, _: &Config, new: &NewForwarding) -> Result<PortForwarding, Error> {
        port_forwarding::create(tx, new)
    }

    fn update(
        tx: &mut Tx,
        _: &Config,
        id: Uuid,
        change: &ForwardingChange,
        revision: Option<u64>,
    ) -> Result<PortForwarding, Error> {
        port_forwarding::update(tx, PortForwardingId(id), change, revision)
    }

    fn delete(tx: &mut Tx, _: &Config, id: Uuid, _: bool, revision: Option<u64>) -> Result<Step<()>, Error> {
        port_forwarding::delete(tx, PortForwardingId(id), revision).map(Step::Done)
    }
}

/// A single port; a range is not shown here.
fn one(ports: Option<PortRange>) -> Option<Field<'static>> {
    let ports = ports.filter(|ports| ports.count() == 1)?;
    Some(Field::Integer(ports.first().into()))
}

fn range(ports: Option<PortRange>) -> Option<Field<'static>> {
    Some(ports.map_or(Field::Null, Field::PortRange))
}

fn check_port(request: Request<'_>, port: Option<Uuid>) -> Result<(), ApiError> {
    match port.filter(|port| !request.sees.port(*port)) {
        Some(port) => Err(Error::PortNotFound(PortId(port)).into()),
        None => Ok(()),
    }
}

fn protocol(values: &Values) -> Option<ForwardedProtocol> {
    let name = values.text("protocol")?;
    ForwardedProtocol::ALL.into_iter().find(|protocol| protocol.as_str() == name)
}

/// The range that is given, or else the single port.
fn ports(values: &Values, one: &str, range: &str) -> Option<PortRange> {
    let number = |text: &str| text.trim().parse::<u16>().ok();
    let given = |value: &Value| match value {
        Value::String(text) => match text.split_once(':') {
            Some((first, last)) => PortRange::new(number(first)?, number(last)?),
            None => number(text).and_then(|port| PortRange::new(port, port)),
        },
        value => {
            let port = value.as_u64().and_then(|port| u16::try_from(port).ok())?;
            PortRange::new(port, port)
        }
    };
    values.get(range).and_then(given).or_else(|| values.get(one).and_then(given))
}
