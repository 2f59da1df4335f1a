//! What hosts bring each other, as the wire between them sees it: each packet once, straight to where it belongs, in its own network's VXLAN.

use anyhow::{Result, anyhow, bail, ensure};
use hadron_lab::Underlay;
use hadron_tests::cloud::{Cloud, PATIENCE};
use hadron_tests::frame::Mac;
use hadron_tests::guest::Guest;
use hadron_tests::knock::{Outcome, expect};
use hadron_tests::routers::Dual;
use hadron_tests::wire::{Body, Frame, Tunnelled, Wire};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Two that talk, and one that takes part in everything and shall hear of nothing.
const HOSTS: [&str; 3] = ["compute1", "compute2", "compute3"];
const ECHO: u16 = 7;
const COUNT: usize = 3;

/// Two networks with a router between them, and guests.
struct Scene {
    blue: Dual,
    green: Dual,
    /// Of the blue network on the first host.
    one: Guest,
    /// Of the blue network on the second host.
    beside: Guest,
    /// Of the green network on the second host.
    beyond: Guest,
    /// Of both networks on the third host.
    _others: [Guest; 2],
    cloud: Cloud,
}

impl Scene {
    fn raise(name: &str, underlay: Underlay) -> Result<Self> {
        let cloud = Cloud::up(name, underlay, &HOSTS)?;
        let (blue, green) = (Dual::create(&cloud, 1)?, Dual::create(&cloud, 2)?);
        let router = cloud.router("r")?;
        blue.attach(&cloud, &router)?;
        green.attach(&cloud, &router)?;
        let others = [blue.guest(&cloud, HOSTS[2], "blue3")?, green.guest(&cloud, HOSTS[2], "green3")?];
        let one = blue.guest(&cloud, HOSTS[0], "one")?;
        let beside = blue.guest(&cloud, HOSTS[1], "beside")?;
        let beyond = green.guest(&cloud, HOSTS[1], "beyond")?;
        for other in [&beside, &beyond] {
            one.reaches(other)?;
            other.reaches(&one)?;
        }
        Ok(Self { blue, green, one, beside, beyond, _others: others, cloud })
    }

    /// The underlay's addresses of the first two hosts.
    fn ends(&self) -> Result<[IpAddr; 2]> {
        Ok([self.cloud.host(HOSTS[0])?.address(), self.cloud.host(HOSTS[1])?.address()])
    }
}

/// Those from one address to another.
fn between(packets: &[Tunnelled], source: IpAddr, destination: IpAddr) -> Vec<&Tunnelled> {
    let is_it = |packet: &&Tunnelled| {
        packet.inner.packet().is_some_and(|inner| inner.is_between(source, destination))
    };
    packets.iter().filter(is_it).collect()
}

/// Nobody is asked for an address that the hosts know.
fn assert_nobody_is_asked(packets: &[Tunnelled]) -> Result<()> {
    for packet in packets {
        let is_arp = matches!(packet.inner.body, Body::Arp { .. });
        let kind = packet.inner.packet().and_then(|inner| inner.icmp());
        ensure!(
            !is_arp && !matches!(kind, Some((133..=137, _))),
            "a question went by the underlay: {packet:?}"
        );
    }
    Ok(())
}

fn forget_neighbours(guest: &Guest) -> Result<()> {
    guest.instance.command("ip").args(["neighbour", "flush", "all"]).succeed(PATIENCE)?;
    Ok(())
}

/// Frames that an instance has sent by its interface, from one address to another.
fn left(frames: Vec<hadron_lab::Captured>, source: IpAddr, destination: IpAddr) -> Result<Vec<Frame>> {
    let frames = frames.into_iter().filter(|captured| captured.has_left).map(Frame::read);
    let is_it = |frame: &Frame| frame.packet().is_some_and(|packet| packet.is_between(source, destination));
    Ok(frames.collect::<Result<Vec<_>>>()?.into_iter().filter(is_it).collect())
}

