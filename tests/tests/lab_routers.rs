//! What a tenant sees of routers: networks that reach each other, by the path that was drawn.

use anyhow::{Result, ensure};
use hadron_lab::{Underlay, until};
use hadron_tests::cloud::{Cloud, PATIENCE};
use hadron_tests::guest::Guest;
use hadron_tests::knock::{Outcome, expect, goes_on};
use hadron_tests::routers::Dual;
use hyper::Method;
use serde_json::json;
use std::net::IpAddr;
use std::time::Duration;

const HOSTS: [&str; 2] = ["compute1", "compute2"];
const WEB: u16 = 8080;
const PACE: Duration = Duration::from_millis(20);

/// Two networks, and a router that joins them.
fn joined(name: &str, underlay: Underlay) -> Result<(Cloud, [Dual; 2], String)> {
    let cloud = Cloud::up(name, underlay, &HOSTS)?;
    let networks = [Dual::create(&cloud, 1)?, Dual::create(&cloud, 2)?];
    let router = cloud.router("r")?;
    networks.iter().try_for_each(|network| network.attach(&cloud, &router))?;
    Ok((cloud, networks, router))
}

fn networks_reach_each_other_over(underlay: Underlay) -> Result<()> {
    let (cloud, [blue, green], _) = joined("routed", underlay)?;
    let one = blue.guest(&cloud, HOSTS[0], "one")?;
    let near = green.guest(&cloud, HOSTS[0], "near")?;
    let far = green.guest(&cloud, HOSTS[1], "far")?;
    for other in [&near, &far] {
        one.reaches(other)?;
        other.reaches(&one)?;
    }
    for gateway in blue.gateways.iter().chain(&green.gateways) {
        one.pings(*gateway)?;
    }
    for ipv6 in [false, true] {
        let path = one.path_to(far.port.address(ipv6)?)?;
        ensure!(path == [blue.gateways[usize::from(ipv6)]], "the path is {path:?}");
        let door = far.at(ipv6, WEB)?;
        expect("a closed port", one.connects(door)?, Outcome::Refused)?;
        let _server = far.instance.tcp_echo(door)?;
        expect("an open port", one.connects(door)?, Outcome::Open)?;
        let nobody: IpAddr = if ipv6 { "fd00:2::dead".parse()? } else { "10.0.2.222".parse()? };
        let text = one.pings_with(nobody, &[])?;
        ensure!(text.contains("nreachable"), "{text}");
    }
    Ok(())
}

#[test]
fn networks_reach_each_other_on_one_host_and_across_an_ipv4_underlay() -> Result<()> {
    networks_reach_each_other_over(Underlay::V4)
}

#[test]
fn networks_reach_each_other_on_one_host_and_across_an_ipv6_underlay() -> Result<()> {
    networks_reach_each_other_over(Underlay::V6)
}

#[test]
fn a_router_works_from_the_call_that_attaches_it_until_the_one_that_detaches_it() -> Result<()> {
    let cloud = Cloud::up("attach", Underlay::V4, &HOSTS)?;
    let (blue, green) = (Dual::create(&cloud, 1)?, Dual::create(&cloud, 2)?);
    let one = blue.guest(&cloud, HOSTS[0], "one")?;
    let two = green.guest(&cloud, HOSTS[1], "two")?;
    one.does_not_reach(&two)?;
    let router = cloud.router("r")?;
    blue.attach(&cloud, &router)?;
    green.attach(&cloud, &router)?;
    comes_to_reach(&one, &two)?;
    for up in [false, true] {
        cloud.change_router(&router, json!({"admin_state_up": up}))?;
        if up {
            comes_to_reach(&one, &two)?;
        } else {
            until(PATIENCE, "the router is down", || one.does_not_reach(&two).is_ok())?;
        }
    }
    cloud.detach(&router, &green.subnets[0])?;
    let target = two.port.address(false)?;
    until(PATIENCE, "the interface is gone", || one.pings(target).is_err())?;
    one.pings(two.port.address(true)?)
}

/// Waits until each address is reached: rows come to the hosts one after another.
fn comes_to_reach(from: &Guest, to: &Guest) -> Result<()> {
    until(PATIENCE, "the other network is reached", || from.reaches(to).is_ok())?;
    Ok(())
}

#[test]
fn routers_in_a_chain_show_the_path_that_was_drawn() -> Result<()> {
    let cloud = Cloud::up("chain", Underlay::V4, &HOSTS)?;
    let networks = [1, 2, 3].map(|number| Dual::create(&cloud, number));
    let [Ok(blue), Ok(middle), Ok(green)] = networks else { anyhow::bail!("a network was refused") };
    let (first, second) = (cloud.router("first")?, cloud.router("second")?);
    blue.attach(&cloud, &first)?;
    middle.attach(&cloud, &first)?;
    let seconds = ["10.0.2.9", "fd00:2::9"];
    for (subnet, address) in middle.subnets.iter().zip(seconds) {
        cloud.attach_at(&second, &middle.network, subnet, address)?;
    }
    green.attach(&cloud, &second)?;
    let routes = |destinations: [&str; 2], next_hops: [String; 2]| {
        let routes = destinations.iter().zip(next_hops);
        let routes: Vec<_> = routes
            .map(|(destination, nexthop)| json!({"destination": destination, "nexthop": nexthop}))
            .collect();
        json!({"routes": routes})
    };
    cloud.change_router(&first, routes(["10.0.3.0/24", "fd00:3::/64"], seconds.map(str::to_owned)))?;
    let back = middle.gateways.map(|gateway| gateway.to_string());
    cloud.change_router(&second, routes(["10.0.1.0/24", "fd00:1::/64"], back))?;
    let one = blue.guest(&cloud, HOSTS[0], "one")?;
    let two = green.guest(&cloud, HOSTS[1], "two")?;
    one.reaches(&two)?;
    for (ipv6, second) in [false, true].into_iter().zip(seconds) {
        let path = one.path_to(two.port.address(ipv6)?)?;
        ensure!(path == [blue.gateways[usize::from(ipv6)], second.parse()?], "the path is {path:?}");
    }
    // Without its route the first router does not know the way, and says so.
    cloud.change_router(&first, json!({"routes": []}))?;
    let target = two.port.address(false)?;
    let unreachable = || one.pings_with(target, &[]).is_ok_and(|text| text.contains("Net Unreachable"));
    until(PATIENCE, "the router has no route", unreachable)?;
    Ok(())
}

