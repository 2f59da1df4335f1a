//! Ports that routers and floating IPs make for themselves and change as they need, which nobody else may.
//!
//! They count to no quota's refusal, are trusted, and are served by every host, so that they are active from the start.

use crate::ipam::{self, FixedIpRequest};
use crate::port::{self, NewPort};
use crate::{Config, Error, dhcp, port_security, stamp};
use hadron_model::{FixedIp, Network, Port, PortId, PortStatus, SubnetId};
use hadron_store::Tx;

/// Makes a port for a device.
pub(crate) fn create(tx: &mut Tx, config: &Config, new: &NewPort, status: PortStatus) -> Result<Port, Error> {
    let mut port = port::make(tx, config, new)?;
    port.status = status;
    tx.put(port.clone());
    Ok(port)
}

/// Makes `port`, whose device is set already, one of its device's own. What filtered its traffic does so no longer.
pub(crate) fn adopt(tx: &mut Tx, mut port: Port) -> Result<Port, Error> {
    let old = tx.get::<Port>(&port.id).ok_or(Error::PortNotFound(port.id))?;
    port.port_security_enabled = false;
    port.security_groups.clear();
    port.allowed_address_pairs.clear();
    port.policy = None;
    port.status = PortStatus::Active;
    stamp::touch(tx, &mut port);
    tx.put(port.clone());
    port_security::end(tx, &old, Some(&port));
    Ok(port)
}

/// Removes a port. The network's DHCP service may take what it had.
pub(crate) fn remove(tx: &mut Tx, config: &Config, id: PortId) -> Result<(), Error> {
    let Some(port) = tx.get::<Port>(&id) else { return Ok(()) };
    port::remove(tx, &port);
    dhcp::after_release(tx, config, &port)
}

/// Gives a port other addresses; whether they are others.
pub(crate) fn readdress(
    tx: &mut Tx,
    config: &Config,
    id: PortId,
    requests: &[FixedIpRequest],
) -> Result<bool, Error> {
    let old = tx.get::<Port>(&id).ok_or(Error::PortNotFound(id))?;
    tx.get::<Network>(&old.network_id).ok_or(Error::NetworkNotFound(old.network_id))?;
    let mut port = old.value.clone();
    let mut addresses = ipam::change(tx, config, &port, port.mac_address, Some(requests))?;
    let (mut before, mut after) = (port.fixed_ips.clone(), addresses.clone());
    before.sort_unstable();
    after.sort_unstable();
    if before == after {
        return Ok(false);
    }
    std::mem::swap(&mut port.fixed_ips, &mut addresses);
    stamp::touch(tx, &mut port);
    tx.put(port);
    dhcp::after_release(tx, config, &old)?;
    Ok(true)
}

/// Gives a port one more address.
pub(crate) fn add_address(
    tx: &mut Tx,
    config: &Config,
    id: PortId,
    request: FixedIpRequest,
) -> Result<Port, Error> {
    let mut requests = held(tx, id, |_| true)?;
    requests.push(request);
    readdress(tx, config, id, &requests)?;
    tx.view().get::<Port>(&id).map(|port| port.value.clone()).ok_or(Error::PortNotFound(id))
}

/// Takes the addresses of a subnet from a port that has others.
pub(crate) fn drop_subnet(tx: &mut Tx, config: &Config, id: PortId, subnet: SubnetId) -> Result<(), Error> {
    let mut requests = held(tx, id, |ip| ip.subnet_id != subnet)?;
    requests.push(FixedIpRequest { subnet_id: Some(subnet), ip_address: None, delete_subnet: true });
    readdress(tx, config, id, &requests).map(|_| ())
}

/// Requests for those of a port's addresses that it is to keep.
fn held(tx: &Tx, id: PortId, keep: impl Fn(&FixedIp) -> bool) -> Result<Vec<FixedIpRequest>, Error> {
    let port = tx.view().get::<Port>(&id).ok_or(Error::PortNotFound(id))?;
    let kept = port.fixed_ips.iter().filter(|ip| keep(ip)).map(|ip| FixedIpRequest {
        subnet_id: Some(ip.subnet_id),
        ip_address: Some(ip.ip_address),
        delete_subnet: false,
    });
    Ok(kept.collect())
}
