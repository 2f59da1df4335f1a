//! Agents, availability zones and which host answers DHCP for which network.

use crate::support::*;
use hadron_control::agent::{self, Report};
use hadron_model::{Host, HostNumber, Timestamp};
use hadron_store::CommitInfo;
use serde_json::{Value, json};

/// A host whose node was heard so long ago.
async fn heard(cloud: &Cloud, number: u32, zone: &str, milliseconds_ago: i64) -> String {
    let name = format!("host-{number}");
    let at = Timestamp(Timestamp::now().0 - milliseconds_ago);
    let host = Host {
        name: name.clone(),
        number: HostNumber(number),
        underlay: [192, 0, 2, number as u8].into(),
        key_fingerprint: [number as u8; 32],
        joined_at: at,
        physical_networks: Vec::new(),
    };
    let report =
        Report { host: name.clone(), availability_zone: zone.to_owned(), started_at: at, heard_at: at };
    let write = |tx: &mut hadron_store::Tx| {
        tx.put(host.clone());
        agent::report(tx, &report)
    };
    cloud.store.write(CommitInfo::system(), write).await.unwrap();
    name
}

async fn agents(cloud: &Cloud, query: &str) -> Vec<Value> {
    let list = cloud.get(ADMIN, &format!("/v2.0/agents?{query}")).await.expect(200);
    list.as_array().unwrap().clone()
}

#[tokio::test]
async fn a_host_answers_as_the_agent_of_each_of_its_roles() {
    let cloud = Cloud::new().await;
    heard(&cloud, 1, "", 0).await;
    heard(&cloud, 2, "east", 100_000).await;
    let sorted = agents(&cloud, "sort_key=host&sort_dir=asc&sort_key=agent_type&sort_dir=asc").await;
    let told: Vec<_> =
        sorted.iter().map(|agent| (&agent["host"], &agent["agent_type"], &agent["alive"])).collect();
    let [dhcp, l2, l3] = [json!("DHCP agent"), json!("Hadron agent"), json!("L3 agent")];
    let [one, two, yes, no] = [json!("host-1"), json!("host-2"), json!(true), json!(false)];
    let expected = |host, alive| [(host, &dhcp, alive), (host, &l2, alive), (host, &l3, alive)];
    assert_eq!(told, [expected(&one, &yes), expected(&two, &no)].concat());
    assert_eq!(sorted[0]["availability_zone"], "nova");
    assert_eq!(sorted[3]["availability_zone"], "east");
    assert_eq!(sorted[4]["availability_zone"], Value::Null);
    assert_eq!(sorted[0]["heartbeat_timestamp"].as_str().unwrap().len(), "2026-01-31 12:00:00".len());
    for (query, count) in [
        ("alive=true", 3),
        ("alive=false&agent_type=DHCP%20agent", 1),
        ("agent_type=dhcp%20AGENT", 2),
        ("host=host-2", 3),
        ("availability_zone=east", 2),
        ("agent_type=bogus", 0),
    ] {
        assert_eq!(agents(&cloud, query).await.len(), count, "{query}");
    }
    // A host that is heard again keeps its agents.
    let before = agents(&cloud, "host=host-2&fields=id").await;
    heard(&cloud, 2, "west", 0).await;
    assert_eq!(agents(&cloud, "host=host-2&fields=id").await, before);
    assert_eq!(agents(&cloud, "alive=true&availability_zone=west").await.len(), 2);
}

#[tokio::test]
async fn administrators_change_agents_and_others_do_not_see_them() {
    let cloud = Cloud::new().await;
    heard(&cloud, 1, "", 0).await;
    let agent = id(&agents(&cloud, "agent_type=DHCP%20agent").await[0]);
    let path = format!("/v2.0/agents/{agent}");
    let change = json!({"description": "mine", "admin_state_up": false});
    let changed = cloud.update(ADMIN, "agents", &agent, change).await.expect(200);
    assert_eq!((&changed["description"], &changed["admin_state_up"]), (&json!("mine"), &json!(false)));
    let cleared = cloud.update(ADMIN, "agents", &agent, json!({"description": null})).await.expect(200);
    assert_eq!(cleared["description"], Value::Null);
    for bad in
        [json!({"host": "x"}), json!({"alive": true}), json!({"description": 1}), json!({"id": NOBODY})]
    {
        let answer = cloud.update(ADMIN, "agents", &agent, bad.clone()).await;
        assert_eq!(answer.error(), (400, "HTTPBadRequest"), "{bad}");
    }
    heard(&cloud, 1, "", 0).await;
    assert_eq!(
        cloud.get(ADMIN, &path).await.expect(200)["admin_state_up"],
        false,
        "being heard changes nothing"
    );
    for token in [MEMBER, READER, OTHER, "unscoped"] {
        assert_eq!(cloud.get(token, "/v2.0/agents").await.body, json!({"agents": []}));
        assert_eq!(cloud.get(token, &path).await.error(), (404, "AgentNotFound"));
        assert_eq!(cloud.update(token, "agents", &agent, json!({"description": "x"})).await.status, 404);
        assert_eq!(cloud.delete(token, "agents", &agent).await.status, 404);
    }
    let create = cloud.try_create(ADMIN, "agents", json!({})).await;
    assert_eq!(create.error(), (405, "HTTPMethodNotAllowed"));
    assert_eq!(cloud.delete(ADMIN, "agents", &agent).await.status, 204);
    assert_eq!(cloud.delete(ADMIN, "agents", &agent).await.error(), (404, "AgentNotFound"));
    heard(&cloud, 1, "", 0).await;
    assert_ne!(id(&agents(&cloud, "agent_type=DHCP%20agent").await[0]), agent, "it is a new one");
}

