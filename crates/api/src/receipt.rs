//! Receipts: on which hosts an object is in force. What hosts have acknowledged is known to whom they are connected to; [`Receipts`]
//! names what the API needs of that.

use hadron_store::{RecordKey, Revision, Snapshot};
use serde_json::{Value, json};
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// The hosts that need an object, to come.
pub type Needed<'a> = Pin<Box<dyn Future<Output = Vec<HostReceipt>> + Send + 'a>>;

/// Who knows what hosts have acknowledged.
pub trait Receipts: Debug + Send + Sync {
    /// The hosts that need the object under `key`, last changed at `changed`, by name.
    fn hosts(&self, key: RecordKey, changed: Revision, view: Arc<Snapshot>) -> Needed<'_>;
}

/// Where there are no hosts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoHosts;

impl Receipts for NoHosts {
    fn hosts(&self, _key: RecordKey, _changed: Revision, _view: Arc<Snapshot>) -> Needed<'_> {
        Box::pin(std::future::ready(Vec::new()))
    }
}

/// What is known of an object on a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Its last change is in force there.
    InForce,
    /// It is not yet.
    Behind,
    /// Only another server knows, or nobody until the host is back.
    Unknown,
}

impl Standing {
    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::InForce => "in_force",
            Standing::Behind => "behind",
            Standing::Unknown => "unknown",
        }
    }
}

/// An object on a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostReceipt {
    /// The host's name.
    pub host: String,
    /// What is known.
    pub standing: Standing,
    /// The revision that the host must have acknowledged.
    pub needed: Revision,
    /// The one up to which it has everything, as far as the server that is asked knows.
    pub acknowledged: Option<Revision>,
    /// Whether it is connected to the server that is asked.
    pub is_connected: bool,
}

/// An object's receipt, for people and programs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// The revision of the store at which the object was last changed.
    pub changed: Revision,
    /// The hosts that need it.
    pub hosts: Vec<HostReceipt>,
}

impl Receipt {
    /// How many hosts are so.
    pub fn count(&self, standing: Standing) -> usize {
        self.hosts.iter().filter(|host| host.standing == standing).count()
    }

    /// Whether the object is in force everywhere; `None` if nobody here can tell.
    pub fn is_in_force(&self) -> Option<bool> {
        if self.count(Standing::Behind) > 0 {
            return Some(false);
        }
        (self.count(Standing::Unknown) == 0).then_some(true)
    }

    /// The members of the answer; with the hosts on which it is not in force if `names` says so.
    pub fn to_json(&self, names: bool) -> Value {
        let mut told = json!({
            "revision": self.changed.0,
            "in_force": self.is_in_force(),
            "hosts": self.hosts.len(),
            "hosts_in_force": self.count(Standing::InForce),
            "hosts_behind": self.count(Standing::Behind),
            "hosts_unknown": self.count(Standing::Unknown),
        });
        if names {
            let others = self.hosts.iter().filter(|host| host.standing != Standing::InForce);
            told["not_in_force_on"] = others.map(of_host).collect();
        }
        told
    }
}

fn of_host(host: &HostReceipt) -> Value {
    json!({
        "host": host.host,
        "status": host.standing.as_str(),
        "connected": host.is_connected,
        "needed_revision": host.needed.0,
        "acknowledged_revision": host.acknowledged.map(|revision| revision.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(standings: &[Standing]) -> Receipt {
        let host = |standing: &Standing| HostReceipt {
            host: "compute1".into(),
            standing: *standing,
            needed: Revision(7),
            acknowledged: None,
            is_connected: false,
        };
        Receipt { changed: Revision(7), hosts: standings.iter().map(host).collect() }
    }

    #[test]
    fn one_host_that_is_behind_is_enough_and_what_is_unknown_is_not_guessed() {
        use Standing::{Behind, InForce, Unknown};
        for (standings, expected) in [
            (&[][..], Some(true)),
            (&[InForce, InForce], Some(true)),
            (&[InForce, Unknown], None),
            (&[Unknown, Behind], Some(false)),
        ] {
            assert_eq!(receipt(standings).is_in_force(), expected, "{standings:?}");
        }
    }

    #[test]
    fn hosts_are_named_to_those_who_may_know_them_only() {
        let receipt = receipt(&[Standing::InForce, Standing::Behind]);
        assert!(!receipt.to_json(false).to_string().contains("compute1"));
        let named = receipt.to_json(true);
        assert_eq!(named["not_in_force_on"].as_array().map(Vec::len), Some(1));
        assert_eq!(named["not_in_force_on"][0]["acknowledged_revision"], Value::Null);
    }
}
