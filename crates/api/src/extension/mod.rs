//! `/v2.0/extensions`: which extensions of the Networking API work here.
//!
//! One is listed when all that it adds works. What each adds to a resource stands in that resource's table.

mod table;

pub use table::EXTENSIONS;

use crate::ApiError;
use crate::error::json_response;
use crate::json::Writer;
use axum::body::Body;
use axum::http::{Method, Response, StatusCode};

/// An extension.
pub struct Extension {
    /// What clients look for.
    pub alias: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
    /// When its definition last changed.
    pub updated: &'static str,
}

/// Answers `/v2.0/extensions`, or `/v2.0/extensions/ALIAS`.
pub(crate) fn answer(method: &Method, alias: Option<&str>) -> Result<Response<Body>, ApiError> {
    if method != Method::GET {
        return Err(ApiError::method_not_allowed());
    }
    let mut out = Vec::with_capacity(4096);
    let mut json = Writer::new(&mut out);
    match alias {
        None => {
            json.raw(b"{\"extensions\":[");
            for (index, extension) in EXTENSIONS.iter().enumerate() {
                if index > 0 {
                    json.raw(b",");
                }
                write(extension, &mut json);
            }
            json.raw(b"]}");
        }
        Some(alias) => {
            let known = EXTENSIONS.iter().find(|extension| extension.alias == alias);
            json.raw(b"{\"extension\":");
            write(known.ok_or_else(ApiError::not_found)?, &mut json);
            json.raw(b"}");
        }
    }
    Ok(json_response(StatusCode::OK, out))
}

fn write(extension: &Extension, json: &mut Writer<'_>) {
    let members = [
        ("name", extension.name),
        ("alias", extension.alias),
        ("description", extension.description),
        ("updated", extension.updated),
    ];
    json.raw(b"{");
    for (name, value) in members {
        json.text(name);
        json.raw(b":");
        json.text(value);
        json.raw(b",");
    }
    json.raw(b"\"links\":[]}");
}

#[cfg(test)]
mod tests {
    use super::EXTENSIONS;
    use std::collections::BTreeSet;

    #[test]
    fn they_are_in_order() {
        assert!(EXTENSIONS.is_sorted_by(|one, next| one.alias < next.alias));
    }

    /// What a fully configured Neutron announces is announced here, or `docs/differences.md` says why not.
    #[test]
    fn none_is_left_out_without_a_reason() {
        let differences = include_str!("../../../../docs/differences.md");
        let (_, section) = differences.split_once("## Extensions that are not announced").unwrap();
        let (_, table) = section.split("\n## ").next().unwrap().split_once("|---|---|").unwrap();
        let rows = table.lines().filter_map(|row| row.split('|').nth(1));
        let without: BTreeSet<&str> = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).collect();
        let with: BTreeSet<&str> = EXTENSIONS.iter().map(|extension| extension.alias).collect();
        let neutron: BTreeSet<&str> =
            include_str!("../../../../spec/extension_aliases.txt").lines().collect();
        assert_eq!(with.intersection(&without).count(), 0);
        let both: BTreeSet<&str> = with.union(&without).copied().collect();
        let unsaid: Vec<_> = neutron.difference(&both).collect();
        assert!(unsaid.is_empty(), "{unsaid:?}");
        assert!(without.is_subset(&neutron));
    }
}
