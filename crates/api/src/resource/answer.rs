//! Objects as JSON.

use super::{Object, Resource};
use crate::attribute::{Attribute, Mask};
use crate::json::Writer;
use crate::view::View;
use axum::body::Body;
use bytes::Bytes;
use hadron_store::{Snapshot, Stored};
use std::convert::Infallible;
use std::sync::Arc;

/// Answers up to so many objects are written at once, larger ones in parts as the client takes them.
const AT_ONCE: usize = 64;
/// Octets of a part.
const PART: usize = 64 * 1024;

/// Writes an object with the attributes of `mask`.
pub(super) fn write_object<R>(
    attributes: &[Attribute<R>],
    mask: Mask,
    record: &R,
    view: &View<'_>,
    json: &mut Writer<'_>,
) {
    json.raw(b"{");
    let mut is_first = true;
    for (index, attribute) in attributes.iter().enumerate() {
        if !mask.has(index) {
            continue;
        }
        let Some(field) = (attribute.read)(record, view) else { continue };
        json.raw(if is_first { b"\"" } else { b",\"" });
        json.raw(attribute.name.as_bytes());
        json.raw(b"\":");
        field.write(json);
        is_first = false;
    }
    json.raw(b"}");
}

/// `{"network": {…}}`
pub(super) fn one<R: Resource>(mask: Mask, record: &R::Record, view: &View<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let mut json = Writer::new(&mut out);
    json.raw(b"{\"");
    json.raw(R::MEMBER.as_bytes());
    json.raw(b"\":");
    write_object(R::ATTRIBUTES, mask, record, view, &mut json);
    json.raw(b"}");
    out
}

/// `{"networks": […]}`, of what has just been made.
pub(super) fn many<'a, R: Resource>(
    mask: Mask,
    records: impl IntoIterator<Item = &'a R::Record>,
    view: &View<'_>,
) -> Vec<u8> {
    let mut out = opening::<R>();
    let mut json = Writer::new(&mut out);
    for (index, record) in records.into_iter().enumerate() {
        if index > 0 {
            json.raw(b",");
        }
        write_object(R::ATTRIBUTES, mask, record, view, &mut json);
    }
    json.raw(b"]}");
    out
}

/// A list for a project: `mask` tells the attributes of each record, `closing` is what follows the objects.
pub(super) fn list<R: Resource>(
    records: Vec<Arc<Stored<R::Record>>>,
    (view, project): (Arc<Snapshot>, String),
    mask: impl Fn(&R::Record, &View<'_>) -> Mask + Send + 'static,
    closing: Vec<u8>,
) -> Body {
    let is_small = records.len() <= AT_ONCE;
    let mut parts = Parts::<R, _> {
        out: opening::<R>(),
        records: records.into_iter(),
        view,
        project,
        mask,
        closing: Some(closing),
        is_first: true,
    };
    if is_small {
        return Body::from(parts.next_up_to(usize::MAX).unwrap_or_default());
    }
    let parts = std::iter::from_fn(move || parts.next_up_to(PART).map(Ok::<_, Infallible>));
    Body::from_stream(futures_util::stream::iter(parts))
}

fn opening<R: Resource>() -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(R::COLLECTION.as_bytes());
    out.extend_from_slice(b"\":[");
    out
}

/// A list that is written while it is sent. It holds the records, not copies of them.
struct Parts<R: Resource, M> {
    out: Vec<u8>,
    records: std::vec::IntoIter<Arc<Stored<R::Record>>>,
    view: Arc<Snapshot>,
    /// Who asks.
    project: String,
    mask: M,
    closing: Option<Vec<u8>>,
    is_first: bool,
}

impl<R: Resource, M: Fn(&R::Record, &View<'_>) -> Mask> Parts<R, M> {
    fn next_up_to(&mut self, size: usize) -> Option<Bytes> {
        let view = View::new(&self.view, &self.project);
        while self.out.len() < size {
            let Some(record) = self.records.next() else {
                let closing = self.closing.take()?;
                self.out.extend_from_slice(&closing);
                return Some(std::mem::take(&mut self.out).into());
            };
            let mask = (self.mask)(&record.value, &view);
            let mut json = Writer::new(&mut self.out);
            if !std::mem::take(&mut self.is_first) {
                json.raw(b",");
            }
            write_object(R::ATTRIBUTES, mask, &record.value, &view, &mut json);
        }
        let part = std::mem::replace(&mut self.out, Vec::with_capacity(size + 2048));
        Some(part.into())
    }
}

/// The ids of the first and the last record.
pub(super) fn ends<R: Object>(records: &[Arc<Stored<R>>]) -> Option<(String, String)> {
    let id = |record: &Arc<Stored<R>>| record.value.id().to_string();
    Some((id(records.first()?), id(records.last()?)))
}
