//! What is behind a router without translation is reached from outside, by the router's own address: IPv6 always, IPv4 where the router does not
//! translate. The way in is by the host that stands for the router, the way out by the instance's own.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Underlay, until};
use hadron_tests::cloud::{Cloud, Options, PATIENCE};
use hadron_tests::guest::Guest;
use hadron_tests::knock::{Outcome, connect, expect, goes_on, is_answered};
use hadron_tests::outside::{Outside, WORLD, WORLD_V6, seen_as};
use hadron_tests::routers::Dual;
use serde_json::json;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// One that stands for the router, another one with a way outside, and one without.
const HOSTS: [&str; 3] = ["compute1", "compute2", "compute3"];
const WEB: u16 = 8080;
const PACE: Duration = Duration::from_millis(20);

struct Scene {
    /// One on each host, open to everybody, and one that lets nobody in.
    guests: Vec<Guest>,
    outside: Outside,
    cloud: Cloud,
}

impl Scene {
    fn raise(name: &str, underlay: Underlay) -> Result<Self> {
        let options = Options { has_physical: true, unmapped: &HOSTS[2..], ..Options::default() };
        let cloud = Cloud::up_with(name, underlay, &HOSTS, options)?;
        let outside = Outside::create(&cloud)?;
        outside.add_ipv6(&cloud)?;
        let inside = Dual::create(&cloud, 1)?;
        let router = cloud.router("r")?;
        inside.attach(&cloud, &router)?;
        outside.open(&cloud, &router, false)?;
        let addresses = cloud.gateway_addresses(&router)?;
        for (prefix, is_ipv6) in [("10.0.1.0/24", false), ("fd00:1::/64", true)] {
            let by = addresses
                .iter()
                .find(|address| address.is_ipv6() == is_ipv6)
                .context("no address outside")?;
            outside.world.add_route(prefix, *by)?;
        }
        let group = cloud.group("open")?;
        cloud.rules(&group, &json!({"remote_ip_prefix": null}))?;
        let closed = cloud.group("closed")?;
        let mut guests = Vec::new();
        for (number, (host, group)) in
            HOSTS.iter().map(|host| (host, &group)).chain([(&HOSTS[2], &closed)]).enumerate()
        {
            let groups = json!({"security_groups": [group]});
            let guest = Guest::start_with(&cloud, &inside.network, host, &format!("guest{number}"), groups)?;
            guest.instance.add_route("default", inside.gateways[1])?;
            guests.push(guest);
        }
        for far in [WORLD_V6.into(), WORLD.into()] {
            for guest in &guests {
                until(PATIENCE, &format!("{far} answers"), || is_answered(&guest.instance, far))?;
            }
        }
        Ok(Self { guests, outside, cloud })
    }
}

/// Both sides reach each other as who they are.
fn assert_open(scene: &Scene) -> Result<()> {
    let Scene { guests, outside, .. } = scene;
    let world = &outside.world;
    let (closed, open) = guests.split_last().context("no guests")?;
    for (guest, is_ipv6) in open.iter().flat_map(|guest| [(guest, false), (guest, true)]) {
        let inside = guest.port.address(is_ipv6)?;
        let far = if is_ipv6 { IpAddr::from(WORLD_V6) } else { WORLD.into() };
        let report = world.ping(inside).count(5).run()?;
        ensure!(report.lost() == 0, "{} requests of the world to {inside} were lost", report.lost());
        let door = SocketAddr::new(inside, WEB);
        let client = seen_as(world, door, &guest.instance, door)?;
        ensure!(client == outside.seen(is_ipv6), "the instance sees {client}");
        let door = SocketAddr::new(far, WEB);
        let client = seen_as(&guest.instance, door, world, door)?;
        ensure!(client == inside, "the world sees {client} and not {inside}");
        expect("a closed port inside", connect(world, SocketAddr::new(inside, WEB))?, Outcome::Refused)?;
    }
    for is_ipv6 in [false, true] {
        let door = SocketAddr::new(closed.port.address(is_ipv6)?, WEB);
        expect("a guest that lets nobody in", connect(world, door)?, Outcome::Silent)?;
    }
    Ok(())
}

#[test]
fn instances_are_reached_as_who_they_are() -> Result<()> {
    let scene = Scene::raise("inbound", Underlay::V4)?;
    assert_open(&scene)?;
    let Scene { guests, outside, .. } = &scene;
    // The way in is narrower than the world's: who sends too much is told, at the host that stands for the router.
    for guest in &guests[..3] {
        for (is_ipv6, header) in [(false, 28), (true, 48)] {
            let inside = guest.port.address(is_ipv6)?;
            let _ = outside.world.ping(inside).size(1500 - header).unfragmented().count(2).run()?;
            let route =
                outside.world.command("ip").args(["route", "get", &inside.to_string()]).succeed(PATIENCE)?;
            ensure!(route.contains("mtu 1450"), "the world was told no MTU: {route}");
            let full = outside.world.ping(inside).size(1450 - header).unfragmented().count(2).run()?;
            ensure!(full.lost() == 0, "a packet as large as the instance's network carries was lost");
        }
    }
    Ok(())
}

#[test]
fn they_stay_reachable_when_another_host_stands_for_the_router() -> Result<()> {
    let scene = Scene::raise("inbound6", Underlay::V6)?;
    assert_open(&scene)?;
    let Scene { guests, outside, cloud } = &scene;
    let mut flows = Vec::new();
    let mut servers = Vec::new();
    for (guest, is_ipv6) in guests[..3].iter().flat_map(|guest| [(guest, false), (guest, true)]) {
        let door = guest.at(is_ipv6, WEB)?;
        servers.push(guest.instance.tcp_echo(door)?);
        flows.push(outside.world.tcp_flow(door, PACE)?);
    }
    flows.iter().try_for_each(goes_on)?;
    for host in &HOSTS[..2] {
        cloud.host(host)?.cut_physical(true)?;
        // Those on the host that is cut off answer by the other one.
        for (number, flow) in flows.iter().enumerate() {
            goes_on(flow).with_context(|| format!("connection {number} while {host} is cut off"))?;
        }
        cloud.host(host)?.cut_physical(false)?;
        flows.iter().try_for_each(goes_on)?;
    }
    for flow in flows {
        let report = flow.stop()?;
        ensure!(report.error.is_none(), "{report:?}");
    }
    Ok(())
}
