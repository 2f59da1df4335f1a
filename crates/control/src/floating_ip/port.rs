//! What happens to floating IPs and port forwardings when a port that they lead to changes or goes.

use super::{association, guard_forwardings};
use crate::{Error, RouterError, port_forwarding, router, stamp};
use hadron_model::{FloatingIp, Port, PortForwarding, PortId};
use hadron_store::{FloatingClaim, Tx};

/// Most port forwardings that go with a port in the port's own transaction.
const WITH_PORT: usize = 16;

/// Refuses to delete a port that floating IPs of other projects lead to, unless an administrator asks.
pub fn check_release(tx: &Tx, port: PortId, is_admin: bool) -> Result<(), Error> {
    let asks = &tx.info().project;
    let mut floating = tx.view().floating_ips_of_port(port);
    if !is_admin && floating.any(|floating| floating.project_id != *asks) {
        return Err(RouterError::FipAssociated(port).into());
    }
    Ok(())
}

/// Deletes some of a port's forwardings if they are too many to go with the port; whether that was so.
pub(crate) fn release_some(tx: &mut Tx, port: PortId) -> bool {
    let all: Vec<PortForwarding> =
        tx.view().forwardings_of_port(port).map(|forwarding| forwarding.value.clone()).collect();
    if all.len() <= WITH_PORT {
        return false;
    }
    for forwarding in all.iter().take(WITH_PORT) {
        port_forwarding::remove(tx, forwarding);
    }
    true
}

/// Ends what led to a port that has gone.
pub(crate) fn after_removal(tx: &mut Tx, port: &Port) {
    let floating = router::uses_of_port(tx.view(), port.id);
    if !port.is_everywhere() {
        // Another server may lead something to the port that goes.
        tx.guard_range::<FloatingClaim>(port.id);
        guard_forwardings(tx);
    }
    for (mut floating, _) in floating {
        association::clear(tx, &mut floating);
        stamp::touch(tx, &mut floating);
        tx.put::<FloatingIp>(floating);
    }
    remove_forwardings(tx, port.id, |_| true);
}

/// Completes a change of a port's addresses: those that floating IPs lead to can't go, and with others go their port forwardings.
pub(crate) fn after_change(tx: &mut Tx, old: &Port, new: &Port) -> Result<(), Error> {
    if old.fixed_ips == new.fixed_ips {
        return Ok(());
    }
    tx.guard_range::<FloatingClaim>(new.id);
    guard_forwardings(tx);
    let has = |address| new.fixed_ips.iter().any(|ip| ip.ip_address == address);
    for (_, to) in router::uses_of_port(tx.view(), new.id) {
        if !has(to.fixed_ip_address) {
            return Err(Error::BadRequest {
                resource: "port",
                reason: format!("a floating IP leads to address {} of port {}", to.fixed_ip_address, new.id),
            });
        }
    }
    remove_forwardings(tx, new.id, |forwarding| !has(forwarding.internal_ip_address));
    Ok(())
}

fn remove_forwardings(tx: &mut Tx, port: PortId, goes: impl Fn(&PortForwarding) -> bool) {
    let gone: Vec<PortForwarding> = tx
        .view()
        .forwardings_of_port(port)
        .filter(|forwarding| goes(forwarding))
        .map(|forwarding| forwarding.value.clone())
        .collect();
    for forwarding in &gone {
        port_forwarding::remove(tx, forwarding);
    }
}
