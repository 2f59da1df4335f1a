//! Every place where a large packet meets a smaller network answers with the MTU, in both families: between overlay and physical networks of
//! different sizes, through routers, by floating IPs, relayed or not, in from outside and out.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Instance, Underlay, until};
use hadron_tests::cloud::{Cloud, Options, PATIENCE};
use hadron_tests::guest::Guest;
use hadron_tests::knock::transfer;
use hadron_tests::outside::{Outside, WORLD, WORLD_V6};
use hadron_tests::routers::Dual;
use hyper::Method;
use serde_json::json;
use std::net::{IpAddr, SocketAddr};

/// Two with an interface to the physical network, and one without.
const HOSTS: [&str; 3] = ["compute1", "compute2", "compute3"];
/// What each network carries, octets: the overlay's most, less than that, and what the physical network carries.
const MTUS: [u32; 3] = [1450, 1300, 1500];
const OUTSIDE: u32 = 1500;

/// Somebody who sends and receives.
struct Place<'a> {
    name: String,
    instance: &'a Instance,
    mtu: u32,
    /// Where it is, and where others reach it, for each way to it.
    addresses: Vec<(IpAddr, IpAddr)>,
    /// Whether it is outside.
    is_world: bool,
}

fn network(cloud: &Cloud, number: u8) -> Result<Dual> {
    let mtu = MTUS[usize::from(number) - 1];
    if mtu < 1500 {
        let dual = Dual::create(cloud, number)?;
        let body = json!({"network": {"mtu": mtu}});
        cloud.call(Method::PUT, &format!("/v2.0/networks/{}", dual.network), Some(body))?;
        return Ok(dual);
    }
    let network = cloud.physical_network("physical", Some(101))?;
    let subnets = [
        cloud.subnet(&network, &format!("10.0.{number}.0/24"))?,
        cloud.subnet(&network, &format!("fd00:{number}::/64"))?,
    ];
    let gateways = [cloud.gateway(&subnets[0])?, cloud.gateway(&subnets[1])?];
    Ok(Dual { network, subnets, gateways })
}

/// Checks one way from one to another, of which the narrowest network carries `expected`.
fn check(from: &Place<'_>, to: &Place<'_>, (at, by): (IpAddr, IpAddr), port: u16) -> Result<()> {
    let expected = from.mtu.min(to.mtu);
    let header = if by.is_ipv6() { 48 } else { 28 };
    if expected < from.mtu {
        // The first is lost, and its sender told.
        let _ = from.instance.ping(by).size(from.mtu - header).unfragmented().count(2).run()?;
        let route = from.instance.command("ip").args(["route", "get", &by.to_string()]).succeed(PATIENCE)?;
        ensure!(route.contains(&format!("mtu {expected}")), "told no MTU of {expected}: {route}");
    }
    let report = from.instance.ping(by).size(expected - header).unfragmented().count(3).run()?;
    ensure!(report.lost() == 0, "{} packets of {expected} octets were lost", report.lost());
    transfer(from.instance, to.instance, SocketAddr::new(at, port), SocketAddr::new(by, port))
}

#[test]
fn whoever_sends_too_much_is_told_on_every_way() -> Result<()> {
    let options = Options { has_physical: true, unmapped: &HOSTS[2..], ..Options::default() };
    let cloud = Cloud::up_with("mtu", Underlay::V4, &HOSTS, options)?;
    let outside = Outside::create(&cloud)?;
    outside.add_ipv6(&cloud)?;
    let router = cloud.router("r")?;
    let networks = [network(&cloud, 1)?, network(&cloud, 2)?, network(&cloud, 3)?];
    networks.iter().try_for_each(|network| network.attach(&cloud, &router))?;
    outside.open(&cloud, &router, true)?;
    let own =
        cloud.gateway_addresses(&router)?.into_iter().find(IpAddr::is_ipv6).context("no IPv6 address")?;
    for number in 1..=3 {
        outside.world.add_route(&format!("fd00:{number}::/64"), own)?;
    }
    let group = cloud.group("open")?;
    cloud.rules(&group, &json!({"remote_ip_prefix": null}))?;
    let mut guests = Vec::new();
    for (network, host) in [(0, 0), (0, 2), (1, 1), (2, 0)] {
        let (dual, host) = (&networks[network], HOSTS[host]);
        let open = json!({"security_groups": [group]});
        let name = format!("net{}-{host}", network + 1);
        let guest = Guest::start_with(&cloud, &dual.network, host, &name, open)?;
        guest.instance.add_route("default", dual.gateways[1])?;
        let mtu = MTUS[network].to_string();
        guest.instance.command("ip").args(["link", "set", "eth0", "mtu", &mtu]).succeed(PATIENCE)?;
        let (id, floating) = outside.floating_ip(&cloud)?;
        cloud.associate(&id, Some(&guest.port.id))?;
        guests.push((name, network, guest, floating));
    }
    let mut places = Vec::new();
    for (name, network, guest, floating) in &guests {
        for far in [IpAddr::from(WORLD), WORLD_V6.into()] {
            until(PATIENCE, &format!("{far} answers {name}"), || {
                guest.instance.ping(far).run().is_ok_and(|report| report.received == 1)
            })?;
        }
        until(PATIENCE, &format!("{floating} is answered"), || {
            outside.world.ping(*floating).run().is_ok_and(|report| report.received == 1)
        })?;
        let own = guest.port.addresses.iter().map(|address| (*address, *address));
        let addresses = own.chain([(guest.port.address(false)?, *floating)]).collect();
        let (name, mtu) = (name.clone(), MTUS[*network]);
        places.push(Place { name, instance: &guest.instance, mtu, addresses, is_world: false });
    }
    let addresses = [WORLD.into(), WORLD_V6.into()].map(|address: IpAddr| (address, address)).to_vec();
    let name = "world".to_owned();
    places.push(Place { name, instance: &outside.world, mtu: OUTSIDE, addresses, is_world: true });
    let mut port = 9000;
    for from in &places {
        for to in places.iter().filter(|to| to.name != from.name && has_way(from, to)) {
            for (at, by) in to.addresses.iter().filter(|(at, by)| !from.is_world || at != by || at.is_ipv6())
            {
                port += 1;
                check(from, to, (*at, *by), port)
                    .with_context(|| format!("from {} to {}, {by}", from.name, to.name))?;
            }
        }
    }
    println!("{} ways", port - 9000);
    Ok(())
}

/// A host without an interface to the physical network has no way to instances that are on that.
fn has_way(from: &Place<'_>, to: &Place<'_>) -> bool {
    let is = |place: &Place<'_>, part: &str| place.name.contains(part);
    !(is(from, HOSTS[2]) && is(to, "net3") || is(from, "net3") && is(to, HOSTS[2]))
}
