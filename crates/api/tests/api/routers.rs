//! Routers over HTTP: what they answer, who may do what, and their actions.

use crate::support::*;
use serde_json::{Value, json};

struct World {
    cloud: Cloud,
    network: String,
    subnet: String,
    router: String,
}

async fn world() -> World {
    let cloud = Cloud::new().await;
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let subnet = json!({"network_id": network, "ip_version": 4, "cidr": "192.168.50.0/24"});
    let subnet = id(&cloud.create(MEMBER, "subnets", subnet).await);
    let router = id(&cloud.create(MEMBER, "routers", json!({"name": "r"})).await);
    World { cloud, network, subnet, router }
}

impl World {
    async fn act(&self, token: &str, action: &str, body: Value) -> Answer {
        let path = format!("/v2.0/routers/{}/{action}", self.router);
        self.cloud.call(token, "PUT", &path, Some(body)).await
    }
}

#[tokio::test]
async fn a_router_is_shown_as_neutron_shows_it() {
    let World { cloud, router, .. } = world().await;
    let path = format!("/v2.0/routers/{router}");
    let seen = cloud.get(MEMBER, &path).await.expect(200);
    let expected = json!({
        "id": router, "name": "r", "tenant_id": PROJECT, "project_id": PROJECT, "admin_state_up": true,
        "status": "ACTIVE", "external_gateway_info": null, "external_gateways": [], "routes": [],
        "enable_default_route_ecmp": false, "enable_default_route_bfd": false, "description": "",
        "revision_number": 1, "created_at": seen["created_at"], "updated_at": seen["updated_at"], "tags": [],
        "availability_zone_hints": [], "availability_zones": [],
    });
    assert_eq!(seen, expected, "a member sees neither distributed nor ha");
    let seen = cloud.get(ADMIN, &path).await.expect(200);
    assert_eq!((&seen["distributed"], &seen["ha"]), (&json!(true), &json!(true)));
    let changed =
        cloud.update(MEMBER, "routers", &router, json!({"name": "s", "description": "d"})).await.expect(200);
    assert_eq!((&changed["name"], &changed["description"]), (&json!("s"), &json!("d")));
    assert_eq!(changed["revision_number"], 2);
    assert_eq!(cloud.delete(MEMBER, "routers", &router).await.status, 204);
    assert_eq!(cloud.get(MEMBER, &path).await.error(), (404, "RouterNotFound"));
}

#[tokio::test]
async fn an_interface_comes_and_goes() {
    let world = world().await;
    let World { cloud, network, subnet, router } = &world;
    let added = world.act(MEMBER, "add_router_interface", json!({"subnet_id": subnet})).await;
    assert_eq!(added.status, 200, "{}", added.text);
    let port = added.body["port_id"].as_str().unwrap().to_owned();
    let expected = json!({
        "id": router, "project_id": PROJECT, "port_id": port, "network_id": network, "subnet_id": subnet,
        "subnet_ids": [subnet],
    });
    assert_eq!(added.body, expected);
    let ports = cloud.get(MEMBER, &format!("/v2.0/ports?device_id={router}")).await.expect(200);
    assert_eq!((all(&ports, "id"), &ports[0]["status"]), (vec![port.as_str()], &json!("ACTIVE")));
    assert_eq!(ports[0]["fixed_ips"], json!([{"subnet_id": subnet, "ip_address": "192.168.50.1"}]));
    assert_eq!(ports[0]["device_owner"], "network:router_interface");
    // What the real service answers, recorded.
    assert_eq!(cloud.delete(MEMBER, "ports", &port).await.error(), (409, "ServicePortInUse"));
    assert_eq!(cloud.delete(MEMBER, "subnets", subnet).await.error(), (409, "SubnetInUse"));
    assert_eq!(cloud.delete(MEMBER, "networks", network).await.error(), (409, "NetworkInUse"));
    assert_eq!(cloud.delete(MEMBER, "routers", router).await.error(), (409, "RouterInUse"));
    let again = world.act(MEMBER, "add_router_interface", json!({"subnet_id": subnet})).await;
    assert_eq!(again.error(), (400, "BadRequest"));
    let gateway = cloud.update(MEMBER, "subnets", subnet, json!({"gateway_ip": "192.168.50.9"})).await;
    assert_eq!(gateway.error(), (409, "GatewayIpInUse"));
    let inside = json!({"external_gateway_info": {"network_id": network}});
    assert_eq!(cloud.update(MEMBER, "routers", router, inside).await.error(), (400, "BadRequest"));
    let nowhere = json!({"external_gateway_info": {"network_id": NOBODY}});
    assert_eq!(cloud.update(MEMBER, "routers", router, nowhere).await.error(), (404, "NetworkNotFound"));
    let gone = world.act(MEMBER, "remove_router_interface", json!({"port_id": port})).await;
    assert_eq!((gone.status, &gone.body), (200, &expected));
    assert_eq!(cloud.get(MEMBER, &format!("/v2.0/ports/{port}")).await.status, 404);
    assert_eq!(cloud.delete(MEMBER, "routers", router).await.status, 204);
}

