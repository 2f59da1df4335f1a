//! Create, show, list, change and delete, as a client sees them.

use crate::support::*;
use serde_json::{Value, json};

#[tokio::test]
async fn a_network_lives() {
    let cloud = Cloud::new().await;
    let network = cloud.create(MEMBER, "networks", json!({"name": "n"})).await;
    assert_eq!(network["project_id"], PROJECT);
    assert_eq!(network["mtu"], 1450);
    assert_eq!(network["revision_number"], 1);
    assert_eq!(network["subnets"], json!([]));
    assert!(network.get("provider:network_type").is_none(), "a member does not see it");
    let path = format!("/v2.0/networks/{}", id(&network));
    let shown = cloud.get(ADMIN, &path).await.expect(200);
    assert_eq!(shown["provider:network_type"], "vxlan");
    assert_eq!(shown["provider:segmentation_id"], 1);
    assert_eq!(shown["provider:physical_network"], Value::Null);
    let changed = cloud.update(MEMBER, "networks", &id(&network), json!({"name": "m"})).await.expect(200);
    assert_eq!(changed["name"], "m");
    assert_eq!(changed["revision_number"], 2);
    let same = cloud.update(MEMBER, "networks", &id(&network), json!({"name": "m"})).await.expect(200);
    assert_eq!(same["revision_number"], 2, "nothing changed");
    assert_eq!(cloud.delete(MEMBER, "networks", &id(&network)).await.status, 204);
    assert_eq!(cloud.get(MEMBER, &path).await.error(), (404, "NetworkNotFound"));
}

#[tokio::test]
async fn a_subnet_becomes_larger_in_place() {
    let cloud = Cloud::new().await;
    let network = cloud.create(MEMBER, "networks", json!({})).await;
    let subnet = json!({"network_id": id(&network), "ip_version": 4, "cidr": "10.0.0.0/24"});
    let subnet = cloud.create(MEMBER, "subnets", subnet).await;
    let change =
        async |token, cidr: Value| cloud.update(token, "subnets", &id(&subnet), json!({"cidr": cidr})).await;
    let changed = change(MEMBER, json!("10.0.1.5/22")).await.expect(200);
    assert_eq!((&changed["cidr"], &changed["gateway_ip"]), (&json!("10.0.0.0/22"), &json!("10.0.0.1")));
    assert_eq!(changed["allocation_pools"], json!([{"start": "10.0.0.2", "end": "10.0.3.254"}]));
    assert_eq!(change(MEMBER, json!("10.0.0.0/23")).await.error(), (400, "InvalidInput"), "smaller");
    assert_eq!(change(MEMBER, json!("much")).await.error(), (400, "InvalidInput"));
    assert_eq!(change(READER, json!("10.0.0.0/21")).await.error(), (403, "PolicyNotAuthorized"));
    assert_eq!(change(OTHER, json!("10.0.0.0/21")).await.error(), (404, "SubnetNotFound"));
    let extension = cloud.get(MEMBER, "/v2.0/extensions/hadron-subnet-enlarging").await.expect(200);
    assert_eq!(extension["alias"], "hadron-subnet-enlarging");
}

#[tokio::test]
async fn a_dual_stack_port_lives() {
    let cloud = Cloud::new().await;
    let network = cloud.create(MEMBER, "networks", json!({})).await;
    let v4 = cloud
        .create(
            MEMBER,
            "subnets",
            json!({"network_id": id(&network), "ip_version": 4, "cidr": "192.168.50.0/24"}),
        )
        .await;
    assert_eq!(v4["gateway_ip"], "192.168.50.1");
    assert_eq!(v4["allocation_pools"], json!([{"start": "192.168.50.2", "end": "192.168.50.254"}]));
    assert_eq!(v4["revision_number"], 0);
    let v6 = cloud
        .create(
            MEMBER,
            "subnets",
            json!({"network_id": id(&network), "ip_version": 6, "cidr": "fd00:50::/64",
                   "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}),
        )
        .await;
    assert_eq!(v6["gateway_ip"], "fd00:50::");
    assert_eq!(
        v6["allocation_pools"],
        json!([{"start": "fd00:50::1", "end": "fd00:50::ffff:ffff:ffff:ffff"}])
    );
    let network = cloud.get(MEMBER, &format!("/v2.0/networks/{}", id(&network))).await.expect(200);
    assert_eq!(network["revision_number"], 3);
    assert_eq!(network["subnets"].as_array().unwrap().len(), 2);

    let port = cloud.create(MEMBER, "ports", json!({"network_id": id(&network), "name": "p"})).await;
    assert_eq!(port["status"], "DOWN");
    let ips = port["fixed_ips"].as_array().unwrap();
    // The first address went to the network's DHCP service.
    assert_eq!(ips[0], json!({"subnet_id": id(&v4), "ip_address": "192.168.50.3"}));
    let mac: hadron_model::Mac = port["mac_address"].as_str().unwrap().parse().unwrap();
    let formed = mac.eui64("fd00:50::".parse().unwrap()).to_string();
    assert_eq!(ips[1], json!({"subnet_id": id(&v6), "ip_address": formed}));

    let service = cloud.get(MEMBER, "/v2.0/ports?device_owner=network%3Adhcp").await.expect(200);
    assert_eq!(service[0]["fixed_ips"], json!([{"subnet_id": id(&v4), "ip_address": "192.168.50.2"}]));

    assert_eq!(cloud.delete(MEMBER, "networks", &id(&network)).await.error(), (409, "NetworkInUse"));
    assert_eq!(cloud.delete(MEMBER, "subnets", &id(&v4)).await.error(), (409, "SubnetInUse"));
    // Addresses that ports form themselves go with their subnet.
    assert_eq!(cloud.delete(MEMBER, "subnets", &id(&v6)).await.status, 204);
    let port = cloud.get(MEMBER, &format!("/v2.0/ports/{}", id(&port))).await.expect(200);
    assert_eq!(port["fixed_ips"].as_array().unwrap().len(), 1);
    assert_eq!(cloud.delete(MEMBER, "ports", &id(&port)).await.status, 204);
    assert_eq!(cloud.delete(MEMBER, "networks", &id(&network)).await.status, 204);
    assert_eq!(cloud.get(ADMIN, "/v2.0/ports").await.expect(200), json!([]));
    assert_eq!(cloud.get(ADMIN, "/v2.0/subnets").await.expect(200), json!([]));
}
