//! What networks, subnets and ports say for others: names, DHCP options, hints for hosts, whom a subnet is for.

use crate::support::*;
use serde_json::{Value, json};

async fn network(cloud: &Cloud, subnet: Value) -> (String, String) {
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let mut body = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"});
    body.as_object_mut().unwrap().extend(subnet.as_object().unwrap().clone());
    let subnet = id(&cloud.create(MEMBER, "subnets", body).await);
    (network, subnet)
}

#[tokio::test]
async fn ports_have_names() {
    let cloud = Cloud::new().await;
    let (network, _) = network(&cloud, json!({})).await;
    let port = cloud.create(MEMBER, "ports", json!({"network_id": network, "dns_name": "VM1"})).await;
    assert_eq!((&port["dns_name"], &port["dns_domain"]), (&json!("vm1"), &json!("")));
    let assigned = |port: &Value| port["dns_assignment"].clone();
    let expected = |name: &str| json!([{"ip_address": "10.0.0.3", "hostname": name, "fqdn": format!("{name}.openstacklocal.")}]);
    assert_eq!(assigned(&port), expected("vm1"));
    let change = json!({"dns_name": "", "dns_domain": "Ports.Example."});
    let port = cloud.update(MEMBER, "ports", &id(&port), change).await.expect(200);
    assert_eq!(assigned(&port), expected("host-10-0-0-3"));
    assert_eq!(port["dns_domain"], "ports.example.");
    let long = "x".repeat(64);
    for (name, value) in [
        ("dns_name", json!("-a")),
        ("dns_name", json!("a_b")),
        ("dns_name", json!("a..b")),
        ("dns_name", json!("a.1")),
        ("dns_name", json!(long)),
        ("dns_domain", json!("no.dot")),
        ("dns_domain", json!("-a.")),
        ("dns_domain", json!(vec!["x".repeat(60); 5].join(".") + ".")),
    ] {
        let refused = cloud.update(MEMBER, "ports", &id(&port), json!({name: value})).await;
        assert_eq!(refused.error(), (400, "HTTPBadRequest"), "{name} {value}");
    }
    for name in ["dns_name", "dns_domain"] {
        let refused = cloud.update(MEMBER, "ports", &id(&port), json!({name: null})).await;
        assert_eq!(refused.error(), (400, "InvalidInput"), "{name}");
    }
    let changed =
        cloud.update(MEMBER, "networks", &network, json!({"dns_domain": "Net.Example."})).await.expect(200);
    assert_eq!(changed["dns_domain"], "net.example.");
    assert_eq!(cloud.update(MEMBER, "networks", &network, json!({"dns_domain": "x"})).await.status, 400);
}

#[tokio::test]
async fn ports_carry_dhcp_options() {
    let cloud = Cloud::new().await;
    let (network, _) = network(&cloud, json!({})).await;
    let option = |name: &str, value: Value, version: Value| json!({"opt_name": name, "opt_value": value, "ip_version": version});
    let options =
        json!([{"opt_name": "bootfile-name", "opt_value": "pxe.0"}, option("router", json!(""), json!("4"))]);
    let port =
        cloud.create(MEMBER, "ports", json!({"network_id": network, "extra_dhcp_opts": options})).await;
    let shown =
        json!([option("bootfile-name", json!("pxe.0"), json!(4)), option("router", json!(""), json!(4))]);
    assert_eq!(port["extra_dhcp_opts"], shown);
    let change = async |options: Value| {
        cloud.update(MEMBER, "ports", &id(&port), json!({"extra_dhcp_opts": options})).await
    };
    let one = |name: &str, value: Value| json!([{"opt_name": name, "opt_value": value}]);
    let changed = change(one("bootfile-name", json!("other"))).await.expect(200);
    let expected =
        json!([option("bootfile-name", json!("other"), json!(4)), option("router", json!(""), json!(4))]);
    assert_eq!(changed["extra_dhcp_opts"], expected, "what is not named stays");
    let changed = change(json!([
        option("bootfile-name", json!("six"), json!(6)),
        option("router", Value::Null, json!(4))
    ]))
    .await
    .expect(200);
    let expected = json!([
        option("bootfile-name", json!("other"), json!(4)),
        option("bootfile-name", json!("six"), json!(6))
    ]);
    assert_eq!(changed["extra_dhcp_opts"], expected, "null takes it away, families are apart");
    for bad in [
        json!("x"),
        json!([1]),
        json!([{"opt_name": "a"}]),
        json!([{"opt_value": "a"}]),
        one("a", json!("")),
        one("a", json!("two\nlines")),
        one("", json!("b")),
        one(&"x".repeat(65), json!("b")),
        one("a", json!("x".repeat(256))),
        json!([option("a", json!("b"), json!(5))]),
        json!([{"opt_name": "a", "opt_value": "b", "foo": 1}]),
    ] {
        assert_eq!(change(bad.clone()).await.error(), (400, "InvalidInput"), "{bad}");
    }
    let twice = json!([{"opt_name": "a", "opt_value": "b"}, {"opt_name": "a", "opt_value": "c"}]);
    assert_eq!(change(twice).await.error(), (409, "NeutronDbObjectDuplicateEntry"));
    let many: Value = (0..65).map(|n| json!({"opt_name": n.to_string(), "opt_value": "v"})).collect();
    assert_eq!(change(many).await.error(), (400, "InvalidInput"));
}

