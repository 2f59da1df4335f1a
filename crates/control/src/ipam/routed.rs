//! Networks whose subnets are of segments: which of them a port can have depends on its host.

use crate::{Error, SegmentError, subnet};
use hadron_model::{FixedIp, Host, NetworkSegment, Port, Subnet};
use hadron_store::{Snapshot, Stored, Tx};
use std::sync::Arc;

use super::Holder;

/// Whether a port without a host that asks for nothing gets its addresses when it has one: every subnet that it could have is of a
/// segment (`ip_allocation` is `deferred`).
pub(super) fn is_deferred(subnets: &[Arc<Stored<Subnet>>], holder: Holder<'_>) -> bool {
    holder.host.is_empty() && !subnets.is_empty() && subnets.iter().all(|subnet| subnet.segment_id.is_some())
}

/// Leaves those that the port's host has. A host whose subnets are none of them can have no port.
pub(super) fn keep_connected(
    view: &Snapshot,
    holder: Holder<'_>,
    subnets: &mut Vec<Arc<Stored<Subnet>>>,
) -> Result<(), Error> {
    if holder.host.is_empty() || subnets.iter().all(|subnet| subnet.segment_id.is_none()) {
        return Ok(());
    }
    subnets.retain(|subnet| is_connected(view, holder.host, subnet));
    if subnets.is_empty() {
        let host = holder.host.to_owned();
        return Err(SegmentError::HostNotConnected { host, network: holder.network }.into());
    }
    Ok(())
}

fn is_connected(view: &Snapshot, host: &str, subnet: &Subnet) -> bool {
    let Some(id) = subnet.segment_id else { return true };
    let host = view.get::<Host>(&host.to_owned());
    host.zip(view.get::<NetworkSegment>(&id)).is_some_and(|(host, segment)| host.reaches(&segment.segment))
}

/// Refuses that a port keeps its addresses on a host that has not their subnets.
pub(crate) fn check_host(tx: &Tx, port: &Port) -> Result<(), Error> {
    let host = &port.binding.host_id;
    let subnets = subnet::of_network(tx, port.network_id);
    let is_misplaced = |ip: &FixedIp| {
        let subnet = subnets.iter().find(|subnet| subnet.id == ip.subnet_id);
        subnet.is_some_and(|subnet| !is_connected(tx.view(), host, subnet))
    };
    if !host.is_empty() && port.fixed_ips.iter().any(is_misplaced) {
        return Err(SegmentError::HostNotCompatible { host: host.clone(), port: port.id }.into());
    }
    Ok(())
}
