//! The metadata trees, held against what Nova has: `spec/metadata_paths.json`.

use hadron_model::instance::{Instance, InstanceKey};
use hadron_model::{Ipv6Mode, Mac};
use hadron_responders::metadata::{Answer, Link, LinkAddress, SEED, Subject, answer};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

const SEED_BYTES: [u8; SEED] = [7; SEED];

fn spec() -> Value {
    serde_json::from_str(include_str!("../../../spec/metadata_paths.json")).expect("JSON")
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().expect("a list").iter().map(|text| text.as_str().expect("text")).collect()
}

fn subject() -> Subject {
    let key = InstanceKey { name: "mykey".into(), kind: "ssh".into(), data: "ssh-ed25519 AAAA me".into() };
    let instance = Instance {
        id: "0c5d4f5e-8a1d-4f9b-9d6f-1c2b3a4d5e6f".into(),
        name: "web".into(),
        hostname: "web.example".into(),
        user_data: b"#!/bin/sh\n".to_vec(),
        meta: [("role".to_owned(), "db".to_owned())].into(),
        keys: vec![key],
        availability_zone: "nova".into(),
        launch_index: 2,
        instance_type: "m1.small".into(),
        image_id: "5b7e".into(),
        security_groups: vec!["default".into(), "web".into()],
        vendor_data: r#"{"cloud": 1}"#.into(),
        vendor_data2: r#"{"seen": true}"#.into(),
    };
    let v4 = LinkAddress {
        address: "10.0.0.5".parse().unwrap(),
        prefix_len: 24,
        gateway: Some("10.0.0.1".parse().unwrap()),
        dns: vec!["192.0.2.53".parse().unwrap()],
        routes: vec![("172.16.0.0".parse().unwrap(), 12, "10.0.0.9".parse().unwrap())],
        is_dynamic: true,
        mode: None,
    };
    let v6 = LinkAddress {
        address: "2001:db8::5".parse().unwrap(),
        prefix_len: 64,
        gateway: Some("2001:db8::1".parse().unwrap()),
        dns: Vec::new(),
        routes: Vec::new(),
        is_dynamic: true,
        mode: Some(Ipv6Mode::Slaac),
    };
    let link = Link {
        name: "tap1".into(),
        port: Uuid::from_u128(1),
        mac: Mac([0xfa, 0x16, 0x3e, 0, 0, 1]),
        mtu: 1450,
        network: Uuid::from_u128(2),
        addresses: vec![v4, v6],
    };
    let fixed = Link { name: "tap2".into(), port: Uuid::from_u128(3), ..link.clone() };
    let fixed = Link {
        addresses: link
            .addresses
            .iter()
            .cloned()
            .map(|own| LinkAddress { is_dynamic: false, ..own })
            .collect(),
        ..fixed
    };
    let public = Some("203.0.113.9".parse().unwrap());
    Subject { instance: Arc::new(instance), project: "p".into(), links: vec![link, fixed], public_v4: public }
}

fn get(path: &str) -> Answer {
    answer("GET", path, &subject(), &SEED_BYTES)
}

#[track_caller]
fn text(path: &str) -> String {
    let answer = get(path);
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    String::from_utf8(answer.body).unwrap()
}

#[test]
fn the_roots_list_every_version() {
    let spec = spec();
    for path in ["/", "", "//", "/ec2", "/ec2/"] {
        assert_eq!(text(path), texts(&spec["ec2_versions"]).join("\n"), "{path}");
    }
    for path in ["/openstack", "/openstack/", "/./openstack", "/x/../openstack"] {
        assert_eq!(text(path), texts(&spec["openstack_versions"]).join("\n"), "{path}");
    }
}

