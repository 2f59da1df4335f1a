//! Security groups, rules, address groups, templates and port security, as recorded in `spec/security_groups.json`.

use crate::support::Cloud;
use crate::support::recorded;
use hadron_api::ApiConfig;
use hadron_control::Config;

#[tokio::test]
async fn the_recorded_sequence_gets_the_recorded_answers() {
    let mut control = Config::default();
    control.quotas.security_group = Some(100);
    control.quotas.security_group_rule = Some(1000);
    let cloud = Cloud::with(ApiConfig { control, ..ApiConfig::default() }).await;
    recorded::replay(&cloud, include_str!("../../../../spec/security_groups.json")).await;
}
