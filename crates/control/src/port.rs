//! Ports.

use crate::binding::{self, BindingChange, VifType};
use crate::ipam::{self, FixedIpRequest, Holder};
use crate::network::set;
use crate::port_details::DetailsChange;
use crate::port_security::SecurityChange;
use crate::quota::{self, Counted};
use crate::rbac::Reliance;
use crate::{
    Config, Error, Step, delegation, dhcp, floating_ip, mac, packet_log, port_security, rbac, router, stamp,
    tag,
};
use hadron_model::port::DEVICE_OWNER_DHCP;
use hadron_model::{
    Binding, Mac, Network, NetworkId, Port, PortDetails, PortId, PortNumber, PortStatus, Tags,
};
use hadron_store::{Counter, Logged, Tx};

/// A port to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewPort {
    /// Its network.
    pub network_id: NetworkId,
    /// Owner's project id.
    pub project_id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Administrative state.
    pub admin_state_up: bool,
    /// MAC; `None` is a random one.
    pub mac_address: Option<Mac>,
    /// Addresses; `None` is what ports get by default, an empty list none but those that the port forms itself.
    pub fixed_ips: Option<Vec<FixedIpRequest>>,
    /// What uses the port.
    pub device_id: String,
    /// What kind of thing uses it.
    pub device_owner: String,
    /// Where it is plugged.
    pub binding: BindingChange,
    /// What filters its traffic.
    pub security: SecurityChange,
    /// What it says for others.
    pub details: DetailsChange,
    /// Its tags.
    pub tags: Tags,
    /// What of others it uses.
    pub relies_on: Vec<Reliance>,
}

impl NewPort {
    /// A port of a project with nothing asked for.
    pub fn on(network_id: NetworkId, project_id: String) -> Self {
        Self {
            network_id,
            project_id,
            name: String::new(),
            description: String::new(),
            admin_state_up: true,
            mac_address: None,
            fixed_ips: None,
            device_id: String::new(),
            device_owner: String::new(),
            binding: BindingChange::default(),
            security: SecurityChange::default(),
            details: DetailsChange::default(),
            tags: Tags::default(),
            relies_on: vec![],
        }
    }
}

/// A new MAC for a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewMac {
    /// This one.
    Given(Mac),
    /// A random one.
    Random,
}

/// Changes to a port; `None` leaves as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PortChange {
    /// Name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Administrative state.
    pub admin_state_up: Option<bool>,
    /// MAC.
    pub mac_address: Option<NewMac>,
    /// Addresses: all that the port is to have, but for those that it forms itself.
    pub fixed_ips: Option<Vec<FixedIpRequest>>,
    /// What uses the port.
    pub device_id: Option<String>,
    /// What kind of thing uses it.
    pub device_owner: Option<String>,
    /// Where it is plugged.
    pub binding: BindingChange,
    /// What filters its traffic.
    pub security: SecurityChange,
    /// What it says for others.
    pub details: DetailsChange,
    /// What of others it begins to use.
    pub relies_on: Vec<Reliance>,
}

/// Creates a port.
pub fn create(tx: &mut Tx, config: &Config, new: &NewPort) -> Result<Port, Error> {
    check_owner(None, &new.device_owner, "")?;
    quota::check(tx, config, &new.project_id, Counted::Port, 1)?;
    let port = make(tx, config, new)?;
    router::check_change(tx.view(), None, &port)?;
    tx.put(port.clone());
    Ok(port)
}