fn a_network_goes_straight_from_host_to_host(name: &str, underlay: Underlay) -> Result<()> {
    let scene = Scene::raise(name, underlay)?;
    let Scene { one, beside, beyond, cloud, .. } = &scene;
    let [here, there] = scene.ends()?;
    // What is seen then is all there is: checksums too.
    for guest in [one, beside, beyond] {
        guest.instance.command("ethtool").args(["-K", "eth0", "tx", "off"]).succeed(PATIENCE)?;
        forget_neighbours(guest)?;
    }
    let wire = Wire::underlay(cloud)?;
    let own = one.instance.capture("eth0")?;
    let _echo = [beside.udp_echo(ECHO)?, beyond.udp_echo(ECHO)?];
    let (blue, green) = (cloud.vni(&scene.blue.network)?, cloud.vni(&scene.green.network)?);
    for is_ipv6 in [false, true] {
        let from = one.port.address(is_ipv6)?;

        // In a network a frame comes as it left.
        let to = beside.port.address(is_ipv6)?;
        one.instance.ping(to).count(COUNT as u32).run()?;
        expect("a datagram", one.asks(beside.at(is_ipv6, ECHO)?, 100)?, Outcome::Open)?;
        let packets = wire.tunnelled()?;
        assert_nobody_is_asked(&packets)?;
        let sent = left(own.frames()?, from, to)?;
        let brought = between(&packets, from, to);
        ensure!(sent.len() > COUNT && sent.len() == brought.len(), "{} of {}", brought.len(), sent.len());
        for (packet, frame) in brought.iter().zip(&sent) {
            ensure!((packet.from, packet.to, packet.vni) == (here, there, blue), "{packet:?}");
            ensure!(packet.inner.octets == frame.octets, "{packet:?} is not {frame:?}");
        }
        for packet in between(&packets, to, from) {
            ensure!((packet.from, packet.to, packet.vni) == (there, here, blue), "{packet:?}");
        }

        // By a router it comes in the other network, from the router.
        let to = beyond.port.address(is_ipv6)?;
        one.instance.ping(to).count(COUNT as u32).run()?;
        expect("a routed datagram", one.asks(beyond.at(is_ipv6, ECHO)?, 100)?, Outcome::Open)?;
        let packets = wire.tunnelled()?;
        assert_nobody_is_asked(&packets)?;
        let sent = left(own.frames()?, from, to)?;
        let gateways = [&scene.blue, &scene.green].map(|network| network.gateways[usize::from(is_ipv6)]);
        let macs = [
            cloud.mac_at(&scene.blue.network, gateways[0])?,
            cloud.mac_at(&scene.green.network, gateways[1])?,
        ];
        let brought = between(&packets, from, to);
        ensure!(sent.len() > COUNT && sent.len() == brought.len(), "{} of {}", brought.len(), sent.len());
        for (packet, frame) in brought.iter().zip(&sent) {
            ensure!((packet.from, packet.to, packet.vni) == (here, there, green), "{packet:?}");
            ensure!(packet.inner.source == macs[1] && frame.destination == macs[0], "{packet:?}");
            ensure!(packet.inner.destination == beyond.instance.mac(), "{packet:?}");
            let (Some(after), Some(before)) = (packet.inner.packet(), frame.packet()) else { continue };
            ensure!(after.hop_limit + 1 == before.hop_limit, "{packet:?}");
            ensure!(after.segment == before.segment, "{packet:?} is not {frame:?}");
        }
        let back = between(&packets, to, from);
        ensure!(back.len() == sent.len(), "{} answers to {}", back.len(), sent.len());
        for packet in back {
            ensure!((packet.from, packet.to, packet.vni) == (there, here, blue), "{packet:?}");
            ensure!(packet.inner.source == macs[0], "{packet:?}");
            ensure!(packet.inner.destination == one.instance.mac(), "{packet:?}");
        }
    }
    Ok(())
}

#[test]
fn packets_go_straight_from_host_to_host_by_an_ipv4_underlay() -> Result<()> {
    a_network_goes_straight_from_host_to_host("wire", Underlay::V4)
}

#[test]
fn packets_go_straight_from_host_to_host_by_an_ipv6_underlay() -> Result<()> {
    a_network_goes_straight_from_host_to_host("wire6", Underlay::V6)
}

#[test]
fn no_packet_of_one_project_is_in_the_vxlan_of_another() -> Result<()> {
    let cloud = Cloud::up("wireprojects", Underlay::V4, &HOSTS)?;
    // The same addresses in both: who is reached is told apart by the network alone.
    let projects = [Project::create(&cloud, "blue", 1)?, Project::create(&cloud, "red", 2)?];
    let wire = Wire::underlay(&cloud)?;
    std::thread::scope(|scope| {
        let talks = projects.each_ref().map(|project| scope.spawn(|| project.talk()));
        talks.into_iter().try_for_each(|talk| talk.join().map_err(|_| anyhow!("a talk has panicked"))?)
    })?;
    let mut seen: BTreeMap<u32, usize> = BTreeMap::new();
    for packet in wire.tunnelled()? {
        let ends = [packet.inner.source, packet.inner.destination];
        let owners: Vec<_> =
            projects.iter().filter(|project| ends.iter().any(|mac| project.macs.contains(mac))).collect();
        let [owner] = owners[..] else { bail!("of {} projects: {packet:?}", owners.len()) };
        ensure!(owner.vnis.contains(&packet.vni), "in another project's VXLAN: {packet:?}");
        *seen.entry(packet.vni).or_default() += 1;
    }
    for vni in projects.iter().flat_map(|project| &project.vnis) {
        ensure!(seen.get(vni).is_some_and(|count| *count > COUNT), "hardly anything was seen: {seen:?}");
    }
    Ok(())
}

/// Two networks, a router and guests of a project.
struct Project {
    guests: Vec<Guest>,
    vnis: Vec<u32>,
    macs: Vec<Mac>,
}

impl Project {
    fn create(cloud: &Cloud, name: &str, number: u8) -> Result<Self> {
        let own = json!({"name": name, "project_id": format!("{number:032x}")});
        let router = cloud.made("router", own.clone())?;
        let (mut guests, mut vnis, mut macs) = (Vec::new(), Vec::new(), Vec::new());
        for subnet in [1, 2] {
            let network = Dual::on(cloud, cloud.made("network", own.clone())?, subnet)?;
            network.attach(cloud, &router)?;
            vnis.push(cloud.vni(&network.network)?);
            for gateway in network.gateways {
                macs.push(cloud.mac_at(&network.network, gateway)?);
            }
            for (place, host) in HOSTS.iter().enumerate() {
                let guest = network.guest(cloud, host, &format!("{name}{subnet}{place}"))?;
                macs.push(guest.instance.mac());
                guests.push(guest);
            }
        }
        Ok(Self { guests, vnis, macs })
    }

    /// Everybody with everybody, and with addresses of nobody.
    fn talk(&self) -> Result<()> {
        for guest in &self.guests {
            forget_neighbours(guest)?;
            self.guests.iter().try_for_each(|other| guest.reaches(other))?;
            for nobody in ["10.0.1.222", "10.0.2.222", "10.0.1.255", "fd00:1::dead", "fd00:2::dead"] {
                guest.pings_with(nobody.parse()?, &["-b", "-W", "0.1"])?;
            }
        }
        Ok(())
    }
}
