//! What each role may do, and that another project can neither see nor touch an object.

use crate::support::*;
use serde_json::{Value, json};

struct World {
    cloud: Cloud,
    network: String,
    subnet: String,
    port: String,
    shared: String,
    shared_subnet: String,
    /// A port of PROJECT on the shared network, which the administrator owns.
    guest: String,
}

async fn world() -> World {
    let cloud = Cloud::new().await;
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let shared = id(&cloud.create(ADMIN, "networks", json!({"shared": true})).await);
    let subnet = |network: &str| json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"});
    let own = id(&cloud.create(MEMBER, "subnets", subnet(&network)).await);
    let shared_subnet = id(&cloud.create(ADMIN, "subnets", subnet(&shared)).await);
    let port = id(&cloud.create(MEMBER, "ports", json!({"network_id": network})).await);
    let guest = id(&cloud.create(MEMBER, "ports", json!({"network_id": shared})).await);
    World { cloud, network, subnet: own, port, shared, shared_subnet, guest }
}

#[tokio::test]
async fn another_project_neither_sees_nor_touches() {
    let world = world().await;
    let cloud = &world.cloud;
    let objects = [
        ("networks", &world.network),
        ("subnets", &world.subnet),
        ("ports", &world.port),
        ("ports", &world.guest),
    ];
    for (collection, object) in objects {
        let kind = match collection {
            "networks" => "NetworkNotFound",
            "subnets" => "SubnetNotFound",
            _ => "PortNotFound",
        };
        let path = format!("/v2.0/{collection}/{object}");
        let list = format!("/v2.0/{collection}");
        for token in [OTHER, "unscoped"] {
            assert_eq!(cloud.get(token, &path).await.error(), (404, kind));
            assert_eq!(
                cloud.update(token, collection, object, json!({"name": "x"})).await.error(),
                (404, kind)
            );
            assert_eq!(cloud.delete(token, collection, object).await.error(), (404, kind));
            let probes = [
                list.clone(),
                format!("{list}?id={object}"),
                format!("{list}?project_id={PROJECT}"),
                format!("{list}?fields=id&limit=1000"),
            ];
            for probe in probes {
                let seen = cloud.get(token, &probe).await.expect(200);
                assert!(!all(&seen, "id").contains(&object.as_str()), "{probe}");
            }
            let marker = format!("{list}?limit=1&marker={object}");
            assert_eq!(cloud.get(token, &marker).await.error(), (404, kind));
        }
    }
    let lists = [
        format!("/v2.0/ports?network_id={}", world.network),
        format!("/v2.0/ports?fixed_ips=subnet_id%3D{}", world.subnet),
        "/v2.0/ports?fixed_ips=ip_address%3D10.0.0.3".to_owned(),
        format!("/v2.0/subnets?network_id={}", world.network),
        format!("/v2.0/ports?device_id=dhcp&network_id={}", world.shared),
    ];
    for list in lists {
        assert_eq!(cloud.get(OTHER, &list).await.expect(200), json!([]), "{list}");
    }
    let port = json!({"network_id": world.network});
    assert_eq!(cloud.try_create(OTHER, "ports", port).await.error(), (404, "NetworkNotFound"));
    let subnet = json!({"network_id": world.network, "ip_version": 4, "cidr": "10.9.0.0/24"});
    assert_eq!(cloud.try_create(OTHER, "subnets", subnet).await.error(), (403, "PolicyNotAuthorized"));
    let owned = json!({"project_id": PROJECT});
    assert_eq!(cloud.try_create(OTHER, "networks", owned).await.error(), (400, "HTTPBadRequest"));
    let mine = id(&cloud.create(OTHER, "networks", json!({})).await);
    let stolen = json!({"network_id": mine, "fixed_ips": [{"subnet_id": world.subnet}]});
    assert_eq!(cloud.try_create(OTHER, "ports", stolen).await.error(), (404, "SubnetNotFound"));
    let bulk = json!({"ports": [{"network_id": mine}, {"network_id": world.network}]});
    assert_eq!(cloud.call(OTHER, "POST", "/v2.0/ports", Some(bulk)).await.error(), (404, "NetworkNotFound"));
    assert_eq!(cloud.get(OTHER, "/v2.0/ports").await.expect(200), json!([]));
}

#[tokio::test]
async fn a_shared_network_is_used_but_not_changed() {
    let world = world().await;
    let cloud = &world.cloud;
    let path = format!("/v2.0/networks/{}", world.shared);
    assert_eq!(cloud.get(OTHER, &path).await.expect(200)["shared"], true);
    assert!(
        all(&cloud.get(OTHER, "/v2.0/networks").await.expect(200), "id").contains(&world.shared.as_str())
    );
    assert!(
        all(&cloud.get(OTHER, "/v2.0/subnets").await.expect(200), "id")
            .contains(&world.shared_subnet.as_str())
    );
    let denied = (403, "PolicyNotAuthorized");
    assert_eq!(cloud.update(OTHER, "networks", &world.shared, json!({"name": "x"})).await.error(), denied);
    assert_eq!(cloud.delete(OTHER, "networks", &world.shared).await.error(), denied);
    assert_eq!(
        cloud.update(OTHER, "subnets", &world.shared_subnet, json!({"name": "x"})).await.error(),
        denied
    );
    assert_eq!(cloud.delete(OTHER, "subnets", &world.shared_subnet).await.error(), denied);
    let on_shared = |more: Value| {
        let mut port = json!({"network_id": world.shared});
        port.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        port
    };
    let by_subnet = json!({"fixed_ips": [{"subnet_id": world.shared_subnet}]});
    let port = id(&cloud.create(OTHER, "ports", on_shared(by_subnet)).await);
    for refused in [
        json!({"fixed_ips": [{"ip_address": "10.0.0.99"}]}),
        json!({"fixed_ips": [{"subnet_id": world.shared_subnet, "ip_address": "10.0.0.99"}]}),
        json!({"mac_address": "fa:16:3e:00:00:01"}),
        json!({"device_owner": "network:dhcp"}),
        json!({"binding:host_id": "h"}),
        json!({"binding:profile": {"a": 1}}),
    ] {
        assert_eq!(
            cloud.try_create(OTHER, "ports", on_shared(refused.clone())).await.error(),
            denied,
            "{refused}"
        );
    }
    assert!(
        cloud.try_create(OTHER, "ports", on_shared(json!({"device_owner": "compute:nova"}))).await.status
            == 201
    );
    // The network's owner sees its guests' ports and may remove them, the guests don't see each other.
    assert_eq!(cloud.get(ADMIN, &format!("/v2.0/ports/{port}")).await.status, 200);
    assert_eq!(cloud.get(MEMBER, &format!("/v2.0/ports/{port}")).await.status, 404);
    assert_eq!(cloud.get(OTHER, &format!("/v2.0/ports/{}", world.guest)).await.status, 404);
    let unshare = cloud.update(ADMIN, "networks", &world.shared, json!({"shared": false})).await;
    assert_eq!(unshare.error(), (409, "InvalidSharedSetting"));
}

