//! A host that stands for a router goes away, or loses its way outside, while no server runs: another one takes its place, and no
//! session ends.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Echo, Fault, Flow, Host, PingReport, RunningPing, Underlay, until};
use hadron_tests::behind::{Behind, Plan};
use hadron_tests::cloud::PATIENCE;
use hadron_tests::knock::{Outcome, expect, goes_on, is_answered};
use hadron_tests::outside::WORLD;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Two that can stand for a router, and one that has no way outside of its own.
const HOSTS: [&str; 3] = ["compute1", "compute2", "compute3"];
const WEB: u16 = 8080;
const PACE: Duration = Duration::from_millis(20);

/// A guest on each host behind one router, and one more on the last that has a floating IP.
struct Scene {
    floating: IpAddr,
    behind: Behind,
}

impl Scene {
    fn raise(name: &str, underlay: Underlay) -> Result<Self> {
        let places = [HOSTS[0], HOSTS[1], HOSTS[2], HOSTS[2]];
        let plan = Plan { underlay, unmapped: &HOSTS[2..], places: &places, ..Plan::on(&HOSTS) };
        let behind = Behind::raise(name, plan)?;
        let (_, floating) = behind.floating_ip(&behind.guests[3])?;
        for guest in &behind.guests {
            until(PATIENCE, "the world answers", || is_answered(&guest.instance, WORLD.into()))?;
        }
        Ok(Self { floating, behind })
    }

    /// Connections out by the shared address and the floating IP, and one in, all of which go on; with their servers.
    fn flows(&self) -> Result<(Vec<Flow>, [Echo; 2])> {
        let far = SocketAddr::from((WORLD, WEB));
        let door = self.behind.guests[3].at(false, WEB)?;
        let servers =
            [self.behind.outside.world.tcp_echo(far)?, self.behind.guests[3].instance.tcp_echo(door)?];
        let out = self.behind.guests.iter().map(|guest| guest.instance.tcp_flow(far, PACE));
        let within = self.behind.outside.world.tcp_flow(SocketAddr::new(self.floating, WEB), PACE);
        let flows: Vec<Flow> = out.chain([within]).collect::<Result<_, _>>()?;
        flows.iter().try_for_each(goes_on)?;
        Ok((flows, servers))
    }
}

/// Requests in a row that nobody answered.
fn longest_silence(report: &PingReport) -> usize {
    let runs = report.unanswered.chunk_by(|one, next| next - one == 1);
    runs.map(<[u32]>::len).max().unwrap_or(0)
}

/// What happens to a host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// It is cut off from everything.
    Host,
    /// It is cut off from the physical network.
    WayOutside,
}

impl Loss {
    fn happen(self, host: &Host) -> Result<()> {
        host.cut_physical(true)?;
        if self == Loss::Host { Ok(host.fault(&Fault::Partition)?) } else { Ok(()) }
    }

    fn end(self, host: &Host) -> Result<()> {
        if self == Loss::Host {
            host.fault(&Fault::Heal)?;
        }
        Ok(host.cut_physical(false)?)
    }
}

/// Something happens to the host that stands for the router, and is over after a while. All connections go on.
fn survives(mut scene: Scene, loss: Loss) -> Result<()> {
    let (flows, _servers) = scene.flows()?;
    scene.behind.cloud.kill_server();
    let first = scene.behind.standing()?;
    let ways = [
        ("the shared address", &scene.behind.guests[2].instance, IpAddr::from(WORLD)),
        ("the floating IP", &scene.behind.outside.world, scene.floating),
    ];
    let pings: Vec<RunningPing> =
        ways.iter().map(|(_, from, to)| from.ping(*to).interval(PACE).start()).collect::<Result<_, _>>()?;
    for ping in &pings {
        ping.wait_for_replies(20, PATIENCE)?;
    }
    loss.happen(first)?;
    // A guest whose own host is lost waits for its return.
    let is_there = |number: usize| loss != Loss::Host || HOSTS.get(number) != Some(&first.name());
    for ping in &pings {
        let before = ping.received();
        until(PATIENCE, "pings are answered again", || ping.received() > before + 50)?;
    }
    for (number, flow) in flows.iter().enumerate().filter(|(number, _)| is_there(*number)) {
        goes_on(flow).with_context(|| format!("connection {number}"))?;
    }
    let second = scene.behind.standing()?;
    ensure!(second.name() != first.name(), "{} still stands for the router", first.name());
    for (_, guest) in scene.behind.guests.iter().enumerate().filter(|(number, _)| is_there(*number)) {
        expect("a new connection", guest.connects(SocketAddr::from((WORLD, WEB)))?, Outcome::Open)?;
    }
    loss.end(first)?;
    flows.iter().try_for_each(goes_on)?;
    until(PATIENCE, "the first in order is back in its place", || {
        scene.behind.standing().is_ok_and(|host| host.name() == first.name())
    })?;
    for ((way, ..), ping) in ways.iter().zip(pings) {
        let report = ping.stop()?;
        let silence = PACE * longest_silence(&report) as u32;
        println!("by {way}: {} of {} pings lost, silent for {silence:?} at most", report.lost(), report.sent);
    }
    scene.behind.cloud.start_server()?;
    for flow in flows {
        flow.wait_for_messages(50, PATIENCE)?;
        let report = flow.stop()?;
        println!("a connection: longest gap {:?}, {} retransmits", report.longest_gap, report.retransmits);
        ensure!(report.error.is_none(), "{report:?}");
    }
    Ok(())
}

#[test]
fn another_host_takes_over_from_one_that_is_lost() -> Result<()> {
    survives(Scene::raise("lost", Underlay::V4)?, Loss::Host)
}

#[test]
fn another_host_takes_over_from_one_that_has_lost_its_upstream() -> Result<()> {
    survives(Scene::raise("upstream", Underlay::V6)?, Loss::WayOutside)
}
