//! Protocols without ports by a router's address that instances share: a remote end is one instance's, wherever that is, and the others are told.

use anyhow::{Context, Result, bail, ensure};
use hadron_lab::{Capture, FrameSocket, Underlay, until};
use hadron_tests::behind::{Behind, Plan};
use hadron_tests::cloud::PATIENCE;
use hadron_tests::frame::{Mac, packet};
use hadron_tests::guest::Guest;
use hadron_tests::outside::WORLD;
use hadron_tests::wire::{Frame, Packet};
use hyper::Method;
use serde_json::json;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

const HOSTS: [&str; 2] = ["compute1", "compute2"];
const GRE: u8 = 47;
const SCTP: u8 = 132;
const HOST_UNREACHABLE: (u8, u8) = (3, 1);
const PROTOCOL_UNREACHABLE: (u8, u8) = (3, 2);
/// As long as the shortest header of SCTP (RFC 9260 §3.1), whose ports these are then.
const QUESTION: &[u8] = b"\x0f\xa0\x10\x00question";
const ANSWER: &[u8] = b"\x10\x00\x0f\xa0answered";

/// A machine that talks without ports.
struct Talker {
    socket: FrameSocket,
    capture: Capture,
    own: (Mac, Ipv4Addr),
}

impl Talker {
    fn new(place: &hadron_lab::Instance, address: IpAddr) -> Result<Self> {
        let IpAddr::V4(address) = address else { bail!("{address}") };
        let (socket, capture) = (place.frames("eth0")?, place.capture("eth0")?);
        Ok(Self { socket, capture, own: (place.mac(), address) })
    }

    fn of(guest: &Guest) -> Result<Self> {
        Self::new(&guest.instance, guest.port.address(false)?)
    }

    fn says(&self, protocol: u8, to: (Mac, Ipv4Addr), payload: &[u8]) -> Result<()> {
        Ok(self.socket.send(&packet(self.own, to, protocol, payload))?)
    }

    /// Whether such a packet has come since the last question.
    fn has_got(&self, is_it: impl Fn(&Packet) -> bool) -> Result<bool> {
        Ok(self.got()?.iter().filter_map(Frame::packet).any(is_it))
    }

    /// What has come since the last question.
    fn got(&self) -> Result<Vec<Frame>> {
        let frames = self.capture.frames()?.into_iter().filter(|captured| !captured.has_left);
        frames.map(Frame::read).collect()
    }
}

/// What a scene's talkers need of it.
struct Scene {
    behind: Behind,
    world: Talker,
    /// Of the network behind the router.
    gateway: Mac,
    /// Of the router outside.
    router: Mac,
}

impl Scene {
    fn raise(name: &str, underlay: Underlay) -> Result<Self> {
        let places = [HOSTS[0], HOSTS[0], HOSTS[1]];
        let plan = Plan { underlay, places: &places, ..Plan::on(&HOSTS) };
        let behind = Behind::raise(name, plan)?;
        let world = Talker::new(&behind.outside.world, WORLD.into())?;
        let inside = behind.cloud.network_of(&behind.guests[0].port.id)?;
        let gateway = behind.cloud.mac_at(&inside, IpAddr::from([10, 0, 1, 1]))?;
        let router = behind.cloud.mac_at(&behind.outside.network, behind.shared)?;
        Ok(Self { behind, world, gateway, router })
    }

    /// Asks the world until it is heard there, by the shared address.
    fn asks(&self, guest: &Talker, protocol: u8) -> Result<()> {
        let shared = self.behind.shared;
        until(PATIENCE, &format!("protocol {protocol} leaves"), || {
            let said = guest.says(protocol, (self.gateway, WORLD), QUESTION);
            let is_it = |packet: &Packet| {
                packet.is_between(shared, WORLD.into())
                    && (packet.protocol, &packet.segment[..]) == (protocol, QUESTION)
            };
            said.is_ok() && self.world.has_got(is_it).unwrap_or(false)
        })?;
        Ok(())
    }

    /// Answers until the guest hears it.
    fn is_answered(&self, guest: &Talker, protocol: u8) -> Result<()> {
        let IpAddr::V4(shared) = self.behind.shared else { bail!("no IPv4 address") };
        until(PATIENCE, &format!("protocol {protocol} is answered"), || {
            let said = self.world.says(protocol, (self.router, shared), ANSWER);
            let is_it = |packet: &Packet| {
                packet.is_between(WORLD.into(), guest.own.1.into())
                    && (packet.protocol, &packet.segment[..]) == (protocol, ANSWER)
            };
            said.is_ok() && guest.has_got(is_it).unwrap_or(false)
        })
        .with_context(|| {
            let drops = HOSTS.map(|host| format!("{host}: {:?}", self.behind.cloud.drops(host)));
            let standing = self.behind.standing().map(|host| host.name().to_owned());
            format!("{standing:?} stands for the router; dropped by {}", drops.join(", and by "))
        })
    }

