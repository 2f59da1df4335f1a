//! Port forwardings: the world gets in by the ports of one floating IP, to instances on hosts with and without a way outside, which see who it is.

use anyhow::{Result, ensure};
use hadron_lab::{Underlay, until};
use hadron_tests::behind::{Behind, Plan};
use hadron_tests::cloud::PATIENCE;
use hadron_tests::knock::{Outcome, ask, connect, ends, expect, goes_on, is_answered, transfer};
use hadron_tests::outside::{UPSTREAM, WORLD, seen_as};
use hyper::Method;
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// One that stands for the router, another one with a way outside, and one without.
const HOSTS: [&str; 3] = ["compute1", "compute2", "compute3"];
const WEB: u16 = 8080;
const ECHO: u16 = 7;
const PACE: Duration = Duration::from_millis(20);

/// A guest on each host, whose ports the world finds at one floating IP.
struct Scene {
    /// Id and address.
    floating: (String, IpAddr),
    behind: Behind,
}

impl Scene {
    fn raise(name: &str, underlay: Underlay, enable_snat: bool) -> Result<Self> {
        let plan = Plan { underlay, unmapped: &HOSTS[2..], enable_snat, ..Plan::on(&HOSTS) };
        let behind = Behind::raise(name, plan)?;
        let scene = Self { floating: behind.outside.floating_ip(&behind.cloud)?, behind };
        for number in 0..HOSTS.len() {
            scene.forward(number, "tcp", scene.door(number).port(), WEB)?;
            scene.forward(number, "udp", scene.door(number).port(), ECHO)?;
        }
        let world = &scene.behind.outside.world;
        world.add_route("10.0.1.0/24", scene.behind.shared)?;
        until(PATIENCE, "the floating IP is answered", || is_answered(world, scene.floating.1))?;
        Ok(scene)
    }

    /// Where the world finds a guest's service.
    fn door(&self, number: usize) -> SocketAddr {
        SocketAddr::new(self.floating.1, 8001 + number as u16)
    }

    /// What a forwarding to a guest says, ports aside.
    fn to(&self, number: usize, protocol: &str) -> Result<Value> {
        let port = &self.behind.guests[number].port;
        let address = port.address(false)?;
        Ok(json!({"protocol": protocol, "internal_port_id": port.id, "internal_ip_address": address}))
    }

    fn forward(&self, number: usize, protocol: &str, external: u16, internal: u16) -> Result<String> {
        let mut body = self.to(number, protocol)?;
        (body["external_port"], body["internal_port"]) = (external.into(), internal.into());
        self.behind.cloud.forward(&self.floating.0, body)
    }
}

/// Each guest is reached by its ports, and sees who comes.
fn assert_open(scene: &Scene) -> Result<()> {
    let Behind { guests, outside, .. } = &scene.behind;
    let world = &outside.world;
    for (number, guest) in guests.iter().enumerate() {
        let (by, door) = (scene.door(number), guest.at(false, WEB)?);
        let client = seen_as(world, by, &guest.instance, door)?;
        ensure!(client == IpAddr::from(UPSTREAM), "guest {number} sees {client}");
        expect("nobody listens", connect(world, by)?, Outcome::Refused)?;
        expect("nobody listens by UDP", ask(world, by, 100)?, Outcome::Refused)?;
        let _echo = guest.udp_echo(ECHO)?;
        expect("a datagram", ask(world, by, 100)?, Outcome::Open)?;
        expect("a datagram in pieces", ask(world, by, 4000)?, Outcome::Open)?;
        transfer(world, &guest.instance, door, by)?;
    }
    let elsewhere = SocketAddr::new(scene.floating.1, 9999);
    expect("a port that leads nowhere", connect(world, elsewhere)?, Outcome::Refused)?;
    Ok(())
}

fn assert_forwards(name: &str, underlay: Underlay) -> Result<()> {
    let scene = &Scene::raise(name, underlay, true)?;
    assert_open(scene)?;
    let Behind { guests, shared, outside, .. } = &scene.behind;
    let far = SocketAddr::from((WORLD, WEB));
    for (number, guest) in guests.iter().enumerate() {
        let client = seen_as(&guest.instance, far, &outside.world, far)?;
        ensure!(client == *shared, "the world sees {client} and not the router's address");
        // Those behind the router come by its address.
        let to = (number + 1) % guests.len();
        let door = guests[to].at(false, WEB)?;
        let client = seen_as(&guest.instance, scene.door(to), &guests[to].instance, door)?;
        ensure!(client == *shared, "guest {to} sees {client} and not the router's address");
    }
    Ok(())
}

#[test]
fn the_world_gets_in_by_forwarded_ports() -> Result<()> {
    assert_forwards("forwarding", Underlay::V4)
}

#[test]
fn the_world_gets_in_by_forwarded_ports_over_an_ipv6_underlay() -> Result<()> {
    assert_forwards("forwarding6", Underlay::V6)
}

