//! What an instance that means harm can't do, and what port security lets others do.

use anyhow::{Result, anyhow, bail, ensure};
use hadron_lab::{FrameSocket, Underlay, until};
use hadron_tests::cloud::{Cloud, PATIENCE};
use hadron_tests::frame::{self, Mac};
use hadron_tests::guest::Guest;
use hadron_tests::knock::{Outcome, expect, goes_on};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

const PACE: Duration = Duration::from_millis(2);
const HOSTS: [&str; 2] = ["compute1", "compute2"];
/// How long a frame that must not arrive is waited for, once one that may has arrived.
const GRACE: Duration = Duration::from_millis(200);

fn cloud(name: &str) -> Result<(Cloud, String)> {
    let cloud = Cloud::up(name, Underlay::V4, &HOSTS)?;
    let network = cloud.network("net")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    cloud.subnet(&network, "fd00:10::/64")?;
    Ok((cloud, network))
}

fn v4(guest: &Guest) -> Result<Ipv4Addr> {
    match guest.port.address(false)? {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(_) => bail!("not an IPv4 address"),
    }
}

fn v6(guest: &Guest) -> Result<Ipv6Addr> {
    match guest.port.address(true)? {
        IpAddr::V6(address) => Ok(address),
        IpAddr::V4(_) => bail!("not an IPv6 address"),
    }
}

/// Frames that one guest sends and another must not get: what it is, why it is dropped (as in `docs/security-groups.md`), the frame.
fn forgeries(by: &Guest, to: &Guest) -> Result<Vec<(&'static str, &'static str, Vec<u8>)>> {
    let (own, other, stranger): (Mac, Mac, Mac) =
        (by.instance.mac(), to.instance.mac(), frame::mac("fa:16:3e:99:99:99"));
    let (own4, other4, own6, other6) = (v4(by)?, v4(to)?, v6(by)?, v6(to)?);
    let (gateway4, gateway6): (Ipv4Addr, Ipv6Addr) = ("10.0.0.1".parse()?, "fd00:10::".parse()?);
    let (foreign4, foreign6): (IpAddr, IpAddr) = ("10.0.0.200".parse()?, "fd00:10::200".parse()?);
    let door = |address: IpAddr| (address, 4000);
    let (own4_at, own6_at) = (door(own4.into()), door(own6.into()));
    let (other4_at, other6_at) = (door(other4.into()), door(other6.into()));
    Ok(vec![
        ("a foreign MAC by IPv6", "source_mac", frame::udp(stranger, other, own6_at, other6_at)),
        ("a foreign MAC", "source_mac", frame::udp(stranger, other, own4_at, other4_at)),
        ("a foreign IPv4 address", "source_address", frame::udp(own, other, door(foreign4), other4_at)),
        ("a foreign IPv6 address", "source_address", frame::udp(own, other, door(foreign6), other6_at)),
        ("an ARP reply for the gateway", "arp_sender", frame::arp_reply(own, other, (own, gateway4), other4)),
        (
            "an ARP reply of a foreign MAC",
            "arp_sender",
            frame::arp_reply(own, other, (stranger, own4), other4),
        ),
        (
            "an advertisement of the gateway's address",
            "nd_target",
            frame::neighbour_advertisement(own, other, own6, (gateway6, own)),
        ),
        (
            "an advertisement of a foreign MAC",
            "nd_link_layer",
            frame::neighbour_advertisement(own, other, own6, (own6, stranger)),
        ),
        (
            "a solicitation of a foreign MAC",
            "nd_link_layer",
            frame::neighbour_solicitation(own, other, own6, (other6, stranger)),
        ),
        (
            "a router advertisement",
            "router_advertisement",
            frame::router_advertisement(own, frame::link_local(own)),
        ),
        ("a DHCP answer", "dhcp_server", frame::udp(own, other, (own4.into(), 67), (other4.into(), 68))),
        ("a DHCPv6 answer", "dhcp_server", frame::udp(own, other, (own6.into(), 547), (other6.into(), 546))),
    ])
}

