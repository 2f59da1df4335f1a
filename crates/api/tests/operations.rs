//! Every operation that is served, with the token of another project: it neither sees nor changes what is not its own.
//!
//! The operations are the server's own list. One that has no recipe here stands in `untested_operations.txt`.

mod support;

use hadron_api::{Description, Operation, OperationKind, descriptions};
use hadron_control::agent::{self, Report};
use hadron_model::{Host, HostNumber, Timestamp};
use hadron_store::CommitInfo;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use support::*;

const UNTESTED: &str = include_str!("untested_operations.txt");

/// Collections whose objects everybody may see; nobody but an administrator changes them.
const SEEN_BY_ALL: &[&str] = &["default_security_group_rules"];
/// Collections that belong to nobody and can't be changed.
const FACTS: &[&str] = &["loggable_resources", "floatingip_pools", "availability_zones", "service_providers"];

/// Collections that everybody may know of, so that asking for one is refused and not unknown.
const KNOWN: &[&str] = &["quotas", "default_security_group_rules"];

/// An object of PROJECT's, or of administrators.
struct Made {
    id: String,
    /// What it stands below.
    parent: Option<String>,
    /// What stands below it, where that has an address.
    below: Option<String>,
    /// Where it is shown.
    shown_at: String,
    /// The token of who made it.
    owner: &'static str,
    /// The body that made it, or that would make another one beside it.
    body: Value,
}

/// Makes an object of a collection.
async fn make(cloud: &Cloud, collection: &str) -> Option<Made> {
    let network = async || id(&cloud.create(MEMBER, "networks", json!({})).await);
    let group = async || id(&cloud.create(MEMBER, "security-groups", json!({})).await);
    let shown = |id: &str| format!("/v2.0/{}/{id}", collection.replace('_', "-"));
    let (owner, mut body) = match collection {
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
        "floatingips" => (MEMBER, json!({"floating_network_id": external(cloud).await})),
        "security_groups_default_statefulness" => {
            let body = json!({"stateful": false});
            let path = "/v2.0/security-groups-default-statefulness";
            let sent = json!({"security_group_default_statefulness": body});
            let id = id(&cloud.call("manager", "POST", path, Some(sent)).await.expect(201));
            return Some(Made {
                shown_at: shown(&id),
                id,
                parent: None,
                below: None,
                owner: "manager",
                body,
            });
        }
        "port_forwardings" => return Some(forwarding(cloud).await),
        "agents" => return Some(agent(cloud).await),
        "network_ip_availabilities" => {
            let id = network().await;
            return Some(Made {
                shown_at: shown(&id),
                id,
                parent: None,
                below: None,
                owner: ADMIN,
                body: Value::Null,
            });
        }
        "quotas" => {
            let body = json!({"quota": {"port": 7}});
            cloud.call(ADMIN, "PUT", &shown(PROJECT), Some(body)).await.expect(200);
            let id = PROJECT.to_owned();
            return Some(Made {
                shown_at: shown(&id),
                id,
                parent: None,
                below: None,
                owner: ADMIN,
                body: Value::Null,
            });
        }
        _ => return None,
    };
    let id = id(&cloud.create(owner, &collection.replace('_', "-"), body.clone()).await);
    if collection == "subnets" {
        body["cidr"] = json!("10.0.1.0/24");
    }
    Some(Made { shown_at: shown(&id), id, parent: None, below: None, owner, body })
}

/// A network whose addresses everybody may take floating IPs of.
async fn external(cloud: &Cloud) -> String {
    let network = id(&cloud.create(ADMIN, "networks", json!({"router:external": true})).await);
    let subnet = json!({"network_id": network, "ip_version": 4, "cidr": "203.0.113.0/24"});
    cloud.create(ADMIN, "subnets", subnet).await;
    network
}

/// A port forwarding, whose parent is a floating IP of the same project.
async fn forwarding(cloud: &Cloud) -> Made {
    let external = external(cloud).await;
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let subnet = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"});
    let subnet = id(&cloud.create(MEMBER, "subnets", subnet).await);
    let router = json!({"external_gateway_info": {"network_id": external}});
    let router = id(&cloud.create(MEMBER, "routers", router).await);
    let attach = format!("/v2.0/routers/{router}/add_router_interface");
    let attached = cloud.call(MEMBER, "PUT", &attach, Some(json!({"subnet_id": subnet}))).await;
    assert_eq!(attached.status, 200, "{}", attached.text);
    let port = cloud.create(MEMBER, "ports", json!({"network_id": network})).await;
    let floating = id(&cloud.create(MEMBER, "floatingips", json!({"floating_network_id": external})).await);
    let path = format!("/v2.0/floatingips/{floating}/port_forwardings");
    let mut body = json!({
        "protocol": "tcp", "external_port": 80, "internal_port": 80,
        "internal_port_id": id(&port), "internal_ip_address": port["fixed_ips"][0]["ip_address"],
    });
    let sent = json!({"port_forwarding": body});
    let id = id(&cloud.call(MEMBER, "POST", &path, Some(sent)).await.expect(201));
    body["external_port"] = json!(81);
    body["internal_port"] = json!(81);
    Made { shown_at: format!("{path}/{id}"), id, parent: Some(floating), below: None, owner: MEMBER, body }
}

/// A DHCP agent that is asked to serve a network of PROJECT's; another network of it is what can be added.
async fn agent(cloud: &Cloud) -> Made {
    let now = Timestamp::now();
    let host = Host {
        name: "host-1".to_owned(),
        number: HostNumber(1),
        underlay: [192, 0, 2, 1].into(),
        key_fingerprint: [1; 32],
        joined_at: now,
    };
    let report =
        Report { host: host.name.clone(), availability_zone: String::new(), started_at: now, heard_at: now };
    let write = |tx: &mut hadron_store::Tx| {
        tx.put(host.clone());
        agent::report(tx, &report)
    };
    cloud.store.write(CommitInfo::system(), write).await.unwrap();
    let agents = cloud.get(ADMIN, "/v2.0/agents?agent_type=DHCP%20agent").await.expect(200);
    let agent = id(&agents[0]);
    let networks = [
        id(&cloud.create(MEMBER, "networks", json!({})).await),
        id(&cloud.create(MEMBER, "networks", json!({})).await),
    ];
    let path = format!("/v2.0/agents/{agent}/dhcp-networks");
    let served = Some(json!({"network_id": networks[0]}));
    assert_eq!(cloud.call(ADMIN, "POST", &path, served).await.status, 201);
    Made {
        shown_at: format!("/v2.0/agents/{agent}"),
        id: agent,
        parent: None,
        below: Some(networks[0].clone()),
        owner: ADMIN,
        body: json!({"network_id": networks[1]}),
    }
}

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
            403 if KNOWN.contains(&description.collection) || operation.path.contains("/dhcp-") => {}
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
