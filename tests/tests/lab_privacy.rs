//! IPv6 addresses that hosts choose themselves, where the network lets them have some.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Underlay, until};
use hadron_tests::cloud::{Cloud, PATIENCE};
use hadron_tests::guest::Guest;
use hyper::Method;
use serde_json::json;
use std::net::IpAddr;

const HOSTS: [&str; 2] = ["compute1", "compute2"];
const CHOSEN: &str = "fd00:10::c0de:1";

/// An instance whose kernel asks whether anybody has an address before it uses it (RFC 4862 §5.4), and that takes temporary ones.
fn asks_first(guest: &Guest) -> Result<()> {
    for (name, value) in [("accept_dad", "1"), ("dad_transmits", "1"), ("use_tempaddr", "2")] {
        let path = format!("/proc/sys/net/ipv6/conf/eth0/{name}");
        guest.instance.run(|| std::fs::write(&path, value))?.with_context(|| path.clone())?;
    }
    Ok(())
}

fn ip(guest: &Guest, arguments: &str) -> Result<String> {
    Ok(guest.instance.command("ip").args(arguments.split_whitespace()).succeed(PATIENCE)?)
}

/// Takes an address, asking first, anew if it has it already.
fn takes(guest: &Guest, address: &str) -> Result<()> {
    let _ = ip(guest, &format!("-6 address del {address}/64 dev eth0"));
    ip(guest, &format!("-6 address add {address}/64 dev eth0"))?;
    Ok(until(PATIENCE, "it has asked", || {
        ip(guest, "-6 address show dev eth0 tentative").is_ok_and(|text| !text.contains(address))
    })?)
}

/// Whether packets from an address get to another guest and back.
fn is_answered(guest: &Guest, from: &str, to: IpAddr) -> Result<bool> {
    let arguments = ["-6", "-c", "1", "-W", "1", "-I", from, &to.to_string()];
    Ok(guest.instance.command("ping").args(arguments).output(PATIENCE)?.status.success())
}

/// The address that the guest's kernel has chosen at random.
fn temporary(guest: &Guest) -> Result<String> {
    let text = ip(guest, "-6 -o address show dev eth0 scope global temporary")?;
    let address = text.split_whitespace().find_map(|word| word.strip_suffix("/64"));
    Ok(address.with_context(|| format!("no temporary address: {text}"))?.to_owned())
}

fn lets_choose(cloud: &Cloud, network: &str, allowed: bool) -> Result<()> {
    let change = json!({"network": {"hadron:privacy_addresses": allowed}});
    let answer = cloud.call(Method::PUT, &format!("/v2.0/networks/{network}"), Some(change))?;
    ensure!(answer["network"]["hadron:privacy_addresses"] == allowed, "{answer}");
    Ok(())
}

#[test]
fn chosen_addresses_work_where_the_network_allows_them() -> Result<()> {
    let cloud = Cloud::up("privacy", Underlay::V4, &HOSTS)?;
    let network = cloud.network("net")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    let slaac = json!({"subnet": {
        "network_id": network, "ip_version": 6, "cidr": "fd00:10::/64",
        "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac",
    }});
    cloud.call(Method::POST, "/v2.0/subnets", Some(slaac))?;
    // A chosen address is no member of a remote group.
    let group = cloud.group("pinged")?;
    cloud.rule(&group, json!({"protocol": "ipv6-icmp", "ethertype": "IPv6"}))?;
    let guest =
        |host, name| Guest::start_with(&cloud, &network, host, name, json!({"security_groups": [group]}));
    let one = guest(HOSTS[0], "one")?;
    asks_first(&one)?;
    let own = one.port.address(true)?;
    let drops = || Ok::<u64, anyhow::Error>(cloud.drops(HOSTS[0])?["source_address"]);
    for host in HOSTS {
        let other = guest(host, "other")?;
        let to = other.port.address(true)?;
        until(PATIENCE, "the given address works", || {
            is_answered(&one, &own.to_string(), to).unwrap_or(false)
        })?;

        takes(&one, CHOSEN)?;
        let before = drops()?;
        ensure!(!is_answered(&one, CHOSEN, to)?, "a chosen address works though nobody has allowed it");
        ensure!(drops()? > before, "nothing is counted as dropped");

        lets_choose(&cloud, &network, true)?;
        until(PATIENCE, "a chosen address works", || {
            takes(&one, CHOSEN).is_ok() && is_answered(&one, CHOSEN, to).unwrap_or(false)
        })?;
        let chosen: IpAddr = CHOSEN.parse()?;
        ensure!(other.instance.ping(chosen).count(3).run()?.lost() == 0, "{CHOSEN} can't be reached");
        // The address that the kernel forms of a prefix (RFC 8981), from the one that the port was given.
        let _ = ip(&one, &format!("-6 address del {own}/64 dev eth0"));
        ip(&one, &format!("-6 address add {own}/64 dev eth0 mngtmpaddr"))?;
        until(PATIENCE, "there is a temporary address", || temporary(&one).is_ok())?;
        let random = temporary(&one)?;
        until(PATIENCE, "a temporary address works", || is_answered(&one, &random, to).unwrap_or(false))?;
        ensure!(
            other.instance.ping(random.parse::<IpAddr>()?).count(3).run()?.lost() == 0,
            "{random} can't be reached"
        );
        // One that nobody has asked for stays closed.
        ip(&one, "-6 address add fd00:10::bad/64 dev eth0 nodad")?;
        ensure!(!is_answered(&one, "fd00:10::bad", to)?, "an address that was not asked for works");
        ip(&one, "-6 address del fd00:10::bad/64 dev eth0")?;

        lets_choose(&cloud, &network, false)?;
        until(PATIENCE, "chosen addresses are closed again", || {
            !is_answered(&one, CHOSEN, to).unwrap_or(true) && !is_answered(&one, &random, to).unwrap_or(true)
        })?;
        ensure!(is_answered(&one, &own.to_string(), to)?, "the given address is closed too");
    }
    Ok(())
}
