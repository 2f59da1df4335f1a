//! How much a project may have.

use crate::{Config, Error};
use hadron_model::{AddressGroup, Network, Port, SecurityGroup, SecurityGroupRule, Subnet};
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
    /// Security groups.
    SecurityGroup,
    /// Security groups' rules.
    SecurityGroupRule,
    /// Address groups.
    AddressGroup,
}

/// Refuses `more` objects if the project would then have more than its quota. The owner's project counts, whoever asks.
pub fn check(tx: &mut Tx, config: &Config, project: &str, what: Counted, more: usize) -> Result<(), Error> {
    let (view, quotas) = (tx.view(), &config.quotas);
    let (name, limit, used) = match what {
        Counted::Network => ("network", quotas.network, view.count_networks_of_project(project)),
        Counted::Subnet => ("subnet", quotas.subnet, view.count_subnets_of_project(project)),
        Counted::Port => ("port", quotas.port, view.count_ports_of_project(project)),
        Counted::SecurityGroup => {
            ("security_group", quotas.security_group, view.count_security_groups_of_project(project))
        }
        Counted::SecurityGroupRule => (
            "security_group_rule",
            quotas.security_group_rule,
            view.count_security_group_rules_of_project(project),
        ),
        Counted::AddressGroup => {
            ("address_group", quotas.address_group, view.count_address_groups_of_project(project))
        }
    };
    let Some(limit) = limit else { return Ok(()) };
    if used + more > limit {
        return Err(Error::OverQuota(name));
    }
    if used + more + NEAR > limit {
        guard(tx, what);
    }
    Ok(())
}

fn guard(tx: &mut Tx, what: Counted) {
    match what {
        Counted::Network => tx.guard_range::<Network>(()),
        Counted::Subnet => tx.guard_range::<Subnet>(()),
        Counted::Port => tx.guard_range::<Port>(()),
        Counted::SecurityGroup => tx.guard_range::<SecurityGroup>(()),
        Counted::SecurityGroupRule => tx.guard_range::<SecurityGroupRule>(()),
        Counted::AddressGroup => tx.guard_range::<AddressGroup>(()),
    }
}