/// Whether the frame arrives, told by a frame sent after it that must.
fn arrives(from: &FrameSocket, at: &FrameSocket, sent: &[u8], marker: &[u8]) -> Result<bool> {
    from.send(sent)?;
    let same =
        |received: &[u8], frame: &[u8]| received.len() >= frame.len() && received[..frame.len()] == *frame;
    let begun = std::time::Instant::now();
    while begun.elapsed() < PATIENCE {
        from.send(marker)?;
        let either = |received: &[u8]| same(received, sent) || same(received, marker);
        match at.receive_such(Duration::from_secs(1), either)? {
            Some(frame) if same(&frame, sent) => return Ok(true),
            Some(_) => return Ok(at.receive_such(GRACE, |frame| same(frame, sent))?.is_some()),
            None => {}
        }
    }
    bail!("not even what is allowed arrives");
}

/// Requires that a host has dropped something for a reason.
fn counted(cloud: &Cloud, host: &str, reason: &str) -> Result<()> {
    ensure!(cloud.drops(host)?[reason] > 0, "{host} has counted nothing under {reason}");
    Ok(())
}

#[test]
fn what_is_forged_gets_nowhere() -> Result<()> {
    let (cloud, network) = cloud("forged")?;
    let evil = Guest::start(&cloud, &network, HOSTS[0], "evil")?;
    let trusted =
        Guest::start_with(&cloud, &network, HOSTS[0], "trusted", json!({"port_security_enabled": false}))?;
    for host in HOSTS {
        let victim = Guest::start(&cloud, &network, host, "victim")?;
        evil.reaches(&victim)?;
        let at = victim.instance.frames("eth0")?;
        let wire = evil.instance.frames("eth0")?;
        let marker = frame::udp(
            evil.instance.mac(),
            victim.instance.mac(),
            (v4(&evil)?.into(), 5000),
            (v4(&victim)?.into(), 5000),
        );
        for (what, reason, forged) in forgeries(&evil, &victim)? {
            let before = cloud.drops(HOSTS[0])?;
            ensure!(!arrives(&wire, &at, &forged, &marker)?, "{what} arrived on {host}");
            let dropped = cloud.drops(HOSTS[0])?[reason] - before[reason];
            ensure!(dropped > 0, "{what} is not counted under {reason}");
        }
        // Without port security a port may send from any address; what comes in is still judged.
        let free = trusted.instance.frames("eth0")?;
        let other = frame::arp_reply(
            trusted.instance.mac(),
            victim.instance.mac(),
            (trusted.instance.mac(), "10.0.0.1".parse()?),
            v4(&victim)?,
        );
        free.send(&other)?;
        let seen = at.receive_such(PATIENCE, |frame| frame.starts_with(&other))?;
        ensure!(seen.is_some(), "a port without port security was held to its addresses");
    }
    Ok(())
}

#[test]
fn without_port_security_everybody_gets_in() -> Result<()> {
    let (cloud, network) = cloud("off")?;
    let group = cloud.group("clients")?;
    let client =
        Guest::start_with(&cloud, &network, HOSTS[0], "client", json!({"security_groups": [group]}))?;
    let open =
        Guest::start_with(&cloud, &network, HOSTS[1], "open", json!({"port_security_enabled": false}))?;
    client.reaches(&open)?;
    for ipv6 in [false, true] {
        let door = open.at(ipv6, 8080)?;
        expect("a closed port", client.connects(door)?, Outcome::Refused)?;
        let _echo = open.instance.tcp_echo(door)?;
        expect("an open port", client.connects(door)?, Outcome::Open)?;
    }
    cloud.change_port(&open.port.id, json!({"port_security_enabled": true}))?;
    until(PATIENCE, "port security closes it", || client.does_not_reach(&open).is_ok())?;
    cloud.change_port(&open.port.id, json!({"port_security_enabled": false}))?;
    until(PATIENCE, "it is open again", || client.reaches(&open).is_ok())?;
    Ok(())
}

