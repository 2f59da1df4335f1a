//! Instances without a floating IP share their router's address: each leaves by ports that its own host has, and what comes back is relayed
//! there by the one host that stands for the router.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Underlay, until};
use hadron_tests::behind::{Behind, Plan};
use hadron_tests::cloud::PATIENCE;
use hadron_tests::knock::{Outcome, UdpEcho, connect, expect, goes_on, is_answered};
use hadron_tests::outside::{UPSTREAM, WORLD, seen_as};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

const HOSTS: [&str; 2] = ["compute1", "compute2"];
const WEB: u16 = 8080;
/// An address of the external network that nobody has heard of.
const BESIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 77);
const PACE: Duration = Duration::from_millis(20);

/// A network behind a router to the external network, and a guest on it for each host named.
fn raise(
    name: &str,
    underlay: Underlay,
    places: &[&str],
    unmapped: &'static [&'static str],
) -> Result<Behind> {
    Behind::raise(name, Plan { underlay, unmapped, places, ..Plan::on(&HOSTS) })
}

/// What every guest of a scene can do.
fn assert_works(scene: &Behind) -> Result<()> {
    let Behind { guests, shared, outside, .. } = scene;
    let world = &outside.world;
    for guest in guests {
        for address in [UPSTREAM, WORLD] {
            guest.pings(address.into())?;
        }
        // A full frame passes whole, both ways; a larger one is told so.
        let full = guest.instance.ping(WORLD).size(1450 - 28).unfragmented().count(2).run()?;
        ensure!(full.lost() == 0, "a packet as large as the instance's network carries was lost");
        let far = SocketAddr::from((WORLD, WEB));
        let client = seen_as(&guest.instance, far, world, far)?;
        ensure!(client == *shared, "the world sees {client} and not {shared}");
        expect("a closed port outside", guest.connects(far)?, Outcome::Refused)?;
        expect("a closed UDP port outside", guest.asks(far, 100)?, Outcome::Refused)?;
        let echo = UdpEcho::start(world.run(|| UdpSocket::bind(far))??)?;
        expect("a datagram", guest.asks(far, 100)?, Outcome::Open)?;
        expect("a datagram in pieces", guest.asks(far, 4000)?, Outcome::Open)?;
        drop(echo);
    }
    let report = world.ping(*shared).count(3).run()?;
    ensure!(report.lost() == 0, "the router does not answer for its address");
    let stranger = connect(world, SocketAddr::new(*shared, WEB))?;
    ensure!(stranger != Outcome::Open, "the world gets in by the shared address: {stranger:?}");
    Ok(())
}

#[test]
fn instances_on_two_hosts_reach_the_world_by_one_address() -> Result<()> {
    let scene = raise("shared", Underlay::V4, &[HOSTS[0], HOSTS[1], HOSTS[1]], &[])?;
    assert_works(&scene)?;
    // All by one port of their own, at once: the world tells them apart.
    let far = SocketAddr::from((WORLD, WEB));
    let server = scene.outside.world.run(|| UdpSocket::bind(far))??;
    server.set_read_timeout(Some(PATIENCE))?;
    let mut seen = BTreeSet::new();
    let mut sockets = Vec::new();
    for guest in &scene.guests {
        let socket = guest.instance.run(|| UdpSocket::bind("0.0.0.0:5000"))??;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.send_to(b"hello", far)?;
        let (_, client) = server.recv_from(&mut [0; 16])?;
        ensure!(client.ip() == scene.shared && seen.insert(client), "{client} of {seen:?}");
        sockets.push((socket, client));
    }
    for (number, (_, client)) in sockets.iter().enumerate() {
        server.send_to(&[number as u8], client)?;
    }
    for (number, (socket, _)) in sockets.iter().enumerate() {
        let mut answer = [0; 16];
        let length = socket.recv(&mut answer).context("no answer")?;
        ensure!(answer[..length] == [number as u8], "another guest's answer");
    }
    Ok(())
}