#[test]
fn every_version_of_ec2_has_its_keys() {
    let spec = spec();
    for (version, keys) in spec["ec2_meta_data_keys"].as_object().unwrap() {
        let listed = text(&format!("/{version}/meta-data/"));
        let mut listed: Vec<&str> = listed.lines().collect();
        let mut expected: Vec<String> = texts(keys)
            .into_iter()
            .filter(|key| !key.contains("(if set)"))
            .map(|key| key.split(' ').next().unwrap())
            .map(|key| key.split_once('/').map_or(key.to_owned(), |(first, _)| format!("{first}/")))
            .collect();
        expected.sort();
        listed.sort_unstable();
        assert_eq!(listed, expected, "{version}");
        for key in listed {
            assert_eq!(get(&format!("/ec2/{version}/meta-data/{key}")).status, 200, "{version} {key}");
        }
        assert_eq!(text(&format!("/{version}")), "meta-data/\nuser-data");
        assert_eq!(text(&format!("/{version}/user-data")), "#!/bin/sh\n");
    }
    assert_eq!(text("/latest/meta-data/"), text("/2009-04-04/meta-data"));
}

#[test]
fn ec2_says_what_the_instance_is() {
    let at = |key: &str| text(&format!("/latest/meta-data/{key}"));
    assert_eq!(at("instance-id"), "i-0c5d4f5e");
    assert_eq!(at("ami-launch-index"), "2");
    assert_eq!((at("local-ipv4"), at("public-ipv4")), ("10.0.0.5".into(), "203.0.113.9".into()));
    assert_eq!(at("security-groups"), "default\nweb");
    assert_eq!(at("public-keys/"), "0=mykey");
    assert_eq!(at("public-keys/0"), "openssh-key");
    assert_eq!(at("public-keys/0/openssh-key"), "ssh-ed25519 AAAA me");
    assert_eq!(at("placement/availability-zone"), "nova");
    assert_eq!(at("instance-type"), "m1.small");
}

#[test]
fn every_version_of_openstack_has_its_files() {
    let spec = spec();
    for (version, files) in spec["openstack_files"].as_object().unwrap() {
        let expected: Vec<&str> = texts(files).iter().map(|file| file.split(' ').next().unwrap()).collect();
        assert_eq!(text(&format!("/openstack/{version}")), expected.join("\n"));
        for file in expected {
            let answer = get(&format!("/openstack/{version}/{file}"));
            assert_eq!(answer.status, 200, "{version} {file}");
            let media =
                spec["content_type"][file].as_str().unwrap_or("text/plain").split(' ').next().unwrap();
            assert!(answer.content_type.starts_with(media), "{version} {file}: {}", answer.content_type);
        }
    }
    assert_eq!(text("/openstack/latest"), text("/openstack/2025-04-04/"));
}

#[test]
fn every_version_of_meta_data_json_has_its_keys() {
    let spec = spec();
    let unused = ["files", "network_config", "admin_pass"];
    for (version, keys) in spec["openstack_meta_data_json_keys"].as_object().unwrap() {
        let found: Value =
            serde_json::from_str(&text(&format!("/openstack/{version}/meta_data.json"))).unwrap();
        let mut expected: Vec<&str> = texts(keys).iter().map(|key| key.split(' ').next().unwrap()).collect();
        expected.retain(|key| !unused.contains(key));
        expected.sort_unstable();
        let mut found_keys: Vec<&String> = found.as_object().unwrap().keys().collect();
        found_keys.sort();
        assert_eq!(found_keys, expected, "{version}");
    }
}

#[test]
fn openstack_says_what_the_instance_is() {
    let found: Value = serde_json::from_str(&text("/openstack/latest/meta_data.json")).unwrap();
    assert_eq!(found["uuid"], "0c5d4f5e-8a1d-4f9b-9d6f-1c2b3a4d5e6f");
    assert_eq!(found["project_id"], "p");
    assert_eq!(found["keys"], json!([{"name": "mykey", "type": "ssh", "data": "ssh-ed25519 AAAA me"}]));
    assert_eq!(found["public_keys"], json!({"mykey": "ssh-ed25519 AAAA me"}));
    assert_eq!(found["meta"], json!({"role": "db"}));
    assert_eq!(found["random_seed"].as_str().unwrap().len(), SEED.div_ceil(3) * 4);
    assert_eq!(text("/openstack/latest/user_data"), "#!/bin/sh\n");
    let vendor: Value = serde_json::from_str(&text("/openstack/latest/vendor_data2.json")).unwrap();
    assert_eq!(vendor, json!({"static": {"cloud": 1}, "seen": true}));
}