#[test]
fn a_scan_finds_only_what_rules_open() -> Result<()> {
    let (cloud, network) = cloud("scan")?;
    let (scanners, servers) = (cloud.group("scanners")?, cloud.group("servers")?);
    let web = json!({"protocol": "tcp", "port_range_min": 80, "port_range_max": 95});
    cloud.rules(&servers, &web)?;
    let server =
        Guest::start_with(&cloud, &network, HOSTS[1], "server", json!({"security_groups": [servers]}))?;
    let outside =
        Guest::start_with(&cloud, &network, HOSTS[0], "outside", json!({"security_groups": [scanners]}))?;
    let inside =
        Guest::start_with(&cloud, &network, HOSTS[0], "inside", json!({"security_groups": [servers]}))?;
    for ipv6 in [false, true] {
        let _http = server.instance.tcp_echo(server.at(ipv6, 80)?)?;
        let _ssh = server.instance.tcp_echo(server.at(ipv6, 22)?)?;
        outside.waits_for_door(server.at(ipv6, 80)?, true)?;
        // The server's group does not name itself as remote, so its own members are strangers too.
        for scanner in [&outside, &inside] {
            for (port, wanted) in [
                (22, Outcome::Silent),
                (79, Outcome::Silent),
                (80, Outcome::Open),
                (81, Outcome::Refused),
                (95, Outcome::Refused),
                (96, Outcome::Silent),
                (65535, Outcome::Silent),
            ] {
                let door = server.at(ipv6, port)?;
                expect(&format!("{door} by TCP"), scanner.connects(door)?, wanted)?;
            }
            expect("80 by UDP", scanner.asks(server.at(ipv6, 80)?, 1)?, Outcome::Silent)?;
        }
    }
    counted(&cloud, HOSTS[1], "ingress_denied")
}

#[test]
fn fragments_go_with_their_first() -> Result<()> {
    let (cloud, network) = cloud("fragments")?;
    let (clients, servers) = (cloud.group("clients")?, cloud.group("servers")?);
    cloud.rules(&servers, &json!({"protocol": "udp", "port_range_min": 53, "port_range_max": 53}))?;
    let client =
        Guest::start_with(&cloud, &network, HOSTS[0], "client", json!({"security_groups": [clients]}))?;
    for host in HOSTS {
        let server =
            Guest::start_with(&cloud, &network, host, "server", json!({"security_groups": [servers]}))?;
        let _open = server.udp_echo(53)?;
        let _closed = server.udp_echo(54)?;
        for ipv6 in [false, true] {
            let door: SocketAddr = server.at(ipv6, 53)?;
            let answered = || client.asks(door, 4000).is_ok_and(|outcome| outcome == Outcome::Open);
            until(PATIENCE, "a datagram in fragments is answered", answered)?;
            expect("fragments to a closed port", client.asks(server.at(ipv6, 54)?, 4000)?, Outcome::Silent)?;
        }
        counted(&cloud, host, "ingress_fragment")?;
    }
    Ok(())
}

#[test]
fn an_error_goes_with_what_it_is_about() -> Result<()> {
    let (cloud, network) = cloud("related")?;
    let (clients, servers) = (cloud.group("clients")?, cloud.group("servers")?);
    cloud.rules(&servers, &json!({"protocol": "udp", "port_range_min": 33434, "port_range_max": 33534}))?;
    let client =
        Guest::start_with(&cloud, &network, HOSTS[0], "client", json!({"security_groups": [clients]}))?;
    let server =
        Guest::start_with(&cloud, &network, HOSTS[1], "server", json!({"security_groups": [servers]}))?;
    for ipv6 in [false, true] {
        // What traceroute asks for: nobody listens, and "port unreachable" comes back, though no rule lets ICMP in.
        let door = server.at(ipv6, 33434)?;
        let refused = || client.asks(door, 32).is_ok_and(|outcome| outcome == Outcome::Refused);
        until(PATIENCE, "the error comes back", refused)?;
        expect("a port without rule", client.asks(server.at(ipv6, 33600)?, 32)?, Outcome::Silent)?;
    }
    client.does_not_reach(&server)
}

