//! How much a project may have.

use crate::{Config, Error};
use hadron_model::{Network, Port, Subnet};
use hadron_store::Tx;

/// How near to its limit a project must be for the count to be guarded against other servers. A server's count lags behind
/// theirs by what they commit in a few milliseconds, which is less; guarding every count would make all creates of a
/// deployment wait for each other.
const NEAR: usize = 64;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counted {
    /// Networks.
    Network,
    /// Subnets.
    Subnet,
    /// Ports.
    Port,
}

/// Refuses `more` objects if the project would then have more than its quota. The owner's project counts, whoever asks.
pub fn check(tx: &mut Tx, config: &Config, project: &str, what: Counted, more: usize) -> Result<(), Error> {
    let view = tx.view();
    let (name, limit, used) = match what {
        Counted::Network => ("network", config.quotas.network, view.count_networks_of_project(project)),
        Counted::Subnet => ("subnet", config.quotas.subnet, view.count_subnets_of_project(project)),
        Counted::Port => ("port", config.quotas.port, view.count_ports_of_project(project)),
    };
    let Some(limit) = limit else { return Ok(()) };
    if used + more > limit {
        return Err(Error::OverQuota(name));
    }
    if used + more + NEAR > limit {
        match what {
            Counted::Network => tx.guard_range::<Network>(()),
            Counted::Subnet => tx.guard_range::<Subnet>(()),
            Counted::Port => tx.guard_range::<Port>(()),
        }
    }
    Ok(())
}
