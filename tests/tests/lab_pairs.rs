//! Allowed address pairs, as a virtual address that two instances share uses them.

use anyhow::{Result, bail, ensure};
use hadron_lab::{Underlay, until};
use hadron_tests::cloud::{Cloud, PATIENCE};
use hadron_tests::frame;
use hadron_tests::guest::Guest;
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const VIRTUAL4: &str = "10.0.0.100";
const VIRTUAL6: &str = "fd00:10::100";

/// Takes the virtual addresses, and announces them as keepalived does: gratuitous ARP, unsolicited neighbour advertisement.
fn takes_over(guest: &Guest) -> Result<()> {
    guest.instance.add_address(&format!("{VIRTUAL4}/24"))?;
    guest.instance.add_address(&format!("{VIRTUAL6}/64"))?;
    announces(guest)
}

fn announces(guest: &Guest) -> Result<()> {
    let (v4, v6): (Ipv4Addr, Ipv6Addr) = (VIRTUAL4.parse()?, VIRTUAL6.parse()?);
    guest.instance.gratuitous_arp(v4)?;
    let mac = guest.instance.mac();
    let advertisement = frame::neighbour_advertisement(mac, frame::ALL_NODES, v6, (v6, mac));
    Ok(guest.instance.frames("eth0")?.send(&advertisement)?)
}

fn gives_up(guest: &Guest) -> Result<()> {
    for address in [format!("{VIRTUAL4}/24"), format!("{VIRTUAL6}/64")] {
        guest.instance.command("ip").args(["address", "del", &address, "dev", "eth0"]).succeed(PATIENCE)?;
    }
    Ok(())
}

/// Who answers a guest for the virtual addresses: the MACs that it has learned.
fn answerers(client: &Guest) -> Result<Vec<String>> {
    let mut macs = Vec::new();
    for address in [VIRTUAL4, VIRTUAL6] {
        let address: IpAddr = address.parse()?;
        ensure!(client.instance.ping(address).count(1).run()?.lost() == 0, "{address} does not answer");
        let neighbour = client
            .instance
            .command("ip")
            .args(["neigh", "show", "to", &address.to_string()])
            .succeed(PATIENCE)?;
        let mut words = neighbour.split_whitespace().skip_while(|word| *word != "lladdr");
        match words.nth(1) {
            Some(mac) => macs.push(mac.to_owned()),
            None => bail!("{neighbour}"),
        }
    }
    Ok(macs)
}

#[test]
fn a_virtual_address_moves_by_the_packet_path_alone() -> Result<()> {
    let hosts = ["compute1", "compute2"];
    let mut cloud = Cloud::up("virtual", Underlay::V4, &hosts)?;
    let network = cloud.network("net")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    cloud.subnet(&network, "fd00:10::/64")?;
    let pairs = json!([{"ip_address": VIRTUAL4}, {"ip_address": VIRTUAL6}]);
    let start = |host: &str, name: &str| {
        Guest::start_with(&cloud, &network, host, name, json!({"allowed_address_pairs": pairs}))
    };
    let (first, second) = (start(hosts[0], "first")?, start(hosts[1], "second")?);
    let near = Guest::start(&cloud, &network, hosts[0], "near")?;
    let far = Guest::start(&cloud, &network, hosts[1], "far")?;
    cloud.kill_server();
    for (holder, other) in [(&first, None), (&second, Some(&first)), (&first, Some(&second))] {
        if let Some(other) = other {
            gives_up(other)?;
        }
        takes_over(holder)?;
        for client in [&near, &far] {
            let is_there =
                || answerers(client).is_ok_and(|macs| macs.iter().all(|mac| *mac == holder.port.mac));
            until(PATIENCE, "the virtual addresses have moved", || {
                let _ = announces(holder);
                is_there()
            })?;
        }
    }
    cloud.start_server()?;
    cloud.wait_for_nodes()?;
    // A pair taken away ends at once what it had allowed.
    cloud.change_port(&first.port.id, json!({"allowed_address_pairs": []}))?;
    until(PATIENCE, "the virtual addresses are silent", || {
        answerers(&near).is_err() && answerers(&far).is_err()
    })?;
    near.reaches(&first)
}

/// The MAC of virtual router 51 (RFC 9568 §7.3).
const VIRTUAL_MAC: &str = "00:00:5e:00:01:33";

