//! What each role may do with its own project's objects, shared ones and another's: the same requests get what the real service
//! answered, by today's defaults (`spec/roles.json`, recorded) and by deprecated ones (`spec/deprecated_roles.json`, recorded).

use crate::support::*;
use hadron_api::policy::PolicyConfig;

#[tokio::test]
async fn by_today_s_defaults() {
    let cloud = Cloud::new().await;
    sequence::replay(&cloud, include_str!("../../../../spec/roles.json")).await;
}

#[tokio::test]
async fn by_deprecated_defaults() {
    let policy = PolicyConfig { enforce_new_defaults: false, ..PolicyConfig::default() };
    let cloud = Cloud::with_policy(policy).await;
    sequence::replay(&cloud, include_str!("../../../../spec/deprecated_roles.json")).await;
}
