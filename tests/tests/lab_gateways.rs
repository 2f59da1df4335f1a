//! A router with two gateways, on two physical networks: what is known by one of them leaves by that, new flows may share them, and one that
//! leads nowhere gives way to the other.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Underlay, until};
use hadron_tests::cloud::{Cloud, Options, PATIENCE};
use hadron_tests::guest::Guest;
use hadron_tests::knock::{UdpEcho, is_answered, transfer};
use hadron_tests::outside::{Outside, UPSTREAM, WORLD, seen_as};
use hadron_tests::routers::Dual;
use hyper::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

const HOSTS: [&str; 2] = ["compute1", "compute2"];
const WEB: u16 = 8080;
const DOOR: SocketAddr = SocketAddr::new(IpAddr::V4(WORLD), WEB);
/// Connections of which not all take one of two ways, but once in 2^31 times.
const MANY: usize = 32;

struct Scene {
    guests: Vec<Guest>,
    router: String,
    /// The router's address by each gateway.
    shared: [IpAddr; 2],
    outside: [Outside; 2],
    cloud: Cloud,
}

impl Scene {
    fn raise(name: &str, underlay: Underlay, unmapped: &'static [&'static str]) -> Result<Self> {
        let options =
            Options { has_physical: true, has_second_physical: true, unmapped, ..Options::default() };
        let cloud = Cloud::up_with(name, underlay, &HOSTS, options)?;
        let outside = [Outside::create(&cloud)?, Outside::create_second(&cloud)?];
        let inside = Dual::create(&cloud, 1)?;
        let router = cloud.router("r")?;
        inside.attach(&cloud, &router)?;
        let gateways: Vec<Value> = outside.iter().map(|it| json!({"network_id": it.network})).collect();
        let path = format!("/v2.0/routers/{router}/add_external_gateways");
        let body = json!({"router": {"external_gateways": gateways}});
        let answer = cloud.call(Method::PUT, &path, Some(body))?;
        let shared = [0, 1].map(|number| {
            let gateway = &answer["router"]["external_gateways"][number];
            gateway["external_fixed_ips"][0]["ip_address"].as_str().and_then(|text| text.parse().ok())
        });
        let [Some(first), Some(second)] = shared else { anyhow::bail!("no gateways: {answer}") };
        let group = cloud.group("open")?;
        cloud.rules(&group, &json!({"remote_ip_prefix": null}))?;
        let mut guests = Vec::new();
        for (number, host) in HOSTS.iter().enumerate() {
            let open = json!({"security_groups": [group]});
            guests.push(Guest::start_with(&cloud, &inside.network, host, &format!("guest{number}"), open)?);
        }
        for guest in &guests {
            until(PATIENCE, "the world answers", || is_answered(&guest.instance, UPSTREAM.into()))?;
        }
        Ok(Self { guests, router, shared: [first, second], outside, cloud })
    }

    fn change(&self, attributes: Value) -> Result<()> {
        self.cloud.change_router(&self.router, attributes)
    }

    /// By which gateway a new connection of the guest's reaches a server of the world, and as whom it is seen there.
    fn way(&self, doors: &[TcpListener; 2], guest: &Guest) -> Result<(usize, IpAddr)> {
        let _connection = guest
            .instance
            .run(|| TcpStream::connect_timeout(&DOOR, Duration::from_secs(2)))?
            .context("no connection to the world")?;
        accepted(doors).map(|(number, _, from)| (number, from))
    }

    /// A web server behind each gateway, at the same address.
    fn doors(&self) -> Result<[TcpListener; 2]> {
        let open = |world: &Outside| -> Result<TcpListener> {
            let listener = world.world.run(|| TcpListener::bind(DOOR))??;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        Ok([open(&self.outside[0])?, open(&self.outside[1])?])
    }
}

/// By which gateway a connection has come, and from whom.
fn accepted(doors: &[TcpListener; 2]) -> Result<(usize, TcpStream, IpAddr)> {
    let mut found = None;
    until(PATIENCE, "a server sees the connection", || {
        for (number, door) in doors.iter().enumerate() {
            found =
                found.take().or_else(|| door.accept().ok().map(|(stream, from)| (number, stream, from.ip())));
        }
        found.is_some()
    })?;
    found.context("connected to nobody")
}