#[test]
fn network_data_has_what_is_to_be_set_up() {
    let found: Value = serde_json::from_str(&text("/openstack/latest/network_data.json")).unwrap();
    let spec = spec();
    let facts = &spec["network_data_json"];
    assert_eq!(found["links"][0]["mtu"], Value::Null);
    assert_eq!(found["links"][1]["mtu"], 1450);
    for link in found["links"].as_array().unwrap() {
        let mut keys: Vec<&String> = link.as_object().unwrap().keys().collect();
        let mut expected = texts(&facts["link"]["keys"]);
        keys.sort();
        expected.sort_unstable();
        assert_eq!(keys, expected);
    }
    let networks = found["networks"].as_array().unwrap();
    let kinds: Vec<&str> = networks.iter().map(|network| network["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ipv4_dhcp", "ipv6_slaac", "ipv4", "ipv6"]);
    assert_eq!(networks[0].as_object().unwrap().len(), texts(&facts["network"]["dhcp_entries"]).len());
    assert_eq!(networks[2]["netmask"], "255.255.255.0");
    assert_eq!(
        networks[2]["routes"],
        json!([{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.0.1"},
               {"network": "172.16.0.0", "netmask": "255.240.0.0", "gateway": "10.0.0.9"}])
    );
    assert_eq!(networks[3]["netmask"], "ffff:ffff:ffff:ffff::");
    assert_eq!(found["services"], json!([{"type": "dns", "address": "192.0.2.53"}]));
    let none = Subject::default();
    assert_eq!(answer("GET", "/openstack/latest/network_data.json", &none, &SEED_BYTES).body, b"{}");
}

#[test]
fn what_is_not_there_is_not_found() {
    for path in [
        "/latest/meta-data/nothing",
        "/latest/meta-data/hostname/more",
        "/2031-01-01/meta-data",
        "/openstack/2031-01-01",
        "/openstack/latest/meta_data.json/more",
        "/openstack/2012-08-10/network_data.json",
        "/openstack/content/0000",
        "/latest/api/token",
        "/../../etc/passwd",
    ] {
        assert_eq!(get(path).status, 404, "{path}");
    }
    let bare = Subject::default();
    for path in ["/latest/user-data", "/openstack/latest/user_data", "/latest/meta-data/public-keys"] {
        assert_eq!(answer("GET", path, &bare, &SEED_BYTES).status, 404, "{path}");
    }
    assert_eq!(answer("PUT", "/latest/api/token", &subject(), &SEED_BYTES).status, 405);
    assert_eq!(answer("POST", "/openstack/latest/password", &subject(), &SEED_BYTES).status, 403);
}

proptest! {
    #[test]
    fn any_request_is_answered(method in "GET|POST|[A-Z]{0,5}", path in ".{0,80}") {
        let answer = answer(&method, &path, &subject(), &SEED_BYTES);
        prop_assert!([200, 403, 404, 405].contains(&answer.status));
    }
}

#[test]
fn nocloud_reads_documents_of_the_same_facts() {
    let subject = subject();
    let read = |path: &str| answer("GET", path, &subject, &SEED_BYTES);
    let meta: Value = serde_json::from_slice(&read("/nocloud/meta-data").body).unwrap();
    let expected = json!({
        "instance-id": "0c5d4f5e-8a1d-4f9b-9d6f-1c2b3a4d5e6f", "local-hostname": "web.example",
        "public-keys": ["ssh-ed25519 AAAA me"],
    });
    assert_eq!(meta, expected);
    assert_eq!(read("/nocloud/user-data").body, b"#!/bin/sh\n");
    // Vendor data without a part for cloud-init.
    assert_eq!((read("/nocloud/vendor-data").status, read("/nocloud/vendor-data").body), (200, vec![]));
    assert_eq!(read("/nocloud/network-config").status, 404);
}
