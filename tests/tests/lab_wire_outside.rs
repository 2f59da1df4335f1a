//! What leaves for the world and comes from there, as the physical network and the wire between hosts see it.

use anyhow::{Context, Result, bail, ensure};
use hadron_lab::{Captured, Underlay, until};
use hadron_tests::behind::{Behind, Plan};
use hadron_tests::cloud::{Cloud, Options, PATIENCE};
use hadron_tests::frame::{ALL_NODES, BROADCAST, Mac, arp_reply, arp_request, echo_request, mac, tagged};
use hadron_tests::guest::Guest;
use hadron_tests::knock::{Outcome, UdpEcho, ask, expect, is_answered};
use hadron_tests::outside::{Outside, UPSTREAM, WORLD};
use hadron_tests::routers::Dual;
use hadron_tests::wire::{Body, Frame, ICMP, Packet, Tunnelled, UDP, Wire};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, UdpSocket};

const HOSTS: [&str; 2] = ["compute1", "compute2"];
const ECHO: u16 = 7;
const COUNT: usize = 3;
/// From here on VNIs are kept for what hosts bring each other in external networks.
const FIRST_TRANSIT_VNI: u32 = 0xf0_0000;
/// ICMP: type and code.
const ECHO_REPLY: (u8, u8) = (0, 0);
const PORT_UNREACHABLE: (u8, u8) = (3, 3);
const FRAGMENTATION_NEEDED: (u8, u8) = (3, 4);
const ECHO_REQUEST: (u8, u8) = (8, 0);
const TIME_EXCEEDED: (u8, u8) = (11, 0);

/// A guest on each host, behind a router with a way outside.
fn raise(name: &str, underlay: Underlay) -> Result<Behind> {
    let scene = Behind::raise(name, Plan { underlay, ..Plan::on(&HOSTS) })?;
    // What is seen then is all there is: checksums too.
    for machine in scene.guests.iter().map(|guest| &guest.instance).chain([&scene.outside.world]) {
        machine.command("ethtool").args(["-K", "eth0", "tx", "off"]).succeed(PATIENCE)?;
    }
    Ok(scene)
}

/// The MAC of a host's interface to the physical network.
fn physical_mac(cloud: &Cloud, host: &str) -> Result<Mac> {
    let shown =
        cloud.host(host)?.command("ip").args(["-json", "link", "show", "physical"]).succeed(PATIENCE)?;
    let links: serde_json::Value = serde_json::from_str(&shown)?;
    Ok(mac(links[0]["address"].as_str().context("an interface without an address")?))
}

/// Frames of one sender with an IP packet, each with it.
fn packets<'a>(sent: &'a [(String, Frame)], by: &str) -> Vec<(&'a Frame, &'a Packet)> {
    let frames = sent.iter().filter(|(sender, _)| sender == by).map(|(_, frame)| frame);
    frames.filter_map(|frame| Some((frame, frame.packet()?))).collect()
}

/// Those of these from one address to another.
fn between<'a>(
    packets: &[(&'a Frame, &'a Packet)],
    source: IpAddr,
    destination: IpAddr,
) -> Vec<(&'a Frame, &'a Packet)> {
    packets.iter().copied().filter(|(_, packet)| packet.is_between(source, destination)).collect()
}

/// The first message of ICMP of a type and code that one sender has sent.
fn message<'a>(sent: &'a [(String, Frame)], by: &str, kind: (u8, u8)) -> Result<(&'a Frame, &'a Packet)> {
    let found = packets(sent, by).into_iter().find(|(_, packet)| packet.icmp() == Some(kind));
    found.with_context(|| format!("{by} sent no message of ICMP {kind:?}"))
}

/// What came in by an instance's interface.
fn came(frames: Vec<Captured>) -> Result<Vec<(String, Frame)>> {
    let frames = frames.into_iter().filter(|captured| !captured.has_left);
    frames.map(|captured| Ok(("wire".to_owned(), Frame::read(captured)?))).collect()
}

