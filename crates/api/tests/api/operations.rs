//! Every operation that is served, with the token of another project: it neither sees nor changes what is not its own.
//!
//! The operations are the server's own list. One that has no recipe here stands in `untested_operations.txt`.

use crate::support::recipes::{Made, make};
use crate::support::*;
use hadron_api::{Description, Operation, OperationKind, descriptions};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const UNTESTED: &str = include_str!("untested_operations.txt");

/// Collections whose objects everybody may see; nobody but an administrator changes them.
const SEEN_BY_ALL: &[&str] = &["default_security_group_rules"];
/// Collections that belong to nobody and can't be changed.
const FACTS: &[&str] = &["loggable_resources", "floatingip_pools", "availability_zones", "service_providers"];

/// Collections that everybody may know of, so that asking for one is refused and not unknown.
const KNOWN: &[&str] = &["quotas", "default_security_group_rules", "auto_allocated_topology"];

/// A change that the collection takes.
fn change(description: &Description) -> Value {
    let writable = |name: &str| {
        let mut columns = description.attributes.iter().flatten();
        columns.any(|column| column.is_writable() && column.name == name)
    };
    let changes = [("name", json!("changed")), ("description", json!("changed")), ("stateful", json!(true))];
    let change = changes.into_iter().find(|(name, _)| writable(name));
    let change = change.map(|(name, value)| (name.to_owned(), value));
    json!({ description.member: Map::from_iter(change) })
}

fn address(operation: &Operation, made: &Made) -> String {
    let (parent, id) = match (&made.parent, &made.below) {
        (Some(parent), _) => (parent, &made.id),
        (None, Some(below)) if operation.path.contains("{parent}") => (&made.id, below),
        _ => (&made.id, &made.id),
    };
    let path = operation.path.replace("{parent}", parent).replace("{id}", id).replace("{tag}", "tag");
    format!("/v2.0{path}")
}

fn body(description: &Description, operation: &Operation, made: &Made) -> Option<Value> {
    match (operation.method, operation.kind) {
        ("GET" | "DELETE", _) => None,
        (_, OperationKind::Update) => Some(change(description)),
        _ if operation.path.ends_with("/tags") => Some(json!({"tags": ["stolen"]})),
        _ if made.below.is_some() => Some(made.body.clone()),
        _ => Some(json!({})),
    }
}

/// An operation on an object that is not the caller's.
async fn try_one(cloud: &Cloud, description: &Description, operation: &Operation, made: &Made) {
    let show = &made.shown_at;
    let before = cloud.get(ADMIN, show).await;
    assert_eq!(before.status, 200, "{show}: {}", before.text);
    let is_seen = SEEN_BY_ALL.contains(&description.collection) && operation.method == "GET";
    for token in [OTHER, "unscoped"] {
        let path = address(operation, made);
        let answer = cloud.call(token, operation.method, &path, body(description, operation, made)).await;
        let what = format!("{token} {} {path}: {} {}", operation.method, answer.status, answer.text);
        if is_seen {
            continue;
        }
        match answer.status {
            404 => {}
            // No such operation on these objects, whoever asks.
            405 => {}
            403 if KNOWN.contains(&description.collection)
                || ["/dhcp-", "/l3-"].iter().any(|part| operation.path.contains(part)) => {}
            _ => panic!("{what}"),
        }
        let mut told = answer.body;
        if let Some(error) = told.get_mut("NeutronError") {
            error["message"] = Value::Null;
            error["detail"] = Value::Null;
        }
        assert!(!told.to_string().contains(PROJECT) || made.id == PROJECT, "{what}");
        let after = cloud.get(ADMIN, show).await;
        assert_eq!(after.body, before.body, "{what}");
    }
}

/// Lists show nothing of another project.
async fn try_list(cloud: &Cloud, description: &Description, operation: &Operation, made: &Made) {
    let path = address(operation, made);
    let own = cloud.get(ADMIN, &path).await;
    assert!(own.text.contains(&made.id), "{path}: {}", own.text);
    if SEEN_BY_ALL.contains(&description.collection) {
        return;
    }
    for token in [OTHER, "unscoped"] {
        for query in [
            String::new(),
            format!("?id={}", made.id),
            format!("?project_id={PROJECT}"),
            "?limit=500".to_owned(),
        ] {
            let seen = cloud.get(token, &format!("{path}{query}")).await;
            assert!(
                !seen.text.contains(&made.id) || seen.status >= 400,
                "{token} {path}{query}: {}",
                seen.text
            );
            assert!(
                !seen.text.contains(PROJECT) || seen.status >= 400,
                "{token} {path}{query}: {}",
                seen.text
            );
        }
    }
}

