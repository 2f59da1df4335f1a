//! What filters a port's traffic: port security, security groups, allowed address pairs, and the policy that follows.

use crate::{Config, Error, SecurityError, policy, security_group};
use hadron_model::port::is_trusted;
use hadron_model::{AddressPair, Mac, Network, Port, PortId, SecurityGroup, SecurityGroupId};
use hadron_store::{CommitInfo, Snapshot, Store, Tx};

/// What a caller asks for; `None` is what ports get by default, or leaves as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SecurityChange {
    /// Whether the port's traffic is filtered. A new port has what its network says; one of the network's own never.
    pub port_security_enabled: Option<bool>,
    /// Security groups in any order. A new port with port security has its project's default group. Whether the caller may use
    /// a group is for the caller to have checked.
    pub security_groups: Option<Vec<SecurityGroupId>>,
    /// Allowed address pairs. Those without a MAC get the port's.
    pub allowed_address_pairs: Option<Vec<AddressPair>>,
}

impl SecurityChange {
    fn has_groups(&self) -> bool {
        self.security_groups.as_ref().is_some_and(|groups| !groups.is_empty())
    }

    fn has_pairs(&self) -> bool {
        self.allowed_address_pairs.as_ref().is_some_and(|pairs| !pairs.is_empty())
    }
}

/// Gives a new port what filters its traffic. Everything else of the port is set.
pub(crate) fn begin(
    tx: &mut Tx,
    config: &Config,
    network: &Network,
    port: &mut Port,
    asked: &SecurityChange,
) -> Result<(), Error> {
    let default = match port.project_id.as_str() {
        "" => None,
        project => Some(security_group::ensure_default(tx, config, project)?),
    };
    port.port_security_enabled = !is_trusted(&port.device_owner)
        && asked.port_security_enabled.unwrap_or(network.port_security_enabled);
    if !port.port_security_enabled {
        if asked.has_pairs() {
            return Err(SecurityError::AddressPairAndPortSecurityRequired.into());
        }
        if asked.has_groups() {
            return Err(SecurityError::PortSecurityAndIpRequiredForSecurityGroups.into());
        }
        return Ok(());
    }
    let groups = match &asked.security_groups {
        Some(groups) => groups.clone(),
        None => default.into_iter().collect(),
    };
    port.security_groups = checked_groups(tx, groups)?;
    port.policy = Some(policy::acquire(tx, &port.security_groups)?);
    let pairs = asked.allowed_address_pairs.as_deref().unwrap_or_default();
    port.allowed_address_pairs = checked_pairs(config, pairs, port.mac_address)?;
    Ok(())
}

/// Changes what filters the traffic of `port`, which has everything else of its change already. The old policy is released
/// with [`end`] when the port has been written.
pub(crate) fn change(
    tx: &mut Tx,
    config: &Config,
    port: &mut Port,
    asked: &SecurityChange,
) -> Result<(), Error> {
    if is_old(port) && asked.security_groups.is_none() {
        let group = security_group::ensure_default(tx, config, &port.project_id)?;
        port.security_groups = checked_groups(tx, vec![group])?;
    }
    port.port_security_enabled = asked.port_security_enabled.unwrap_or(port.port_security_enabled);
    if !port.port_security_enabled {
        check_off(port, asked)?;
        port.security_groups.clear();
        port.allowed_address_pairs.clear();
        port.policy = None;
        return Ok(());
    }
    if let Some(pairs) = &asked.allowed_address_pairs {
        port.allowed_address_pairs = checked_pairs(config, pairs, port.mac_address)?;
    }
    if let Some(groups) = &asked.security_groups {
        let groups = sorted(groups.clone());
        if groups != port.security_groups {
            port.security_groups = checked_groups(tx, groups)?;
            port.policy = None;
        }
    }
    if port.policy.is_none() {
        port.policy = Some(policy::acquire(tx, &port.security_groups)?);
    }
    Ok(())
}

/// Releases the policy that `old` had, if `new` has another or is gone. The store has `new` already.
pub(crate) fn end(tx: &mut Tx, old: &Port, new: Option<&Port>) {
    let kept = new.and_then(|port| port.policy);
    if let Some(policy) = old.policy.filter(|policy| Some(*policy) != kept) {
        policy::release(tx, policy);
    }
}

