//! Floating IPs and port forwardings over HTTP: what they answer, who may do what, and what is refused.

use crate::support::*;
use serde_json::{Value, json};

struct World {
    cloud: Cloud,
    external: String,
    router: String,
    subnet: String,
    port: String,
    address: String,
}

async fn world() -> World {
    let cloud = Cloud::new().await;
    let external = id(&cloud.create(ADMIN, "networks", json!({"router:external": true})).await);
    let subnet = |network: &str, cidr: &str| json!({"network_id": network, "ip_version": 4, "cidr": cidr});
    cloud.create(ADMIN, "subnets", subnet(&external, "203.0.113.0/24")).await;
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let subnet = id(&cloud.create(MEMBER, "subnets", subnet(&network, "192.168.50.0/24")).await);
    let router = json!({"external_gateway_info": {"network_id": external}});
    let router = id(&cloud.create(MEMBER, "routers", router).await);
    let attach = format!("/v2.0/routers/{router}/add_router_interface");
    let attached = cloud.call(MEMBER, "PUT", &attach, Some(json!({"subnet_id": subnet}))).await;
    assert_eq!(attached.status, 200, "{}", attached.text);
    let port = cloud.create(MEMBER, "ports", json!({"network_id": network, "name": "web"})).await;
    let address = port["fixed_ips"][0]["ip_address"].as_str().unwrap().to_owned();
    World { cloud, external, router, subnet, port: id(&port), address }
}

impl World {
    async fn floating_ip(&self) -> String {
        let object = json!({"floating_network_id": self.external});
        id(&self.cloud.create(MEMBER, "floatingips", object).await)
    }

    async fn forward(&self, token: &str, floating: &str, body: Value) -> Answer {
        let path = format!("/v2.0/floatingips/{floating}/port_forwardings");
        self.cloud.call(token, "POST", &path, Some(json!({"port_forwarding": body}))).await
    }

    fn tcp(&self, external: u16, internal: u16) -> Value {
        json!({
            "protocol": "tcp", "external_port": external, "internal_port": internal,
            "internal_port_id": self.port, "internal_ip_address": self.address,
        })
    }
}

#[tokio::test]
async fn a_floating_ip_is_shown_as_neutron_shows_it() {
    let world = world().await;
    let World { cloud, external, router, port, address, .. } = &world;
    let object = json!({"floating_network_id": external, "description": "d"});
    let made = cloud.create(MEMBER, "floatingips", object).await;
    let floating = id(&made);
    let expected = json!({
        "id": floating, "tenant_id": PROJECT, "project_id": PROJECT, "floating_network_id": external,
        "floating_ip_address": made["floating_ip_address"], "router_id": null, "port_id": null,
        "fixed_ip_address": null, "status": "DOWN", "description": "d", "port_details": null,
        "port_forwardings": [], "revision_number": 0, "created_at": made["created_at"],
        "updated_at": made["updated_at"], "tags": [], "dns_name": "", "dns_domain": "",
    });
    assert_eq!(made, expected);
    let led = cloud.update(MEMBER, "floatingips", &floating, json!({"port_id": port})).await.expect(200);
    assert_eq!(
        (&led["port_id"], &led["router_id"], &led["fixed_ip_address"]),
        (&json!(port), &json!(router), &json!(address))
    );
    assert_eq!(led["port_details"]["name"], "web");
    let keys = led["port_details"].as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(
        keys,
        ["admin_state_up", "device_id", "device_owner", "mac_address", "name", "network_id", "status"]
    );
    for query in
        [format!("port_id={port}"), format!("router_id={router}"), format!("fixed_ip_address={address}")]
    {
        let found = cloud.get(MEMBER, &format!("/v2.0/floatingips?{query}")).await.expect(200);
        assert_eq!(all(&found, "id"), [floating.as_str()], "{query}");
    }
    // A description alone leaves it; a change of nothing ends it.
    let same = cloud.update(MEMBER, "floatingips", &floating, json!({"description": "e"})).await.expect(200);
    assert_eq!(same["port_id"], json!(port));
    assert_eq!(
        cloud.update(MEMBER, "floatingips", &floating, json!({})).await.expect(200)["port_id"],
        json!(null)
    );
    let again = json!({"floating_network_id": external, "port_id": port, "fixed_ip_address": address, "router_id": router});
    let again = cloud.create(MEMBER, "floatingips", again).await;
    assert_eq!(again["router_id"], json!(router));
    assert_eq!(cloud.delete(MEMBER, "ports", port).await.status, 204);
    let left = cloud.get(MEMBER, &format!("/v2.0/floatingips/{}", id(&again))).await.expect(200);
    assert_eq!((&left["port_id"], &left["router_id"]), (&json!(null), &json!(null)));
    assert_eq!(cloud.delete(MEMBER, "floatingips", &floating).await.status, 204);
    let gone = cloud.get(MEMBER, &format!("/v2.0/floatingips/{floating}")).await;
    assert_eq!(gone.error(), (404, "FloatingIPNotFound"));
}