#[tokio::test]
async fn ports_say_what_others_read() {
    let cloud = Cloud::new().await;
    let (network, _) = network(&cloud, json!({})).await;
    let port = cloud.create(ADMIN, "ports", json!({"network_id": network})).await;
    let defaults = json!({"data_plane_status": null, "propagate_uplink_status": true, "numa_affinity_policy": null,
        "device_profile": null, "hints": null, "trusted": null, "resource_request": null, "ip_allocation": "immediate",
        "extra_dhcp_opts": [], "dns_name": ""});
    for (name, value) in defaults.as_object().unwrap() {
        assert_eq!(&port[name], value, "{name}");
    }
    let hints = json!({"openvswitch": {"other_config": {"tx-steering": "hash"}}});
    let change = json!({"data_plane_status": "DOWN", "propagate_uplink_status": "false", "numa_affinity_policy": "socket",
        "hints": hints, "trusted": true});
    let changed = cloud.update(ADMIN, "ports", &id(&port), change).await.expect(200);
    let expected = json!({"data_plane_status": "DOWN", "propagate_uplink_status": false, "numa_affinity_policy": "socket",
        "hints": hints, "trusted": true});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&changed[name], value, "{name}");
    }
    assert_eq!(changed["binding:profile"], json!({"trusted": true}));
    let changed = cloud.update(ADMIN, "ports", &id(&port), json!({"trusted": false})).await.expect(200);
    assert_eq!(changed["binding:profile"], json!({"trusted": false}));
    let seen = cloud
        .get(READER, &format!("/v2.0/ports?fields=hints&fields=trusted&id={}", id(&port)))
        .await
        .expect(200);
    assert!(seen.as_array().unwrap().iter().all(|port| port.as_object().unwrap().is_empty()), "{seen}");
    let own = cloud.create(MEMBER, "ports", json!({"network_id": network, "device_profile": "gpu"})).await;
    assert_eq!(own["device_profile"], "gpu");
    for body in [json!({"data_plane_status": "DOWN"}), json!({"hints": hints}), json!({"trusted": true})] {
        let refused = cloud.update(MEMBER, "ports", &id(&own), body.clone()).await;
        assert_eq!(refused.error(), (403, "PolicyNotAuthorized"), "{body}");
    }
    for body in [
        json!({"data_plane_status": "UP"}),
        json!({"numa_affinity_policy": "x"}),
        json!({"device_profile": "y"}),
        json!({"hints": {"openvswitch": {"other_config": {"tx-steering": "x"}}}}),
        json!({"hints": {"x": 1}}),
        json!({"resource_request": {}}),
        json!({"ip_allocation": "none"}),
        json!({"dns_assignment": []}),
    ] {
        let refused = cloud.update(ADMIN, "ports", &id(&own), body.clone()).await;
        assert_eq!(refused.error(), (400, "HTTPBadRequest"), "{body}");
    }
    let bare = cloud.create(MEMBER, "ports", json!({"network_id": network, "fixed_ips": []})).await;
    assert_eq!(bare["ip_allocation"], "none");
    let listed = cloud.get(MEMBER, "/v2.0/ports?ip_allocation=none").await.expect(200);
    assert_eq!(all(&listed, "id"), [id(&bare).as_str()]);
}