#[test]
fn a_floating_ip_is_at_its_own_hosts_mac() -> Result<()> {
    let scene = raise("wirefloating", Underlay::V4)?;
    let Behind { guests, outside, cloud, .. } = &scene;
    let world = &outside.world;
    // The host that does not stand for the router: nothing is to pass the one that does.
    let standing = scene.standing()?.name().to_owned();
    let (number, host) =
        HOSTS.into_iter().enumerate().find(|(_, host)| *host != standing).context("no other host")?;
    let (guest, host_mac) = (&guests[number], physical_mac(cloud, host)?);
    let inside = guest.port.address(false)?;

    // It is said three times where it is.
    let (physical, underlay) = (Wire::physical(cloud, world)?, Wire::underlay(cloud)?);
    let (id, floating) = outside.floating_ip(cloud)?;
    cloud.associate(&id, Some(&guest.port.id))?;
    let mut said = Vec::new();
    until(PATIENCE, "the floating IP is announced three times", || {
        let sent = physical.sent().unwrap_or_default();
        said.extend(sent.into_iter().filter(|(_, frame)| announces(frame, floating)));
        said.len() >= 3
    })?;
    until(PATIENCE, "the floating IP is answered", || is_answered(world, floating))?;
    for (by, frame) in &said {
        ensure!(by == host && frame.source == host_mac, "{by}: {frame:?}");
        ensure!(frame.destination == BROADCAST, "{frame:?}");
    }

    // Requests and answers pass once, translated, from the host itself.
    underlay.sent()?;
    physical.sent()?;
    let own = guest.instance.capture("eth0")?;
    guest.instance.ping(UPSTREAM).count(COUNT as u32).run()?;
    world.ping(floating).count(COUNT as u32).run()?;
    let far = SocketAddr::from((UPSTREAM, ECHO));
    let echo = UdpEcho::start(world.run(|| UdpSocket::bind(far))??)?;
    expect("a datagram", guest.asks(far, 100)?, Outcome::Open)?;
    drop(echo);
    let sent = physical.sent()?;
    let left = between(&packets(&sent, host), floating, UPSTREAM.into());
    let kinds = |kind| left.iter().filter(|(_, packet)| packet.icmp() == Some(kind)).count();
    ensure!((kinds(ECHO_REQUEST), kinds(ECHO_REPLY)) == (COUNT, COUNT), "{left:?}");
    for (frame, packet) in &left {
        ensure!((frame.source, frame.destination) == (host_mac, world.mac()), "{frame:?}");
        ensure!(packet.hop_limit == 63, "{frame:?}");
    }
    let back = between(&packets(&sent, world.name()), UPSTREAM.into(), floating);
    ensure!(back.iter().all(|(frame, _)| frame.destination == host_mac), "{back:?}");
    for (_, frame) in &sent {
        let is_inside =
            frame.packet().is_some_and(|packet| [packet.source, packet.destination].contains(&inside));
        ensure!(!is_inside, "an address of inside is outside: {frame:?}");
    }
    let tunnelled = underlay.tunnelled()?;
    let is_ours =
        |packet: &Tunnelled| packet.inner.packet().is_some_and(|inner| [ICMP, UDP].contains(&inner.protocol));
    ensure!(!tunnelled.iter().any(is_ours), "it went by another host: {tunnelled:?}");

    // A refusal of the world quotes what the instance has sent.
    own.frames()?;
    expect("a closed port outside", guest.asks(far, 100)?, Outcome::Refused)?;
    let got = came(own.frames()?)?;
    let (_, refusal) = message(&got, "wire", PORT_UNREACHABLE)?;
    ensure!(refusal.is_between(UPSTREAM.into(), inside), "{refusal:?}");
    let quoted = refusal.quoted()?;
    ensure!(
        quoted.is_between(inside, UPSTREAM.into()) && quoted.ports().is_some_and(|(_, to)| to == ECHO),
        "{quoted:?}"
    );

    // And one of the instance quotes what the world has sent.
    physical.sent()?;
    expect("a closed port inside", ask(world, SocketAddr::new(floating, ECHO), 100)?, Outcome::Refused)?;
    let sent = physical.sent()?;
    let (_, refusal) = message(&sent, host, PORT_UNREACHABLE)?;
    ensure!(refusal.is_between(floating, UPSTREAM.into()), "{refusal:?}");
    ensure!(refusal.quoted()?.is_between(UPSTREAM.into(), floating), "{refusal:?}");
    assert_router_speaks(&scene, guest, host, floating)
}

/// Whether the frame says, unasked, that its sender has the address (RFC 5227 §2.3, RFC 4861 §7.2.6).
fn announces(frame: &Frame, address: IpAddr) -> bool {
    const ADVERTISEMENT: (u8, u8) = (136, 0);
    match &frame.body {
        Body::Arp { sender, target, .. } => {
            *sender == (frame.source, *target) && IpAddr::from(*target) == address
        }
        Body::Packet(packet) => {
            packet.icmp() == Some(ADVERTISEMENT) && packet.source == address && packet.hop_limit == 255
        }
        Body::Other(_) => false,
    }
}

