//! Where a port is plugged, what that makes of it, and what its host reports.

use crate::{Error, stamp};
use hadron_model::{Binding, Host, Mac, Network, NetworkId, Port, PortId, PortStatus, Segment};
use hadron_store::{Snapshot, Tx};

/// Most characters of `binding:profile` as text.
const MAX_PROFILE: usize = 4095;
/// The only kind of interface that hosts wire.
pub const VNIC_NORMAL: &str = "normal";
/// The kind of interface that passes a physical function.
const VNIC_DIRECT_PHYSICAL: &str = "direct-physical";

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
    if port.is_everywhere() {
        VifType::Distributed
    } else {
        vif_type_of(view, port.network_id, &port.binding)
    }
}

/// How a port of a network is plugged by a binding.
pub(crate) fn vif_type_of(view: &Snapshot, network: NetworkId, binding: &Binding) -> VifType {
    match failure(view, network, binding) {
        _ if binding.host_id.is_empty() => VifType::Unbound,
        Some(_) => VifType::BindingFailed,
        None => VifType::Tap,
    }
}

/// Why a port can't be plugged where its binding says.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BindingFailure {
    /// Hosts wire no such interface.
    #[error("hosts wire interfaces of vnic_type normal, not {0}")]
    VnicType(String),
    /// There is no such host.
    #[error("host {0} has not joined")]
    Host(String),
    /// Hosts carry no such network.
    #[error("hosts carry no {0} networks; use vxlan, or vlan or flat of a physical network")]
    NetworkType(&'static str),
    /// The network has no segment.
    #[error("the network has no segment; add one")]
    NoSegment,
    /// The host has no interface that leads to the network.
    #[error("host {host} has no interface to physical network {network}; map it on the host")]
    PhysicalNetwork {
        /// The host.
        host: String,
        /// The physical network.
        network: String,
    },
}

/// What keeps a port of a network from being plugged as its binding says, if anything does.
pub fn failure(view: &Snapshot, network: NetworkId, binding: &Binding) -> Option<BindingFailure> {
    if !matches!(binding.vnic_type.as_str(), "" | VNIC_NORMAL) {
        return Some(BindingFailure::VnicType(binding.vnic_type.clone()));
    }
    let Some(host) = view.get::<Host>(&binding.host_id) else {
        return Some(BindingFailure::Host(binding.host_id.clone()));
    };
    let segment = &view.get::<Network>(&network)?.segment;
    if *segment == Segment::None {
        return Some(BindingFailure::NoSegment);
    }
    if segment.tunnel().is_some() {
        return Some(BindingFailure::NetworkType(segment.network_type()));
    }
    if host.reaches(segment) {
        return None;
    }
    let network = segment.physical()?.network.clone();
    Some(BindingFailure::PhysicalNetwork { host: host.name.clone(), network })
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

/// The MAC of the physical function that a binding passes to the instance (`device_mac_address` in its profile), if it names one.
pub(crate) fn device_mac(binding: &Binding) -> Result<Option<Mac>, Error> {
    if binding.vnic_type != VNIC_DIRECT_PHYSICAL || binding.host_id.is_empty() {
        return Ok(None);
    }
    let profile: serde_json::Value = serde_json::from_str(&binding.profile).unwrap_or_default();
    let Some(text) = profile.get("device_mac_address").and_then(|mac| mac.as_str()) else { return Ok(None) };
    let mac: Option<Mac> = text.parse().ok().filter(|mac: &Mac| !mac.is_zero() && !mac.is_multicast());
    let refused = || Error::InvalidInput(format!("device_mac_address '{text}' of binding:profile is no MAC"));
    mac.map(Some).ok_or_else(refused)
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
