//! Subnets in which hosts form their own address from the prefix and their MAC (RFC 4862, RFC 4291 appendix A).
//!
//! Every port of the network has that address recorded, so that port security lets it pass and neighbours find it. Routers
//! choose theirs, and the network's DHCP service has none.

use crate::steps::{self, BATCH};
use crate::subnet::ROUTER_INTERFACE_OWNERS;
use crate::{Error, Step, stamp};
use hadron_model::{FixedIp, IpNet, Ipv6Mode, Mac, Port, Subnet, SubnetId};
use hadron_store::{AddressClaim, CommitInfo, Store, Tx};
use std::net::IpAddr;

/// Device owner of a router's port for source NAT.
const ROUTER_SNAT: &str = "network:router_centralized_snat";

/// Whether hosts form their own address in the subnet.
pub fn is_auto_address(subnet: &Subnet) -> bool {
    has_auto_mode(subnet.ipv6_ra_mode, subnet.ipv6_address_mode)
}

/// Whether either mode makes hosts form their own address.
pub(crate) fn has_auto_mode(ra: Option<Ipv6Mode>, address: Option<Ipv6Mode>) -> bool {
    [ra, address].into_iter().flatten().any(Ipv6Mode::is_autoconfigured)
}

/// The address that a host with this MAC forms in the subnet; `None` if the subnet is not IPv6.
pub(crate) fn address(subnet: &Subnet, mac: Mac) -> Option<IpAddr> {
    match subnet.cidr {
        IpNet::V6(prefix) => Some(mac.eui64(prefix.network()).into()),
        IpNet::V4(_) => None,
    }
}

/// Whether a port of this owner gets the address that hosts form.
pub(crate) fn applies_to(device_owner: &str) -> bool {
    !ROUTER_INTERFACE_OWNERS.contains(&device_owner)
        && device_owner != ROUTER_SNAT
        && device_owner != hadron_model::port::DEVICE_OWNER_DHCP
}

/// Records, for some ports of the network that lack it, the address that they form in the subnet. Nothing is left to do
/// if there is no such subnet or hosts don't form their address in it.
pub fn fill(tx: &mut Tx, id: SubnetId) -> Result<Step<()>, Error> {
    let Some(subnet) = tx.get::<Subnet>(&id).filter(|subnet| is_auto_address(subnet)) else {
        return Ok(Step::Done(()));
    };
    let view = tx.view();
    let lacking: Vec<(Port, IpAddr)> = view
        .ports_of_network(subnet.network_id)
        .filter(|port| applies_to(&port.device_owner) && subnet.serves(&port.device_owner))
        .filter(|port| port.fixed_ips.iter().all(|ip| ip.subnet_id != id))
        .filter_map(|port| Some((port, address(&subnet, port.mac_address)?)))
        .filter(|(_, address)| !view.is_address_claimed(id, *address))
        .take(BATCH + 1)
        .map(|(port, address)| (port.value.clone(), address))
        .collect();
    let is_last = lacking.len() <= BATCH;
    for (seen, address) in lacking.into_iter().take(BATCH) {
        // Guarded: another server may have changed or deleted the port.
        let Some(port) = tx.get::<Port>(&seen.id) else { continue };
        let mut port = port.value.clone();
        let claim = AddressClaim { subnet_id: id, address, port_id: port.id };
        if tx.insert(claim).is_ok() {
            port.fixed_ips.push(FixedIp { subnet_id: id, ip_address: address });
            stamp::touch(tx, &mut port);
            tx.put(port);
        }
    }
    Ok(if is_last { Step::Done(()) } else { Step::More })
}

/// Runs [`fill`] until it is done.
pub async fn fill_all(store: &Store, info: &CommitInfo, id: SubnetId) -> Result<(), Error> {
    steps::run(store, info, |tx| fill(tx, id)).await.map(|_| ())
}
