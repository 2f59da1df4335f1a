//! Names that are published by name servers outside (RFC 2136).

use std::collections::BTreeSet;
use std::net::IpAddr;

/// What a name stands for in a zone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NameValue {
    /// An A or AAAA record.
    Address(IpAddr),
    /// A PTR record to this name, in lower case with a dot at its end.
    Name(String),
}

impl std::fmt::Display for NameValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NameValue::Address(address) => address.fmt(f),
            NameValue::Name(name) => name.fmt(f),
        }
    }
}

/// What a name server outside has, or may have, under a name from us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublishedName {
    /// The name, in lower case with a dot at its end.
    pub name: String,
    /// The project for which it is there: no other one has the name as long.
    pub project_id: String,
    /// Every record that may be there from us; while a change is under way the old ones and the new ones.
    pub values: BTreeSet<NameValue>,
    /// Whether the name server has said that the name is ours. Until then it may be somebody else's.
    pub is_ours: bool,
}