/// Echoes what comes by one connection, until it ends.
fn echo(mut connection: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 64];
    loop {
        match connection.read(&mut buffer)? {
            0 => return Ok(()),
            length => connection.write_all(&buffer[..length])?,
        }
    }
}

/// One exchange on a connection.
fn exchange(connection: &mut TcpStream) -> Result<()> {
    connection.write_all(b"still there?")?;
    let mut answer = [0; 12];
    connection.read_exact(&mut answer)?;
    ensure!(&answer == b"still there?");
    Ok(())
}

#[test]
fn what_is_known_by_a_gateway_leaves_by_it() -> Result<()> {
    for (underlay, unmapped) in [(Underlay::V4, &[][..]), (Underlay::V6, &HOSTS[1..])] {
        let scene = &Scene::raise("gateways", underlay, unmapped)?;
        let Scene { guests, shared, outside, cloud, .. } = scene;
        let doors = scene.doors()?;
        for guest in guests {
            ensure!(scene.way(&doors, guest)? == (0, shared[0]), "the first gateway is the way out");
        }
        // A connection stays where it began, whatever is chosen for new ones.
        let mut running = guests[0].instance.run(|| TcpStream::connect_timeout(&DOOR, PATIENCE))??;
        running.set_read_timeout(Some(PATIENCE))?;
        let (0, server, _) = accepted(&doors)? else { anyhow::bail!("not by the first gateway") };
        server.set_nonblocking(false)?;
        let server = std::thread::spawn(move || echo(server));
        exchange(&mut running)?;
        scene.change(json!({"enable_default_route_ecmp": true}))?;
        let mut seen = BTreeSet::new();
        until(PATIENCE, "both gateways are used", || {
            for _ in 0..MANY {
                seen.extend(scene.way(&doors, &guests[0]).ok());
            }
            seen.len() == 2
        })?;
        ensure!(seen == BTreeSet::from([(0, shared[0]), (1, shared[1])]), "{seen:?}");
        for _ in 0..8 {
            exchange(&mut running)?;
        }
        scene.change(json!({"enable_default_route_ecmp": false}))?;
        exchange(&mut running)?;
        drop(running);
        server.join().expect("the echo")?;
        drop(doors);

        // A floating IP of the second network, both ways, with the true client.
        for guest in guests {
            let (floating, address) = outside[1].floating_ip(cloud)?;
            cloud.associate(&floating, Some(&guest.port.id))?;
            until(PATIENCE, "the floating IP answers", || is_answered(&outside[1].world, address))?;
            let door = SocketAddr::new(guest.port.address(false)?, WEB);
            let by = SocketAddr::new(address, WEB);
            let client = seen_as(&outside[1].world, by, &guest.instance, door)?;
            ensure!(client == outside[1].world_address(), "{client} came by {address}");
            transfer(&outside[1].world, &guest.instance, door, by)?;
            let seen = seen_as(&guest.instance, DOOR, &outside[1].world, DOOR)?;
            ensure!(seen == address, "seen as {seen} instead of {address}");
            transfer(&guest.instance, &outside[1].world, DOOR, DOOR)?;
            let echo = UdpEcho::start(outside[1].world.run(|| UdpSocket::bind(DOOR))??)?;
            for size in [100, 4000] {
                guest.asks(DOOR, size)?;
            }
            drop(echo);
            cloud.associate(&floating, None)?;
        }
    }
    Ok(())
}

#[test]
fn a_watched_gateway_that_leads_nowhere_gives_way_to_the_other() -> Result<()> {
    let scene = &Scene::raise("watched", Underlay::V4, &[])?;
    let doors = scene.doors()?;
    scene.change(json!({"enable_default_route_bfd": true}))?;
    let all_by = |wanted: usize| {
        let expected = (wanted, scene.shared[wanted]);
        scene.guests.iter().all(|guest| scene.way(&doors, guest).is_ok_and(|way| way == expected))
    };
    ensure!(all_by(0), "the first while it leads on");
    for _ in 0..2 {
        let link = |state: &str| {
            let link = scene.outside[0].world.command("ip");
            link.args(["link", "set", "eth0", state]).succeed(PATIENCE).map(drop)
        };
        link("down")?;
        until(PATIENCE, "the second takes over", || all_by(1))?;
        link("up")?;
        until(PATIENCE, "the first is back", || all_by(0))?;
    }
    Ok(())
}
