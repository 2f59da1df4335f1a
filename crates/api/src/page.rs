//! Sorting and paging of lists.

use crate::ApiError;
use crate::field::{SortKey, compare};
use crate::json::Writer;
use crate::query::Query;
use crate::values::Table;
use crate::view::View;
use hadron_store::Stored;
use std::cmp::Ordering;
use std::sync::Arc;

/// How a list is sorted and which part of it is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Page {
    /// Places of the attributes to sort by; the last is the primary key.
    pub(crate) keys: Vec<usize>,
    /// The direction of each.
    pub(crate) ascending: Vec<bool>,
    /// Most objects; `None` is all.
    pub(crate) limit: Option<usize>,
    /// The object after which the page begins, or before which it ends.
    pub(crate) marker: Option<String>,
    /// Whether the page ends before the marker.
    pub(crate) is_reverse: bool,
}

impl Page {
    /// Reads `sort_key`, `sort_dir`, `limit`, `marker` and `page_reverse`.
    pub(crate) fn read<R>(table: Table<R>, query: &Query) -> Result<Self, ApiError> {
        let names: Vec<&str> = query.all("sort_key").filter(|key| !key.is_empty()).collect();
        let directions: Vec<&str> = query.all("sort_dir").filter(|dir| !dir.is_empty()).collect();
        if names.len() != directions.len() {
            return Err(ApiError::bad_request("there must be one sort_dir for each sort_key"));
        }
        let sortable = |name: &str| table.place(name).filter(|&index| table.attributes[index].sort);
        let invalid: Vec<&str> = names.iter().copied().filter(|name| sortable(name).is_none()).collect();
        if !invalid.is_empty() {
            return Err(ApiError::bad_request(format!("lists can't be sorted by {}", invalid.join(", "))));
        }
        if let Some(wrong) = directions.iter().find(|dir| !matches!(**dir, "asc" | "desc")) {
            return Err(ApiError::bad_request(format!("sort_dir '{wrong}' is neither 'asc' nor 'desc'")));
        }
        let mut keys: Vec<usize> = names.iter().filter_map(|name| sortable(name)).collect();
        let mut ascending: Vec<bool> = directions.iter().map(|dir| *dir == "asc").collect();
        let primary = table.attributes.iter().position(|attribute| attribute.primary_key);
        if let Some(primary) = primary.filter(|primary| !keys.contains(primary)) {
            keys.push(primary);
            ascending.push(true);
        }
        let limit = match query.last("limit") {
            None => None,
            Some(text) => match text.trim().parse::<usize>() {
                Ok(0) => None,
                Ok(limit) => Some(limit),
                Err(_) => {
                    let message = format!("the limit must be a whole number, 0 or more, not '{text}'");
                    return Err(ApiError::bad_resource("limit", message));
                }
            },
        };
        let marker = query.last("marker").filter(|marker| !marker.is_empty() && limit.is_some());
        Ok(Self {
            keys,
            ascending,
            limit,
            marker: marker.map(str::to_owned),
            is_reverse: query.last("page_reverse").is_some_and(|text| text.eq_ignore_ascii_case("true")),
        })
    }

    /// Whether the order is that of the primary key, upwards.
    pub(crate) fn is_by_primary_key(&self) -> bool {
        self.keys.len() == 1 && self.ascending == [true]
    }

    /// The values by which a record is sorted.
    pub(crate) fn row<R>(&self, table: Table<R>, record: &R, view: &View<'_>) -> Vec<SortKey> {
        let key = |&index: &usize| {
            (table.attributes[index].read)(record, view).map_or(SortKey::Nothing, |field| field.sort_key())
        };
        self.keys.iter().map(key).collect()
    }

    /// Sorts the records.
    pub(crate) fn sort<R>(
        &self,
        table: Table<R>,
        records: Vec<Arc<Stored<R>>>,
        view: &View<'_>,
    ) -> Vec<Arc<Stored<R>>> {
        let mut rows: Vec<(Vec<SortKey>, Arc<Stored<R>>)> =
            records.into_iter().map(|record| (self.row(table, &record.value, view), record)).collect();
        rows.sort_by(|(a, _), (b, _)| compare(a, b, &self.ascending));
        rows.into_iter().map(|(_, record)| record).collect()
    }

    /// Cuts sorted records down to the page; `marker` is the marker's row.
    pub(crate) fn cut<R>(
        &self,
        table: Table<R>,
        mut records: Vec<Arc<Stored<R>>>,
        marker: Option<&[SortKey]>,
        view: &View<'_>,
    ) -> Vec<Arc<Stored<R>>> {
        let Some(limit) = self.limit else { return records };
        let to_marker = |record: &Arc<Stored<R>>, marker: &[SortKey]| {
            compare(&self.row(table, &record.value, view), marker, &self.ascending)
        };
        if self.is_reverse {
            let end = match marker {
                Some(marker) => records.partition_point(|record| to_marker(record, marker) == Ordering::Less),
                None => records.len(),
            };
            records.truncate(end);
            records.drain(..end.saturating_sub(limit));
        } else {
            let start = match marker {
                Some(marker) => {
                    records.partition_point(|record| to_marker(record, marker) != Ordering::Greater)
                }
                None => 0,
            };
            records.drain(..start);
            records.truncate(limit);
        }
        records
    }

    /// Writes the links to the pages before and behind, as a member of the answer's object, if paging is asked for. `ends`
    /// are the ids of the page's first and last object, if it has any.
    pub(crate) fn write_links(
        &self,
        json: &mut Writer<'_>,
        collection: &str,
        address: &str,
        query: &Query,
        count: usize,
        ends: Option<(&str, &str)>,
    ) {
        let Some(limit) = self.limit else { return };
        let is_short = count < limit;
        let has_next = !is_short || self.is_reverse;
        let has_previous = !is_short || !self.is_reverse;
        let first = ends.map(|(first, _)| ("marker", first));
        let last = ends.map(|(_, last)| ("marker", last));
        let mut links = Vec::new();
        if has_next {
            let add: Vec<_> = last.into_iter().collect();
            links.push(("next", query.rewritten(&["marker", "page_reverse"], &add)));
        }
        if has_previous {
            let add: Vec<_> = first.into_iter().chain([("page_reverse", "True")]).collect();
            links.push(("previous", query.rewritten(&["marker", "page_reverse"], &add)));
        }
        json.raw(b",\"");
        json.raw(collection.as_bytes());
        json.raw(b"_links\":[");
        for (index, (rel, query)) in links.iter().enumerate() {
            json.raw(if index == 0 { b"{\"rel\":" } else { b",{\"rel\":" });
            json.text(rel);
            json.raw(b",\"href\":");
            json.text(&format!("{address}?{query}"));
            json.raw(b"}");
        }
        json.raw(b"]");
    }
}
