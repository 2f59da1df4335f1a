//! Address scopes: routers pass on as it is what stays in one, translate what leaves it, and refuse the rest.

use anyhow::{Result, ensure};
use hadron_lab::{Underlay, until};
use hadron_tests::cloud::{Cloud, Options, PATIENCE};
use hadron_tests::guest::Guest;
use hadron_tests::knock::is_answered;
use hadron_tests::outside::{Outside, UPSTREAM, WORLD, seen_as};
use hyper::Method;
use serde_json::json;
use std::net::{IpAddr, SocketAddr};

const HOSTS: [&str; 2] = ["compute1", "compute2"];
const WEB: u16 = 8080;

/// A pool of a scope, of the router's networks or the external one.
fn pool(cloud: &Cloud, name: &str, scope: &str, prefix: &str) -> Result<String> {
    let pool =
        json!({"name": name, "prefixes": [prefix], "default_prefixlen": 24, "address_scope_id": scope});
    cloud.made("subnetpool", pool)
}

#[test]
fn routers_keep_scopes_apart() -> Result<()> {
    let options = Options { has_physical: true, ..Options::default() };
    let cloud = &Cloud::up_with("scopes", Underlay::V4, &HOSTS, options)?;
    let scope = |name: &str| cloud.made("address_scope", json!({"name": name, "ip_version": 4}));
    let scopes = [scope("one")?, scope("two")?];
    let beyond = pool(cloud, "beyond", &scopes[0], "203.0.113.0/24")?;
    let outside = &Outside::create_with(cloud, json!({"subnetpool_id": beyond}))?;
    let router = cloud.router("r")?;
    outside.open(cloud, &router, true)?;
    let shared = cloud.gateway_address(&router)?;
    let pools =
        [pool(cloud, "one", &scopes[0], "10.1.0.0/16")?, pool(cloud, "two", &scopes[1], "10.2.0.0/16")?];
    let group = cloud.group("open")?;
    cloud.rules(&group, &json!({"remote_ip_prefix": null}))?;
    let mut guests = Vec::new();
    for (number, pool) in [&pools[0], &pools[0], &pools[1]].into_iter().enumerate() {
        let network = cloud.network(&format!("net{number}"))?;
        let subnet = json!({"network_id": network, "ip_version": 4, "subnetpool_id": pool});
        cloud.attach(&router, &cloud.made("subnet", subnet)?)?;
        let open = json!({"security_groups": [group]});
        guests.push(Guest::start_with(cloud, &network, HOSTS[number % 2], &format!("guest{number}"), open)?);
    }
    let [one, other, apart] = &guests[..] else { unreachable!("three guests") };
    let own = |guest: &Guest| guest.port.address(false);
    for prefix in ["10.1.0.0/16", "10.2.0.0/16"] {
        outside.world.add_route(prefix, shared)?;
    }

    until(PATIENCE, "the other network answers", || {
        own(other).is_ok_and(|address| is_answered(&one.instance, address))
    })?;
    one.pings(own(other)?)?;
    for (from, to) in [(one, apart), (apart, one)] {
        let said = from.pings_with(own(to)?, &[])?;
        ensure!(said.contains("Packet filtered"), "no refusal: {said}");
    }

    // Out: as it is in the external network's scope, translated from the other.
    let far = SocketAddr::from((WORLD, WEB));
    for (guest, expected) in [(one, own(one)?), (apart, shared)] {
        until(PATIENCE, "the world answers", || is_answered(&guest.instance, UPSTREAM.into()))?;
        let client = seen_as(&guest.instance, far, &outside.world, far)?;
        ensure!(client == expected, "the world sees {client} and not {expected}");
    }
    // In: likewise, but for floating IPs.
    let door = SocketAddr::new(own(one)?, WEB);
    let client = seen_as(&outside.world, door, &one.instance, door)?;
    ensure!(client == IpAddr::from(UPSTREAM), "the instance sees {client}");
    ensure!(!is_answered(&outside.world, own(apart)?), "the world comes into another scope");
    let (floating, address) = outside.floating_ip(cloud)?;
    cloud.associate(&floating, Some(&apart.port.id))?;
    until(PATIENCE, "the floating IP is answered", || is_answered(&outside.world, address))?;

    // A pool that comes into the scope brings its networks along.
    let change = json!({"subnetpool": {"address_scope_id": scopes[0]}});
    cloud.call(Method::PUT, &format!("/v2.0/subnetpools/{}", pools[1]), Some(change))?;
    let address = own(apart)?;
    until(PATIENCE, "one scope is one network", || is_answered(&one.instance, address))?;
    until(PATIENCE, "the world comes in", || is_answered(&outside.world, address)).map_err(Into::into)
}