#[tokio::test]
async fn networks_are_served_where_their_ports_are_and_where_they_are_put() {
    let cloud = Cloud::new().await;
    heard(&cloud, 1, "", 0).await;
    heard(&cloud, 2, "east", 0).await;
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let here = json!({"network_id": network, "binding:host_id": "host-1"});
    let port = id(&cloud.create(ADMIN, "ports", here).await);
    let dhcp = |host: &str| format!("agent_type=DHCP%20agent&host={host}");
    let one = id(&agents(&cloud, &dhcp("host-1")).await[0]);
    let two = id(&agents(&cloud, &dhcp("host-2")).await[0]);
    let hosting = format!("/v2.0/networks/{network}/dhcp-agents");
    assert_eq!(all(&cloud.get(ADMIN, &hosting).await.expect(200), "id"), [one.as_str()]);
    let shown = cloud.get(MEMBER, &format!("/v2.0/networks/{network}")).await.expect(200);
    assert_eq!(
        (&shown["availability_zones"], &shown["availability_zone_hints"]),
        (&json!(["nova"]), &json!([]))
    );
    let networks = |agent: &str| format!("/v2.0/agents/{agent}/dhcp-networks");
    assert_eq!(all(&cloud.get(ADMIN, &networks(&one)).await.expect(200), "id"), [network.as_str()]);
    let body = || Some(json!({"network_id": network}));
    let again = cloud.call(ADMIN, "POST", &networks(&one), body()).await;
    assert_eq!(again.error(), (409, "NetworkHostedByDHCPAgent"));
    assert_eq!(cloud.call(ADMIN, "POST", &networks(&two), body()).await.status, 201);
    assert_eq!(cloud.get(ADMIN, &hosting).await.expect(200).as_array().unwrap().len(), 2);
    let off = |agent: &str| format!("{}/{network}", networks(agent));
    assert_eq!(cloud.call(ADMIN, "DELETE", &off(&two), None).await.status, 204);
    for agent in [&one, &two] {
        let answer = cloud.call(ADMIN, "DELETE", &off(agent), None).await;
        assert_eq!(answer.error(), (409, "NetworkNotHostedByDhcpAgent"));
    }
    for (method, path, body) in [
        ("GET", hosting.clone(), None),
        ("GET", networks(&one), None),
        ("POST", networks(&two), body()),
        ("DELETE", off(&two), None),
    ] {
        let answer = cloud.call(MEMBER, method, &path, body).await;
        assert_eq!(answer.error(), (403, "PolicyNotAuthorized"), "{method} {path}");
    }
    let l2 = id(&agents(&cloud, "agent_type=Hadron%20agent&host=host-2").await[0]);
    for (agent, error) in
        [(l2.as_str(), "InvalidDHCPAgent"), (NOBODY, "AgentNotFound"), ("x", "AgentNotFound")]
    {
        let answer = cloud.call(ADMIN, "POST", &networks(agent), body()).await;
        assert_eq!(answer.error(), (404, error));
    }
    let unknown = Some(json!({"network_id": NOBODY}));
    assert_eq!(cloud.call(ADMIN, "POST", &networks(&two), unknown).await.error(), (404, "NetworkNotFound"));
    // A network that is gone is on no agent.
    cloud.call(ADMIN, "POST", &networks(&two), body()).await;
    cloud.delete(ADMIN, "ports", &port).await;
    assert_eq!(cloud.delete(ADMIN, "networks", &network).await.status, 204);
    assert_eq!(cloud.get(ADMIN, &networks(&two)).await.body, json!({"networks": []}));
}

