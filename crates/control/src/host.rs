//! Hosts: how a node joins, changes its key, and leaves.
//!
//! An operator makes a token; the node uses it once, with the fingerprint of its certificate's key. From then on the host
//! is known, and ports may be bound to it, until an operator removes it. The secret part of a token is never stored: the
//! caller hashes it (SHA-256) before it comes here.

use crate::steps::BATCH;
use crate::{Error, Step, agent, stamp};
use hadron_model::{Host, HostNumber, JoinToken, PortStatus, Timestamp};
use hadron_store::{Counter, Tx};
use std::net::IpAddr;

/// Stores a token with which a node may join once.
pub fn create_join_token(tx: &mut Tx, token: JoinToken) -> Result<(), Error> {
    tx.insert(token).map_err(|_| Error::JoinTokenInvalid)
}

/// Removes tokens that ended before the transaction's time; how many.
pub fn remove_expired_tokens(tx: &mut Tx) -> usize {
    let now = tx.info().time;
    let expired: Vec<String> = tx
        .view()
        .iter::<JoinToken>()
        .filter(|token| token.expires_at <= now)
        .take(BATCH)
        .map(|token| token.id.clone())
        .collect();
    for id in &expired {
        tx.delete::<JoinToken>(id);
    }
    expired.len()
}

/// A node that joins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Join {
    /// The token's public part.
    pub token_id: String,
    /// SHA-256 of the secret part that the node showed.
    pub secret_sha256: [u8; 32],
    /// The name that it asks for.
    pub host: String,
    /// Its underlay address.
    pub underlay: IpAddr,
    /// SHA-256 of its key's SubjectPublicKeyInfo.
    pub key_fingerprint: [u8; 32],
}

/// Uses up a token and makes the node a host. A node that joins again under its name with its own key keeps its number and
/// may have moved to another underlay address; another key under the name is refused.
pub fn redeem(tx: &mut Tx, join: &Join) -> Result<Host, Error> {
    let now = tx.info().time;
    let token = tx.get::<JoinToken>(&join.token_id).ok_or(Error::JoinTokenInvalid)?;
    let is_for_it = token.host.as_ref().is_none_or(|host| *host == join.host);
    let is_genuine = same_digest(&token.secret_sha256, &join.secret_sha256);
    if !is_for_it || !is_genuine || token.expires_at <= now {
        return Err(Error::JoinTokenInvalid);
    }
    check_name(&join.host)?;
    check_underlay(tx, &join.host, join.underlay)?;
    let host = match tx.get::<Host>(&join.host) {
        Some(known) if known.key_fingerprint != join.key_fingerprint => {
            return Err(Error::HostNameTaken(join.host.clone()));
        }
        Some(known) => Host { underlay: join.underlay, ..known.value.clone() },
        None => Host {
            name: join.host.clone(),
            number: HostNumber(tx.next_number(Counter::Host)?),
            underlay: join.underlay,
            key_fingerprint: join.key_fingerprint,
            joined_at: now,
            physical_networks: Vec::new(),
        },
    };
    tx.delete::<JoinToken>(&join.token_id);
    tx.put(host.clone());
    Ok(host)
}

/// Replaces the key of a host that has shown the old one.
pub fn rotate_key(tx: &mut Tx, name: &str, old: &[u8; 32], new: [u8; 32]) -> Result<Host, Error> {
    let known = tx.get::<Host>(&name.to_owned()).ok_or_else(|| Error::HostUnknown(name.to_owned()))?;
    if !same_digest(&known.key_fingerprint, old) {
        return Err(Error::HostNameTaken(name.to_owned()));
    }
    let host = Host { key_fingerprint: new, ..known.value.clone() };
    tx.put(host.clone());
    Ok(host)
}

/// Changes the underlay address of a host.
pub fn set_underlay(tx: &mut Tx, name: &str, underlay: IpAddr) -> Result<Host, Error> {
    let known = tx.get::<Host>(&name.to_owned()).ok_or_else(|| Error::HostUnknown(name.to_owned()))?;
    if known.underlay == underlay {
        return Ok(known.value.clone());
    }
    check_underlay(tx, name, underlay)?;
    let host = Host { underlay, ..known.value.clone() };
    tx.put(host.clone());
    Ok(host)
}

/// Takes note of the physical networks that a host has an interface to.
pub fn set_physical_networks(tx: &mut Tx, name: &str, networks: &[String]) -> Result<(), Error> {
    let known = tx.get::<Host>(&name.to_owned()).ok_or_else(|| Error::HostUnknown(name.to_owned()))?;
    let mut physical_networks = networks.to_vec();
    physical_networks.sort_unstable();
    physical_networks.dedup();
    if known.physical_networks != physical_networks {
        tx.put(Host { physical_networks, ..known.value.clone() });
    }
    Ok(())
}

/// Removes a host. Ports bound to it keep it, unless `force`: then they stay bound by name, DOWN, to a host that is gone,
/// and are taken up again if a host of that name joins.
pub fn remove(tx: &mut Tx, name: &str, force: bool) -> Result<Step<()>, Error> {
    tx.get::<Host>(&name.to_owned()).ok_or_else(|| Error::HostUnknown(name.to_owned()))?;
    let ports = tx.view().ports_of_host(name).count();
    if ports > 0 && !force {
        return Err(Error::HostInUse { host: name.to_owned(), ports });
    }
    let up: Vec<_> = tx
        .view()
        .ports_of_host(name)
        .filter(|port| port.status != PortStatus::Down)
        .take(BATCH + 1)
        .map(|port| port.value.clone())
        .collect();
    let is_last = up.len() <= BATCH;
    for mut port in up.into_iter().take(BATCH) {
        port.status = PortStatus::Down;
        stamp::touch(tx, &mut port);
        tx.put(port);
    }
    if !is_last {
        return Ok(Step::More);
    }
    agent::forget_host(tx, name);
    tx.delete::<Host>(&name.to_owned());
    Ok(Step::Done(()))
}

/// When a token made now ends.
pub fn expiry(now: Timestamp, lifetime: std::time::Duration) -> Timestamp {
    Timestamp(now.0.saturating_add(i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX)))
}

/// A name that can be a certificate's common name and a port's `binding:host_id`.
fn check_name(name: &str) -> Result<(), Error> {
    let is_valid = (1..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if !is_valid {
        return Err(Error::InvalidInput(format!(
            "host name {name:?} is not valid: use 1 to 63 letters, digits, hyphens, dots and underscores"
        )));
    }
    Ok(())
}

fn check_underlay(tx: &mut Tx, name: &str, underlay: IpAddr) -> Result<(), Error> {
    let is_unicast = !underlay.is_unspecified() && !underlay.is_multicast();
    if !is_unicast {
        return Err(Error::InvalidInput(format!("underlay address {underlay} is not a host's address")));
    }
    // Two hosts that join at the same time on two servers must not get the same address.
    tx.guard_range::<Host>(());
    match tx.view().iter::<Host>().find(|host| host.underlay == underlay && host.name != name) {
        Some(other) => Err(Error::UnderlayInUse { address: underlay, host: other.name.clone() }),
        None => Ok(()),
    }
}

/// Compares in a time that does not depend on where they differ.
fn same_digest(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
