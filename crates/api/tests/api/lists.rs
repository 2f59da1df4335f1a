//! Filters, fields, sorting and paging.

use crate::support::*;
use serde_json::{Value, json};

/// Three networks with a subnet each, and ports on them.
async fn world(cloud: &Cloud) -> (Vec<Value>, Vec<Value>, Vec<Value>) {
    let (mut networks, mut subnets, mut ports) = (vec![], vec![], vec![]);
    for n in 0..3 {
        let network = json!({"name": format!("n{n}"), "admin_state_up": n != 1, "description": "d"});
        let network = cloud.create(MEMBER, "networks", network).await;
        let subnet = json!({"network_id": id(&network), "ip_version": 4, "cidr": format!("10.0.{n}.0/24"),
                            "name": format!("s{n}"), "enable_dhcp": false});
        subnets.push(cloud.create(MEMBER, "subnets", subnet).await);
        for p in 0..4 {
            let port = json!({"network_id": id(&network), "name": format!("p{}", (n * 4 + p) % 5),
                              "device_id": format!("d{n}")});
            ports.push(cloud.create(MEMBER, "ports", port).await);
        }
        networks.push(network);
    }
    (networks, subnets, ports)
}

async fn count(cloud: &Cloud, path: &str) -> usize {
    let answer = cloud.get(MEMBER, path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.expect(200).as_array().unwrap().len()
}

#[tokio::test]
async fn filters_choose() {
    let cloud = Cloud::new().await;
    let (networks, subnets, ports) = world(&cloud).await;
    let mac = ports[0]["mac_address"].as_str().unwrap();
    for (path, expected) in [
        ("networks".to_owned(), 3),
        ("networks?name=n0&name=n1".to_owned(), 2),
        ("networks?name=".to_owned(), 0),
        ("networks?name=N0".to_owned(), 0),
        ("networks?admin_state_up=False".to_owned(), 1),
        ("networks?admin_state_up=1&name=n0&description=d".to_owned(), 1),
        ("networks?shared=no".to_owned(), 3),
        ("networks?mtu=1450".to_owned(), 3),
        ("networks?status=ACTIVE&status=DOWN".to_owned(), 3),
        ("networks?revision_number=2".to_owned(), 3),
        (format!("networks?project_id={PROJECT}"), 3),
        (format!("networks?tenant_id={OTHER_PROJECT}"), 0),
        ("networks?provider%3Anetwork_type=vxlan".to_owned(), 3),
        (format!("networks?id={}&id=nope", id(&networks[0])), 1),
        (format!("networks?id={NOBODY}"), 0),
        ("subnets?ip_version=4".to_owned(), 3),
        ("subnets?ip_version=6".to_owned(), 0),
        ("subnets?cidr=10.0.1.0/24".to_owned(), 1),
        ("subnets?gateway_ip=10.0.2.1".to_owned(), 1),
        ("subnets?enable_dhcp=true".to_owned(), 0),
        ("subnets?shared=False".to_owned(), 3),
        (format!("subnets?network_id={}", id(&networks[1])), 1),
        ("ports".to_owned(), 12),
        ("ports?device_id=d0&device_id=d1".to_owned(), 8),
        ("ports?device_owner=".to_owned(), 12),
        ("ports?status=ACTIVE".to_owned(), 0),
        (format!("ports?network_id={}", id(&networks[2])), 4),
        (format!("ports?fixed_ips=subnet_id%3D{}", id(&subnets[0])), 4),
        ("ports?fixed_ips=ip_address%3D10.0.0.2&fixed_ips=ip_address%3D10.0.1.2".to_owned(), 2),
        (format!("ports?fixed_ips=ip_address%3D10.0.1.2&fixed_ips=subnet_id%3D{}", id(&subnets[0])), 0),
        ("ports?fixed_ips=ip_address_substr%3D10.0.0.".to_owned(), 4),
        (format!("ports?mac_address={}", mac.to_uppercase()), 1),
        (format!("ports?mac_address={}", mac.replace(':', "-")), 1),
        (format!("ports?binding:host_id=h&network_id={}", id(&networks[0])), 0),
    ] {
        assert_eq!(count(&cloud, &format!("/v2.0/{path}")).await, expected, "{path}");
    }
    for (path, expected) in [
        ("networks?admin_state_up=bogus", (400, "InvalidInput")),
        ("networks?admin_state_up=", (400, "InvalidInput")),
        ("networks?mtu=x", (400, "InvalidInput")),
        ("networks?subnets=x", (400, "HTTPBadRequest")),
        ("subnets?cidr=x", (400, "InvalidInput")),
        ("ports?fixed_ips=x", (400, "InvalidInput")),
        ("ports?port_security_enabled=true", (400, "HTTPBadRequest")),
        ("security-group-rules?protocol=x", (400, "SecurityGroupRuleInvalidProtocol")),
        ("ports?sort_key=binding:host_id&sort_dir=asc", (400, "HTTPBadRequest")),
        ("ports?sort_key=name&sort_dir=up", (400, "HTTPBadRequest")),
        ("ports?sort_key=name", (400, "HTTPBadRequest")),
        ("ports?limit=x", (400, "BadRequest")),
    ] {
        assert_eq!(cloud.get(MEMBER, &format!("/v2.0/{path}")).await.error(), expected, "{path}");
    }
}

#[tokio::test]
async fn fields_narrow() {
    let cloud = Cloud::new().await;
    let (networks, ..) = world(&cloud).await;
    let list = cloud.get(MEMBER, "/v2.0/networks?fields=id&fields=name&name=n0").await.expect(200);
    assert_eq!(list, json!([{"id": id(&networks[0]), "name": "n0"}]));
    let one =
        cloud.get(MEMBER, &format!("/v2.0/networks/{}?fields=name", id(&networks[0]))).await.expect(200);
    assert_eq!(one, json!({"name": "n0"}));
    let hidden = "/v2.0/networks?fields=provider:network_type&fields=nothing&name=n0";
    assert_eq!(cloud.get(MEMBER, hidden).await.expect(200), json!([{}]));
    assert_eq!(cloud.get(ADMIN, hidden).await.expect(200), json!([{"provider:network_type": "vxlan"}]));
}

#[tokio::test]
async fn keys_sort() {
    let cloud = Cloud::new().await;
    world(&cloud).await;
    let list = async |query: &str| cloud.get(MEMBER, &format!("/v2.0/ports?{query}")).await.expect(200);
    let sorted = |values: &[&str], descending: bool| {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        if descending {
            sorted.reverse();
        }
        sorted == values
    };
    assert!(sorted(&all(&list("").await, "id"), false), "by id without a key");
    for key in ["id", "name", "mac_address", "network_id"] {
        assert!(sorted(&all(&list(&format!("sort_key={key}&sort_dir=asc")).await, key), false), "{key}");
        assert!(sorted(&all(&list(&format!("sort_key={key}&sort_dir=desc")).await, key), true), "{key}");
    }
    let by_two = list("sort_key=name&sort_dir=desc&sort_key=mac_address&sort_dir=asc").await;
    let rows: Vec<(&str, &str)> = all(&by_two, "name").into_iter().zip(all(&by_two, "mac_address")).collect();
    assert!(
        rows.windows(2)
            .all(|pair| pair[0].0 > pair[1].0 || (pair[0].0 == pair[1].0 && pair[0].1 < pair[1].1))
    );
}

/// Follows the links of a list in one direction.
async fn walk(cloud: &Cloud, first: &str, rel: &str) -> Vec<Vec<String>> {
    let mut pages = vec![];
    let mut next = Some(first.to_owned());
    while let Some(path) = next {
        let answer = cloud.get(MEMBER, &path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let ids: Vec<String> = all(&answer.body["ports"], "id").into_iter().map(str::to_owned).collect();
        let links = answer.body["ports_links"].as_array().unwrap();
        let link = links.iter().find(|link| link["rel"] == rel);
        next = link.map(|link| link["href"].as_str().unwrap().replace("http://127.0.0.1:9696", ""));
        if ids.is_empty() {
            break;
        }
        pages.push(ids);
        assert!(pages.len() < 30, "the links go in a circle");
    }
    pages
}

#[tokio::test]
async fn pages_cover_the_list_once_in_both_directions() {
    let cloud = Cloud::new().await;
    world(&cloud).await;
    for sort in
        ["", "&sort_key=name&sort_dir=asc", "&sort_key=name&sort_dir=desc&sort_key=status&sort_dir=asc"]
    {
        let whole =
            cloud.get(MEMBER, &format!("/v2.0/ports?{}", sort.trim_start_matches('&'))).await.expect(200);
        let whole: Vec<String> = all(&whole, "id").into_iter().map(str::to_owned).collect();
        for limit in [1, 3, 4, 5, 12, 13] {
            let forth = walk(&cloud, &format!("/v2.0/ports?limit={limit}{sort}"), "next").await;
            assert_eq!(forth.concat(), whole, "{sort} {limit}");
            assert!(forth.iter().all(|page| page.len() <= limit));
            let start = format!("/v2.0/ports?limit={limit}&page_reverse=True{sort}");
            let mut back = walk(&cloud, &start, "previous").await;
            back.reverse();
            assert_eq!(back.concat(), whole, "back {sort} {limit}");
        }
    }
    let unlimited = cloud.get(MEMBER, "/v2.0/ports?limit=0").await;
    assert_eq!(unlimited.body["ports"].as_array().unwrap().len(), 12);
    assert!(unlimited.body.get("ports_links").is_none());
}

#[tokio::test]
async fn a_long_list_is_sent_in_parts() {
    let cloud = Cloud::new().await;
    let network = cloud.create(MEMBER, "networks", json!({})).await;
    let ports: Vec<Value> =
        (0..400).map(|n| json!({"network_id": id(&network), "description": format!("{n}\"\\\n")})).collect();
    let made = cloud.call(MEMBER, "POST", "/v2.0/ports", Some(json!({"ports": ports}))).await.expect(201);
    let list = cloud.get(ADMIN, "/v2.0/ports?limit=1000").await;
    assert!(list.text.len() > 200_000);
    let (mut made, mut listed) =
        (made.as_array().unwrap().clone(), list.expect(200).as_array().unwrap().clone());
    for port in &mut listed {
        port.as_object_mut().unwrap().retain(|name, _| made[0].get(name).is_some());
    }
    let by_id = |a: &Value, b: &Value| id(a).cmp(&id(b));
    made.sort_by(by_id);
    assert_eq!(made, listed);
}
