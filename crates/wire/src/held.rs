//! The rows that a node holds, and how batches change them.

use crate::proto::{Batch, welcome::Mode};
use crate::row::{
    Decoded, MalformedRow, Prefix, RouteRow, RouterInterfaceRow, Row, RowChange, RowKey, RuleRow, SubnetRow,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

/// Desired state as far as a node has been told. It outlives streams: after a reconnection the next [`Held::begin`]
/// says how the new stream's batches relate to what is held.
#[derive(Default, Debug)]
pub struct Held {
    rows: BTreeMap<RowKey, Row>,
    /// Keys named by the snapshot under way; what it doesn't name is gone at its end.
    snapshot: Option<BTreeSet<RowKey>>,
}

/// What a batch did.
#[derive(Default, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Keys whose row came, went or became another.
    pub touched: BTreeSet<RowKey>,
    /// The revision to acknowledge once everything touched so far is in force.
    pub complete_to: Option<u64>,
    /// Changes of kinds that this build doesn't know.
    pub unknown: usize,
    /// Changes that could not be read. Their rows stay as they were.
    pub malformed: Vec<MalformedRow>,
}

impl Held {
    /// A stream begins. A snapshot leaves the rows in place until its end says which are gone, so that what is in
    /// force stays so meanwhile.
    pub fn begin(&mut self, mode: Mode) {
        self.snapshot = (mode != Mode::Difference).then(BTreeSet::new);
    }

    /// The row of `key`.
    pub fn get(&self, key: &RowKey) -> Option<&Row> {
        self.rows.get(key)
    }

    /// The rules of a security group, by its number among the sets.
    pub fn rules(&self, group: u32) -> impl Iterator<Item = &RuleRow> {
        let all = RowKey::Rule { group, rule: 0 }..=RowKey::Rule { group, rule: u32::MAX };
        self.rows.range(all).filter_map(|(_, row)| match row {
            Row::Rule(row) => Some(row),
            _ => None,
        })
    }

    /// The subnets of a network.
    pub fn subnets(&self, network: u32) -> impl Iterator<Item = &SubnetRow> {
        let all = RowKey::Subnet { network, subnet: 0 }..=RowKey::Subnet { network, subnet: u32::MAX };
        self.rows.range(all).filter_map(|(_, row)| match row {
            Row::Subnet(row) => Some(row),
            _ => None,
        })
    }

    /// The interfaces of a router.
    pub fn router_interfaces(&self, router: u32) -> impl Iterator<Item = &RouterInterfaceRow> {
        let all =
            RowKey::RouterInterface { router, port: 0 }..=RowKey::RouterInterface { router, port: u32::MAX };
        self.rows.range(all).filter_map(|(_, row)| match row {
            Row::RouterInterface(row) => Some(row),
            _ => None,
        })
    }

    /// The routes of a router beyond its own subnets.
    pub fn routes(&self, router: u32) -> impl Iterator<Item = &RouteRow> {
        let key = |address, length| RowKey::Route { router, destination: Prefix { address, length } };
        let all = key(Ipv6Addr::UNSPECIFIED, 0)..=key(Ipv6Addr::from_bits(u128::MAX), u8::MAX);
        self.rows.range(all).filter_map(|(_, row)| match row {
            Row::Route(row) => Some(row),
            _ => None,
        })
    }

    /// All rows, in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&RowKey, &Row)> {
        self.rows.iter()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Applies `batch`.
    pub fn apply(&mut self, batch: Batch) -> Applied {
        let mut applied = Applied::default();
        self.forget(&batch, &mut applied.touched);
        for bytes in batch.changes {
            match RowChange::decode(bytes) {
                Ok(Decoded::Change(change)) => self.set(change, &mut applied.touched),
                Ok(Decoded::Unknown) => applied.unknown += 1,
                Err(error) => {
                    if let (Some(named), MalformedRow::Field { key, .. } | MalformedRow::OtherRow { key }) =
                        (&mut self.snapshot, &error)
                    {
                        named.insert(*key);
                    }
                    applied.malformed.push(error);
                }
            }
        }
        if batch.end_of_snapshot {
            self.end_snapshot(&mut applied.touched);
        }
        applied.complete_to = (batch.complete_to != 0).then_some(batch.complete_to);
        applied
    }

    fn set(&mut self, change: RowChange, touched: &mut BTreeSet<RowKey>) {
        let RowChange { key, row } = change;
        if let Some(named) = &mut self.snapshot {
            if row.is_some() {
                named.insert(key);
            } else {
                named.remove(&key);
            }
        }
        let before = match &row {
            Some(row) => self.rows.insert(key, row.clone()),
            None => self.rows.remove(&key),
        };
        if before != row {
            touched.insert(key);
        }
    }

    fn forget(&mut self, batch: &Batch, touched: &mut BTreeSet<RowKey>) {
        let networks = batch.forget.iter().flat_map(|&network| {
            [
                RowKey::Network(network)..=RowKey::Network(network),
                RowKey::Subnet { network, subnet: 0 }..=RowKey::Subnet { network, subnet: u32::MAX },
                RowKey::Presence { network, host: 0 }..=RowKey::Presence { network, host: u32::MAX },
                RowKey::Location { network, port: 0 }..=RowKey::Location { network, port: u32::MAX },
                RowKey::Name { network, port: 0 }..=RowKey::Name { network, port: u32::MAX },
            ]
        });
        let policies =
            batch.forget_policies.iter().map(|&number| RowKey::Policy(number)..=RowKey::Policy(number));
        let rules = batch
            .forget_rules
            .iter()
            .map(|&group| RowKey::Rule { group, rule: 0 }..=RowKey::Rule { group, rule: u32::MAX });
        let members = batch
            .forget_members
            .iter()
            .map(|&set| RowKey::Member { set, member: 0 }..=RowKey::Member { set, member: u32::MAX });
        let routers = batch.forget_routers.iter().flat_map(|&router| {
            [
                RowKey::RouterInterface { router, port: 0 }..=RowKey::RouterInterface {
                    router,
                    port: u32::MAX,
                },
                RowKey::Route { router, destination: Prefix::FIRST }..=RowKey::Route {
                    router,
                    destination: Prefix::LAST,
                },
                RowKey::FloatingRelay { router, floating_ip: 0 }..=RowKey::FloatingRelay {
                    router,
                    floating_ip: u32::MAX,
                },
                RowKey::Forwarding { router, floating_ip: 0, protocol: 0, port: 0 }..=RowKey::Forwarding {
                    router,
                    floating_ip: u32::MAX,
                    protocol: u8::MAX,
                    port: u16::MAX,
                },
                RowKey::PortLease { router, interface: 0, host: 0 }..=RowKey::PortLease {
                    router,
                    interface: u32::MAX,
                    host: u32::MAX,
                },
            ]
        });
        for range in networks.chain(policies).chain(rules).chain(members).chain(routers) {
            if let Some(named) = &mut self.snapshot {
                named.extract_if(range.clone(), |_| true).for_each(drop);
            }
            touched.extend(self.rows.extract_if(range, |_, _| true).map(|(key, _)| key));
        }
    }

    fn end_snapshot(&mut self, touched: &mut BTreeSet<RowKey>) {
        if let Some(named) = self.snapshot.take() {
            touched.extend(self.rows.extract_if(.., |key, _| !named.contains(key)).map(|(key, _)| key));
        }
    }
}

#[cfg(test)]
mod tests;
