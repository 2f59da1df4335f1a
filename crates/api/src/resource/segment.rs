//! `/v2.0/segments`: the segments of networks, for administrators.

use super::{Object, Request, Resource, Scope, names};
use crate::ApiError;
use crate::attribute::{Attribute, Convert, Default, Validate};
use crate::field::Field;
use crate::filter::Filters;
use crate::validate::to_integer;
use crate::values::Values;
use hadron_control::network_segment::{self, NewSegment, SegmentChange};
use hadron_control::segment::Provider;
use hadron_control::{Config, Error, Step};
use hadron_model::{NetworkId, NetworkSegment, Segment, SegmentId};
use hadron_store::{Snapshot, Stored, Tx};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub struct Segments;

type Column = Attribute<NetworkSegment>;

const BY: &[&str] = &["segment"];

const TABLE: &[Column] = &[
    Column::new("id", |segment, _| Some(Field::Id(segment.id.0)))
        .by(BY)
        .filter_sort()
        .primary_key()
        .validate(Validate::Uuid),
    // Taken and not shown, as in Neutron.
    Column::new("tenant_id", |_, _| None).by(BY).post().hidden().validate(Validate::String(255)),
    Column::new("project_id", |_, _| None)
        .by(&["project-id"])
        .mirror_of("tenant_id")
        .post()
        .hidden()
        .validate(Validate::String(255)),
    Column::new("network_id", |segment, _| Some(Field::Id(segment.network_id.0)))
        .by(BY)
        .post()
        .filter_sort()
        .validate(Validate::Uuid),
    Column::new("physical_network", |segment, _| Some(physical_network(&segment.segment)))
        .by(BY)
        .post()
        .filter_sort()
        .default(Default::Unspecified)
        .validate(Validate::String(64)),
    Column::new("network_type", |segment, _| Some(Field::Text(segment.segment.network_type())))
        .by(BY)
        .post()
        .filter_sort()
        .validate(Validate::String(32)),
    Column::new("segmentation_id", |segment, _| Some(segmentation_id(&segment.segment)))
        .by(BY)
        .post()
        .sort()
        .default(Default::Unspecified)
        .convert(Convert::Integer),
    Column::new("name", |segment, _| Some(Field::text(segment.name.as_deref())))
        .by(BY)
        .post_put()
        .filter_sort()
        .default(Default::Unspecified)
        .validate(Validate::NameStringOrNone(255)),
    Column::new("description", |segment, _| Some(Field::text(segment.description.as_deref())))
        .by(&["standard-attr-description"])
        .post_put()
        .filter()
        .default(Default::Text(""))
        .validate(Validate::String(255)),
    Column::new("revision_number", |segment, _| Some(Field::Integer(segment.stamp.revision_number)))
        .by(&["standard-attr-revisions"])
        .filter()
        .default(Default::Null),
    Column::new("created_at", |segment, _| Some(Field::Time(segment.stamp.created_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
    Column::new("updated_at", |segment, _| Some(Field::Time(segment.stamp.updated_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
];

pub(super) fn physical_network(segment: &Segment) -> Field<'_> {
    segment.physical().map_or(Field::Null, |physical| Field::Text(&physical.network))
}

pub(super) fn segmentation_id(segment: &Segment) -> Field<'static> {
    segment.segmentation_id().map_or(Field::Null, |id| Field::Integer(id.into()))
}

/// `segments` of a network that has several.
pub(super) fn list(view: &Snapshot, network: NetworkId) -> String {
    let of_network = view.segments_of(network).map(|segment| {
        json!({
            "provider:network_type": segment.segment.network_type(),
            "provider:physical_network": segment.segment.physical().map(|physical| &physical.network),
            "provider:segmentation_id": segment.segment.segmentation_id(),
        })
    });
    of_network.collect::<Value>().to_string()
}

/// What a request for a network says of its segments by `segments`.
pub(super) fn requested(values: &Values) -> Option<Vec<Provider>> {
    let list = values.get("segments")?.as_array()?;
    let text = |segment: &Value, name: &str| segment.get(name).and_then(Value::as_str).map(str::to_owned);
    let provider = |segment: &Value| Provider {
        network_type: text(segment, "provider:network_type"),
        physical_network: text(segment, "provider:physical_network"),
        segmentation_id: segment.get("provider:segmentation_id").and_then(to_integer).filter(|id| *id != 0),
    };
    Some(list.iter().map(provider).collect())
}

impl Object for NetworkSegment {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn key_of(id: Uuid) -> SegmentId {
        SegmentId(id)
    }
}

impl Resource for Segments {
    type Record = NetworkSegment;
    type New = NewSegment;
    type Change = SegmentChange;

    const MEMBER: &'static str = "segment";
    const COLLECTION: &'static str = "segments";
    const NOT_FOUND: &'static str = "SegmentNotFound";
    const ATTRIBUTES: &'static [Column] = TABLE;
    const NAMES: &'static [&'static str] = &names::<NetworkSegment, { TABLE.len() }>(TABLE);
    const IS_BULK: bool = false;

    fn candidates(view: &Snapshot, _: Scope<'_>, filters: &Filters) -> Vec<Arc<Stored<NetworkSegment>>> {
        if let Some(ids) = filters.ids("id") {
            return ids.iter().filter_map(|id| view.get(&SegmentId(*id)).cloned()).collect();
        }
        if let Some(networks) = filters.ids("network_id") {
            return networks.iter().flat_map(|id| view.segments_of(NetworkId(*id))).cloned().collect();
        }
        view.iter::<NetworkSegment>().cloned().collect()
    }

    fn check_parents(_: Request<'_>, _: &dyn Fn(Uuid) -> bool, _: &Values) -> Result<(), ApiError> {
        Ok(())
    }

    fn prepare_new(
        _: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<NewSegment, ApiError> {
        Ok(NewSegment {
            network_id: NetworkId(values.uuid("network_id").ok_or_else(ApiError::internal)?),
            name: values.text("name"),
            description: values.text("description"),
            provider: Provider {
                network_type: values.text("network_type"),
                physical_network: values.text("physical_network"),
                segmentation_id: values.integer("segmentation_id"),
            },
        })
    }

    fn prepare_change(
        _: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        _: &NetworkSegment,
        values: &Values,
    ) -> Result<SegmentChange, ApiError> {
        Ok(SegmentChange {
            name: values.get("name").map(|name| name.as_str().map(str::to_owned)),
            description: values.text("description"),
        })
    }

    fn create(tx: &mut Tx, config: &Config, new: &NewSegment) -> Result<NetworkSegment, Error> {
        network_segment::create(tx, config, new)
    }

    fn update(
        tx: &mut Tx,
        _: &Config,
        id: Uuid,
        change: &SegmentChange,
        revision: Option<u64>,
    ) -> Result<NetworkSegment, Error> {
        network_segment::update(tx, SegmentId(id), change, revision)
    }

    fn delete(tx: &mut Tx, _: &Config, id: Uuid, _: bool, revision: Option<u64>) -> Result<Step<()>, Error> {
        network_segment::delete(tx, SegmentId(id), revision).map(Step::Done)
    }
}
