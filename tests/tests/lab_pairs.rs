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