/// What the router says comes from its own addresses, on the side from which it was asked, and quotes the packet as its sender knows it.
fn assert_router_speaks(scene: &Behind, guest: &Guest, host: &str, floating: IpAddr) -> Result<()> {
    let Behind { shared, outside, cloud, .. } = scene;
    let (world, inside) = (&outside.world, guest.port.address(false)?);
    let own = guest.instance.capture("eth0")?;
    guest.pings_with(UPSTREAM.into(), &["-t", "1"])?;
    let got = came(own.frames()?)?;
    let (_, error) = message(&got, "wire", TIME_EXCEEDED)?;
    let gateway = IpAddr::from([10, 0, 1, 1]);
    ensure!(error.is_between(gateway, inside), "{error:?}");
    ensure!(error.quoted()?.is_between(inside, UPSTREAM.into()), "{error:?}");

    let physical = Wire::physical(cloud, world)?;
    let ping = |arguments: &[&str]| {
        let ping = world.command("ping").args(["-n", "-c", "1", "-W", "1"]).args(arguments);
        ping.arg(floating.to_string()).output(PATIENCE)
    };
    ping(&["-t", "1"])?;
    let sent = physical.sent()?;
    let (_, error) = message(&sent, host, TIME_EXCEEDED)?;
    ensure!(error.is_between(*shared, UPSTREAM.into()), "{error:?}");
    ensure!(error.quoted()?.is_between(UPSTREAM.into(), floating), "{error:?}");

    ping(&["-M", "do", "-s", "1472"])?;
    let sent = physical.sent()?;
    let (_, error) = message(&sent, host, FRAGMENTATION_NEEDED)?;
    ensure!(error.is_between(*shared, UPSTREAM.into()), "{error:?}");
    ensure!(error.quoted()?.is_between(UPSTREAM.into(), floating), "{error:?}");
    let mtu = guest.instance.mtu()? as u16;
    ensure!(error.segment.get(6..8) == Some(&mtu.to_be_bytes()), "another MTU than {mtu}: {error:?}");
    Ok(())
}

#[test]
fn those_who_share_an_address_leave_from_their_own_host_and_are_answered_by_one_relay() -> Result<()> {
    let scene = raise("wireshared", Underlay::V4)?;
    let Behind { guests, shared, outside, cloud, .. } = &scene;
    let (world, far) = (&outside.world, SocketAddr::from((WORLD, ECHO)));
    let standing = scene.standing()?.name().to_owned();
    let standing_at = cloud.host(&standing)?.address();
    let router_mac = cloud.mac_at(&outside.network, *shared)?;
    let _echo = UdpEcho::start(world.run(|| UdpSocket::bind(far))??)?;
    for guest in guests {
        expect("a datagram", guest.asks(far, 100)?, Outcome::Open)?;
    }
    let mut blocks = BTreeMap::new();
    let (physical, underlay) = (Wire::physical(cloud, world)?, Wire::underlay(cloud)?);
    for (guest, host) in guests.iter().zip(HOSTS) {
        let own = guest.instance.capture("eth0")?;
        for _ in 0..COUNT {
            expect("a datagram", guest.asks(far, 100)?, Outcome::Open)?;
        }
        guest.instance.ping(WORLD).count(COUNT as u32).run()?;
        let (sent, tunnelled, got) = (physical.sent()?, underlay.tunnelled()?, came(own.frames()?)?);

        // Out: from the host itself, by ports that no other host has.
        let host_mac = physical_mac(cloud, host)?;
        let left = between(&packets(&sent, host), *shared, WORLD.into());
        ensure!(left.len() == 2 * COUNT, "{} packets left", left.len());
        for (frame, packet) in &left {
            ensure!((frame.source, frame.destination) == (host_mac, world.mac()), "{frame:?}");
            ensure!(packet.hop_limit == 63, "{packet:?}");
            let number = packet.ports().map(|(from, _)| from).or(packet.echo_id()).context("no number")?;
            blocks.entry(host).or_insert_with(BTreeSet::new).insert(number / 64);
        }

        // In: to the host that stands for the router, which brings each packet as it is, once, where it belongs.
        let back = between(&packets(&sent, world.name()), WORLD.into(), *shared);
        ensure!(back.len() == 2 * COUNT, "{} answers came", back.len());
        ensure!(back.iter().all(|(frame, _)| frame.destination == router_mac), "{back:?}");
        let relayed: Vec<_> = tunnelled
            .iter()
            .filter(|packet| {
                packet.inner.packet().is_some_and(|inner| inner.is_between(WORLD.into(), *shared))
            })
            .collect();
        let expected = if host == standing { 0 } else { back.len() };
        ensure!(relayed.len() == expected, "{} of {} answers were relayed", relayed.len(), back.len());
        for (packet, (_, answer)) in relayed.iter().zip(&back) {
            let ends = (standing_at, cloud.host(host)?.address());
            ensure!((packet.from, packet.to) == ends && packet.vni >= FIRST_TRANSIT_VNI, "{packet:?}");
            ensure!(packet.inner.destination == router_mac, "{packet:?}");
            ensure!(packet.inner.packet() == Some(*answer), "{packet:?} is not {answer:?}");
        }
        let inside = guest.port.address(false)?;
        let arrived = between(&packets(&got, "wire"), WORLD.into(), inside);
        ensure!(arrived.len() == back.len(), "{} of {} answers arrived", arrived.len(), back.len());
        // Nothing else of theirs goes between the hosts.
        let others = tunnelled.iter().filter(|packet| !relayed.contains(packet));
        for packet in others {
            let is_theirs = packet.inner.packet().is_some_and(|inner| {
                [inner.source, inner.destination]
                    .iter()
                    .any(|end| [inside, WORLD.into(), *shared].contains(end))
            });
            ensure!(!is_theirs, "{packet:?}");
        }
    }
    let [one, two] = HOSTS.map(|host| &blocks[host]);
    ensure!(one.is_disjoint(two), "two hosts use ports of one block: {blocks:?}");
    Ok(())
}