/// Refuses to do without port security while something needs it.
fn check_off(port: &Port, asked: &SecurityChange) -> Result<(), SecurityError> {
    let keeps_pairs = asked.allowed_address_pairs.is_none() && !port.allowed_address_pairs.is_empty();
    if asked.has_pairs() || keeps_pairs {
        return Err(SecurityError::AddressPairAndPortSecurityRequired);
    }
    if asked.has_groups() {
        return Err(SecurityError::PortSecurityAndIpRequiredForSecurityGroups);
    }
    if asked.security_groups.is_none() && !port.security_groups.is_empty() {
        return Err(SecurityError::PortSecurityPortHasSecurityGroup(port.id));
    }
    Ok(())
}

fn sorted(mut groups: Vec<SecurityGroupId>) -> Vec<SecurityGroupId> {
    groups.sort();
    groups.dedup();
    groups
}

/// The groups in order, if they exist and agree on whether answers are allowed.
fn checked_groups(tx: &mut Tx, groups: Vec<SecurityGroupId>) -> Result<Vec<SecurityGroupId>, SecurityError> {
    let groups = sorted(groups);
    let mut stateful = None;
    for &id in &groups {
        // Guarded: neither the group nor its rules change meanwhile.
        let group = tx.get::<SecurityGroup>(&id).ok_or(SecurityError::GroupNotFound(id))?;
        if *stateful.get_or_insert(group.stateful) != group.stateful {
            return Err(SecurityError::Conflict(
                "a port can't have stateful and stateless security groups at the same time".to_owned(),
            ));
        }
    }
    Ok(groups)
}

/// The pairs with the port's MAC where none is given, if there are not too many and each is there once.
fn checked_pairs(
    config: &Config,
    pairs: &[AddressPair],
    mac: Mac,
) -> Result<Vec<AddressPair>, SecurityError> {
    let limit = config.max_allowed_address_pairs;
    if pairs.len() > limit {
        return Err(SecurityError::AllowedAddressPairExhausted(limit));
    }
    let mut checked: Vec<AddressPair> = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let pair = AddressPair { mac: Some(pair.mac.unwrap_or(mac)), ..*pair };
        if checked.contains(&pair) {
            return Err(SecurityError::DuplicateAddressPairInRequest {
                mac: pair.mac.map_or_else(String::new, |mac| mac.to_string()),
                ip: pair.ip_address(),
            });
        }
        checked.push(pair);
    }
    Ok(checked)
}

/// Records that one transaction reads or changes at most while ports are adopted, less what the last port may take.
const ROOM: usize = 100;
/// Records of a port that is adopted: itself, its group and its policy.
const PORT_SIZE: usize = 3;
/// Records of a default group beside: that it is the default one, four rules, four templates and their milestone.
const DEFAULT_GROUP_SIZE: usize = 10;

/// Whether the port is from before security groups: it has port security but no policy.
fn is_old(port: &Port) -> bool {
    port.port_security_enabled && port.policy.is_none()
}

/// Gives the ports that an older release made their project's default group, whatever the project's quota. It changes
/// nothing when there are none.
pub async fn adopt_all(store: &Store, info: &CommitInfo) -> Result<(), Error> {
    let mut old: Vec<PortId> = old_ports(&store.snapshot());
    while !old.is_empty() {
        let adopted = store.write(info.clone(), |tx| adopt(tx, &old)).await?.value;
        old.drain(..adopted);
    }
    Ok(())
}

fn old_ports(view: &Snapshot) -> Vec<PortId> {
    view.iter::<Port>().filter(|port| is_old(port)).map(|port| port.id).collect()
}

/// Adopts as many of the ports as fit a transaction; how many.
fn adopt(tx: &mut Tx, old: &[PortId]) -> Result<usize, Error> {
    let mut used = 0;
    for (done, id) in old.iter().enumerate() {
        if used > ROOM {
            return Ok(done);
        }
        let Some(port) = tx.get::<Port>(id).filter(|port| is_old(port)) else { continue };
        let mut port = port.value.clone();
        let group = match tx.view().default_group_of_project(&port.project_id).map(|group| group.id) {
            Some(group) => group,
            None => {
                used += DEFAULT_GROUP_SIZE;
                security_group::create_default(tx, &port.project_id)?
            }
        };
        port.security_groups = checked_groups(tx, vec![group])?;
        port.policy = Some(policy::acquire(tx, &port.security_groups)?);
        tx.put(port);
        used += PORT_SIZE;
    }
    Ok(old.len())
}