/// Nothing is made for another project, nor of its parts.
async fn try_create(cloud: &Cloud, description: &Description, operation: &Operation, made: &Made) {
    let path = address(operation, made);
    // What does not show its project stands below something that has one.
    let is_of_project = |object: &&Value| object.get("project_id").is_none_or(|project| project == PROJECT);
    let count = async || {
        let list = cloud.get(ADMIN, &path).await.expect(200);
        list.as_array().unwrap().iter().filter(is_of_project).count()
    };
    let before = count().await;
    let mut object = made.body.clone();
    // An external network's addresses are for everybody.
    let is_parent =
        |name: &String| name.ends_with("_id") && name != "project_id" && name != "floating_network_id";
    let names_parent = object.as_object().unwrap().keys().any(is_parent);
    if names_parent {
        object.as_object_mut().unwrap().remove("project_id");
        let answer = cloud.call(OTHER, "POST", &path, Some(json!({ description.member: object }))).await;
        assert!(matches!(answer.status, 400 | 403 | 404), "{path}: {} {}", answer.status, answer.text);
    }
    object["project_id"] = json!(PROJECT);
    for token in [OTHER, READER] {
        let answer = cloud.call(token, "POST", &path, Some(json!({ description.member: object }))).await;
        assert!(
            matches!(answer.status, 400 | 403 | 404),
            "{token} {path}: {} {}",
            answer.status,
            answer.text
        );
    }
    assert_eq!(count().await, before, "{path}");
    // To its owner the same request is one: what is refused is not the body.
    let sent = json!({ description.member: made.body });
    let answer = cloud.call(made.owner, "POST", &path, Some(sent)).await;
    assert!(matches!(answer.status, 201 | 409), "{path}: {} {}", answer.status, answer.text);
}

/// What has no test.
async fn try_all(description: &Description) -> BTreeSet<String> {
    let mut untested = BTreeSet::new();
    let collection = description.collection;
    if FACTS.contains(&collection) {
        assert!(description.operations.iter().all(|operation| operation.method == "GET"));
        return untested;
    }
    for operation in &description.operations {
        // Each on a cloud of its own, so that none rests on what another left behind.
        let cloud = Cloud::new().await;
        let recipe = if operation.path.contains("/l3-routers") { "l3_agents" } else { collection };
        let Some(made) = make(&cloud, recipe).await else {
            untested.insert(format!("{} {}", operation.method, operation.path));
            continue;
        };
        match operation.kind {
            OperationKind::List => try_list(&cloud, description, operation, &made).await,
            OperationKind::Create => try_create(&cloud, description, operation, &made).await,
            _ => try_one(&cloud, description, operation, &made).await,
        }
        // The same request is something to its owner: the address is right.
        let is_whole = match operation.kind {
            OperationKind::List | OperationKind::Create => false,
            OperationKind::Other => made.below.is_some(),
            OperationKind::Show | OperationKind::Update | OperationKind::Delete => true,
        };
        if is_whole {
            let path = address(operation, &made);
            let body = body(description, operation, &made);
            let answer = cloud.call(made.owner, operation.method, &path, body).await;
            let is_none = operation.method == "PUT" && answer.status == 405;
            assert!(answer.status < 300 || is_none, "{} {path}: {}", operation.method, answer.text);
        }
    }
    untested
}

#[tokio::test]
async fn every_operation_keeps_projects_apart() {
    let mut untested = BTreeSet::new();
    let descriptions = descriptions();
    assert!(descriptions.len() > 7);
    for description in &descriptions {
        assert!(!description.operations.is_empty(), "{} describes no operation", description.collection);
        untested.extend(try_all(description).await);
    }
    let listed: BTreeSet<String> =
        UNTESTED.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    assert_eq!(
        untested, listed,
        "untested_operations.txt names what has no recipe in this file, and nothing else"
    );
}
