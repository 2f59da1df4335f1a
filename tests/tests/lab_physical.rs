//! Instances on networks of a physical network: with each other across hosts, and with a machine that is no host of the cloud.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Underlay, until};
use hadron_tests::cloud::{Cloud, Options, PATIENCE};
use hadron_tests::guest::Guest;
use hyper::Method;
use serde_json::json;
use std::net::IpAddr;

const HOSTS: [&str; 2] = ["compute1", "compute2"];
const OUTSIDER_MAC: &str = "52:54:00:00:00:99";

fn cloud(name: &str) -> Result<Cloud> {
    Cloud::up_with(name, Underlay::V4, &HOSTS, Options { has_physical: true, ..Options::default() })
}

/// A guest on each host that lets everybody in.
fn guests(cloud: &Cloud, network: &str, name: &str) -> Result<[Guest; 2]> {
    let group = cloud.group(&format!("open-{name}"))?;
    cloud.rules(&group, &json!({"remote_ip_prefix": null}))?;
    let guest = |host: &str, number: u8| {
        let open = json!({"security_groups": [group]});
        Guest::start_with(cloud, network, host, &format!("{name}{number}"), open)
    };
    Ok([guest(HOSTS[0], 1)?, guest(HOSTS[1], 2)?])
}

#[test]
fn instances_are_directly_on_an_untagged_network() -> Result<()> {
    let cloud = cloud("flat")?;
    let network = cloud.physical_network("flat", None)?;
    cloud.subnet(&network, "203.0.113.0/24")?;
    cloud.subnet(&network, "fd00:203::/64")?;
    let [one, two] = guests(&cloud, &network, "flat")?;
    one.reaches(&two)?;
    two.reaches(&one)?;
    let outsider = cloud.lab.outsider("outsider", OUTSIDER_MAC)?;
    outsider.add_address("203.0.113.250/24")?;
    outsider.add_address("fd00:203::250/64")?;
    for guest in [&one, &two] {
        for address in &guest.port.addresses {
            let report = outsider.ping(*address).count(3).run()?;
            ensure!(report.lost() == 0, "{} requests to {address} were lost", report.lost());
        }
        for address in ["203.0.113.250", "fd00:203::250"] {
            guest.pings(address.parse()?)?;
        }
    }
    // A full frame of the physical network passes whole.
    let whole =
        one.instance.ping(IpAddr::from([203, 0, 113, 250])).size(1500 - 28).unfragmented().count(2).run()?;
    ensure!(whole.lost() == 0, "a packet of 1500 octets was lost");
    Ok(())
}

#[test]
fn a_vlan_keeps_to_itself() -> Result<()> {
    let cloud = cloud("vlan")?;
    let (flat, tagged) =
        (cloud.physical_network("flat", None)?, cloud.physical_network("tagged", Some(101))?);
    let other = cloud.physical_network("other", Some(102))?;
    // The same addresses in each: who is reached is told apart by the network alone.
    for network in [&flat, &tagged, &other] {
        cloud.subnet(network, "203.0.113.0/24")?;
    }
    let [one, two] = guests(&cloud, &tagged, "tagged")?;
    one.reaches(&two)?;
    let [three, _] = guests(&cloud, &other, "other")?;
    let outsider = cloud.lab.outsider("outsider", OUTSIDER_MAC)?;
    outsider.add_address("203.0.113.250/24")?;
    let outside: IpAddr = "203.0.113.250".parse()?;
    for guest in [&one, &three] {
        ensure!(
            guest.instance.ping(outside).count(2).run()?.received == 0,
            "an untagged machine was reached"
        );
    }
    ensure!(
        outsider.ping(one.port.address(false)?).count(2).run()?.received == 0,
        "a tagged one was reached"
    );
    Ok(())
}

#[test]
fn a_host_without_an_interface_to_the_physical_network_says_so() -> Result<()> {
    let mut cloud = cloud("unmapped")?;
    let network = cloud.made(
        "network",
        json!({
            "name": "elsewhere",
            "provider:network_type": "flat",
            "provider:physical_network": "physnet9",
        }),
    )?;
    cloud.subnet(&network, "203.0.113.0/24")?;
    let port = cloud.port(&network, HOSTS[0])?;
    let shown = |cloud: &Cloud| cloud.call(Method::GET, &format!("/v2.0/ports/{}", port.id), None);
    let vif_type = shown(&cloud)?["port"]["binding:vif_type"].as_str().context("no vif_type")?.to_owned();
    ensure!(vif_type == "binding_failed", "it is {vif_type}");
    // An interface that is not there yet is told of, and taken up when it comes.
    cloud.kill_agent(HOSTS[0]);
    cloud.start_agent(HOSTS[0], &["--bridge-mappings=physnet9:late"])?;
    let is_bound = |cloud: &Cloud| shown(cloud).is_ok_and(|shown| shown["port"]["binding:vif_type"] == "tap");
    until(PATIENCE, "the host has told its physical networks", || is_bound(&cloud))?;
    let instance = cloud.host(HOSTS[0])?.instance("late", &port.id, &port.mac)?;
    let host = cloud.host(HOSTS[0])?;
    ensure!(cloud.port_status(&port.id)? == "DOWN", "the port works without an interface");
    host.command("ip")
        .args(["link", "add", "late", "type", "veth", "peer", "name", "peer"])
        .succeed(PATIENCE)?;
    until(PATIENCE, "the port is wired", || {
        cloud.port_status(&port.id).is_ok_and(|status| status == "ACTIVE")
    })?;
    instance.wait_for_link(PATIENCE)?;
    Ok(())
}
