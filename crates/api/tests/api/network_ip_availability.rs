//! How many addresses networks have, and how many of them are used.

use crate::support::*;
use serde_json::json;

#[tokio::test]
async fn addresses_are_counted_by_subnet_and_network() {
    let cloud = Cloud::new().await;
    let network = id(&cloud.create(MEMBER, "networks", json!({"name": "blue"})).await);
    let empty = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let subnet = |version: u8, cidr: &str| json!({"network_id": network, "ip_version": version, "cidr": cidr, "enable_dhcp": false});
    let v4 = id(&cloud.create(MEMBER, "subnets", subnet(4, "10.0.0.0/29")).await);
    let v6 = id(&cloud.create(MEMBER, "subnets", subnet(6, "fd00::/64")).await);
    cloud.create(MEMBER, "ports", json!({"network_id": network})).await;
    // The gateway's address is of no pool.
    let gateway = json!([{"subnet_id": v4, "ip_address": "10.0.0.1"}]);
    cloud.create(MEMBER, "ports", json!({"network_id": network, "fixed_ips": gateway})).await;
    let path = format!("/v2.0/network-ip-availabilities/{network}");
    let text = cloud.get(ADMIN, &path).await.text;
    let of = |id: &str, version: u8, cidr: &str, used: u8, total: &str, in_subnet: &str| {
        format!(
            r#"{{"subnet_id":"{id}","ip_version":{version},"cidr":"{cidr}","subnet_name":"","used_ips":{used},"total_ips":{total},"ip_availability_details":{{"total_ips_in_subnet":{in_subnet},"total_ips_in_allocation_pool":{total},"used_ips_in_subnet":{used},"used_ips_in_allocation_pool":1}}}}"#
        )
    };
    let (four, six) = (
        of(&v4, 4, "10.0.0.0/29", 2, "5", "6"),
        of(&v6, 6, "fd00::/64", 1, "18446744073709551615", "18446744073709551616"),
    );
    assert!(text.contains(&four) && text.contains(&six), "{text}");
    assert!(text.contains(r#""total_ips":18446744073709551620,"used_ips":3,"#), "{text}");
    let list = cloud.get(ADMIN, "/v2.0/network-ip-availabilities?network_name=blue&ip_version=4").await;
    assert!(list.text.contains(&four) && !list.text.contains(&v6), "{}", list.text);
    assert_eq!(all(&list.expect(200), "network_id"), [network.as_str()]);
    let list = cloud.get(ADMIN, "/v2.0/network-ip-availabilities?ip_version=6&fields=network_id").await;
    assert_eq!(list.expect(200), json!([{"network_id": network}]));
    let list = cloud.get(ADMIN, &format!("/v2.0/network-ip-availabilities?network_id={empty}")).await;
    assert_eq!(list.expect(200)[0]["subnet_ip_availability"], json!([]));
}

#[tokio::test]
async fn only_administrators_see_them() {
    let cloud = Cloud::new().await;
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let (list, path) =
        ("/v2.0/network-ip-availabilities", format!("/v2.0/network-ip-availabilities/{network}"));
    assert_eq!(cloud.get(MEMBER, list).await.expect(200), json!([]));
    assert_eq!(cloud.get(MEMBER, &path).await.error(), (404, "HTTPNotFound"));
    assert_eq!(cloud.get(OTHER, &path).await.error(), (404, "NetworkNotFound"));
    assert_eq!(cloud.get(ADMIN, &format!("{list}/{NOBODY}")).await.error(), (404, "NetworkNotFound"));
    assert_eq!(cloud.get(ADMIN, &format!("{list}?bogus=1")).await.error(), (400, "HTTPBadRequest"));
    assert_eq!(all(&cloud.get(ADMIN, &format!("{list}?limit=1")).await.expect(200), "network_id"), [network]);
}
