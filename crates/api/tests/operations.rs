//! Every operation that is served, with the token of another project: it neither sees nor changes what is not its own.
//!
//! The operations are the server's own list. One that has no recipe here stands in `untested_operations.txt`.

mod support;

use hadron_api::{Description, Operation, OperationKind, descriptions};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use support::*;

const UNTESTED: &str = include_str!("untested_operations.txt");

/// Collections whose objects everybody may see; nobody but an administrator changes them.
const SEEN_BY_ALL: &[&str] = &["default_security_group_rules"];
/// Collections that belong to nobody and can't be changed.
const FACTS: &[&str] = &["loggable_resources", "floatingip_pools", "availability_zones", "service_providers"];

/// An object of PROJECT's, or of administrators.
struct Made {
    id: String,
    /// The token of who made it.
    owner: &'static str,
    /// The body that made it.
    body: Value,
}

fn made(object: Value, owner: &'static str, body: Value) -> Option<Made> {
    Some(Made { id: id(&object), owner, body })
}

/// Makes an object of a collection.
async fn make(cloud: &Cloud, collection: &str) -> Option<Made> {
    let network = async || id(&cloud.create(MEMBER, "networks", json!({})).await);
    let group = async || id(&cloud.create(MEMBER, "security-groups", json!({})).await);
    let (owner, body) = match collection {
        "networks" | "routers" | "security_groups" => (MEMBER, json!({"name": "mine"})),
        "subnets" => (MEMBER, json!({"network_id": network().await, "ip_version": 4, "cidr": "10.0.0.0/24"})),
        "ports" => (MEMBER, json!({"network_id": network().await})),
        "security_group_rules" => {
            (MEMBER, json!({"security_group_id": group().await, "direction": "ingress"}))
        }
        "address_groups" => (MEMBER, json!({"addresses": ["10.0.0.0/24"]})),
        "default_security_group_rules" => (
            ADMIN,
            json!({"direction": "ingress", "protocol": "tcp", "used_in_default_sg": true, "used_in_non_default_sg": true}),
        ),
        "logs" => {
            let group = group().await;
            (ADMIN, json!({"resource_type": "security_group", "resource_id": group, "project_id": PROJECT}))
        }
        "subnetpools" => {
            (MEMBER, json!({"name": "mine", "prefixes": ["10.8.0.0/16"], "default_prefixlen": 24}))
        }
        "address_scopes" => (MEMBER, json!({"name": "mine", "ip_version": 4})),
        "rbac_policies" => {
            let network = network().await;
            let action = "access_as_shared";
            (
                MEMBER,
                json!({"object_type": "network", "object_id": network, "action": action, "target_tenant": ADMIN_PROJECT}),
            )
        }
        "quotas" => {
            let body = json!({"quota": {"port": 7}});
            cloud.call(ADMIN, "PUT", &format!("/v2.0/quotas/{PROJECT}"), Some(body)).await.expect(200);
            return Some(Made { id: PROJECT.to_owned(), owner: ADMIN, body: Value::Null });
        }
        _ => return None,
    };
    made(cloud.create(owner, &collection.replace('_', "-"), body.clone()).await, owner, body)
}

/// A change that the collection takes: of the first attribute that is text.
fn change(description: &Description) -> Value {
    let columns = description.attributes.iter().flatten();
    let mut names = columns.filter(|column| column.is_writable()).map(|column| column.name);
    let name = names.find(|name| matches!(*name, "name" | "description"));
    let object: Map<String, Value> =
        name.map(|name| (name.to_owned(), json!("changed"))).into_iter().collect();
    json!({ description.member: object })
}

fn address(operation: &Operation, id: &str) -> String {
    format!("/v2.0{}", operation.path.replace("{id}", id).replace("{tag}", "tag"))
}

fn body(description: &Description, operation: &Operation) -> Option<Value> {
    match (operation.method, operation.kind) {
        ("GET" | "DELETE", _) => None,
        (_, OperationKind::Update) => Some(change(description)),
        _ if operation.path.ends_with("/tags") => Some(json!({"tags": ["stolen"]})),
        _ => Some(json!({})),
    }
}

/// An operation on an object that is not the caller's.
async fn try_one(cloud: &Cloud, description: &Description, operation: &Operation, made: &Made) {
    let show = format!("/v2.0/{}/{}", description.collection.replace('_', "-"), made.id);
    let before = cloud.get(ADMIN, &show).await;
    assert_eq!(before.status, 200, "{show}: {}", before.text);
    let is_seen = SEEN_BY_ALL.contains(&description.collection) && operation.method == "GET";
    for token in [OTHER, "unscoped"] {
        let path = address(operation, &made.id);
        let answer = cloud.call(token, operation.method, &path, body(description, operation)).await;
        let what = format!("{token} {} {path}: {} {}", operation.method, answer.status, answer.text);
        if is_seen {
            continue;
        }
        let of_nobody = ["quotas", "default_security_group_rules"].contains(&description.collection);
        match answer.status {
            404 => {}
            // No such operation on these objects, whoever asks.
            405 => {}
            403 if of_nobody || operation.path.ends_with("/dhcp-agents") => {}
            _ => panic!("{what}"),
        }
        let mut told = answer.body;
        if let Some(error) = told.get_mut("NeutronError") {
            error["message"] = Value::Null;
            error["detail"] = Value::Null;
        }
        assert!(!told.to_string().contains(PROJECT) || made.id == PROJECT, "{what}");
        let after = cloud.get(ADMIN, &show).await;
        assert_eq!(after.body, before.body, "{what}");
    }
}

/// Lists show nothing of another project.
async fn try_list(cloud: &Cloud, description: &Description, operation: &Operation, made: &Made) {
    let path = address(operation, "");
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
    let path = address(operation, "");
    let count = async || {
        let list = cloud.get(ADMIN, &path).await.expect(200);
        list.as_array().unwrap().iter().filter(|object| object["project_id"] == PROJECT).count()
    };
    let before = count().await;
    let mut object = made.body.clone();
    let names_parent =
        object.as_object().unwrap().keys().any(|name| name.ends_with("_id") && name != "project_id");
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
        let Some(made) = make(&cloud, collection).await else {
            untested.insert(format!("{} {}", operation.method, operation.path));
            continue;
        };
        match operation.kind {
            OperationKind::List => try_list(&cloud, description, operation, &made).await,
            OperationKind::Create => try_create(&cloud, description, operation, &made).await,
            _ => try_one(&cloud, description, operation, &made).await,
        }
        // The same request is something to its owner: the address is right.
        if matches!(operation.kind, OperationKind::Show | OperationKind::Delete) {
            let path = address(operation, &made.id);
            let answer = cloud.call(made.owner, operation.method, &path, None).await;
            assert!(matches!(answer.status, 200 | 204), "{} {path}: {}", operation.method, answer.text);
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