    /// Asks the world until a message of ICMP says why not, which quotes the question as it was asked.
    fn is_told(&self, guest: &Talker, protocol: u8, kind: (u8, u8)) -> Result<()> {
        until(PATIENCE, &format!("protocol {protocol} is refused with {kind:?}"), || {
            let said = guest.says(protocol, (self.gateway, WORLD), QUESTION);
            let is_it = |packet: &Packet| {
                packet.icmp() == Some(kind)
                    && packet.quoted().is_ok_and(|quoted| {
                        quoted.protocol == protocol && quoted.is_between(guest.own.1.into(), WORLD.into())
                    })
            };
            said.is_ok() && guest.has_got(is_it).unwrap_or(false)
        })?;
        Ok(())
    }

    /// Sends to each of these until all have been heard outside.
    fn asks_all(&self, guest: &Talker, mut peers: BTreeSet<Ipv4Addr>) -> Result<()> {
        let shared = self.behind.shared;
        let mut round = || -> Result<bool> {
            for peer in &peers {
                guest.says(GRE, (self.gateway, *peer), QUESTION)?;
            }
            for frame in self.world.got()? {
                let Some(packet) = frame.packet() else { continue };
                peers.retain(|peer| !(packet.protocol == GRE && packet.is_between(shared, (*peer).into())));
            }
            Ok(peers.is_empty())
        };
        let done = until(PATIENCE, "every peer is talked to", || round().unwrap_or(false));
        done.with_context(|| format!("{peers:?} are not"))?;
        Ok(())
    }

    /// Starts the agents again with these options.
    fn restart_agents(&mut self, options: &[&str]) -> Result<()> {
        for host in HOSTS {
            self.behind.cloud.kill_agent(host);
            self.behind.cloud.start_agent(host, options)?;
        }
        self.behind.cloud.wait_for_nodes()
    }

    /// Moves a guest to another host, with its port and all that it is told by.
    fn moves(&mut self, number: usize, host: &str) -> Result<Talker> {
        let Guest { port, .. } = self.behind.guests.remove(number);
        let bound = json!({"port": {"binding:host_id": host}});
        self.behind.cloud.call(Method::PUT, &format!("/v2.0/ports/{}", port.id), Some(bound))?;
        let guest = Guest::plug(&self.behind.cloud, port, host, &format!("moved{number}"))?;
        let talker = Talker::of(&guest)?;
        self.behind.guests.insert(number, guest);
        Ok(talker)
    }
}

fn a_remote_end_is_one_instances(name: &str, underlay: Underlay) -> Result<()> {
    let scene = Scene::raise(name, underlay)?;
    let [one, beside, elsewhere] = &scene.behind.guests[..] else { bail!("not three guests") };
    let (one, beside, elsewhere) = (Talker::of(one)?, Talker::of(beside)?, Talker::of(elsewhere)?);
    for (protocol, holder, others) in
        [(GRE, &one, [&beside, &elsewhere]), (SCTP, &elsewhere, [&one, &beside])]
    {
        scene.asks(holder, protocol)?;
        scene.is_answered(holder, protocol)?;
        for other in others {
            scene.is_told(other, protocol, HOST_UNREACHABLE)?;
        }
        scene.is_answered(holder, protocol)?;
    }
    // The world knows no GRE, and says so to who has asked: on the host that stands for the router, or by it.
    scene.is_told(&one, GRE, PROTOCOL_UNREACHABLE)?;
    for host in HOSTS {
        let drops = scene.behind.cloud.drops(host)?;
        let count = drops.get("no_outside_port").copied().context("not counted")?;
        ensure!(count > 0, "{host} has refused nobody");
    }
    Ok(())
}

#[test]
fn a_remote_end_is_one_instances_over_an_ipv4_underlay() -> Result<()> {
    a_remote_end_is_one_instances("protocols", Underlay::V4)
}

#[test]
fn a_remote_end_is_one_instances_over_an_ipv6_underlay() -> Result<()> {
    a_remote_end_is_one_instances("protocols6", Underlay::V6)
}

