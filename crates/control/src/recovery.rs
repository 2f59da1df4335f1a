//! What a starting server completes or undoes, before it serves requests.

use crate::{
    Config, Error, bulk, default_rule, host, network_segment, port_security, rbac, segment_range, slaac,
    subnet,
};
use hadron_model::{NetworkId, Subnet, SubnetId};
use hadron_store::{CommitInfo, Store};
use std::collections::BTreeSet;

/// Undoes interrupted bulk creates, shows the ranges of identifiers that the server is started with, and does what [`run_beside_others`] does. For a server that has the store to itself: every bulk
/// create that it finds is one that a crash has interrupted.
pub async fn run(store: &Store, config: &Config) -> Result<(), Error> {
    bulk::undo_interrupted(store, config).await?;
    segment_range::sync_defaults(store, config).await?;
    run_beside_others(store, config).await
}

/// Makes the first templates of security groups' rules, gives ports from before security groups their project's default one, makes
/// policies of what was shared before there were any and segments of networks from before they were objects, gives ports the addresses and subnets the routes to each other that an interrupted operation did not come to, and
/// removes join tokens that have ended. It may run at any time and any number of times, also while other servers use the store.
pub async fn run_beside_others(store: &Store, config: &Config) -> Result<(), Error> {
    let auto: Vec<SubnetId> = store
        .snapshot()
        .iter::<Subnet>()
        .filter(|subnet| slaac::is_auto_address(subnet))
        .map(|subnet| subnet.id)
        .collect();
    let routed: BTreeSet<NetworkId> = store
        .snapshot()
        .iter::<Subnet>()
        .filter(|subnet| subnet.segment_id.is_some())
        .map(|subnet| subnet.network_id)
        .collect();
    let info = CommitInfo::system();
    store.write(info.clone(), default_rule::ensure_seeded).await?;
    port_security::adopt_all(store, &info).await?;
    rbac::adopt_all(store, &info).await?;
    network_segment::adopt_all(store, &info).await?;
    for subnet in auto {
        slaac::fill_all(store, &info, subnet).await?;
    }
    for network in routed {
        subnet::fill_peer_routes(store, &info, config, network).await?;
    }
    while store.write(info.clone(), |tx| Ok::<_, Error>(host::remove_expired_tokens(tx))).await?.value > 0 {}
    Ok(())
}
