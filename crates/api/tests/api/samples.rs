//! Objects of every kind as the real service shows them to their owner and to an administrator (`spec/samples.json`, recorded): statuses,
//! attributes, defaults and headers.

use crate::support::*;

#[tokio::test]
async fn objects_are_shown_as_the_real_service_shows_them() {
    let cloud = Cloud::new().await;
    sequence::replay(&cloud, include_str!("../../../../spec/samples.json")).await;
}

/// What an administrator asked the real service, one request after the other: status and type of error (`spec/probe.json`, recorded).
#[tokio::test]
async fn an_administrator_gets_the_same_statuses() {
    let cloud = Cloud::new().await;
    sequence::replay(&cloud, include_str!("../../../../spec/probe.json")).await;
}

/// What goes wrong with routers, floating IPs, groups, quotas, tags and segments, and what comes before (`spec/requests.json`, recorded).
#[tokio::test]
async fn requests_in_sequence_get_the_same_answers() {
    let cloud = Cloud::new().await;
    sequence::replay(&cloud, include_str!("../../../../spec/requests.json")).await;
}
