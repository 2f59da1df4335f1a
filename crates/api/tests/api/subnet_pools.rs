//! Subnet pools and address scopes: requests to the real service in one sequence, and its answers (`spec/subnet_pools.json`,
//! recorded).

use crate::support::*;

#[tokio::test]
async fn answers_are_those_of_the_real_service() {
    let cloud = Cloud::new().await;
    sequence::replay(&cloud, include_str!("../../../../spec/subnet_pools.json")).await;
}