/// A new port with its claims; the caller writes it.
pub(crate) fn make(tx: &mut Tx, config: &Config, new: &NewPort) -> Result<Port, Error> {
    // Guarded: the network changes with its subnets, so neither can go while the port comes.
    let network = tx.get::<Network>(&new.network_id).ok_or(Error::NetworkNotFound(new.network_id))?;
    let id = PortId::random();
    let binding = new.binding.apply(&Binding::default())?;
    let mac_address = match binding::device_mac(&binding)?.or(new.mac_address) {
        None => mac::claim_random(tx, config, new.network_id, id)?,
        Some(mac) => {
            mac::claim(tx, new.network_id, mac, id)?;
            mac
        }
    };
    let (device_owner, host) = (new.device_owner.as_str(), binding.host_id.as_str());
    let holder = Holder { network: new.network_id, port: id, mac: mac_address, device_owner, host };
    let fixed_ips = ipam::allocate(tx, config, holder, new.fixed_ips.as_deref())?;
    let mut port = Port {
        id,
        number: PortNumber(tx.next_number(Counter::Port)?),
        network_id: new.network_id,
        project_id: new.project_id.clone(),
        name: new.name.clone(),
        description: new.description.clone(),
        mac_address,
        admin_state_up: new.admin_state_up,
        device_id: new.device_id.clone(),
        device_owner: new.device_owner.clone(),
        binding,
        inactive_bindings: vec![],
        status: PortStatus::Down,
        port_security_enabled: false,
        security_groups: vec![],
        allowed_address_pairs: vec![],
        policy: None,
        details: PortDetails {
            is_addressless: new.fixed_ips.as_ref().is_some_and(Vec::is_empty),
            is_deferred: fixed_ips.is_none(),
            ..PortDetails::default()
        },
        fixed_ips: fixed_ips.unwrap_or_default(),
        stamp: stamp::born(tx, 1),
    };
    new.details.apply(&mut port.details)?;
    delegation::change(tx, &mut port, new.details.delegation)?;
    tag::begin(&mut port.stamp, &new.tags, "ports", id.0)?;
    port_security::begin(tx, config, &network, &mut port, &new.security)?;
    rbac::check_reliance(tx, &new.relies_on)?;
    Ok(port)
}

/// Changes a port; `revision` is the one that the caller demands, if any.
pub fn update(
    tx: &mut Tx,
    config: &Config,
    id: PortId,
    change: &PortChange,
    revision: Option<u64>,
) -> Result<Port, Error> {
    let old = tx.get::<Port>(&id).ok_or(Error::PortNotFound(id))?;
    stamp::check_revision(&old.stamp, revision)?;
    let mut port = old.value.clone();
    set(&mut port.name, &change.name);
    set(&mut port.description, &change.description);
    set(&mut port.admin_state_up, &change.admin_state_up);
    set(&mut port.device_id, &change.device_id);
    set(&mut port.device_owner, &change.device_owner);
    check_owner(Some(&old), &port.device_owner, &port.device_id)?;
    router::check_change(tx.view(), Some(&old), &port)?;
    update_binding(tx, &mut port, &old, &change.binding)?;
    if let Some(new_mac) = change.mac_address {
        update_mac(tx, config, &mut port, &old, new_mac)?;
    }
    override_mac(tx, config, &mut port, &old)?;
    let is_moved = port.binding.host_id != old.binding.host_id;
    if is_moved && change.fixed_ips.is_none() {
        tx.get::<Network>(&port.network_id).ok_or(Error::NetworkNotFound(port.network_id))?;
        if port.details.is_deferred && port.fixed_ips.is_empty() {
            port.fixed_ips = ipam::allocate(tx, config, Holder::of(&port), None)?.unwrap_or_default();
        } else {
            ipam::check_host(tx, &port)?;
        }
    }
    if change.fixed_ips.is_some() || port.mac_address != old.mac_address {
        tx.get::<Network>(&port.network_id).ok_or(Error::NetworkNotFound(port.network_id))?;
        let addresses = ipam::change(tx, config, &port, old.mac_address, change.fixed_ips.as_deref())?;
        if !same_set(&addresses, &port.fixed_ips) {
            port.fixed_ips = addresses;
        }
    }
    port.details.is_addressless &= port.fixed_ips.is_empty();
    change.details.apply(&mut port.details)?;
    delegation::change(tx, &mut port, change.details.delegation)?;
    port_security::change(tx, config, &mut port, &change.security)?;
    rbac::check_reliance(tx, &change.relies_on)?;
    if port.is_distributed() {
        port.status = if port.admin_state_up { PortStatus::Active } else { PortStatus::Down };
    } else if !port.admin_state_up && !port.is_everywhere() {
        port.status = PortStatus::Down;
    }
    if port != old.value {
        stamp::touch(tx, &mut port);
        tx.put(port.clone());
        port_security::end(tx, &old, Some(&port));
        router::after_change(tx, &old, &port)?;
        floating_ip::after_change(tx, &old, &port)?;
        dhcp::after_release(tx, config, &old)?;
    }
    Ok(tx.view().get::<Port>(&id).map_or(port, |port| port.value.clone()))
}

/// Deletes a port, and the logs in force that name it. The network's DHCP port is replaced by another if the network still
/// needs one.
pub fn delete(tx: &mut Tx, config: &Config, id: PortId, revision: Option<u64>) -> Result<Step<()>, Error> {
    let port = tx.get::<Port>(&id).ok_or(Error::PortNotFound(id))?;
    stamp::check_revision(&port.stamp, revision)?;
    router::check_removal(tx.view(), &port)?;
    if packet_log::delete_naming(tx, Logged::Port(id)) || floating_ip::release_some(tx, id) {
        return Ok(Step::More);
    }
    remove(tx, &port);
    floating_ip::after_removal(tx, &port);
    dhcp::after_release(tx, config, &port).map(Step::Done)
}