#[tokio::test]
async fn refusals_are_neutron_s() {
    let world = world().await;
    let World { cloud, external, router, subnet, port, address } = &world;
    let network = cloud.get(MEMBER, &format!("/v2.0/ports/{port}")).await.expect(200)["network_id"].clone();
    let floating = world.floating_ip().await;
    let create = async |object: Value| cloud.try_create(MEMBER, "floatingips", object).await;
    for (object, expected) in [
        (json!({"floating_network_id": network}), (400, "BadRequest")),
        (json!({"floating_network_id": NOBODY}), (404, "NetworkNotFound")),
        (json!({"floating_network_id": external, "port_id": NOBODY}), (404, "PortNotFound")),
        (json!({"floating_network_id": external, "fixed_ip_address": address}), (400, "BadRequest")),
        (
            json!({"floating_network_id": external, "port_id": port, "router_id": NOBODY}),
            (404, "RouterNotFound"),
        ),
        (
            json!({"floating_network_id": external, "floating_ip_address": "203.0.113.9"}),
            (403, "PolicyNotAuthorized"),
        ),
        (json!({}), (400, "HTTPBadRequest")),
        (json!({"floating_network_id": external, "status": "ACTIVE"}), (400, "HTTPBadRequest")),
    ] {
        let answer = create(object.clone()).await;
        assert_eq!(answer.error(), expected, "{object}: {}", answer.text);
    }
    let lead = json!({"port_id": NOBODY});
    assert_eq!(cloud.update(MEMBER, "floatingips", &floating, lead).await.error(), (404, "PortNotFound"));
    cloud.update(MEMBER, "floatingips", &floating, json!({"port_id": port})).await.expect(200);
    let detach = format!("/v2.0/routers/{router}/remove_router_interface");
    let detached = cloud.call(MEMBER, "PUT", &detach, Some(json!({"subnet_id": subnet}))).await;
    assert_eq!(detached.error(), (409, "RouterInterfaceInUseByFloatingIP"));
    let closed = cloud.update(MEMBER, "routers", router, json!({"external_gateway_info": {}})).await;
    assert_eq!(closed.error(), (409, "RouterExternalGatewayInUseByFloatingIp"));
    let named = cloud
        .create(
            ADMIN,
            "floatingips",
            json!({"floating_network_id": external, "floating_ip_address": "203.0.113.9"}),
        )
        .await;
    assert_eq!(named["floating_ip_address"], "203.0.113.9");
    let admin = cloud.update(ADMIN, "floatingips", &id(&named), json!({"port_id": port})).await;
    assert_eq!(admin.error(), (409, "FloatingIPPortAlreadyAssociated"));
}

#[tokio::test]
async fn ports_of_a_floating_ip_are_forwarded() {
    let world = world().await;
    let World { cloud, port, address, router, .. } = &world;
    let floating = world.floating_ip().await;
    let made = world.forward(MEMBER, &floating, world.tcp(2222, 22)).await.expect(201);
    let forwarding = id(&made);
    let expected = json!({
        "id": forwarding, "external_port": 2222, "external_port_range": "2222:2222", "protocol": "tcp",
        "internal_port_id": port, "internal_ip_address": address, "internal_port": 22,
        "internal_port_range": "22:22", "description": "",
    });
    assert_eq!(made, expected);
    let list = format!("/v2.0/floatingips/{floating}/port_forwardings");
    assert_eq!(cloud.get(MEMBER, &list).await.expect(200), json!([expected]));
    assert_eq!(cloud.get(MEMBER, &format!("{list}?external_port=1")).await.expect(200), json!([]));
    let one = format!("{list}/{forwarding}");
    assert_eq!(cloud.get(MEMBER, &one).await.expect(200), expected);
    let shown = cloud.get(MEMBER, &format!("/v2.0/floatingips/{floating}")).await.expect(200);
    assert_eq!((&shown["router_id"], &shown["status"]), (&json!(router), &json!("ACTIVE")));
    let detail = json!([{
        "id": forwarding, "protocol": "tcp", "internal_ip_address": address, "internal_port_id": port,
        "internal_port": 22, "external_port": 2222,
    }]);
    assert_eq!(shown["port_forwardings"], detail);
    let change = json!({"port_forwarding": {"internal_port": 3333, "description": "ssh"}});
    let changed = cloud.call(MEMBER, "PUT", &one, Some(change)).await.expect(200);
    assert_eq!((&changed["internal_port"], &changed["external_port"]), (&json!(3333), &json!(2222)));
    let range = json!({
        "protocol": "UDP", "external_port_range": "3000:3009", "internal_port_range": "80:89",
        "internal_port_id": port, "internal_ip_address": address,
    });
    let range = world.forward(MEMBER, &floating, range).await.expect(201);
    assert_eq!((&range["protocol"], &range["external_port_range"]), (&json!("udp"), &json!("3000:3009")));
    assert!(range.get("external_port").is_none());
    let bad = (400, "BadRequest");
    let with = |changes: Value| {
        let mut body = world.tcp(5000, 5000);
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        body
    };
    for (body, expected) in [
        (world.tcp(2222, 24), bad),
        (world.tcp(2223, 3333), bad),
        (with(json!({"external_port": 333_333})), (400, "HTTPBadRequest")),
        (with(json!({"protocol": "gre"})), (400, "InvalidInput")),
        (with(json!({"internal_ip_address": "192.168.50.250"})), bad),
        (with(json!({"internal_port_id": NOBODY})), (404, "PortNotFound")),
        (json!({"protocol": "tcp"}), (400, "HTTPBadRequest")),
        (with(json!({"external_port_range": "9:8"})), (400, "HTTPBadRequest")),
    ] {
        let answer = world.forward(MEMBER, &floating, body.clone()).await;
        assert_eq!(answer.error(), expected, "{body}: {}", answer.text);
    }
    let used = (409, "FipInUseByPortForwarding");
    assert_eq!(cloud.delete(MEMBER, "floatingips", &floating).await.error(), used);
    assert_eq!(cloud.update(MEMBER, "floatingips", &floating, json!({"port_id": port})).await.error(), used);
    for gone in [&forwarding, &id(&range)] {
        assert_eq!(cloud.call(MEMBER, "DELETE", &format!("{list}/{gone}"), None).await.status, 204);
    }
    assert_eq!(cloud.get(MEMBER, &one).await.error(), (404, "PortForwardingNotFound"));
    assert_eq!(cloud.delete(MEMBER, "floatingips", &floating).await.status, 204);
    assert_eq!(cloud.get(MEMBER, &list).await.error(), (404, "FloatingIPNotFound"));
}

