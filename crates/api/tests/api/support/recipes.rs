//! One object of each collection, with what it needs.

#![allow(dead_code)]

use crate::support::*;
use hadron_control::agent::{self, Report};
use hadron_model::{Host, HostNumber, Timestamp};
use hadron_store::CommitInfo;
use serde_json::{Value, json};

/// An object of PROJECT's, or of administrators.
pub struct Made {
    pub id: String,
    /// What it stands below.
    pub parent: Option<String>,
    /// What stands below it, where that has an address.
    pub below: Option<String>,
    /// Where it is shown.
    pub shown_at: String,
    /// The token of who made it.
    pub owner: &'static str,
    /// The body that made it, or that would make another one beside it.
    pub body: Value,
}

/// Makes an object of a collection.
pub async fn make(cloud: &Cloud, collection: &str) -> Option<Made> {
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
        "network_segment_ranges" => {
            (ADMIN, json!({"network_type": "gre", "minimum": 100, "maximum": 109, "name": "mine"}))
        }
        "segments" => {
            let network = network().await;
            (
                ADMIN,
                json!({"network_id": network, "network_type": "vlan", "physical_network": "one", "segmentation_id": 7}),
            )
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
        "auto_allocated_topology" => return Some(topology(cloud).await),
        "bindings" => return Some(binding(cloud).await),
        "port_forwardings" => return Some(forwarding(cloud).await),
        "agents" => return Some(agent(cloud).await),
        "l3_agents" => return Some(l3_agent(cloud).await),
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
    if collection == "network_segment_ranges" {
        (body["minimum"], body["maximum"]) = (json!(200), json!(209));
    }
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

/// What an automatic topology takes: a default external network with addresses, and a default pool.
pub async fn topology_needs(cloud: &Cloud) {
    let outside = json!({"router:external": true, "is_default": true});
    let outside = id(&cloud.create(ADMIN, "networks", outside).await);
    let subnet = json!({"network_id": outside, "ip_version": 4, "cidr": "203.0.113.0/24"});
    cloud.create(ADMIN, "subnets", subnet).await;
    let pool = json!({"name": "default", "prefixes": ["10.0.0.0/8"], "is_default": true, "shared": true,
        "default_prefixlen": 24});
    cloud.create(ADMIN, "subnetpools", pool).await;
}

/// PROJECT's automatic topology.
async fn topology(cloud: &Cloud) -> Made {
    topology_needs(cloud).await;
    let shown_at = format!("/v2.0/auto-allocated-topology/{PROJECT}");
    cloud.get(MEMBER, &shown_at).await.expect(200);
    Made { id: PROJECT.to_owned(), parent: None, below: None, shown_at, owner: MEMBER, body: Value::Null }
}

/// The hosts h1, h2 and h3.
pub async fn hosts(cloud: &Cloud) {
    let host = |number: u8| Host {
        name: format!("h{number}"),
        number: HostNumber(number.into()),
        underlay: [192, 0, 2, number].into(),
        key_fingerprint: [number; 32],
        joined_at: Timestamp::now(),
        physical_networks: Vec::new(),
    };
    let write = |tx: &mut hadron_store::Tx| {
        (1..4).for_each(|number| tx.put(host(number)));
        Ok::<_, hadron_control::Error>(())
    };
    cloud.store.write(CommitInfo::system(), write).await.unwrap();
}

/// A binding of an instance's port to a host where it is not; another host is where it can have a further one.
async fn binding(cloud: &Cloud) -> Made {
    hosts(cloud).await;
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let port = json!({"network_id": network, "device_owner": "compute:nova", "binding:host_id": "h1",
        "project_id": PROJECT});
    let port = id(&cloud.create(ADMIN, "ports", port).await);
    let path = format!("/v2.0/ports/{port}/bindings");
    cloud.call(SERVICE, "POST", &path, Some(json!({"binding": {"host": "h2"}}))).await.expect(201);
    Made {
        shown_at: format!("{path}/h2"),
        id: "h2".to_owned(),
        parent: Some(port),
        below: Some("activate".to_owned()),
        owner: SERVICE,
        body: json!({"host": "h3"}),
    }
}

/// A DHCP agent that is asked to serve a network of PROJECT's; another network of it is what can be added.
async fn agent(cloud: &Cloud) -> Made {
    on_agent(cloud, "DHCP%20agent", "networks", "network_id").await
}

/// What serves routers, and one that is put on it.
async fn l3_agent(cloud: &Cloud) -> Made {
    on_agent(cloud, "L3%20agent", "routers", "router_id").await
}

/// An agent of a type, with one of two objects of a collection on it.
async fn on_agent(cloud: &Cloud, agent_type: &str, collection: &str, member_id: &str) -> Made {
    let now = Timestamp::now();
    let host = Host {
        name: "host-1".to_owned(),
        number: HostNumber(1),
        underlay: [192, 0, 2, 1].into(),
        key_fingerprint: [1; 32],
        joined_at: now,
        physical_networks: Vec::new(),
    };
    let report =
        Report { host: host.name.clone(), availability_zone: String::new(), started_at: now, heard_at: now };
    let write = |tx: &mut hadron_store::Tx| {
        tx.put(host.clone());
        agent::report(tx, &report)
    };
    cloud.store.write(CommitInfo::system(), write).await.unwrap();
    let agents = cloud.get(ADMIN, &format!("/v2.0/agents?agent_type={agent_type}")).await.expect(200);
    let agent = id(&agents[0]);
    let objects = [
        id(&cloud.create(MEMBER, collection, json!({})).await),
        id(&cloud.create(MEMBER, collection, json!({})).await),
    ];
    let kind = if collection == "networks" { "dhcp" } else { "l3" };
    let path = format!("/v2.0/agents/{agent}/{kind}-{collection}");
    let served = Some(json!({member_id: objects[0]}));
    assert_eq!(cloud.call(ADMIN, "POST", &path, served).await.status, 201);
    Made {
        shown_at: format!("/v2.0/agents/{agent}"),
        id: agent,
        parent: None,
        below: Some(objects[0].clone()),
        owner: ADMIN,
        body: json!({member_id: objects[1]}),
    }
}