#[test]
fn a_forwarded_port_is_relayed_once_and_answered_from_the_instances_own_host() -> Result<()> {
    const OUTSIDE: u16 = 8007;
    let scene = raise("wireforward", Underlay::V6)?;
    let Behind { guests, outside, cloud, .. } = &scene;
    let world = &outside.world;
    let standing = scene.standing()?.name().to_owned();
    let (number, host) =
        HOSTS.into_iter().enumerate().find(|(_, host)| *host != standing).context("no other host")?;
    let guest = &guests[number];
    let inside = guest.port.address(false)?;
    let (id, floating) = outside.floating_ip(cloud)?;
    cloud.forward(
        &id,
        json!({
            "protocol": "udp",
            "internal_port_id": guest.port.id,
            "internal_ip_address": inside,
            "internal_port": ECHO,
            "external_port": OUTSIDE,
        }),
    )?;
    let _echo = guest.udp_echo(ECHO)?;
    let door = SocketAddr::new(floating, OUTSIDE);
    until(PATIENCE, "the port leads in", || ask(world, door, 100).is_ok_and(|is| is == Outcome::Open))?;
    let (physical, underlay) = (Wire::physical(cloud, world)?, Wire::underlay(cloud)?);
    let own = guest.instance.capture("eth0")?;
    expect("a datagram", ask(world, door, 100)?, Outcome::Open)?;
    let (sent, tunnelled, got) = (physical.sent()?, underlay.tunnelled()?, came(own.frames()?)?);
    let asked = between(&packets(&sent, world.name()), UPSTREAM.into(), floating);
    let [(question, packet)] = asked[..] else { bail!("asked more than once: {asked:?}") };
    ensure!(question.destination == cloud.mac_at(&outside.network, scene.shared)?, "{question:?}");
    let relayed: Vec<_> = tunnelled.iter().filter(|relayed| relayed.inner.packet() == Some(packet)).collect();
    let [relayed] = relayed[..] else { bail!("not relayed once: {tunnelled:?}") };
    let ends = (cloud.host(&standing)?.address(), cloud.host(host)?.address());
    ensure!((relayed.from, relayed.to) == ends && relayed.vni >= FIRST_TRANSIT_VNI, "{relayed:?}");
    let came_in = between(&packets(&got, "wire"), UPSTREAM.into(), inside);
    ensure!(came_in.len() == 1 && came_in[0].1.ports().is_some_and(|(_, to)| to == ECHO), "{came_in:?}");
    let answers = between(&packets(&sent, host), floating, UPSTREAM.into());
    let [(frame, answer)] = answers[..] else { bail!("answered more than once: {answers:?}") };
    ensure!(answer.ports().is_some_and(|(from, _)| from == OUTSIDE), "{answer:?}");
    ensure!((frame.source, frame.destination) == (physical_mac(cloud, host)?, world.mac()), "{frame:?}");
    Ok(())
}

