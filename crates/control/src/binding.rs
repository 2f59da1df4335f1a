//! Where a port is plugged, what that makes of it, and what its host reports.

use crate::{Error, stamp};
use hadron_model::{Binding, Host, Network, Port, PortId, PortStatus};
use hadron_store::{Snapshot, Tx};

/// Most characters of `binding:profile` as text.
const MAX_PROFILE: usize = 4095;
/// The only kind of interface that hosts wire.
pub const VNIC_NORMAL: &str = "normal";

/// How a port is plugged (`binding:vif_type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VifType {
    /// It names no host.
    Unbound,
    /// Its host has joined and looks for a tap interface.
    Tap,
    /// Its host has not joined, can't wire this kind of interface, or has no interface to the network's physical network.
    BindingFailed,
    /// Every host of its network serves it.
    Distributed,
}

impl VifType {
    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            VifType::Unbound => "unbound",
            VifType::Tap => "tap",
            VifType::BindingFailed => "binding_failed",
            VifType::Distributed => "distributed",
        }
    }

    /// Whether nothing is plugged.
    pub fn is_unplugged(self) -> bool {
        matches!(self, VifType::Unbound | VifType::BindingFailed)
    }
}

/// How the port is plugged, given the hosts that have joined. It is derived, so a host that joins late takes its ports.
pub fn vif_type(view: &Snapshot, port: &Port) -> VifType {
    let binding = &port.binding;
    if port.is_everywhere() {
        VifType::Distributed
    } else if binding.host_id.is_empty() {
        VifType::Unbound
    } else if !matches!(binding.vnic_type.as_str(), "" | VNIC_NORMAL) {
        VifType::BindingFailed
    } else if view.get::<Host>(&binding.host_id).is_some_and(|host| serves(view, host, port)) {
        VifType::Tap
    } else {
        VifType::BindingFailed
    }
}

/// Whether the host can bring the network to the port.
fn serves(view: &Snapshot, host: &Host, port: &Port) -> bool {
    view.get::<Network>(&port.network_id).is_some_and(|network| host.reaches(&network.segment))
}

/// Changes to a binding; `None` leaves as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BindingChange {
    /// Host name; empty unbinds.
    pub host_id: Option<String>,
    /// Kind of interface.
    pub vnic_type: Option<String>,
    /// A JSON object as text; empty stands for `{}`.
    pub profile: Option<String>,
}

impl BindingChange {
    /// The binding after the change.
    pub(crate) fn apply(&self, binding: &Binding) -> Result<Binding, Error> {
        if self.profile.as_ref().is_some_and(|profile| profile.chars().count() > MAX_PROFILE) {
            return Err(Error::InvalidInput(format!(
                "binding:profile is larger than {MAX_PROFILE} characters"
            )));
        }
        Ok(Binding {
            host_id: self.host_id.clone().unwrap_or_else(|| binding.host_id.clone()),
            vnic_type: self.vnic_type.clone().unwrap_or_else(|| binding.vnic_type.clone()),
            profile: self.profile.clone().unwrap_or_else(|| binding.profile.clone()),
        })
    }
}

/// Records what `host` reports on a port: whether it is wired. Whether that changed the port's status.
///
/// A report on a port that another host has, or that is gone, is refused and changes nothing. A port that is
/// administratively down stays DOWN; the host reports again when that changes.
pub fn set_port_wired(tx: &mut Tx, host: &str, id: PortId, wired: bool) -> Result<bool, Error> {
    if tx.view().get::<Host>(&host.to_owned()).is_none() {
        return Err(Error::HostUnknown(host.to_owned()));
    }
    let old = tx.get::<Port>(&id).ok_or(Error::PortNotFound(id))?;
    if old.binding.host_id != host || vif_type(tx.view(), &old) != VifType::Tap {
        return Err(Error::PortNotOnHost { port: id, host: host.to_owned() });
    }
    let status = if wired && old.admin_state_up { PortStatus::Active } else { PortStatus::Down };
    if status == old.status {
        return Ok(false);
    }
    let mut port = old.value.clone();
    port.status = status;
    stamp::touch(tx, &mut port);
    tx.put(port);
    Ok(true)
}