#[tokio::test]
async fn zones_are_those_of_hosts() {
    let cloud = Cloud::new().await;
    let zones = "/v2.0/availability_zones";
    assert_eq!(cloud.get(MEMBER, zones).await.body, json!({"availability_zones": []}));
    heard(&cloud, 1, "", 0).await;
    heard(&cloud, 2, "east", 0).await;
    let of = |zone, kind| json!({"name": zone, "resource": kind, "state": "available"});
    let [east, nova] = ["east", "nova"].map(|zone| [of(zone, "network"), of(zone, "router")]);
    assert_eq!(cloud.get(READER, zones).await.expect(200), json!([east.clone(), nova].concat()));
    assert_eq!(cloud.get(MEMBER, &format!("{zones}?name=east")).await.expect(200), json!(east));
    assert_eq!(cloud.get(MEMBER, &format!("{zones}?state=unavailable")).await.expect(200), json!([]));
    assert_eq!(cloud.get(MEMBER, &format!("{zones}?bogus=1")).await.error(), (400, "HTTPBadRequest"));
    assert_eq!(cloud.get("unscoped", zones).await.expect(200), json!([]));
    let dhcp = id(&agents(&cloud, "agent_type=DHCP%20agent&host=host-2").await[0]);
    cloud.update(ADMIN, "agents", &dhcp, json!({"admin_state_up": false})).await.expect(200);
    let down = cloud.get(MEMBER, &format!("{zones}?state=unavailable&fields=name")).await.expect(200);
    assert_eq!(down, json!([{"name": "east"}]));
    let hinted = json!({"availability_zone_hints": ["east"]});
    let hinted = cloud.create(MEMBER, "networks", hinted).await;
    assert_eq!(hinted["availability_zone_hints"], json!(["east"]));
    for (hints, error) in [
        (json!(["bogus"]), (404, "AvailabilityZoneNotFound")),
        (json!(["east", "east"]), (400, "HTTPBadRequest")),
        (json!("east"), (400, "HTTPBadRequest")),
        (json!([1]), (400, "HTTPBadRequest")),
    ] {
        let network = json!({"availability_zone_hints": hints});
        assert_eq!(cloud.try_create(MEMBER, "networks", network).await.error(), error, "{hints}");
    }
    assert_eq!(cloud.call(MEMBER, "POST", zones, Some(json!({}))).await.status, 405);
    assert_eq!(cloud.get(MEMBER, "/v2.0/service-providers").await.body, json!({"service_providers": []}));
}

#[tokio::test]
async fn a_network_without_plugged_ports_is_every_host_s() {
    let cloud = Cloud::new().await;
    heard(&cloud, 1, "", 0).await;
    heard(&cloud, 2, "", 0).await;
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let hosting = format!("/v2.0/networks/{network}/dhcp-agents");
    let count = async || cloud.get(ADMIN, &hosting).await.expect(200).as_array().unwrap().len();
    assert_eq!(count().await, 0, "it has no DHCP");
    let subnet = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"});
    cloud.create(MEMBER, "subnets", subnet).await;
    assert_eq!(count().await, 2);
    let one = id(&agents(&cloud, "agent_type=DHCP%20agent&host=host-1").await[0]);
    let networks = format!("/v2.0/agents/{one}/dhcp-networks");
    assert_eq!(all(&cloud.get(ADMIN, &networks).await.expect(200), "id"), [network.as_str()]);
    let off = cloud.call(ADMIN, "DELETE", &format!("{networks}/{network}"), None).await;
    assert_eq!(off.error(), (409, "NetworkNotHostedByDhcpAgent"));
    cloud.create(ADMIN, "ports", json!({"network_id": network, "binding:host_id": "host-2"})).await;
    assert_eq!(count().await, 1);
    let service = format!("/v2.0/ports?network_id={network}&device_owner=network:dhcp");
    let service = cloud.get(ADMIN, &service).await.expect(200)[0].clone();
    for (is_up, status) in [(false, "DOWN"), (true, "ACTIVE")] {
        let changed = cloud.update(ADMIN, "ports", &id(&service), json!({"admin_state_up": is_up})).await;
        assert_eq!(changed.expect(200)["status"], status);
    }
}