#[tokio::test]
async fn faulty_actions() {
    let world = world().await;
    let World { cloud, subnet, router, .. } = &world;
    let bad = (400, "BadRequest");
    for (action, body, expected) in [
        ("add_router_interface", json!({}), bad),
        ("add_router_interface", json!({"subnet_id": subnet, "port_id": NOBODY}), bad),
        ("add_router_interface", json!({"subnet_id": "x"}), bad),
        ("add_router_interface", json!({"port_id": 5}), bad),
        ("add_router_interface", json!([]), bad),
        ("add_router_interface", json!({"subnet_id": NOBODY}), (404, "SubnetNotFound")),
        ("add_router_interface", json!({"port_id": NOBODY}), (404, "PortNotFound")),
        ("remove_router_interface", json!({}), bad),
        ("remove_router_interface", json!({"subnet_id": subnet}), (404, "RouterInterfaceNotFoundForSubnet")),
        ("remove_router_interface", json!({"port_id": NOBODY}), (404, "RouterInterfaceNotFound")),
        ("add_extraroutes", json!({}), (400, "HTTPBadRequest")),
        ("add_extraroutes", json!({"router": {"routes": 5}}), (400, "HTTPBadRequest")),
        ("add_extraroutes", json!({"router": {"routes": [{"destination": "x"}]}}), (400, "HTTPBadRequest")),
        (
            "add_external_gateways",
            json!({"router": {"external_gateways": [{}, {"x": 1}]}}),
            (400, "HTTPBadRequest"),
        ),
        ("add_fire", json!({}), (404, "HTTPNotFound")),
    ] {
        let answer = world.act(MEMBER, action, body.clone()).await;
        assert_eq!(answer.error(), expected, "{action} {body}: {}", answer.text);
    }
    let path = format!("/v2.0/routers/{router}/add_router_interface");
    assert_eq!(cloud.get(MEMBER, &path).await.error(), (405, "HTTPMethodNotAllowed"));
    assert_eq!(cloud.raw(MEMBER, "PUT", &path, "{").await.error(), (400, "HTTPBadRequest"));
    for gateway in [json!(5), json!({"network_id": "x"}), json!({"enable_snat": true}), json!({"a": 1})] {
        let change = json!({"external_gateway_info": gateway});
        let answer = cloud.update(ADMIN, "routers", router, change).await;
        assert_eq!(answer.error(), (400, "HTTPBadRequest"), "{gateway}: {}", answer.text);
    }
    for nothing in [json!(null), json!({})] {
        let change = json!({"external_gateway_info": nothing});
        assert_eq!(cloud.update(MEMBER, "routers", router, change).await.status, 200);
    }
}

#[tokio::test]
async fn routes_are_set_added_and_removed() {
    let world = world().await;
    let World { cloud, subnet, router, .. } = &world;
    assert_eq!(world.act(MEMBER, "add_router_interface", json!({"subnet_id": subnet})).await.status, 200);
    let route = |to: &str, by: &str| json!({"destination": to, "nexthop": by});
    let (a, b) = (route("10.9.0.0/16", "192.168.50.77"), route("10.8.0.0/16", "192.168.50.78"));
    let set = cloud.update(MEMBER, "routers", router, json!({"routes": [a]})).await.expect(200);
    assert_eq!(set["routes"], json!([a]));
    let added = world.act(MEMBER, "add_extraroutes", json!({"router": {"routes": [a, b]}})).await.expect(200);
    assert_eq!(added["routes"], json!([b, a]));
    let gone = world.act(MEMBER, "remove_extraroutes", json!({"router": {"routes": [a]}})).await.expect(200);
    assert_eq!(gone["routes"], json!([b]));
    let off = json!({"routes": [route("10.9.0.0/16", "192.168.51.1")]});
    assert_eq!(cloud.update(MEMBER, "routers", router, off).await.error(), (400, "InvalidRoutes"));
    let kept = world.act(MEMBER, "remove_router_interface", json!({"subnet_id": subnet})).await;
    assert_eq!(kept.error(), (409, "RouterInterfaceInUseByRoute"));
    assert_eq!(
        cloud.update(MEMBER, "routers", router, json!({"routes": null})).await.expect(200)["routes"],
        json!([])
    );
    assert_eq!(world.act(MEMBER, "remove_router_interface", json!({"subnet_id": subnet})).await.status, 200);
}