/// What keepalived with `use_vmac` sends: an advertisement from the virtual MAC and the own address.
fn advertisement(guest: &Guest) -> Result<Vec<u8>> {
    let IpAddr::V4(own) = guest.port.address(false)? else { bail!("not an IPv4 address") };
    Ok(frame::vrrp_advertisement(frame::mac(VIRTUAL_MAC), own, 51, VIRTUAL4.parse()?))
}

/// Whether a guest's advertisements reach another.
fn hears(listener: &Guest, of: &Guest) -> Result<()> {
    let (sent, at) = (advertisement(of)?, listener.instance.frames("eth0")?);
    let from = of.instance.frames("eth0")?;
    let is_it = |frame: &[u8]| frame.len() >= sent.len() && frame[..sent.len()] == sent[..];
    Ok(until(PATIENCE, "an advertisement arrives", || {
        let heard = || at.receive_such(std::time::Duration::from_millis(200), is_it);
        from.send(&sent).is_ok() && heard().is_ok_and(|frame| frame.is_some())
    })?)
}

/// The guest's interface gets a MAC, and with the virtual one the virtual addresses.
fn becomes(guest: &Guest, mac: &str) -> Result<()> {
    let ip =
        |arguments: &str| guest.instance.command("ip").args(arguments.split_whitespace()).succeed(PATIENCE);
    if mac != VIRTUAL_MAC {
        gives_up(guest)?;
    }
    ip(&format!("link set eth0 address {mac}"))?;
    if mac == VIRTUAL_MAC {
        guest.instance.add_address(&format!("{VIRTUAL4}/24"))?;
        guest.instance.add_address(&format!("{VIRTUAL6}/64"))?;
    }
    Ok(())
}

/// Announces the virtual addresses at the virtual MAC.
fn announces_virtual_mac(guest: &Guest) -> Result<()> {
    let (mac, v4, v6): (_, Ipv4Addr, Ipv6Addr) =
        (frame::mac(VIRTUAL_MAC), VIRTUAL4.parse()?, VIRTUAL6.parse()?);
    let wire = guest.instance.frames("eth0")?;
    wire.send(&frame::arp_reply(mac, frame::BROADCAST, (mac, v4), v4))?;
    Ok(wire.send(&frame::neighbour_advertisement(mac, frame::ALL_NODES, v6, (v6, mac)))?)
}

#[test]
fn a_virtual_router_moves_with_its_own_mac() -> Result<()> {
    let hosts = ["compute1", "compute2"];
    let mut cloud = Cloud::up("vrrp", Underlay::V4, &hosts)?;
    let network = cloud.network("net")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    cloud.subnet(&network, "fd00:10::/64")?;
    let group = cloud.group("routers")?;
    cloud.rule(&group, json!({"protocol": "vrrp", "remote_group_id": group}))?;
    cloud.rule(&group, json!({"protocol": "icmp"}))?;
    cloud.rule(&group, json!({"protocol": "ipv6-icmp", "ethertype": "IPv6"}))?;
    let start = |host: &str, name: &str| {
        let guest = Guest::start_with(&cloud, &network, host, name, json!({"security_groups": [group]}))?;
        let pair = |address: &str| json!({"ip_address": address, "mac_address": VIRTUAL_MAC});
        let own = guest.port.addresses.iter().map(|address| pair(&address.to_string()));
        let pairs: Vec<_> = [pair(VIRTUAL4), pair(VIRTUAL6)].into_iter().chain(own).collect();
        cloud.change_port(&guest.port.id, json!({ "allowed_address_pairs": pairs }))?;
        anyhow::Ok(guest)
    };
    let (first, second) = (start(hosts[0], "first")?, start(hosts[1], "second")?);
    let near = Guest::start(&cloud, &network, hosts[0], "near")?;
    let far = Guest::start(&cloud, &network, hosts[1], "far")?;
    hears(&second, &first)?;
    hears(&first, &second)?;
    cloud.kill_server();
    for (holder, other) in [(&first, None), (&second, Some(&first)), (&first, Some(&second))] {
        if let Some(other) = other {
            becomes(other, &other.port.mac)?;
        }
        becomes(holder, VIRTUAL_MAC)?;
        for client in [&near, &far] {
            until(PATIENCE, "the virtual router has moved", || {
                let _ = announces_virtual_mac(holder);
                answerers(client).is_ok_and(|macs| macs.iter().all(|mac| mac == VIRTUAL_MAC))
            })?;
        }
        // The master's advertisements come from the virtual MAC, the other's port lets them in.
        let other = if std::ptr::eq(holder, &first) { &second } else { &first };
        hears(other, holder)?;
    }
    Ok(())
}
