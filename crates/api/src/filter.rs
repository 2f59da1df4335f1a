//! Which objects of a list a caller asks for.

use crate::ApiError;
use crate::attribute::{Attribute, Mask, TagMatch};
use crate::field::Field;
use crate::query::Query;
use crate::validate::{parse_address, parse_uuid, to_boolean};
use crate::values::Table;
use crate::view::View;
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};
use uuid::Uuid;

/// Parameters of a list that are not filters.
const NOT_FILTERS: [&str; 6] = ["fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse"];

/// Filters by attribute; an object must match each, by any of its values.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Filters {
    filters: Vec<Filter>,
    /// What the objects of the list belong to, if its address names that.
    pub(crate) parent: Option<Uuid>,
}

#[derive(Clone, PartialEq, Debug)]
struct Filter {
    name: &'static str,
    index: usize,
    wanted: Wanted,
}

#[derive(Clone, PartialEq, Debug)]
enum Wanted {
    /// The attribute's text is one of these, or it has no value and that is wanted.
    Texts { texts: HashSet<String>, or_nothing: bool },
    /// The attribute's text is one of these, in lower case.
    Folded(HashSet<String>),
    /// The attribute is tags, which compare so with these.
    Tags(TagMatch, Vec<String>),
    /// The attribute, a list of objects, has for each key here a member with one of the values.
    Pairs(Vec<(String, Vec<String>)>),
}

impl Filters {
    /// Reads the filters of a query. A name that can't be filtered by is an error (`filter-validation`).
    pub(crate) fn read<R>(table: Table<R>, query: &Query) -> Result<Self, ApiError> {
        let names: Vec<&str> = {
            let mut seen = HashSet::new();
            let names = query.pairs().iter().map(|(name, _)| name.as_str());
            names.filter(|name| !NOT_FILTERS.contains(name) && seen.insert(*name)).collect()
        };
        let is_filter = |name: &&str| table.place(name).is_some_and(|index| table.attributes[index].filter);
        let invalid: Vec<&str> = names.iter().copied().filter(|name| !is_filter(name)).collect();
        if !invalid.is_empty() {
            return Err(ApiError::bad_request(format!("lists can't be filtered by {}", invalid.join(", "))));
        }
        let mut filters = Vec::with_capacity(names.len());
        for name in names {
            let Some(index) = table.place(name) else { continue };
            let attribute = &table.attributes[index];
            let values: Vec<&str> = query.all(name).collect();
            if let Some(wanted) = wanted(attribute, &values)? {
                filters.push(Filter { name: attribute.name, index, wanted });
            }
        }
        Ok(Self { filters, parent: None })
    }

    /// Whether a record is asked for.
    pub(crate) fn accept<R>(&self, attributes: &[Attribute<R>], record: &R, view: &View<'_>) -> bool {
        let mut text = String::new();
        self.filters.iter().all(|filter| {
            let field = (attributes[filter.index].read)(record, view);
            field.is_some_and(|field| filter.wanted.accept(&field, &mut text))
        })
    }

    /// The texts that an attribute is filtered by, by which candidates can be looked up.
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<&str>> {
        let filter = self.filters.iter().find(|filter| filter.name == name)?;
        match &filter.wanted {
            Wanted::Texts { texts, or_nothing: false } => Some(texts.iter().map(String::as_str).collect()),
            Wanted::Texts { .. } | Wanted::Folded(_) | Wanted::Tags(..) | Wanted::Pairs(_) => None,
        }
    }

    /// The ids that an attribute is filtered by; a text that is none matches nothing.
    pub(crate) fn ids(&self, name: &str) -> Option<Vec<Uuid>> {
        let texts = self.texts(name)?;
        let ids: BTreeSet<Uuid> = texts.into_iter().filter_map(parse_uuid).collect();
        Some(ids.into_iter().collect())
    }

    /// The ids under `key` that an attribute of pairs is filtered by.
    pub(crate) fn paired_ids(&self, name: &str, key: &str) -> Option<Vec<Uuid>> {
        let filter = self.filters.iter().find(|filter| filter.name == name)?;
        let Wanted::Pairs(pairs) = &filter.wanted else { return None };
        let (_, values) = pairs.iter().find(|(known, _)| known == key)?;
        let ids: BTreeSet<Uuid> = values.iter().filter_map(|value| parse_uuid(value)).collect();
        Some(ids.into_iter().collect())
    }
}