#[test]
fn answers_find_their_instance_by_whoever_stands_for_the_router() -> Result<()> {
    let mut scene = Scene::raise("protocolsmove", Underlay::V4)?;
    let standing = scene.behind.standing()?.name().to_owned();
    // Both are where no gateway has a state of them.
    let guests = [&scene.behind.guests[0], &scene.behind.guests[2]];
    let (one, two) = (Talker::of(guests[0])?, Talker::of(guests[1])?);
    for (guest, protocol) in [(&one, GRE), (&two, SCTP)] {
        scene.asks(guest, protocol)?;
        scene.is_answered(guest, protocol)?;
    }
    let first = scene.behind.cloud.host(&standing)?;
    first.cut_physical(true)?;
    until(PATIENCE, "another one stands for the router", || {
        scene.behind.standing().is_ok_and(|host| host.name() != standing)
    })?;
    for (guest, protocol) in [(&one, GRE), (&two, SCTP)] {
        scene.is_answered(guest, protocol)?;
        scene.asks(guest, protocol)?;
    }
    scene.behind.cloud.host(&standing)?.cut_physical(false)?;
    until(PATIENCE, "the first stands for the router again", || {
        scene.behind.standing().is_ok_and(|host| host.name() == standing)
    })?;
    // Nothing of it is the server's, or an agent's.
    scene.behind.cloud.kill_server();
    HOSTS.iter().for_each(|host| scene.behind.cloud.kill_agent(host));
    for (guest, protocol) in [(&one, GRE), (&two, SCTP)] {
        scene.asks(guest, protocol)?;
        scene.is_answered(guest, protocol)?;
    }
    Ok(())
}

#[test]
fn an_instance_talks_to_more_peers_than_its_host_leases_at_a_time() -> Result<()> {
    let mut scene = Scene::raise("protocolspeers", Underlay::V4)?;
    // So that what nobody answers is forgotten soon; what is leased stays for as long as nothing else needs its place.
    scene.restart_agents(&["--connection-timeout=other=2"])?;
    let one = Talker::of(&scene.behind.guests[0])?;
    let peers: Vec<Ipv4Addr> = (0..400).map(|number: u32| Ipv4Addr::from(0xc612_0000 + number)).collect();
    for peers in peers.chunks(100) {
        scene.asks_all(&one, peers.iter().copied().collect())?;
    }
    scene.asks(&one, GRE)?;
    scene.is_answered(&one, GRE)
}

#[test]
fn a_remote_end_that_is_idle_is_free_for_another_host() -> Result<()> {
    let mut scene = Scene::raise("protocolsidle", Underlay::V4)?;
    scene.restart_agents(&["--connection-timeout=other=6", "--remote-end-idle=2"])?;
    let (one, elsewhere) = (Talker::of(&scene.behind.guests[0])?, Talker::of(&scene.behind.guests[2])?);
    scene.asks(&one, GRE)?;
    scene.is_answered(&one, GRE)?;
    // As long as it is talked to it stays, for longer than all of these times.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(16) {
        scene.is_told(&elsewhere, GRE, HOST_UNREACHABLE)?;
        scene.asks(&one, GRE)?;
    }
    scene.is_answered(&one, GRE)?;
    scene.asks(&elsewhere, GRE)?;
    scene.is_answered(&elsewhere, GRE)?;
    scene.is_told(&one, GRE, HOST_UNREACHABLE)
}

#[test]
fn an_instance_that_moves_takes_its_remote_ends_along() -> Result<()> {
    let mut scene = Scene::raise("protocolsalong", Underlay::V4)?;
    let (one, elsewhere) = (Talker::of(&scene.behind.guests[0])?, Talker::of(&scene.behind.guests[2])?);
    for (guest, protocol) in [(&one, GRE), (&elsewhere, SCTP)] {
        scene.asks(guest, protocol)?;
        scene.is_answered(guest, protocol)?;
    }
    // Another one of the host that it leaves is behind the router, too.
    let one = scene.moves(0, HOSTS[1])?;
    scene.asks(&one, GRE)?;
    scene.is_answered(&one, GRE)?;
    // Then one of two, while the agent that has to let go is away: nobody else has it until that is back.
    scene.behind.cloud.kill_agent(HOSTS[1]);
    let elsewhere = scene.moves(2, HOSTS[0])?;
    scene.is_told(&elsewhere, SCTP, HOST_UNREACHABLE)?;
    scene.behind.cloud.start_agent(HOSTS[1], &[])?;
    scene.asks(&elsewhere, SCTP)?;
    scene.is_answered(&elsewhere, SCTP)?;
    // And the last one.
    let one = scene.moves(0, HOSTS[0])?;
    scene.asks(&one, GRE)?;
    scene.is_answered(&one, GRE)
}