#[tokio::test]
async fn subnets_are_for_certain_ports() {
    let cloud = Cloud::new().await;
    let (network, subnet) =
        network(&cloud, json!({"service_types": ["compute:a", "compute:a", "network:x"]})).await;
    let path = format!("/v2.0/subnets/{subnet}");
    let shown = cloud.get(MEMBER, &path).await.expect(200);
    assert_eq!(shown["service_types"], json!(["compute:a", "network:x"]));
    assert_eq!(shown["dns_publish_fixed_ip"], false);
    let port = |owner: &str| json!({"network_id": network, "device_owner": owner});
    let refused = cloud.try_create(MEMBER, "ports", port("compute:b")).await;
    assert_eq!(refused.error(), (409, "IpAddressGenerationFailureNoMatchingSubnet"));
    let first = cloud.create(MEMBER, "ports", port("compute:a")).await;
    assert_eq!(first["fixed_ips"][0]["subnet_id"], json!(subnet));
    let body =
        json!({"network_id": network, "ip_version": 4, "cidr": "10.1.0.0/24", "dns_publish_fixed_ip": true});
    let open = cloud.create(MEMBER, "subnets", body).await;
    assert_eq!((&open["service_types"], &open["dns_publish_fixed_ip"]), (&json!([]), &json!(true)));
    let second = cloud.create(MEMBER, "ports", port("compute:b")).await;
    assert_eq!(second["fixed_ips"][0]["subnet_id"], json!(id(&open)));
    let named =
        json!({"network_id": network, "device_owner": "compute:b", "fixed_ips": [{"subnet_id": subnet}]});
    assert_eq!(cloud.try_create(MEMBER, "ports", named).await.error(), (400, "InvalidInput"));
    for (types, error) in [
        (json!(["foo:x"]), "InvalidSubnetServiceType"),
        (json!(["test:x", "network"]), "InvalidSubnetServiceType"),
        (json!([5]), "InvalidInputSubnetServiceType"),
        (json!("x"), "HTTPBadRequest"),
    ] {
        let refused = cloud.update(MEMBER, "subnets", &subnet, json!({"service_types": types})).await;
        assert_eq!(refused.error(), (400, error), "{types}");
    }
    let changed =
        cloud.update(MEMBER, "subnets", &subnet, json!({"service_types": ["test:x"]})).await.expect(200);
    assert_eq!(changed["service_types"], json!(["test:x"]), "as in Neutron");
}

#[tokio::test]
async fn floating_ips_have_names() {
    let cloud = Cloud::new().await;
    let outside = id(&cloud.create(ADMIN, "networks", json!({"router:external": true})).await);
    let subnet = json!({"network_id": outside, "ip_version": 4, "cidr": "203.0.113.0/24"});
    cloud.create(ADMIN, "subnets", subnet).await;
    let named = json!({"floating_network_id": outside, "dns_name": "WWW", "dns_domain": "example.org."});
    let floating = cloud.create(MEMBER, "floatingips", named).await;
    assert_eq!((&floating["dns_name"], &floating["dns_domain"]), (&json!("www"), &json!("example.org.")));
    let refused = json!({"floating_network_id": outside, "dns_name": "www."});
    assert_eq!(cloud.try_create(MEMBER, "floatingips", refused).await.error(), (400, "HTTPBadRequest"));
    let fixed = cloud.update(MEMBER, "floatingips", &id(&floating), json!({"dns_name": "x"})).await;
    assert_eq!(fixed.error(), (400, "HTTPBadRequest"));
}

#[tokio::test]
async fn ports_tell_compute_services_what_hardware_takes_over() {
    let cloud = Cloud::new().await;
    let (network, _) = network(&cloud, json!({})).await;
    let with = |more: Value| {
        let mut body = json!({"network_id": network, "hardware_offload_type": "switchdev"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let own = cloud.create(MEMBER, "ports", with(json!({}))).await;
    assert_eq!((&own["hardware_offload_type"], own.get("binding:profile")), (&json!("switchdev"), None));
    for (given, profile) in [
        (json!({}), json!({"capabilities": ["switchdev"]})),
        (json!({"binding:profile": null}), json!({"capabilities": ["switchdev"]})),
        (json!({"binding:profile": {"a": 1}}), json!({"a": 1, "capabilities": ["switchdev"]})),
        (json!({"binding:profile": {"capabilities": ["x"]}}), json!({"capabilities": ["x", "switchdev"]})),
        (json!({"binding:profile": {"capabilities": "x"}}), json!({"capabilities": ["switchdev"]})),
    ] {
        let port = cloud.create(SERVICE, "ports", with(given.clone())).await;
        assert_eq!(port["binding:profile"], profile, "{given}");
    }
    let plain = cloud.create(MEMBER, "ports", json!({"network_id": network})).await;
    assert_eq!(plain["hardware_offload_type"], Value::Null);
    for bad in [Value::Null, json!("x"), json!(""), json!(5)] {
        let body = with(json!({"hardware_offload_type": bad}));
        assert_eq!(cloud.try_create(ADMIN, "ports", body).await.error(), (400, "HTTPBadRequest"), "{bad}");
    }
    let change = cloud.update(ADMIN, "ports", &id(&own), json!({"hardware_offload_type": "switchdev"})).await;
    assert_eq!(change.error(), (400, "HTTPBadRequest"));
}
