//! Prefixes of subnet pools for instances that are routers: hadron's own attribute of ports.

use crate::support::*;
use serde_json::{Value, json};

const NAME: &str = "hadron:delegated_prefix";

fn pool(name: &str) -> Value {
    json!({"name": name, "prefixes": ["2001:db8:d0::/44"], "min_prefixlen": 48, "default_prefixlen": 56})
}

#[tokio::test]
async fn a_port_gets_a_prefix_of_a_pool_of_its_project_and_gives_it_back() {
    let cloud = Cloud::new().await;
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let pool = id(&cloud.create(MEMBER, "subnetpools", pool("delegated")).await);
    let plain = cloud.create(MEMBER, "ports", json!({"network_id": network})).await;
    assert_eq!(plain[NAME], Value::Null);
    let body = json!({"network_id": network, NAME: {"subnetpool_id": pool, "prefixlen": 60}});
    let port = cloud.create(MEMBER, "ports", body).await;
    assert_eq!(port[NAME], json!({"subnetpool_id": pool, "cidr": "2001:db8:d0::/60"}));
    let taken = cloud.delete(MEMBER, "subnetpools", &pool).await;
    assert_eq!(taken.error(), (400, "SubnetPoolDeleteError"));
    let asked = json!({ NAME: {"subnetpool_id": pool} });
    let changed = cloud.update(MEMBER, "ports", &id(&plain), asked).await.expect(200);
    assert_eq!(changed[NAME], json!({"subnetpool_id": pool, "cidr": "2001:db8:d0:100::/56"}));
    // What else changes leaves it as it is.
    let renamed = cloud.update(MEMBER, "ports", &id(&plain), json!({"name": "cpe"})).await.expect(200);
    assert_eq!(renamed[NAME], changed[NAME]);
    let back = cloud.update(MEMBER, "ports", &id(&plain), json!({ NAME: null })).await.expect(200);
    assert_eq!(back[NAME], Value::Null);
    cloud.delete(MEMBER, "ports", &id(&port)).await.expect(204);
    cloud.delete(MEMBER, "subnetpools", &pool).await.expect(204);
    let extension = cloud.get(MEMBER, "/v2.0/extensions/hadron-delegated-prefix").await.expect(200);
    assert_eq!(extension["alias"], "hadron-delegated-prefix");
}

#[tokio::test]
async fn what_is_no_request_or_not_the_project_s_is_refused() {
    let cloud = Cloud::new().await;
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let foreign = id(&cloud.create(OTHER, "subnetpools", pool("foreign")).await);
    let own = id(&cloud.create(MEMBER, "subnetpools", pool("own")).await);
    let ask = async |value: Value| {
        let body = json!({"network_id": network, NAME: value});
        let answer = cloud.try_create(MEMBER, "ports", body).await;
        let (status, kind) = answer.error();
        (status, kind.to_owned())
    };
    assert_eq!(ask(json!("x")).await, (400, "HTTPBadRequest".to_owned()));
    for wrong in [
        json!({}),
        json!({"subnetpool_id": "x"}),
        json!({"subnetpool_id": own, "prefixlen": 0}),
        json!({"subnetpool_id": own, "prefixlen": 129}),
        json!({"subnetpool_id": own, "cidr": "2001:db8:d0::/56"}),
    ] {
        assert_eq!(ask(wrong.clone()).await, (400, "InvalidInput".to_owned()), "{wrong}");
    }
    let missing = (404, "SubnetPoolNotFound".to_owned());
    assert_eq!(ask(json!({"subnetpool_id": foreign})).await, missing);
    assert_eq!(ask(json!({"subnetpool_id": "11111111-2222-3333-4444-555555555555"})).await, missing);
    let long = ask(json!({"subnetpool_id": own, "prefixlen": 40})).await;
    assert_eq!(long, (400, "MinPrefixSubnetAllocationError".to_owned()));
}
