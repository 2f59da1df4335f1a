//! A port's bindings: the active one, where it is, and inactive ones, where it could be next.
//!
//! A compute service that moves an instance makes an inactive binding to the new host, moves, activates it, and deletes the old
//! one. The port is on one host at a time: activation takes it from the one and gives it to the other in one transaction.

use crate::binding::{self, BindingChange, VifType};
use crate::port::{self, PortChange};
use crate::{BindingError, Config, Error, stamp};
use hadron_model::{Binding, Port, PortId, PortStatus};
use hadron_store::{Snapshot, Tx};

/// Most inactive bindings of a port.
const MAX_INACTIVE: usize = 16;
/// How the `device_owner` of ports begins that can have several bindings: instances' and shared file systems'.
const MOVABLE: [&str; 2] = ["compute:", "manila:"];

/// A binding of a port, as it is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortBinding {
    /// Where, and how it is to be plugged.
    pub binding: Binding,
    /// Whether the port is there.
    pub is_active: bool,
    /// How it is plugged, or would be.
    pub vif_type: VifType,
}

/// The bindings of a port, by host.
pub fn list(view: &Snapshot, port: &Port) -> Result<Vec<PortBinding>, Error> {
    check_movable(port)?;
    let inactive = port.inactive_bindings.iter().map(|binding| (binding, false));
    let mut all: Vec<PortBinding> = std::iter::once((&port.binding, true))
        .chain(inactive)
        .map(|(binding, is_active)| shown(view, port, binding, is_active))
        .collect();
    all.sort_by(|a, b| a.binding.host_id.cmp(&b.binding.host_id));
    Ok(all)
}

/// The binding of a port to a host.
pub fn find(view: &Snapshot, port: &Port, host: &str) -> Result<PortBinding, Error> {
    let found = list(view, port)?.into_iter().find(|binding| binding.binding.host_id == host);
    found.ok_or_else(|| not_found(port.id, host))
}

/// Makes an inactive binding to `host`, which must be able to plug the port.
pub fn create(tx: &mut Tx, id: PortId, host: &str, change: &BindingChange) -> Result<PortBinding, Error> {
    let mut port = movable(tx, id)?;
    let is_known = |binding: &Binding| binding.host_id == host;
    if is_known(&port.binding) || port.inactive_bindings.iter().any(is_known) {
        return Err(BindingError::AlreadyExists { port: id, host: host.to_owned() }.into());
    }
    if port.inactive_bindings.len() >= MAX_INACTIVE {
        return Err(BindingError::TooMany { port: id, limit: MAX_INACTIVE }.into());
    }
    let binding = change.apply(&Binding { host_id: host.to_owned(), ..Binding::default() })?;
    check_possible(tx.view(), &port, &binding)?;
    let made = shown(tx.view(), &port, &binding, false);
    add(&mut port, binding);
    put(tx, port);
    Ok(made)
}

/// Changes the binding to `host`, be it active or not.
pub fn update(
    tx: &mut Tx,
    config: &Config,
    id: PortId,
    host: &str,
    change: &BindingChange,
) -> Result<PortBinding, Error> {
    let mut port = movable(tx, id)?;
    if port.binding.host_id == host {
        check_possible(tx.view(), &port, &change.apply(&port.binding)?)?;
        let change = PortChange { binding: change.clone(), ..PortChange::default() };
        let port = port::update(tx, config, id, &change, None)?;
        return Ok(shown(tx.view(), &port, &port.binding, true));
    }
    let old = take(&mut port, host)?;
    let binding = change.apply(&old)?;
    let is_taken = |other: &Binding| other.host_id == binding.host_id;
    if is_taken(&port.binding) || port.inactive_bindings.iter().any(is_taken) {
        return Err(BindingError::AlreadyExists { port: id, host: binding.host_id }.into());
    }
    check_possible(tx.view(), &port, &binding)?;
    let changed = shown(tx.view(), &port, &binding, false);
    add(&mut port, binding.clone());
    if binding != old {
        put(tx, port);
    }
    Ok(changed)
}

/// Moves the port to the host of an inactive binding. The one that was active stays, inactive.
pub fn activate(tx: &mut Tx, id: PortId, host: &str) -> Result<PortBinding, Error> {
    let mut port = movable(tx, id)?;
    if port.binding.host_id == host {
        return Err(BindingError::AlreadyActive { port: id, host: host.to_owned() }.into());
    }
    let next = take(&mut port, host)?;
    check_possible(tx.view(), &port, &next)?;
    let last = std::mem::replace(&mut port.binding, next);
    if !last.host_id.is_empty() {
        add(&mut port, last);
    }
    port.status = PortStatus::Down;
    let port = put(tx, port);
    Ok(shown(tx.view(), &port, &port.binding, true))
}

/// Deletes the binding to `host`. Without its active binding the port is nowhere.
pub fn delete(tx: &mut Tx, id: PortId, host: &str) -> Result<(), Error> {
    let mut port = tx.get::<Port>(&id).ok_or(Error::PortNotFound(id))?.value.clone();
    if !host.is_empty() && port.binding.host_id == host {
        port.binding = Binding::default();
        port.status = PortStatus::Down;
    } else {
        take(&mut port, host)?;
    }
    put(tx, port);
    Ok(())
}

fn movable(tx: &mut Tx, id: PortId) -> Result<Port, Error> {
    let port = tx.get::<Port>(&id).ok_or(Error::PortNotFound(id))?.value.clone();
    check_movable(&port)?;
    Ok(port)
}

fn check_movable(port: &Port) -> Result<(), Error> {
    if MOVABLE.iter().any(|prefix| port.device_owner.starts_with(prefix)) {
        return Ok(());
    }
    Err(BindingError::Unsupported(port.id).into())
}

fn check_possible(view: &Snapshot, port: &Port, binding: &Binding) -> Result<(), Error> {
    match binding::failure(view, port.network_id, binding) {
        Some(reason) => {
            Err(BindingError::Failed { port: port.id, host: binding.host_id.clone(), reason }.into())
        }
        None => Ok(()),
    }
}

fn shown(view: &Snapshot, port: &Port, binding: &Binding, is_active: bool) -> PortBinding {
    let vif_type = binding::vif_type_of(view, port.network_id, binding);
    PortBinding { binding: binding.clone(), is_active, vif_type }
}

/// Takes the inactive binding to a host out of the port.
fn take(port: &mut Port, host: &str) -> Result<Binding, Error> {
    let place = port.inactive_bindings.iter().position(|binding| binding.host_id == host);
    place.map(|place| port.inactive_bindings.remove(place)).ok_or_else(|| not_found(port.id, host))
}

fn add(port: &mut Port, binding: Binding) {
    port.inactive_bindings.push(binding);
    port.inactive_bindings.sort_by(|a, b| a.host_id.cmp(&b.host_id));
}

fn put(tx: &mut Tx, mut port: Port) -> Port {
    stamp::touch(tx, &mut port);
    tx.put(port.clone());
    port
}

fn not_found(port: PortId, host: &str) -> Error {
    BindingError::NotFound { port, host: host.to_owned() }.into()
}
