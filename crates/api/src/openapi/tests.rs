use super::*;
use std::collections::BTreeSet;

const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/openapi.json");

#[test]
fn what_is_published_is_what_is_served() {
    let served = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    if std::env::var_os("HADRON_UPDATE").is_some() {
        std::fs::write(PUBLISHED, &served).unwrap();
    }
    let published = std::fs::read_to_string(PUBLISHED).unwrap_or_default();
    assert!(
        served == published,
        "the API has changed: HADRON_UPDATE=1 cargo test -p hadron-api openapi writes spec/openapi.json anew"
    );
}

#[test]
fn every_reference_leads_somewhere_and_every_name_is_one() {
    fn references<'a>(value: &'a Value, into: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(members) => {
                into.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, into));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, into)),
            _ => {}
        }
    }
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 10);
    for reference in found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
    let mut names = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name), "{method} {path}: {name}");
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            for place in ["parent", "id", "tag"] {
                let is_named = path.contains(&format!("{{{place}}}"));
                let is_told = parameters
                    .iter()
                    .any(|parameter| parameter["in"] == "path" && parameter["name"] == place);
                assert_eq!(is_named, is_told, "{method} {path}");
            }
        }
    }
}