#[test]
fn a_routers_own_address_is_announced_from_its_own_mac_by_one_host() -> Result<()> {
    let options = Options { has_physical: true, ..Options::default() };
    let cloud = Cloud::up_with("wireannounce", Underlay::V6, &HOSTS, options)?;
    let outside = Outside::create(&cloud)?;
    outside.add_ipv6(&cloud)?;
    let inside = Dual::create(&cloud, 1)?;
    let router = cloud.router("r")?;
    inside.attach(&cloud, &router)?;
    let _guests = [inside.guest(&cloud, HOSTS[0], "one")?, inside.guest(&cloud, HOSTS[1], "two")?];
    let physical = Wire::physical(&cloud, &outside.world)?;
    outside.open(&cloud, &router, true)?;
    let addresses = cloud.gateway_addresses(&router)?;
    let mut said: BTreeMap<IpAddr, Vec<(String, Frame)>> = BTreeMap::new();
    until(PATIENCE, "each address is announced three times", || {
        for (by, frame) in physical.sent().unwrap_or_default() {
            if let Some(address) = addresses.iter().find(|address| announces(&frame, **address)) {
                said.entry(*address).or_default().push((by, frame));
            }
        }
        addresses.len() == 2
            && addresses.iter().all(|address| said.get(address).is_some_and(|it| it.len() >= 3))
    })?;
    let mut by = BTreeSet::new();
    for (address, said) in said {
        let own = cloud.mac_at(&outside.network, address)?;
        let group = if address.is_ipv6() { ALL_NODES } else { BROADCAST };
        for (host, frame) in said {
            ensure!((frame.source, frame.destination) == (own, group), "{frame:?}");
            by.insert(host);
        }
    }
    ensure!(by.len() == 1, "announced by {by:?}");
    Ok(())
}

#[test]
fn a_floating_ip_in_a_vlan_is_heard_in_that_alone() -> Result<()> {
    const VLAN: u16 = 101;
    let plan = Plan { vlan: Some(VLAN), ..Plan::on(&HOSTS[..1]) };
    let Behind { guests, outside, cloud, .. } = &Behind::raise("wirevlan", plan)?;
    let (world, host_mac) = (&outside.world, physical_mac(cloud, HOSTS[0])?);
    let wire = Wire::physical(cloud, world)?;
    let (id, floating) = outside.floating_ip(cloud)?;
    let IpAddr::V4(address) = floating else { bail!("{floating}") };
    cloud.associate(&id, Some(&guests[0].port.id))?;

    let mut said = Vec::new();
    let mut hears = |what: &str, say: &dyn Fn() -> Result<()>, is_it: &dyn Fn(&Frame) -> bool| {
        until(PATIENCE, what, || {
            let _ = say();
            said.extend(wire.sent().unwrap_or_default().into_iter().filter(|(by, _)| by == HOSTS[0]));
            said.iter().any(|(_, frame)| is_it(frame))
        })
    };
    let socket = world.frames("eth0")?;
    let send = |frame: Vec<u8>| -> Result<()> { Ok(socket.send(&tagged(frame, VLAN))?) };
    hears("it is announced", &|| Ok(()), &|frame| announces(frame, floating))?;
    hears("it is answered", &|| send(arp_request(world.mac(), UPSTREAM, address)), &|frame| {
        let Body::Arp { is_request: false, sender, .. } = frame.body else { return false };
        sender == (host_mac, address) && frame.destination == world.mac()
    })?;
    // The host asks for its next hop as whoever is translated.
    let ask = || send(echo_request(world.mac(), host_mac, UPSTREAM, address));
    let answer = || {
        ask()?;
        send(arp_reply(world.mac(), host_mac, (world.mac(), UPSTREAM), address))
    };
    hears("a ping is answered", &answer, &|frame| {
        let is_answer = |packet: &Packet| {
            packet.icmp() == Some(ECHO_REPLY) && packet.is_between(floating, UPSTREAM.into())
        };
        let is_straight = (frame.source, frame.destination) == (host_mac, world.mac());
        is_straight && frame.packet().is_some_and(is_answer)
    })?;
    for (_, frame) in &said {
        ensure!(frame.vlan == Some(VLAN), "outside its VLAN: {frame:?}");
    }
    Ok(())
}
