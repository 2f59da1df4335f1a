//! Values of what filters traffic, for hostile requests.

use super::Sent;
use crate::support::*;
use proptest::prelude::*;
use serde_json::{Value, json};

pub const GROUP: &[&str] = &["name", "description", "stateful"];
pub const RULE: &[&str] = &[
    "description",
    "direction",
    "ethertype",
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "remote_group_id",
    "remote_address_group_id",
];
pub const TEMPLATE: &[&str] = &[
    "direction",
    "ethertype",
    "protocol",
    "port_range_min",
    "remote_group_id",
    "used_in_default_sg",
    "used_in_non_default_sg",
];
pub const ADDRESS_GROUP: &[&str] = &["name", "description", "addresses"];

const PREFIXES: &[&str] =
    &["10.0.0.0/24", "10.0.0.1/24", "10.0.0.1/32", "0.0.0.0/0", "fd00::/64", "::/0", "10.0.0.7", "$0"];

/// A value that an attribute takes, more often than not; `None` if it is not about filtering.
pub fn fitting(name: &str) -> Option<BoxedStrategy<Value>> {
    fn of(values: Vec<Value>) -> BoxedStrategy<Value> {
        prop::sample::select(values).boxed()
    }
    fn list(values: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
        prop::collection::vec(values, 0..5).prop_map(Value::Array).boxed()
    }
    let prefix = || prop::sample::select(PREFIXES).prop_map(Value::from).boxed();
    Some(match name {
        "direction" => of(vec!["ingress".into(), "egress".into()]),
        "ethertype" => of(vec!["IPv4".into(), "IPv6".into(), "ipv6".into()]),
        "protocol" => {
            of(vec!["tcp".into(), "udp".into(), "icmp".into(), "icmpv6".into(), 47.into(), Value::Null])
        }
        "port_range_min" | "port_range_max" => {
            of(vec![0.into(), 1.into(), 8.into(), 65535.into(), 70000.into()])
        }
        "remote_ip_prefix" => prefix(),
        "remote_group_id" => of(vec!["$4".into(), "PARENT".into(), NOBODY.into(), Value::Null]),
        "remote_address_group_id" => of(vec!["$6".into(), NOBODY.into(), Value::Null]),
        "stateful" | "port_security_enabled" | "used_in_default_sg" | "used_in_non_default_sg" => {
            of(vec![true.into(), false.into()])
        }
        "security_groups" => list(of(vec!["$4".into(), NOBODY.into()])),
        "addresses" => list(prefix()),
        "allowed_address_pairs" => {
            let mac = prop::option::of(Just("fa:16:3e:00:00:01"));
            let pair = (prefix(), mac).prop_map(|(ip, mac)| match mac {
                Some(mac) => json!({"ip_address": ip, "mac_address": mac}),
                None => json!({"ip_address": ip}),
            });
            list(pair.boxed())
        }
        _ => return None,
    })
}

/// Addresses added to a group, or taken from it.
pub fn action() -> BoxedStrategy<Sent> {
    let name = prop::sample::select(vec!["add_addresses", "remove_addresses"]);
    let addresses = fitting("addresses").unwrap();
    let token = prop::sample::select(vec![MEMBER, ADMIN, OTHER, READER]);
    (name, addresses, token)
        .prop_map(|(name, addresses, token)| {
            let path = format!("/v2.0/address-groups/$6/{name}");
            ("PUT".to_owned(), path, json!({ "addresses": addresses }).to_string(), token)
        })
        .boxed()
}