#[test]
fn a_router_that_does_not_translate_still_forwards() -> Result<()> {
    let scene = &Scene::raise("forwardplain", Underlay::V4, false)?;
    assert_open(scene)?;
    let far = SocketAddr::from((WORLD, WEB));
    let guest = &scene.behind.guests[1];
    let client = seen_as(&guest.instance, far, &scene.behind.outside.world, far)?;
    ensure!(client == guest.port.address(false)?, "the world sees {client} and not the instance");
    Ok(())
}

#[test]
fn forwardings_come_change_and_go_while_others_run() -> Result<()> {
    let scene = &Scene::raise("forwardchange", Underlay::V4, true)?;
    let Behind { guests, outside, cloud, .. } = &scene.behind;
    let world = &outside.world;
    let mut servers = Vec::new();
    for guest in guests {
        servers.push(guest.instance.tcp_echo(guest.at(false, WEB)?)?);
    }
    let steady = world.tcp_flow(scene.door(0), PACE)?;
    goes_on(&steady)?;

    // A range, of which each port leads to its own.
    let mut body = scene.to(1, "tcp")?;
    (body["external_port_range"], body["internal_port_range"]) = ("7000:7009".into(), "600:609".into());
    let range = cloud.forward(&scene.floating.0, body)?;
    let by = SocketAddr::new(scene.floating.1, 7009);
    let door = guests[1].at(false, 609)?;
    until(PATIENCE, "the range leads in", || seen_as(world, by, &guests[1].instance, door).is_ok())?;
    let below = SocketAddr::new(scene.floating.1, 6999);
    expect("below the range", connect(world, below)?, Outcome::Refused)?;

    // It leads to another instance from one moment to the next.
    let guest = &guests[2];
    let change = json!({
        "internal_port_id": guest.port.id,
        "internal_ip_address": guest.port.address(false)?,
        "external_port": 7100,
        "internal_port": WEB + 1,
    });
    cloud.call(Method::PUT, &range, Some(json!({"port_forwarding": change})))?;
    let by = SocketAddr::new(scene.floating.1, 7100);
    servers.push(guest.instance.tcp_echo(guest.at(false, WEB + 1)?)?);
    until(PATIENCE, "the changed one leads in", || connect(world, by).is_ok_and(|is| is == Outcome::Open))?;
    let before = SocketAddr::new(scene.floating.1, 7009);
    expect("the range before", connect(world, before)?, Outcome::Refused)?;

    // Taken away, its connections end.
    let flow = world.tcp_flow(by, PACE)?;
    goes_on(&flow)?;
    let ending = ends(&flow, || cloud.call(Method::DELETE, &range, None).map(drop))?;
    println!("taken away in {:?}; the last octet came {:?} after the call began", ending.call, ending.last);
    drop(flow);

    // Pings are the router's, until they are forwarded: then they are the instance's, which may refuse them.
    world.ping(scene.floating.1).count(2).run()?;
    let closed = cloud.group("closed")?;
    let port = json!({"port": {"security_groups": [closed]}});
    cloud.call(Method::PUT, &format!("/v2.0/ports/{}", guest.port.id), Some(port))?;
    let ping = cloud.forward(&scene.floating.0, scene.to(2, "icmp")?)?;
    until(PATIENCE, "the instance keeps silent", || !is_answered(world, scene.floating.1))?;
    cloud.call(Method::DELETE, &ping, None)?;
    until(PATIENCE, "the router answers", || is_answered(world, scene.floating.1))?;
    cloud.forward(&scene.floating.0, scene.to(1, "icmp")?)?;
    until(PATIENCE, "the instance answers", || is_answered(world, scene.floating.1))?;

    let report = steady.stop()?;
    ensure!(report.error.is_none() && report.retransmits == 0, "{report:?}");
    Ok(())
}

#[test]
fn connections_outlive_the_agent_and_the_host_that_stands_for_the_router() -> Result<()> {
    let mut scene = Scene::raise("forwardsteady", Underlay::V4, true)?;
    let guest = &scene.behind.guests[1];
    let _server = guest.instance.tcp_echo(guest.at(false, WEB)?)?;
    let flow = scene.behind.outside.world.tcp_flow(scene.door(1), PACE)?;
    goes_on(&flow)?;
    scene.behind.cloud.kill_agent(HOSTS[1]);
    goes_on(&flow)?;
    scene.behind.cloud.start_agent(HOSTS[1], &[])?;
    goes_on(&flow)?;
    let first = scene.behind.standing()?;
    first.cut_physical(true)?;
    until(PATIENCE, "another one stands for the router", || {
        scene.behind.standing().is_ok_and(|host| host.name() != first.name())
    })?;
    goes_on(&flow)?;
    let report = flow.stop()?;
    ensure!(report.error.is_none(), "{report:?}");
    expect("a new connection", connect(&scene.behind.outside.world, scene.door(1))?, Outcome::Open)
}
