//! Whether hosts of a network may choose further addresses: hadron's own attribute of networks.

use crate::support::*;
use serde_json::json;

const NAME: &str = "hadron:privacy_addresses";

#[tokio::test]
async fn only_an_administrator_lets_hosts_choose_and_everybody_concerned_sees_it() {
    let cloud = Cloud::new().await;
    let network = cloud.create(MEMBER, "networks", json!({})).await;
    assert_eq!(network[NAME], false);
    let denied = (403, "PolicyNotAuthorized");
    assert_eq!(cloud.try_create(MEMBER, "networks", json!({ NAME: true })).await.error(), denied);
    assert_eq!(cloud.try_create(MEMBER, "networks", json!({ NAME: false })).await.status, 201);
    let network = id(&network);
    for value in [true, false] {
        assert_eq!(cloud.update(MEMBER, "networks", &network, json!({ NAME: value })).await.error(), denied);
    }
    let wrong = cloud.update(ADMIN, "networks", &network, json!({ NAME: "maybe" })).await;
    assert_eq!(wrong.error(), (400, "InvalidInput"));
    let changed = cloud.update(ADMIN, "networks", &network, json!({ NAME: "yes" })).await.expect(200);
    assert_eq!((&changed[NAME], &changed["revision_number"]), (&json!(true), &json!(2)));
    let seen = cloud.get(READER, &format!("/v2.0/networks?{NAME}=true&fields=id&fields={NAME}")).await;
    assert_eq!(seen.expect(200), json!([{"id": network, NAME: true}]));
    // What else changes leaves it as it is.
    let renamed = cloud.update(MEMBER, "networks", &network, json!({"name": "n"})).await.expect(200);
    assert_eq!(renamed[NAME], true);
    let extension = cloud.get(MEMBER, "/v2.0/extensions/hadron-privacy-addresses").await.expect(200);
    assert_eq!(extension["alias"], "hadron-privacy-addresses");
}