fn wanted<R>(attribute: &Attribute<R>, values: &[&str]) -> Result<Option<Wanted>, ApiError> {
    if attribute.pairs {
        return pairs(values);
    }
    if let Some(how) = attribute.tags {
        let tags = values.iter().flat_map(|value| value.split(',')).map(str::to_owned);
        return Ok(Some(Wanted::Tags(how, tags.collect())));
    }
    if attribute.folds_case {
        return Ok(Some(Wanted::Folded(values.iter().map(|value| value.to_lowercase()).collect())));
    }
    let (mut texts, mut or_nothing) = (HashSet::new(), false);
    for value in values {
        let text = match attribute.convert.apply(Value::from(*value))? {
            Value::Null => {
                or_nothing = true;
                continue;
            }
            Value::Bool(value) => if value { "True" } else { "False" }.to_owned(),
            Value::String(text) => text,
            other => other.to_string(),
        };
        texts.insert(text);
    }
    Ok(Some(Wanted::Texts { texts, or_nothing }))
}

fn pairs(values: &[&str]) -> Result<Option<Wanted>, ApiError> {
    let mut pairs: Vec<(String, Vec<String>)> = Vec::new();
    if values == ["True"] {
        return Ok(None);
    }
    for value in values {
        let parts = value.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
        let (key, value) = parts
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| ApiError::invalid_input(format!("'{value}' is not of the form <key>=[value]")))?;
        match pairs.iter_mut().find(|(known, _)| known == key) {
            Some((_, values)) => values.push(value.to_owned()),
            None => pairs.push((key.to_owned(), vec![value.to_owned()])),
        }
    }
    Ok((!pairs.is_empty()).then_some(Wanted::Pairs(pairs)))
}

impl Wanted {
    fn accept(&self, field: &Field<'_>, text: &mut String) -> bool {
        match self {
            Wanted::Texts { texts, or_nothing } => match field {
                Field::Null => *or_nothing,
                // A filter's text may be any that stands for the value, where the attribute has no conversion.
                Field::Bool(value) => {
                    texts.iter().any(|text| to_boolean(&text.as_str().into()) == Some(*value))
                }
                // Of a list, one must be wanted.
                Field::Ids(ids) => ids.iter().any(|id| texts.contains(&id.as_hyphenated().to_string())),
                field => {
                    text.clear();
                    field.write_text(text) && texts.contains(text.as_str())
                }
            },
            Wanted::Folded(texts) => {
                text.clear();
                field.write_text(text) && texts.contains(&text.to_lowercase())
            }
            Wanted::Tags(how, wanted) => {
                let Field::Tags(tags) = field else { return false };
                match how {
                    TagMatch::All => wanted.iter().all(|tag| tags.has(tag)),
                    TagMatch::Any => wanted.iter().any(|tag| tags.has(tag)),
                    TagMatch::NotAll => !wanted.iter().all(|tag| tags.has(tag)),
                    TagMatch::NotAny => !wanted.iter().any(|tag| tags.has(tag)),
                }
            }
            Wanted::Pairs(pairs) => pairs.iter().all(|(key, values)| has_pair(field, key, values)),
        }
    }
}

/// Whether a list of addresses has a member whose `key` is one of the values. A key that there is none of accepts all, as
/// Neutron does.
fn has_pair(field: &Field<'_>, key: &str, values: &[String]) -> bool {
    let Field::FixedIps(ips) = field else { return false };
    match key {
        "ip_address" => values
            .iter()
            .filter_map(|value| parse_address(value))
            .any(|address| ips.iter().any(|ip| ip.ip_address == address)),
        "subnet_id" => values
            .iter()
            .filter_map(|value| parse_uuid(value))
            .any(|id| ips.iter().any(|ip| ip.subnet_id.0 == id)),
        "ip_address_substr" => ips.iter().any(|ip| {
            let address = ip.ip_address.to_string();
            values.iter().any(|value| address.contains(value.as_str()))
        }),
        _ => true,
    }
}

/// The attributes that `fields` asks for; all without it.
pub(crate) fn fields<R>(table: Table<R>, query: &Query) -> Mask {
    if query.last("fields").is_none() {
        return Mask::of(table.attributes, |_, _| true);
    }
    let asked: HashSet<&str> = query.all("fields").collect();
    Mask::of(table.attributes, |_, attribute| asked.contains(attribute.name))
}
