//! The order of lists, their pages and the links between them as the real service has them (`spec/ordering.json`, recorded).

use crate::support::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Ids by the names of the record.
type Names = BTreeMap<String, String>;

fn named(text: &str, names: &Names) -> String {
    names.iter().fold(text.to_owned(), |text, (name, id)| text.replace(&format!("{{{name}}}"), id))
}

/// A link as the record has it: path and query, with the marker by name, or as any id where the order is that of ids.
fn link(link: &Value, names: &Names, is_by_id: bool) -> Value {
    let href = link["href"].as_str().unwrap();
    let path = &href[href.find("/v2.0/").unwrap()..];
    let (path, query) = path.split_once('?').unwrap();
    let parts = query.split('&').map(|part| match part.strip_prefix("marker=") {
        Some(_) if is_by_id => "marker=<id>".to_owned(),
        Some(id) => {
            let name = names.iter().find(|(_, known)| *known == id).map(|(name, _)| name.as_str());
            format!("marker={{{}}}", name.unwrap_or(id))
        }
        None => part.to_owned(),
    });
    json!([link["rel"], format!("{path}?{}", parts.collect::<Vec<_>>().join("&"))])
}

/// What differs from the record, if anything.
fn fault(case: &Value, answer: &Answer, names: &Names) -> Option<String> {
    if answer.status != case["status"] {
        return Some(format!("{} {}", answer.status, answer.text));
    }
    if answer.headers["content-type"].to_str().unwrap() != case["content_type"] {
        return Some(format!("{:?}", answer.headers["content-type"]));
    }
    if answer.status != 200 {
        return (answer.error().1 != case["type"]).then(|| answer.text.clone());
    }
    let members = answer.body.as_object().unwrap();
    let (links, list): (Vec<_>, Vec<_>) = members.iter().partition(|(name, _)| name.ends_with("_links"));
    let ids: Vec<&str> =
        list[0].1.as_array().unwrap().iter().filter_map(|object| object["id"].as_str()).collect();
    let is_by_id = case.get("order").is_none();
    let links: Vec<Value> = links
        .into_iter()
        .flat_map(|(_, links)| links.as_array().unwrap())
        .map(|one| link(one, names, is_by_id))
        .collect();
    if json!(links) != case["links"] {
        return Some(format!("links {links:?}"));
    }
    if is_by_id {
        let is_sorted = ids.is_sorted();
        return (!is_sorted || ids.len() != case["count"]).then(|| format!("{ids:?}"));
    }
    let order: Vec<&str> = ids
        .iter()
        .filter_map(|id| names.iter().find(|(_, known)| known == id).map(|(name, _)| name.as_str()))
        .collect();
    (json!(order) != case["order"]).then(|| format!("order {order:?}"))
}

#[tokio::test]
async fn lists_are_ordered_and_paged_as_the_real_service_does() {
    let cloud = Cloud::new().await;
    let record: Value = serde_json::from_str(include_str!("../../../../spec/ordering.json")).unwrap();
    let mut names = Names::new();
    for object in record["objects"].as_array().unwrap() {
        let body = serde_json::from_str(&named(&object["body"].to_string(), &names)).unwrap();
        let made = cloud.create(ADMIN, object["collection"].as_str().unwrap(), body).await;
        names.insert(object["name"].as_str().unwrap().to_owned(), id(&made));
    }
    let mut wrong = Vec::new();
    for case in record["lists"].as_array().unwrap() {
        let request = case["request"].as_str().unwrap();
        let answer = cloud.get(ADMIN, &format!("/v2.0/{}", named(request, &names))).await;
        wrong.extend(fault(case, &answer, &names).map(|fault| format!("{request}\n  {fault}\n  {case}")));
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}
