//! MACs: one port of a network each.

use crate::{Config, Error};
use hadron_model::{Mac, NetworkId, PortId};
use hadron_store::{MacClaim, StoreError, Tx};

/// How often another random MAC is tried before giving up; of the 2^24 that there are, a network uses few.
const ATTEMPTS: usize = 16;

/// Takes `mac` for the port.
pub(crate) fn claim(tx: &mut Tx, network: NetworkId, mac: Mac, port: PortId) -> Result<(), Error> {
    tx.insert(MacClaim { network_id: network, mac, port_id: port })
        .map_err(|_| Error::MacAddressInUse { network, mac })
}

/// Takes a random MAC that no port of the network has.
pub(crate) fn claim_random(
    tx: &mut Tx,
    config: &Config,
    network: NetworkId,
    port: PortId,
) -> Result<Mac, Error> {
    for _ in 0..ATTEMPTS {
        let mac = random(config)?;
        if tx.view().get::<MacClaim>(&(network, mac)).is_none() {
            claim(tx, network, mac, port)?;
            return Ok(mac);
        }
    }
    Err(Error::Store(StoreError::Conflict))
}

/// Gives up the port's MAC.
pub(crate) fn release(tx: &mut Tx, network: NetworkId, mac: Mac) {
    tx.delete::<MacClaim>(&(network, mac));
}

fn random(config: &Config) -> Result<Mac, Error> {
    let mut tail = [0; 3];
    getrandom::fill(&mut tail)
        .map_err(|error| StoreError::Unavailable { reason: format!("no random numbers: {error}") })?;
    let [a, b, c] = config.base_mac;
    Ok(Mac([a, b, c, tail[0], tail[1], tail[2]]))
}
