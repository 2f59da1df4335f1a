//! What is heard of nodes, in the store: from there the API shows them as agents, whichever server they are connected to.

use super::hub::Hub;
use hadron_control::agent::{self, Report};
use hadron_model::AgentRole;
use hadron_store::CommitInfo;
use hadron_store::backend::MAX_COMPARES;
use std::sync::Arc;
use std::time::Duration;

/// How often it is recorded that a node was heard. A node is taken for dead after
/// [`DOWN_AFTER_MS`](hadron_model::agent::DOWN_AFTER_MS), which leaves room for two that fail.
const EVERY: Duration = Duration::from_secs(25);
/// Hosts in one transaction: each is one of its conditions, and each of the host's agents is.
const AT_ONCE: usize = MAX_COMPARES / (1 + AgentRole::ALL.len());

/// Records for as long as the service lives: who has connected at once, everybody else now and then.
pub(super) async fn record(hub: Arc<Hub>) {
    let mut clock = tokio::time::interval(EVERY);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let only_new = tokio::select! {
            _ = clock.tick() => false,
            () = hub.connected.notified() => true,
        };
        for reports in hub.heard(only_new).chunks(AT_ONCE) {
            if let Err(error) = write(&hub, reports).await {
                tracing::warn!(%error, "what was heard of nodes could not be recorded; agents may be shown as dead");
                break;
            }
        }
    }
}

async fn write(hub: &Hub, reports: &[Report]) -> Result<(), hadron_control::Error> {
    let record = |tx: &mut _| reports.iter().try_for_each(|report| agent::report(tx, report));
    hub.store.write(CommitInfo::system(), record).await.map(|_| ())
}
