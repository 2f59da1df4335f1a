//! Floating IPs: instances and the world reach each other by them, and know each other by their true addresses.

use anyhow::{Result, ensure};
use hadron_lab::{Instance, until};
use hadron_tests::behind::{Behind, Plan};
use hadron_tests::cloud::PATIENCE;
use hadron_tests::knock::{Outcome, connect, ends, expect, goes_on, is_answered};
use hadron_tests::outside::{UPSTREAM, WORLD, seen_as};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

const HOSTS: [&str; 2] = ["compute1", "compute2"];
const WEB: u16 = 8080;
const PACE: Duration = Duration::from_millis(20);

/// A guest at each of the places, behind a router with a way outside; and the id and address of each one's floating IP.
fn raise(name: &str, places: &[&str]) -> Result<(Behind, Vec<(String, IpAddr)>)> {
    let behind = Behind::raise(name, Plan { places, ..Plan::on(&HOSTS) })?;
    let floating = behind.guests.iter().map(|guest| behind.floating_ip(guest)).collect::<Result<_>>()?;
    Ok((behind, floating))
}

#[test]
fn instances_and_the_world_reach_each_other_by_floating_ips() -> Result<()> {
    let (Behind { guests, outside, .. }, floating) = &raise("floating", &HOSTS)?;
    let world = &outside.world;
    for (guest, (_, address)) in guests.iter().zip(floating) {
        let inside = guest.port.address(false)?;
        let report = world.ping(*address).count(5).run()?;
        ensure!(report.lost() == 0, "{} requests of the world to {address} were lost", report.lost());
        // A full frame passes whole, both ways.
        let report = world.ping(*address).size(1450 - 28).unfragmented().count(2).run()?;
        ensure!(report.lost() == 0, "a packet as large as the instance's network carries was lost");
        for source in [UPSTREAM, WORLD] {
            guest.pings(source.into())?;
        }
        let by = SocketAddr::new(*address, WEB);
        let client = seen_as(world, by, &guest.instance, SocketAddr::new(inside, WEB))?;
        ensure!(client == IpAddr::from(UPSTREAM), "the instance sees {client}");
        let far = SocketAddr::from((WORLD, WEB));
        let client = seen_as(&guest.instance, far, world, far)?;
        ensure!(client == *address, "the world sees {client} and not {address}");
        // Refusals are errors and resets of the other side, translated back.
        expect("a closed port outside", guest.connects(far)?, Outcome::Refused)?;
        expect("a closed port inside", connect(world, by)?, Outcome::Refused)?;
        expect("a closed UDP port outside", guest.asks(far, 100)?, Outcome::Refused)?;
        ensure!(is_udp_refused(world, by)?, "the world hears nothing of a closed UDP port inside");
    }
    Ok(())
}

/// Whether a datagram to a closed port is answered by an ICMP error that the sender's kernel takes for its own.
fn is_udp_refused(from: &Instance, to: SocketAddr) -> Result<bool> {
    let refused = from.run(|| {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.connect(to)?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        socket.send(b"anybody?")?;
        socket.recv(&mut [0; 16])
    })?;
    Ok(refused.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused))
}

#[test]
fn floating_ips_reach_each_other_on_one_host_and_on_two() -> Result<()> {
    let (Behind { guests, .. }, floating) = &raise("hairpin", &[HOSTS[0], HOSTS[0], HOSTS[1]])?;
    let (one, (_, own)) = (&guests[0], &floating[0]);
    for (other, (_, address)) in guests.iter().zip(floating).skip(1) {
        until(PATIENCE, "the other floating IP is answered", || is_answered(&one.instance, *address))?;
        one.pings(*address)?;
        let by = SocketAddr::new(*address, WEB);
        let door = SocketAddr::new(other.port.address(false)?, WEB);
        let client = seen_as(&one.instance, by, &other.instance, door)?;
        ensure!(client == *own, "the other instance sees {client} and not {own}");
        expect("a closed port", one.connects(by)?, Outcome::Refused)?;
        expect("a closed UDP port", one.asks(by, 100)?, Outcome::Refused)?;
    }
    ensure!(is_answered(&one.instance, *own), "an instance does not reach its own floating IP");
    Ok(())
}

#[test]
fn a_floating_ip_that_is_taken_away_ends_its_sessions_and_moves_at_once() -> Result<()> {
    let (Behind { guests, outside, cloud, .. }, floating) = &raise("moving", &HOSTS)?;
    let [(floating, address), (other, _)] = &floating[..] else { unreachable!("two floating IPs") };
    cloud.associate(other, None)?;
    let mut servers = Vec::new();
    for guest in guests {
        servers.push(guest.instance.tcp_echo(guest.at(false, WEB)?)?);
    }
    let by = SocketAddr::new(*address, WEB);
    let flow = outside.world.tcp_flow(by, PACE)?;
    goes_on(&flow)?;
    let ending = ends(&flow, || cloud.associate(floating, None))?;
    println!("taken away in {:?}; the last octet came {:?} after the call began", ending.call, ending.last);
    drop(flow);
    ensure!(!is_answered(&outside.world, *address), "the floating IP is answered while it leads nowhere");
    // The world still takes the first host for its place, and is told otherwise.
    let mut times = Vec::new();
    for guest in [1, 0, 1, 0, 1].map(|number| &guests[number]) {
        let begun = Instant::now();
        cloud.associate(floating, Some(&guest.port.id))?;
        until(PATIENCE, "the floating IP is answered at its new place", || {
            let ping = outside.world.ping(*address).count(1).timeout(Duration::from_millis(20));
            ping.run().is_ok_and(|report| report.received == 1)
        })?;
        times.push(begun.elapsed());
        let door = SocketAddr::new(*address, WEB);
        expect("its server", connect(&outside.world, door)?, Outcome::Open)?;
        cloud.associate(floating, None)?;
    }
    times.sort();
    println!("from the call to the first answered ping: median {:?} of {times:?}", times[times.len() / 2]);
    Ok(())
}

#[test]
fn sessions_go_on_while_the_agent_and_the_server_are_away() -> Result<()> {
    let (mut scene, floating) = raise("steady", &HOSTS[..1])?;
    let (guest, (_, address)) = (&scene.guests[0], &floating[0]);
    let _server = guest.instance.tcp_echo(guest.at(false, WEB)?)?;
    let flow = scene.outside.world.tcp_flow(SocketAddr::new(*address, WEB), PACE)?;
    flow.wait_for_messages(20, PATIENCE)?;
    scene.cloud.kill_server();
    scene.cloud.kill_agent(HOSTS[0]);
    flow.wait_for_messages(50, PATIENCE)?;
    scene.cloud.start_agent(HOSTS[0], &[])?;
    flow.wait_for_messages(150, PATIENCE)?;
    let report = flow.stop()?;
    ensure!(report.error.is_none() && report.retransmits == 0, "{report:?}");
    Ok(())
}