/// Where a route goes, as the program says: a line for each hop, the address and a time for each probe that was answered.
fn traced(from: &Guest, to: IpAddr, options: &[&str]) -> Result<String> {
    let trace = from.instance.command("traceroute").args(["-n", "-q", "2", "-w", "1", "-m", "3"]);
    Ok(trace.args(options).arg(to.to_string()).succeed(PATIENCE)?)
}

/// Whether the first hop is the target, and each probe was answered.
fn is_there(trace: &str, to: IpAddr) -> bool {
    let hops: Vec<&str> = trace.lines().skip(1).collect();
    matches!(hops[..], [only] if only.contains(&format!(" {to} ")) && only.matches(" ms").count() == 2)
}

/// `traceroute` needs no rule on its own side: errors come back with what they quote, and echo replies with their requests.
#[test]
fn traceroute_finds_who_lets_it_in() -> Result<()> {
    let (cloud, network) = cloud("traceroute")?;
    let (clients, servers) = (cloud.group("clients")?, cloud.group("servers")?);
    let client =
        Guest::start_with(&cloud, &network, HOSTS[0], "client", json!({"security_groups": [clients]}))?;
    for host in HOSTS {
        let server =
            Guest::start_with(&cloud, &network, host, "server", json!({"security_groups": [servers]}))?;
        let probes = json!({"protocol": "udp", "port_range_min": 33434, "port_range_max": 33534});
        let mut rules = cloud.rules(&servers, &probes)?;
        for (protocol, family) in [("icmp", "IPv4"), ("ipv6-icmp", "IPv6")] {
            rules.push(cloud.rule(&servers, json!({"protocol": protocol, "ethertype": family}))?);
        }
        for to in [server.port.address(false)?, server.port.address(true)?] {
            for options in [&[][..], &["-I"]] {
                let found = || traced(&client, to, options).is_ok_and(|trace| is_there(&trace, to));
                until(PATIENCE, &format!("{to} is found with {options:?}"), found)?;
            }
            // Nobody let this in.
            let trace = traced(&client, to, &["-p", "40000"])?;
            ensure!(!trace.contains(" ms"), "somebody answered:\n{trace}");
        }
        client.does_not_reach(&server).err().ok_or_else(|| anyhow!("pings are let in"))?;
        cloud.delete_rules(&rules)?;
    }
    Ok(())
}

const SERVED: u16 = 53;
/// More connections than a port may have with small tables.
const FLOOD: u16 = 20_000;

/// Datagrams to the served port, each from a port of its own.
fn flood(by: &Guest, to: &Guest) -> Result<()> {
    let wire = by.instance.frames("eth0")?;
    let (from, at): (IpAddr, IpAddr) = (v4(by)?.into(), v4(to)?.into());
    for number in 0..FLOOD {
        let sent = frame::udp(by.instance.mac(), to.instance.mac(), (from, 2000 + number), (at, SERVED));
        wire.send(&sent)?;
    }
    Ok(())
}

fn servers(cloud: &Cloud) -> Result<String> {
    let group = cloud.group("servers")?;
    cloud.rules(&group, &json!({"protocol": "tcp", "port_range_min": 8080, "port_range_max": 8080}))?;
    cloud.rules(&group, &json!({"protocol": "udp", "port_range_min": SERVED, "port_range_max": SERVED}))?;
    Ok(group)
}