#[tokio::test]
async fn a_network_s_owner_rules_its_ports() {
    let world = world().await;
    let cloud = &world.cloud;
    // A port that an administrator makes for another project on MEMBER's own network.
    let placed = json!({"network_id": world.network, "project_id": OTHER_PROJECT});
    let placed = id(&cloud.create(ADMIN, "ports", placed).await);
    for token in [MEMBER, OTHER] {
        assert_eq!(cloud.get(token, &format!("/v2.0/ports/{placed}")).await.status, 200, "{token}");
        assert!(all(&cloud.get(token, "/v2.0/ports").await.expect(200), "id").contains(&placed.as_str()));
    }
    let denied = (403, "PolicyNotAuthorized");
    assert_eq!(cloud.update(MEMBER, "ports", &placed, json!({"name": "x"})).await.error(), denied);
    let fixed = json!({"fixed_ips": [{"ip_address": "10.0.0.77"}]});
    assert_eq!(cloud.update(OTHER, "ports", &placed, fixed).await.error(), denied);
    assert_eq!(cloud.delete(MEMBER, "ports", &placed).await.status, 204);
    // A member can't take away a port that a server uses.
    let used = json!({"network_id": world.network, "device_owner": "compute:nova", "device_id": "i"});
    let used = id(&cloud.create(MEMBER, "ports", used).await);
    assert_eq!(cloud.delete(MEMBER, "ports", &used).await.error(), denied);
    assert_eq!(cloud.delete(ADMIN, "ports", &used).await.status, 204);
}

#[tokio::test]
async fn a_reader_reads_and_an_administrator_binds() {
    let world = world().await;
    let cloud = &world.cloud;
    let denied = (403, "PolicyNotAuthorized");
    for (collection, object, new) in [
        ("networks", &world.network, json!({})),
        (
            "subnets",
            &world.subnet,
            json!({"network_id": world.network, "ip_version": 4, "cidr": "10.9.0.0/24"}),
        ),
        ("ports", &world.port, json!({"network_id": world.network})),
    ] {
        assert_eq!(cloud.get(READER, &format!("/v2.0/{collection}/{object}")).await.status, 200);
        assert_eq!(cloud.try_create(READER, collection, new).await.error(), denied);
        assert_eq!(cloud.update(READER, collection, object, json!({"name": "x"})).await.error(), denied);
        assert_eq!(cloud.delete(READER, collection, object).await.error(), denied);
    }
    let port = format!("/v2.0/ports/{}", world.port);
    let seen = cloud.get(MEMBER, &port).await.expect(200);
    assert!(seen.get("binding:host_id").is_none() && seen["binding:vnic_type"] == "normal");
    let binding = json!({"binding:host_id": "h1"});
    assert_eq!(cloud.update(MEMBER, "ports", &world.port, binding.clone()).await.error(), denied);
    let bound = cloud.update(ADMIN, "ports", &world.port, binding).await.expect(200);
    assert_eq!(bound["binding:vif_type"], "binding_failed");
    assert_eq!(bound["binding:vif_details"], json!({"reason": "host h1 has not joined"}));
    let profile = json!({"binding:profile": {"a": [1, "x"]}});
    assert_eq!(
        cloud.update(ADMIN, "ports", &world.port, profile.clone()).await.error(),
        denied,
        "services only"
    );
    let set = cloud.update(SERVICE, "ports", &world.port, profile.clone()).await.expect(200);
    assert_eq!(set["binding:profile"], profile["binding:profile"]);
    let cleared = json!({"binding:profile": null, "binding:host_id": null});
    let cleared = cloud.update(SERVICE, "ports", &world.port, cleared).await.expect(200);
    assert_eq!((&cleared["binding:profile"], &cleared["binding:host_id"]), (&json!({}), &json!("")));
    assert_eq!(cleared["binding:vif_type"], "unbound");
    let mac = json!({"mac_address": null});
    assert_eq!(
        cloud.update(MEMBER, "ports", &world.port, mac.clone()).await.error(),
        denied,
        "managers only"
    );
    let new = cloud.update(ADMIN, "ports", &world.port, mac).await.expect(200);
    assert_ne!(new["mac_address"], seen["mac_address"]);
    let router = json!({"device_owner": "network:router_interface", "device_id": "r"});
    let refused = cloud.update(MEMBER, "ports", &world.port, router).await;
    assert_eq!(refused.error(), (409, "DeviceIDNotOwnedByTenant"));
}
