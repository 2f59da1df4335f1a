//! Which hosts have an object in force.
//!
//! A server knows how far the hosts are that are connected to it, or were. It says of the others that it does not know.

use super::hub::{Hub, Watermark};
use hadron_api::receipt::{HostReceipt, Standing};
use hadron_model::{HostNumber, Timestamp};
use hadron_project::Footprint;
use hadron_store::{RecordKey, Revision, Snapshot};
use std::sync::Arc;

/// The hosts that need an object that was last changed at `changed`, by name.
pub(super) async fn hosts(
    hub: &Hub,
    key: RecordKey,
    changed: Revision,
    view: Arc<Snapshot>,
) -> Vec<HostReceipt> {
    let before = hub.store.without(changed, &view);
    let footprint = Footprint::of(&key, before.as_ref(), &view);
    hub.reach(view.position().revision).await;
    let projection = hub.projection.read();
    let watermarks = hub.watermarks(&projection, &view);
    let lowest = watermarks.values().map(|watermark| watermark.revision).min().unwrap_or_default();
    let needs = projection.needs(&footprint, changed, lowest);
    drop(projection);
    let receipt = |(number, needed): (u32, Revision)| {
        let host = view.host_by_number(HostNumber(number))?;
        let watermark = watermarks.get(&number).copied();
        Some(HostReceipt {
            host: host.name.clone(),
            standing: standing(needed, watermark, last_heard_by_any(&view, &host.name)),
            needed,
            acknowledged: watermark.map(|watermark| watermark.revision),
            is_connected: watermark.is_some_and(|watermark| watermark.is_connected),
        })
    };
    let mut hosts: Vec<HostReceipt> = needs.into_iter().filter_map(receipt).collect();
    hosts.sort_by(|one, other| one.host.cmp(&other.host));
    hosts
}

/// A host that is away goes on by the rows that it had; one that has gone to another server may have others by now, but none older.
fn standing(needed: Revision, watermark: Option<Watermark>, heard_by_any: Timestamp) -> Standing {
    match watermark {
        Some(Watermark { revision, .. }) if revision >= needed => Standing::InForce,
        Some(Watermark { is_connected: true, .. }) => Standing::Behind,
        Some(Watermark { last_heard, .. }) if heard_by_any <= last_heard => Standing::Behind,
        Some(_) | None => Standing::Unknown,
    }
}

/// When a host was last heard by any of the servers that share the store, to some seconds.
fn last_heard_by_any(view: &Snapshot, host: &str) -> Timestamp {
    view.agents_of_host(host).map(|agent| agent.heartbeat_at).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_server_may_know_better_is_not_guessed() {
        let here = |revision, is_connected| {
            Some(Watermark { revision: Revision(revision), is_connected, last_heard: Timestamp(100) })
        };
        let (before, elsewhere) = (Timestamp(90), Timestamp(110));
        for (watermark, heard_by_any, expected) in [
            (here(7, true), before, Standing::InForce),
            (here(6, true), before, Standing::Behind),
            (here(6, true), elsewhere, Standing::Behind),
            (here(7, false), before, Standing::InForce),
            (here(6, false), before, Standing::Behind),
            (here(6, false), elsewhere, Standing::Unknown),
            (None, before, Standing::Unknown),
            (None, elsewhere, Standing::Unknown),
        ] {
            assert_eq!(standing(Revision(7), watermark, heard_by_any), expected, "{watermark:?}");
        }
    }
}