#[test]
fn a_host_without_a_way_outside_goes_by_another() -> Result<()> {
    let scene = raise("relayed", Underlay::V4, &[HOSTS[0], HOSTS[1]], &[HOSTS[1]])?;
    assert_works(&scene)?;
    let guest = &scene.guests[1];
    let (id, floating) = scene.outside.floating_ip(&scene.cloud)?;
    scene.cloud.associate(&id, Some(&guest.port.id))?;
    let world = &scene.outside.world;
    until(PATIENCE, "the floating IP is answered", || is_answered(world, floating))?;
    let door = SocketAddr::new(guest.port.address(false)?, WEB);
    let client = seen_as(world, SocketAddr::new(floating, WEB), &guest.instance, door)?;
    ensure!(client == IpAddr::from(UPSTREAM), "the instance sees {client}");
    let far = SocketAddr::from((WORLD, WEB));
    let client = seen_as(&guest.instance, far, world, far)?;
    ensure!(client == floating, "the world sees {client}");
    let neighbour = &scene.guests[0].instance;
    until(PATIENCE, "the floating IP is answered inside", || is_answered(neighbour, floating))?;
    Ok(())
}

/// A datagram whose checksum is left to the interface becomes the question for its next hop, which that must not fill anything into.
#[test]
fn a_datagram_alone_finds_its_next_hop() -> Result<()> {
    let scene = raise("datagram", Underlay::V4, &HOSTS[..1], &[])?;
    let host = scene.cloud.host(HOSTS[0])?;
    host.command("ethtool").args(["-K", "physical", "tx", "off"]).succeed(PATIENCE)?;
    let world = &scene.outside.world;
    world.add_address(&format!("{BESIDE}/24"))?;
    let door = SocketAddr::from((BESIDE, WEB));
    let _echo = UdpEcho::start(world.run(|| UdpSocket::bind(door))??)?;
    let guest = &scene.guests[0];
    until(PATIENCE, "a datagram is answered", || guest.asks(door, 100).is_ok_and(|is| is == Outcome::Open))?;
    Ok(())
}

#[test]
fn sessions_go_on_while_agents_and_the_server_are_away() -> Result<()> {
    let mut scene = raise("away", Underlay::V6, &HOSTS, &[])?;
    let far = SocketAddr::from((WORLD, WEB));
    let _server = scene.outside.world.tcp_echo(far)?;
    let mut flows = Vec::new();
    for guest in &scene.guests {
        let flow = guest.instance.tcp_flow(far, PACE)?;
        flow.wait_for_messages(20, PATIENCE)?;
        flows.push(flow);
    }
    scene.cloud.kill_server();
    for host in HOSTS {
        scene.cloud.kill_agent(host);
    }
    for flow in &flows {
        flow.wait_for_messages(50, PATIENCE)?;
    }
    for guest in &scene.guests {
        expect("a new connection", guest.connects(far)?, Outcome::Open)?;
    }
    for host in HOSTS {
        scene.cloud.start_agent(host, &[])?;
    }
    for flow in flows {
        flow.wait_for_messages(150, PATIENCE)?;
        let report = flow.stop()?;
        ensure!(report.error.is_none() && report.retransmits == 0, "{report:?}");
    }
    Ok(())
}

#[test]
fn more_connections_than_a_host_has_ports_get_further_ones() -> Result<()> {
    let scene = raise("crowded", Underlay::V4, &HOSTS[..1], &[])?;
    let guest = &scene.guests[0];
    let far = SocketAddr::from((WORLD, WEB));
    let listener = scene.outside.world.run(|| TcpListener::bind(far))??;
    let (mut held, mut ports, mut refused) = (Vec::new(), BTreeSet::new(), 0);
    // A host begins with 256 ports; each of these is towards one remote end. One that finds none is told so.
    while held.len() < 600 {
        let mine = guest.instance.run(|| TcpStream::connect_timeout(&far, Duration::from_secs(2)))?;
        let Ok(mine) = mine else {
            refused += 1;
            ensure!(refused < 50, "no further ports after {} connections: {mine:?}", held.len());
            continue;
        };
        let (theirs, client) = listener.accept()?;
        ensure!(client.ip() == scene.shared && ports.insert(client.port()), "{client} is there already");
        held.push((mine, theirs));
    }
    println!("{} connections by one address to one server, {refused} attempts came too early", held.len());
    let flow_server = scene.outside.world.tcp_echo(SocketAddr::from((WORLD, WEB + 1)))?;
    let flow = guest.instance.tcp_flow(SocketAddr::from((WORLD, WEB + 1)), PACE)?;
    goes_on(&flow)?;
    drop((flow, flow_server));
    Ok(())
}