#[test]
fn a_subnet_is_enlarged_under_running_traffic() -> Result<()> {
    let (cloud, [blue, green], _) = joined("enlarged", Underlay::V4)?;
    let one = blue.guest(&cloud, HOSTS[0], "one")?;
    let two = green.guest(&cloud, HOSTS[1], "two")?;
    one.reaches(&two)?;
    let target = two.port.address(false)?;
    let door = two.at(false, WEB)?;
    let _server = two.instance.tcp_echo(door)?;
    let transfer = one.instance.tcp_flow(door, PACE)?;
    let ping = one.instance.ping(target).interval(PACE).start()?;
    let subnet = &green.subnets[0];
    let change = json!({"subnet": {"cidr": "10.0.2.0/23"}});
    let answer = cloud.call(Method::PUT, &format!("/v2.0/subnets/{subnet}"), Some(change))?;
    ensure!(answer["subnet"]["cidr"] == "10.0.2.0/23", "{answer}");
    // A guest in the new part, and one that still has the old mask: its way leads through the gateway.
    let fixed_ips = json!([{"subnet_id": subnet, "ip_address": "10.0.3.7"}]);
    let port = cloud.port_with(&green.network, HOSTS[0], json!({"fixed_ips": fixed_ips}))?;
    let new = Guest::plug(&cloud, port, HOSTS[0], "new")?;
    for (from, to) in [(&new, &two), (&two, &new), (&one, &new)] {
        until(PATIENCE, "the new part is reached", || {
            from.pings(to.port.address(false).unwrap_or(target)).is_ok()
        })?;
    }
    let report = ping.stop()?;
    ensure!(report.lost() <= 1, "{} of {} requests were lost", report.lost(), report.sent);
    goes_on(&transfer)
}

#[test]
fn an_instance_can_be_a_next_hop() -> Result<()> {
    let (cloud, [blue, green], router) = joined("nexthop", Underlay::V4)?;
    let one = blue.guest(&cloud, HOSTS[0], "one")?;
    let open = json!({"port_security_enabled": false});
    let gateway = Guest::start_with(&cloud, &green.network, HOSTS[1], "gateway", open)?;
    gateway.instance.add_address("203.0.113.1/24")?;
    let route = json!({"destination": "203.0.113.0/24", "nexthop": gateway.port.address(false)?});
    cloud.change_router(&router, json!({"routes": [route]}))?;
    gateway.instance.add_route("default", green.gateways[0]).or(Ok::<_, anyhow::Error>(()))?;
    let beyond: IpAddr = "203.0.113.1".parse()?;
    until(PATIENCE, "the route is in force", || one.pings(beyond).is_ok())?;
    Ok(())
}

#[test]
fn what_is_too_big_for_the_next_network_is_told() -> Result<()> {
    let (cloud, [blue, green], _) = joined("mtu", Underlay::V4)?;
    let change = json!({"network": {"mtu": 1300}});
    cloud.call(Method::PUT, &format!("/v2.0/networks/{}", green.network), Some(change))?;
    let one = blue.guest(&cloud, HOSTS[0], "one")?;
    let two = green.guest(&cloud, HOSTS[1], "two")?;
    one.reaches(&two)?;
    let text = one.pings_with(two.port.address(false)?, &["-M", "do", "-s", "1400"])?;
    ensure!(text.contains("mtu = 1300") || text.contains("mtu=1300"), "{text}");
    let text = one.pings_with(two.port.address(true)?, &["-M", "do", "-s", "1390"])?;
    ensure!(text.contains("mtu = 1300") || text.contains("mtu=1300"), "{text}");
    // The kernel has learned the path's MTU: what now leaves fits.
    let fits = one.instance.ping(two.port.address(false)?).size(1300 - 28).unfragmented().count(2).run()?;
    ensure!(fits.lost() == 0, "a packet of 1300 octets was lost");
    Ok(())
}

#[test]
fn groups_judge_what_routers_bring() -> Result<()> {
    let (cloud, [blue, green], _) = joined("judged", Underlay::V4)?;
    let (group, open) = (cloud.group("closed")?, cloud.group("open")?);
    let anywhere = json!({"remote_ip_prefix": null});
    cloud.rules(&open, &anywhere)?;
    let one = Guest::start_with(&cloud, &blue.network, HOSTS[0], "one", json!({"security_groups": [open]}))?;
    one.instance.add_route("default", blue.gateways[1])?;
    let closed = json!({"security_groups": [group]});
    let two = Guest::start_with(&cloud, &green.network, HOSTS[1], "two", closed)?;
    two.instance.add_route("default", green.gateways[1])?;
    one.does_not_reach(&two)?;
    // Answers to what the closed one begins get in.
    two.reaches(&one)?;
    cloud.rules(&group, &anywhere)?;
    comes_to_reach(&one, &two)
}