#[tokio::test]
async fn what_a_member_may_not_say_of_a_router() {
    let World { cloud, network, router, .. } = world().await;
    let denied = (403, "PolicyNotAuthorized");
    for attribute in ["distributed", "ha", "enable_default_route_ecmp", "enable_default_route_bfd"] {
        let object = json!({attribute: true});
        assert_eq!(cloud.try_create(MEMBER, "routers", object.clone()).await.error(), denied, "{attribute}");
        assert_eq!(
            cloud.update(MEMBER, "routers", &router, object.clone()).await.error(),
            denied,
            "{attribute}"
        );
        assert_eq!(cloud.try_create(ADMIN, "routers", object).await.expect(201)[attribute], true);
    }
    for member in [json!({"enable_snat": false}), json!({"external_fixed_ips": []})] {
        let mut gateway = member.clone();
        gateway["network_id"] = json!(network);
        let change = json!({"external_gateway_info": gateway});
        assert_eq!(cloud.update(MEMBER, "routers", &router, change).await.error(), denied, "{member}");
    }
    let up = cloud.update(ADMIN, "routers", &router, json!({"distributed": false})).await;
    assert_eq!(up.error(), (400, "BadRequest"), "while it is up");
}

#[tokio::test]
async fn another_project_neither_sees_nor_touches() {
    let world = world().await;
    let World { cloud, network, subnet, router } = &world;
    let missing = (404, "RouterNotFound");
    let path = format!("/v2.0/routers/{router}");
    for token in [OTHER, "unscoped"] {
        assert_eq!(cloud.get(token, &path).await.error(), missing);
        assert_eq!(cloud.update(token, "routers", router, json!({"name": "x"})).await.error(), missing);
        assert_eq!(cloud.delete(token, "routers", router).await.error(), missing);
        for query in ["", "?id=", "?fields=id&limit=1000", "?project_id=11111111111111111111111111111111"] {
            let list = if query == "?id=" { format!("?id={router}") } else { query.to_owned() };
            let seen = cloud.get(token, &format!("/v2.0/routers{list}")).await.expect(200);
            assert_eq!(seen, json!([]), "{list}");
        }
        for action in [
            "add_router_interface",
            "remove_router_interface",
            "add_extraroutes",
            "remove_extraroutes",
            "add_external_gateways",
            "update_external_gateways",
            "remove_external_gateways",
        ] {
            assert_eq!(
                world.act(token, action, json!({"subnet_id": subnet})).await.error(),
                missing,
                "{action}"
            );
        }
    }
    for action in ["add_router_interface", "remove_router_interface"] {
        let answer = world.act(READER, action, json!({"subnet_id": subnet})).await;
        assert_eq!(answer.error(), (403, "PolicyNotAuthorized"), "{action}");
    }
    // Nor can it attach a router of its own to what it does not see.
    let own = id(&cloud.create(OTHER, "routers", json!({})).await);
    let port = id(&cloud.create(MEMBER, "ports", json!({"network_id": network})).await);
    let attach = |body: Value| {
        let path = format!("/v2.0/routers/{own}/add_router_interface");
        async move { cloud.call(OTHER, "PUT", &path, Some(body)).await }
    };
    assert_eq!(attach(json!({"subnet_id": subnet})).await.error(), (404, "SubnetNotFound"));
    assert_eq!(attach(json!({"port_id": port})).await.error(), (404, "PortNotFound"));
    // A network that everybody sees is still not everybody's to route.
    let shared = id(&cloud.create(ADMIN, "networks", json!({"shared": true})).await);
    let theirs = json!({"network_id": shared, "ip_version": 4, "cidr": "10.0.0.0/24"});
    let theirs = id(&cloud.create(ADMIN, "subnets", theirs).await);
    assert_eq!(attach(json!({"subnet_id": theirs})).await.error(), (400, "BadRequest"));
    // Nor name another's router as a port's device.
    let disguised =
        json!({"network_id": shared, "device_owner": "network:router_interface", "device_id": router});
    assert_ne!(cloud.try_create(OTHER, "ports", disguised).await.status, 201);
}