/// Only the network's own DHCP port has that owner, and it stays what it is.
fn check_owner(old: Option<&Port>, device_owner: &str, device_id: &str) -> Result<(), Error> {
    let was_service = old.is_some_and(Port::is_distributed);
    let is_service = device_owner == DEVICE_OWNER_DHCP;
    let is_same = old.is_some_and(|old| old.device_id == device_id);
    if was_service == is_service && (is_same || !is_service) {
        return Ok(());
    }
    Err(Error::UnsupportedPortDeviceOwner {
        operation: "making or unmaking a DHCP service",
        port: old.map_or(PortId(uuid::Uuid::nil()), |old| old.id),
        device_owner: DEVICE_OWNER_DHCP.to_owned(),
    })
}

/// Removes the port's record with its claims.
pub(crate) fn remove(tx: &mut Tx, port: &Port) {
    ipam::release_all(tx, port);
    mac::release(tx, port.network_id, port.mac_address);
    tx.delete::<Port>(&port.id);
    port_security::end(tx, port, None);
}

fn update_binding(tx: &Tx, port: &mut Port, old: &Port, change: &BindingChange) -> Result<(), Error> {
    let binding = change.apply(&old.binding)?;
    if binding == old.binding {
        return Ok(());
    }
    if old.is_everywhere() {
        return Err(Error::UnsupportedPortDeviceOwner {
            operation: "binding",
            port: old.id,
            device_owner: old.device_owner.clone(),
        });
    }
    let kind = |binding: &Binding| match binding.vnic_type.as_str() {
        "" => binding::VNIC_NORMAL.to_owned(),
        other => other.to_owned(),
    };
    if kind(&binding) != kind(&old.binding) && binding::vif_type(tx.view(), old) != VifType::Unbound {
        return Err(Error::PortInUse {
            port: old.id,
            network: old.network_id,
            device: old.device_id.clone(),
        });
    }
    port.inactive_bindings.retain(|inactive| inactive.host_id != binding.host_id);
    port.binding = binding;
    port.status = PortStatus::Down;
    Ok(())
}

fn update_mac(
    tx: &mut Tx,
    config: &Config,
    port: &mut Port,
    old: &Port,
    new_mac: NewMac,
) -> Result<(), Error> {
    if new_mac == NewMac::Given(old.mac_address) {
        return Ok(());
    }
    let vif_type = binding::vif_type(tx.view(), old);
    let new = match new_mac {
        NewMac::Given(mac) => mac,
        NewMac::Random => Mac([0; 6]),
    };
    if !vif_type.is_unplugged() && vif_type != VifType::Distributed {
        return Err(Error::PortBound {
            port: old.id,
            vif_type: vif_type.as_str(),
            old: old.mac_address,
            new,
        });
    }
    if port.device_owner.starts_with("network:") {
        return Err(Error::UnsupportedPortDeviceOwner {
            operation: "a change of the MAC address",
            port: old.id,
            device_owner: port.device_owner.clone(),
        });
    }
    port.mac_address = match new_mac {
        NewMac::Random => mac::claim_random(tx, config, port.network_id, port.id)?,
        NewMac::Given(mac) => {
            mac::claim(tx, port.network_id, mac, port.id)?;
            mac
        }
    };
    mac::release(tx, port.network_id, old.mac_address);
    Ok(())
}

/// Gives a port that passes a physical function the MAC that its binding names, and takes that back (`port-mac-override`).
fn override_mac(tx: &mut Tx, config: &Config, port: &mut Port, old: &Port) -> Result<(), Error> {
    let [before, after] = [binding::device_mac(&old.binding)?, binding::device_mac(&port.binding)?];
    if before == after || after == Some(port.mac_address) {
        return Ok(());
    }
    let last = port.mac_address;
    port.mac_address = match after {
        Some(mac) => {
            mac::claim(tx, port.network_id, mac, port.id)?;
            mac
        }
        None => mac::claim_random(tx, config, port.network_id, port.id)?,
    };
    mac::release(tx, port.network_id, last);
    Ok(())
}

fn same_set<T: Ord + Copy>(a: &[T], b: &[T]) -> bool {
    let sorted = |list: &[T]| {
        let mut list = list.to_vec();
        list.sort();
        list
    };
    a.len() == b.len() && sorted(a) == sorted(b)
}
