//! How much a project may have.

use crate::{Config, Error};
use hadron_store::Tx;

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
pub fn check(tx: &Tx, config: &Config, project: &str, what: Counted, more: usize) -> Result<(), Error> {
    let (name, limit, used) = match what {
        Counted::Network => ("network", config.quotas.network, tx.view().count_networks_of_project(project)),
        Counted::Subnet => ("subnet", config.quotas.subnet, tx.view().count_subnets_of_project(project)),
        Counted::Port => ("port", config.quotas.port, tx.view().count_ports_of_project(project)),
    };
    match limit {
        Some(limit) if used + more > limit => Err(Error::OverQuota(name)),
        _ => Ok(()),
    }
}
