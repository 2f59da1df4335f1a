//! Ports that belong to routers or floating IPs, when somebody changes or deletes them as ports.

use super::{check, routes};
use crate::{Error, RouterError, stamp};
use hadron_model::floating_ip::DEVICE_OWNER_FLOATING_IP;
use hadron_model::{FixedIp, FloatingIp, FloatingIpId, Port, Router, RouterPortRole, Subnet};
use hadron_store::{Snapshot, Tx};

/// Whether the port is held by a router or a floating IP that exists.
fn is_held(view: &Snapshot, port: &Port) -> bool {
    let floating = || {
        let id = port.device_id.parse::<FloatingIpId>().ok();
        id.filter(|_| port.device_owner == DEVICE_OWNER_FLOATING_IP)
    };
    match port.router() {
        Some((router, _)) => view.has::<Router>(&router),
        None => floating().is_some_and(|id| view.has::<FloatingIp>(&id)),
    }
}

/// Refuses to delete a port that a router or a floating IP holds.
pub(crate) fn check_removal(view: &Snapshot, port: &Port) -> Result<(), Error> {
    if is_held(view, port) { Err(refused(port, "deleted")) } else { Ok(()) }
}

/// Refuses to make a port one of a router or a floating IP, or to take it from one, by naming it as its device.
pub(crate) fn check_change(view: &Snapshot, old: Option<&Port>, new: &Port) -> Result<(), Error> {
    let is_same =
        old.is_some_and(|old| old.device_id == new.device_id && old.device_owner == new.device_owner);
    if is_same {
        return Ok(());
    }
    if is_held(view, new) {
        return Err(refused(new, "made a part of its device"));
    }
    match old.filter(|old| is_held(view, old)) {
        Some(old) => Err(refused(old, "taken from its device")),
        None => Ok(()),
    }
}

fn refused(port: &Port, operation: &'static str) -> Error {
    RouterError::ServicePortInUse { port: port.id, operation, device_owner: port.device_owner.clone() }.into()
}

/// Completes a change of the addresses of a router's port: the router must be able to work with those that it has now.
pub(crate) fn after_change(tx: &mut Tx, old: &Port, new: &Port) -> Result<(), Error> {
    let Some((id, role)) = new.router().filter(|_| old.fixed_ips != new.fixed_ips) else { return Ok(()) };
    let Some(router) = tx.get::<Router>(&id) else { return Ok(()) };
    let mut router = router.value.clone();
    let subnet = |tx: &Tx, ip: &FixedIp| tx.view().get::<Subnet>(&ip.subnet_id).map(|it| it.value.clone());
    let has = |port: &Port, ip: &FixedIp| port.fixed_ips.iter().any(|other| other.subnet_id == ip.subnet_id);
    if role == RouterPortRole::Interface {
        if new.fixed_ips.is_empty() {
            return Err(super::bad_request("the port of a router needs an address"));
        }
        let come: Vec<Subnet> =
            new.fixed_ips.iter().filter(|ip| !has(old, ip)).filter_map(|ip| subnet(tx, ip)).collect();
        let come: Vec<&Subnet> = come.iter().collect();
        check::check_overlap(tx.view(), id, &come, role, Some(new.id))?;
        let gone: Vec<Subnet> =
            old.fixed_ips.iter().filter(|ip| !has(new, ip)).filter_map(|ip| subnet(tx, ip)).collect();
        for subnet in &gone {
            check::check_unused(tx, &router, subnet)?;
        }
    }
    routes::check_connected(tx.view(), id, &router.routes)?;
    stamp::touch(tx, &mut router);
    tx.put(router);
    Ok(())
}
