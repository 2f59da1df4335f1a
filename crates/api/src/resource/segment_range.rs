//! `/v2.0/network-segment-ranges`: from which identifiers networks get theirs, for administrators.

use super::{Object, Request, Resource, Scope, Tagging, names, tagging};
use crate::ApiError;
use crate::attribute::{Attribute, Convert, Default, Validate};
use crate::field::Field;
use crate::filter::Filters;
use crate::values::Values;
use hadron_control::segment_range::{self, NewSegmentRange, SegmentRangeChange};
use hadron_control::{Config, Error, SegmentError, Step};
use hadron_model::{SegmentPool, SegmentRange, SegmentRangeId};
use hadron_store::{Snapshot, Stored, Tx};
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub struct SegmentRanges;

type Column = Attribute<SegmentRange>;

const BY: &[&str] = &["network-segment-range"];
const TYPES: &[Option<&str>] = &[Some("vlan"), Some("vxlan"), Some("gre"), Some("geneve")];
/// Most free identifiers that are shown of a range.
const SHOWN: usize = 4096;
const LAST: i64 = u32::MAX as i64;

const TABLE: &[Column] = &[
    Column::new("id", |range, _| Some(Field::Id(range.id.0)))
        .by(BY)
        .filter_sort()
        .primary_key()
        .validate(Validate::Uuid),
    Column::new("name", |range, _| Some(Field::Text(&range.name)))
        .by(BY)
        .post_put()
        .filter_sort()
        .default(Default::Text(""))
        .validate(Validate::NameString(255)),
    Column::new("default", |range, _| Some(Field::Bool(range.is_default)))
        .by(BY)
        .default(Default::Bool(false))
        .convert(Convert::Boolean),
    Column::new("shared", |range, _| Some(Field::Bool(range.project_id.is_empty())))
        .by(BY)
        .post()
        .default(Default::Bool(true))
        .convert(Convert::Boolean),
    Column::new("project_id", |range, _| {
        (!range.project_id.is_empty()).then_some(Field::Text(&range.project_id))
    })
    .by(BY)
    .post()
    .filter_sort()
    .required_by_policy()
    .validate(Validate::String(255)),
    Column::new("network_type", |range, _| Some(Field::Text(range.pool.network_type())))
        .by(BY)
        .post()
        .filter()
        .default(Default::Unspecified)
        .validate(Validate::Words(TYPES)),
    Column::new("physical_network", |range, _| Some(Field::Text(range.pool.physical_network())))
        .by(BY)
        .post()
        .filter()
        .default(Default::Unspecified)
        .validate(Validate::String(64)),
    Column::new("minimum", |range, _| Some(Field::Integer(range.first.into())))
        .by(BY)
        .post_put()
        .convert(Convert::Integer)
        .validate(Validate::Range(1, LAST)),
    Column::new("maximum", |range, _| Some(Field::Integer(range.last.into())))
        .by(BY)
        .post_put()
        .convert(Convert::Integer)
        .validate(Validate::Range(1, LAST)),
    Column::new("used", |range, view| {
        Some(Field::OwnedJson(json!(segment_range::used(view, range)).to_string()))
    })
    .by(BY),
    Column::new("available", |range, view| {
        let ids: Vec<u32> = segment_range::available(view, range).take(SHOWN).collect();
        Some(Field::OwnedJson(json!(ids).to_string()))
    })
    .by(BY)
    .convert(Convert::NullToList),
    Column::new("description", |range, _| Some(Field::text(range.description.as_deref())))
        .by(&["standard-attr-description"])
        .post_put()
        .filter()
        .default(Default::Text(""))
        .validate(Validate::String(255)),
    Column::new("revision_number", |range, _| Some(Field::Integer(range.stamp.revision_number)))
        .by(&["standard-attr-revisions"])
        .filter()
        .default(Default::Null),
    Column::new("created_at", |range, _| Some(Field::Time(range.stamp.created_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
    Column::new("updated_at", |range, _| Some(Field::Time(range.stamp.updated_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
    tagging::tags(),
    tagging::tags_any(),
    tagging::not_tags(),
    tagging::not_tags_any(),
];

impl Object for SegmentRange {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn key_of(id: Uuid) -> SegmentRangeId {
        SegmentRangeId(id)
    }
}

impl Resource for SegmentRanges {
    type Record = SegmentRange;
    type New = NewSegmentRange;
    type Change = SegmentRangeChange;

    const MEMBER: &'static str = "network_segment_range";
    const COLLECTION: &'static str = "network_segment_ranges";
    const NOT_FOUND: &'static str = "NetworkSegmentRangeNotFound";
    const ATTRIBUTES: &'static [Column] = TABLE;
    const NAMES: &'static [&'static str] = &names::<SegmentRange, { TABLE.len() }>(TABLE);
    const TAGS: Option<Tagging<SegmentRange>> = Some(Tagging::OF_STAMP);

    fn candidates(view: &Snapshot, _: Scope<'_>, filters: &Filters) -> Vec<Arc<Stored<SegmentRange>>> {
        if let Some(ids) = filters.ids("id") {
            return ids.iter().filter_map(|id| view.get(&SegmentRangeId(*id)).cloned()).collect();
        }
        view.iter::<SegmentRange>().cloned().collect()
    }

    fn check_parents(_: Request<'_>, _: &dyn Fn(Uuid) -> bool, _: &Values) -> Result<(), ApiError> {
        Ok(())
    }

    fn prepare_new(
        _: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<NewSegmentRange, ApiError> {
        let network_type = values.text("network_type").unwrap_or_default();
        let physical_network = values.text("physical_network").unwrap_or_default();
        let pool = SegmentPool::new(&network_type, &physical_network)
            .ok_or(Error::from(SegmentError::RangeTypeNotSupported(network_type)))?;
        if pool == SegmentPool::Vlan(String::new()) {
            return Err(ApiError::invalid_input("physical_network required for a range of VLANs"));
        }
        let is_shared = values.boolean("shared").unwrap_or(true);
        let project_id = values.text("project_id").filter(|_| !is_shared).unwrap_or_default();
        if !is_shared && project_id.is_empty() {
            return Err(ApiError::invalid_input("a range that is not shared needs a project_id"));
        }
        Ok(NewSegmentRange {
            project_id,
            name: values.text("name").unwrap_or_default(),
            description: values.text("description").unwrap_or_default(),
            pool,
            ends: (end(values, "minimum").unwrap_or(0), end(values, "maximum").unwrap_or(0)),
            tags: values.texts("tags").unwrap_or_default().into_iter().collect(),
        })
    }

    fn prepare_change(
        _: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        _: &SegmentRange,
        values: &Values,
    ) -> Result<SegmentRangeChange, ApiError> {
        Ok(SegmentRangeChange {
            name: values.text("name"),
            description: values.text("description"),
            first: end(values, "minimum"),
            last: end(values, "maximum"),
        })
    }

    fn create(tx: &mut Tx, _: &Config, new: &NewSegmentRange) -> Result<SegmentRange, Error> {
        segment_range::create(tx, new)
    }

    fn update(
        tx: &mut Tx,
        _: &Config,
        id: Uuid,
        change: &SegmentRangeChange,
        revision: Option<u64>,
    ) -> Result<SegmentRange, Error> {
        segment_range::update(tx, SegmentRangeId(id), change, revision)
    }

    fn delete(tx: &mut Tx, _: &Config, id: Uuid, _: bool, revision: Option<u64>) -> Result<Step<()>, Error> {
        segment_range::delete(tx, SegmentRangeId(id), revision).map(Step::Done)
    }
}

fn end(values: &Values, name: &str) -> Option<u32> {
    values.integer(name).and_then(|number| u32::try_from(number).ok())
}