#[tokio::test]
async fn another_project_neither_sees_nor_touches() {
    let world = world().await;
    let World { cloud, port, external, .. } = &world;
    let (floating, other) = (world.floating_ip().await, world.floating_ip().await);
    let forwarding = id(&world.forward(MEMBER, &floating, world.tcp(2222, 22)).await.expect(201));
    let missing = (404, "FloatingIPNotFound");
    let path = format!("/v2.0/floatingips/{floating}");
    assert_eq!(cloud.get(OTHER, &path).await.error(), missing);
    assert_eq!(
        cloud.update(OTHER, "floatingips", &floating, json!({"description": "x"})).await.error(),
        missing
    );
    assert_eq!(cloud.delete(OTHER, "floatingips", &floating).await.error(), missing);
    for query in
        ["".to_owned(), format!("?id={floating}"), format!("?port_id={port}"), "?status=DOWN".to_owned()]
    {
        let seen = cloud.get(OTHER, &format!("/v2.0/floatingips{query}")).await.expect(200);
        assert_eq!(seen, json!([]), "{query}");
    }
    let list = format!("{path}/port_forwardings");
    let one = format!("{list}/{forwarding}");
    assert_eq!(cloud.get(OTHER, &one).await.error(), missing);
    assert_eq!(cloud.get(OTHER, &list).await.error(), missing);
    let change = json!({"port_forwarding": {"description": "x"}});
    assert_eq!(cloud.call(OTHER, "PUT", &one, Some(change)).await.error(), missing);
    assert_eq!(cloud.call(OTHER, "DELETE", &one, None).await.error(), missing);
    assert_eq!(world.forward(OTHER, &floating, world.tcp(1, 1)).await.error(), missing);
    assert_eq!(world.forward(READER, &floating, world.tcp(1, 1)).await.error(), (403, "PolicyNotAuthorized"));
    // Nor below a floating IP that it is not of.
    let astray = format!("/v2.0/floatingips/{other}/port_forwardings/{forwarding}");
    assert_eq!(cloud.get(MEMBER, &astray).await.error(), (404, "PortForwardingNotFound"));
    // Nor can it lead its own to what it does not see.
    let own = json!({"floating_network_id": external, "port_id": port});
    assert_eq!(cloud.try_create(OTHER, "floatingips", own).await.error(), (404, "PortNotFound"));
    assert_eq!(cloud.get(MEMBER, &one).await.status, 200);
}

#[tokio::test]
async fn pools_are_the_subnets_outside() {
    let world = world().await;
    let World { cloud, external, .. } = &world;
    let pools = cloud.get(MEMBER, "/v2.0/floatingip-pools").await.expect(200);
    assert_eq!(pools.as_array().unwrap().len(), 1);
    assert_eq!((&pools[0]["network_id"], &pools[0]["cidr"]), (&json!(external), &json!("203.0.113.0/24")));
    assert_eq!((&pools[0]["project_id"], &pools[0]["tenant_id"]), (&json!(PROJECT), &json!(PROJECT)));
    assert_eq!(
        cloud.get(MEMBER, "/v2.0/floatingip_pools?fields=cidr").await.expect(200),
        json!([{"cidr": "203.0.113.0/24"}])
    );
    assert_eq!(cloud.call(MEMBER, "POST", "/v2.0/floatingip_pools", Some(json!({}))).await.status, 405);
}
