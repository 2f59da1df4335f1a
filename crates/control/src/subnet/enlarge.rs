//! Enlarging a subnet in place: its prefix becomes one that covers the old one. Whoever has an address keeps it.

use super::{check, check_overlap, pools};
use crate::{Error, router, slaac, subnet_pool};
use hadron_model::{IpNet, Subnet};
use hadron_store::{AddressClaim, Tx};

/// Gives the subnet the prefix, if it can have it. Pools that were everything but the gateway become that again; others stay.
pub(super) fn enlarge(tx: &mut Tx, subnet: &mut Subnet, cidr: IpNet) -> Result<(), Error> {
    let cidr = cidr.trunc();
    let old = subnet.cidr;
    if cidr == old {
        return Ok(());
    }
    check::enlarged(subnet, cidr)?;
    if slaac::is_auto_address(subnet) {
        return Err(Error::InvalidInput(format!(
            "subnet {} can't be enlarged: hosts that form their own address need a /64",
            subnet.id
        )));
    }
    // What was a usable end of a /31 or /32 may be the network's or the broadcast address now.
    for end in [cidr.network(), cidr.broadcast()] {
        if tx.get::<AddressClaim>(&(subnet.id, end)).is_some() && !pools::is_usable(cidr, end) {
            return Err(Error::InvalidInput(format!(
                "a port has {end}, which would be the network's or the broadcast address of {cidr}"
            )));
        }
    }
    check_overlap(tx, subnet.network_id, cidr, Some(subnet.id))?;
    if let Some(pool) = subnet.subnetpool_id {
        subnet_pool::take_around(tx, pool, &subnet.project_id, old, cidr)?;
    }
    let is_default = subnet.allocation_pools == pools::default_pools(old, subnet.gateway_ip);
    subnet.cidr = cidr;
    if is_default {
        subnet.allocation_pools = pools::default_pools(cidr, subnet.gateway_ip);
    }
    router::check_enlarged(tx, subnet)
}