#[test]
fn a_flood_pushes_nobody_else_out() -> Result<()> {
    let (cloud, network) = cloud("flood")?;
    let servers = json!({"security_groups": [servers(&cloud)?]});
    let one = Guest::start(&cloud, &network, HOSTS[0], "one")?;
    let two = Guest::start_with(&cloud, &network, HOSTS[1], "two", servers.clone())?;
    let three = Guest::start_with(&cloud, &network, HOSTS[1], "three", servers)?;
    // No rule lets answers in, so each datagram needs a connection.
    let closed = json!({"security_groups": [cloud.group("closed")?]});
    let evil = Guest::start_with(&cloud, &network, HOSTS[0], "evil", closed)?;
    let (door, other) = (two.at(false, 8080)?, three.at(false, 8080)?);
    let (_echo, _other) = (two.instance.tcp_echo(door)?, three.instance.tcp_echo(other)?);
    let flow = one.instance.tcp_flow(door, PACE)?;
    goes_on(&flow)?;
    flood(&evil, &two)?;
    goes_on(&flow)?;
    let report = flow.stop()?;
    ensure!(report.error.is_none(), "{report:?}");
    counted(&cloud, HOSTS[0], "egress_connections")?;
    expect("a connection to another port", one.connects(other)?, Outcome::Open)?;
    expect("one back", three.connects(one.at(false, 22)?)?, Outcome::Silent)?;
    Ok(())
}

/// Packets that passed without a connection at the ports of a host.
fn untracked(cloud: &Cloud, host: &str) -> Result<u64> {
    let counters = cloud.counters(host)?;
    let ports = counters["ports"].as_object().ok_or_else(|| anyhow!("no ports"))?;
    Ok(ports.values().filter_map(|port| port["untracked"].as_u64()).sum())
}

/// Who is let in may fill a port's connections: the port goes on by its rules, and keeps room for its own connections.
#[test]
fn a_flood_by_who_is_let_in_locks_nobody_out() -> Result<()> {
    let (cloud, network) = cloud("crowd")?;
    let servers = json!({"security_groups": [servers(&cloud)?]});
    let clients = json!({"security_groups": [cloud.group("clients")?]});
    let victim = Guest::start_with(&cloud, &network, HOSTS[1], "victim", servers.clone())?;
    let neighbour = Guest::start_with(&cloud, &network, HOSTS[1], "neighbour", servers)?;
    let client = Guest::start_with(&cloud, &network, HOSTS[0], "client", clients)?;
    // No limit of its own stands in its way.
    let evil =
        Guest::start_with(&cloud, &network, HOSTS[0], "evil", json!({"port_security_enabled": false}))?;
    let (door, other) = (victim.at(false, 8080)?, neighbour.at(false, 8080)?);
    let _echoes = [
        victim.instance.tcp_echo(door)?,
        victim.instance.tcp_echo(victim.at(true, 8080)?)?,
        neighbour.instance.tcp_echo(other)?,
    ];
    client.waits_for_door(door, true)?;
    let (old, next_door) = (client.instance.tcp_flow(door, PACE)?, client.instance.tcp_flow(other, PACE)?);
    goes_on(&old)?;
    goes_on(&next_door)?;
    ensure!(untracked(&cloud, HOSTS[1])? == 0, "the port is crowded before the flood");

    flood(&evil, &victim)?;
    let (before, drops) = (untracked(&cloud, HOSTS[1])?, cloud.drops(HOSTS[1])?);
    ensure!(before > u64::from(FLOOD) / 2, "only {before} packets of the flood had no connection");
    expect("a new connection to the victim", client.connects(door)?, Outcome::Open)?;
    expect("one by IPv6", client.connects(victim.at(true, 8080)?)?, Outcome::Open)?;
    let new = client.instance.tcp_flow(door, PACE)?;
    goes_on(&new)?;
    ensure!(untracked(&cloud, HOSTS[1])? > before, "these had a connection kept for them");
    expect("the victim's own connection", victim.connects(other)?, Outcome::Open)?;
    expect("a port that no rule opens", client.connects(victim.at(false, 8081)?)?, Outcome::Silent)?;
    expect("a new connection to its neighbour", client.connects(other)?, Outcome::Open)?;
    for flow in [old, next_door, new] {
        goes_on(&flow)?;
        let report = flow.stop()?;
        ensure!(report.error.is_none(), "{report:?}");
    }
    let refused = cloud.drops(HOSTS[1])?["ingress_connections"] - drops["ingress_connections"];
    ensure!(refused == 0, "{refused} connections were refused");
    let alarm = "port has nearly too many connections";
    Ok(until(PATIENCE, "the agent raises the alarm", || cloud.agent_log(HOSTS[1]).contains(alarm))?)
}