#[tokio::test]
async fn routers_are_served_where_ports_of_their_networks_are_and_where_they_are_put() {
    let cloud = Cloud::new().await;
    heard(&cloud, 1, "", 0).await;
    heard(&cloud, 2, "", 0).await;
    let agent =
        async |host: u8| id(&agents(&cloud, &format!("agent_type=L3%20agent&host=host-{host}")).await[0]);
    let (one, two) = (agent(1).await, agent(2).await);
    let router = id(&cloud.create(MEMBER, "routers", json!({})).await);
    let serving = format!("/v2.0/routers/{router}/l3-agents");
    let served = |agent: &str| format!("/v2.0/agents/{agent}/l3-routers");
    assert_eq!(cloud.get(ADMIN, &serving).await.expect(200), json!([]));
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let subnet = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"});
    let subnet = id(&cloud.create(MEMBER, "subnets", subnet).await);
    let attach = format!("/v2.0/routers/{router}/add_router_interface");
    cloud.call(MEMBER, "PUT", &attach, Some(json!({"subnet_id": subnet}))).await;
    cloud.create(ADMIN, "ports", json!({"network_id": network, "binding:host_id": "host-1"})).await;
    assert_eq!(all(&cloud.get(ADMIN, &serving).await.expect(200), "id"), [one.as_str()]);
    assert_eq!(all(&cloud.get(ADMIN, &served(&one)).await.expect(200), "id"), [router.as_str()]);
    let body = || Some(json!({"router_id": router}));
    for _ in 0..2 {
        assert_eq!(cloud.call(ADMIN, "POST", &served(&two), body()).await.status, 201);
    }
    assert_eq!(cloud.get(ADMIN, &serving).await.expect(200).as_array().unwrap().len(), 2);
    let off = |agent: &str| format!("{}/{router}", served(agent));
    for _ in 0..2 {
        assert_eq!(cloud.call(ADMIN, "DELETE", &off(&two), None).await.status, 204);
    }
    let stays = cloud.call(ADMIN, "DELETE", &off(&one), None).await;
    assert_eq!(stays.error(), (409, "DVRL3CannotRemoveFromDvrAgent"));
    let dhcp = id(&agents(&cloud, "agent_type=DHCP%20agent&host=host-1").await[0]);
    assert_eq!(cloud.call(ADMIN, "POST", &served(&dhcp), body()).await.error(), (404, "InvalidL3Agent"));
    let unknown = Some(json!({"router_id": NOBODY}));
    assert_eq!(cloud.call(ADMIN, "POST", &served(&two), unknown).await.error(), (404, "RouterNotFound"));
    for (method, path, body) in [
        ("GET", serving.clone(), None),
        ("GET", served(&one), None),
        ("POST", served(&one), body()),
        ("DELETE", off(&one), None),
    ] {
        assert_eq!(cloud.call(MEMBER, method, &path, body).await.error().0, 403, "{method} {path}");
    }
}

#[tokio::test]
async fn routers_show_the_zones_of_their_hosts() {
    let cloud = Cloud::new().await;
    let hinted = |zone: &str| json!({"availability_zone_hints": [zone]});
    let unknown = cloud.try_create(MEMBER, "routers", hinted("east")).await;
    assert_eq!(unknown.error(), (404, "AvailabilityZoneNotFound"));
    for (number, zone) in [(1, "east"), (2, "west")] {
        heard(&cloud, number, zone, 0).await;
    }
    let zones = cloud.get(ADMIN, "/v2.0/availability_zones?resource=router&name=east").await.expect(200);
    assert_eq!(zones, json!([{"name": "east", "resource": "router", "state": "available"}]));
    let router = cloud.create(MEMBER, "routers", hinted("east")).await;
    assert_eq!(
        (&router["availability_zone_hints"], &router["availability_zones"]),
        (&json!(["east"]), &json!([]))
    );
    for bad in [json!({"availability_zone_hints": "east"}), json!({"availability_zone_hints": ["a", "a"]})] {
        let refused = cloud.try_create(MEMBER, "routers", bad.clone()).await;
        assert_eq!(refused.error(), (400, "HTTPBadRequest"), "{bad}");
    }
    let zones = async || {
        let shown = cloud.get(MEMBER, &format!("/v2.0/routers/{}", id(&router))).await.expect(200);
        shown["availability_zones"].clone()
    };
    // Where an instance of a network is that it joins, and where an administrator puts it.
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let subnet = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"});
    let subnet = id(&cloud.create(MEMBER, "subnets", subnet).await);
    let join = format!("/v2.0/routers/{}/add_router_interface", id(&router));
    cloud.call(MEMBER, "PUT", &join, Some(json!({"subnet_id": subnet}))).await.expect(200);
    let there = json!({"network_id": network, "binding:host_id": "host-2"});
    cloud.create(ADMIN, "ports", there).await;
    assert_eq!(zones().await, json!(["west"]));
    let agent = id(&agents(&cloud, "host=host-1&agent_type=L3%20agent").await[0]);
    let put = format!("/v2.0/agents/{agent}/l3-routers");
    assert_eq!(cloud.call(ADMIN, "POST", &put, Some(json!({"router_id": id(&router)}))).await.status, 201);
    assert_eq!(zones().await, json!(["east", "west"]));
}
