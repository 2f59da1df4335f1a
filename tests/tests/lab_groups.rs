//! What a tenant sees of security groups: who gets in, from when on, and until when.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Underlay, until};
use hadron_tests::cloud::{Cloud, PATIENCE};
use hadron_tests::guest::Guest;
use hadron_tests::knock::{Outcome, ends, expect, goes_on, stops};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

const PACE: Duration = Duration::from_millis(2);
const WEB: u16 = 8080;
const HOSTS: [&str; 2] = ["compute1", "compute2"];

/// A cloud with a dual-stack network.
fn cloud(name: &str) -> Result<(Cloud, String)> {
    let cloud = Cloud::up(name, Underlay::V4, &HOSTS)?;
    let network = cloud.network("net")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    cloud.subnet(&network, "fd00:10::/64")?;
    Ok((cloud, network))
}

/// A guest whose port has exactly these groups.
fn guest(cloud: &Cloud, network: &str, host: &str, name: &str, groups: &[&str]) -> Result<Guest> {
    Guest::start_with(cloud, network, host, name, json!({"security_groups": groups}))
}

fn tcp(port: u16) -> Value {
    json!({"protocol": "tcp", "port_range_min": port, "port_range_max": port})
}

fn icmp(ipv6: bool) -> Value {
    match ipv6 {
        false => json!({"protocol": "icmp"}),
        true => json!({"protocol": "ipv6-icmp", "ethertype": "IPv6"}),
    }
}

#[test]
fn the_default_group_lets_its_own_in_and_keeps_others_out() -> Result<()> {
    let (cloud, network) = cloud("default")?;
    let others = cloud.group("others")?;
    let one = Guest::start(&cloud, &network, HOSTS[0], "one")?;
    let near = Guest::start(&cloud, &network, HOSTS[0], "near")?;
    let far = Guest::start(&cloud, &network, HOSTS[1], "far")?;
    let stranger = guest(&cloud, &network, HOSTS[0], "stranger", &[&others])?;
    for member in [&near, &far] {
        one.reaches(member)?;
        stranger.does_not_reach(member)?;
    }
    // The stranger's group has no rule for what comes in, not even from its own.
    one.does_not_reach(&stranger)?;
    for ipv6 in [false, true] {
        let door = far.at(ipv6, WEB)?;
        expect("a member at a closed port", one.connects(door)?, Outcome::Refused)?;
        expect("a stranger at a closed port", stranger.connects(door)?, Outcome::Silent)?;
        let _server = far.instance.tcp_echo(door)?;
        expect("a member", one.connects(door)?, Outcome::Open)?;
        expect("a stranger", stranger.connects(door)?, Outcome::Silent)?;
    }
    Ok(())
}

#[test]
fn answers_need_no_rule() -> Result<()> {
    let (cloud, network) = cloud("answers")?;
    let (clients, servers) = (cloud.group("clients")?, cloud.group("servers")?);
    let client = guest(&cloud, &network, HOSTS[0], "client", &[&clients])?;
    let server = guest(&cloud, &network, HOSTS[1], "server", &[&servers])?;
    cloud.rules(&servers, &tcp(WEB))?;
    cloud.rules(&servers, &json!({"protocol": "udp", "port_range_min": 53, "port_range_max": 53}))?;
    for ipv6 in [false, true] {
        cloud.rule(&servers, icmp(ipv6))?;
        let _web = server.instance.tcp_echo(server.at(ipv6, WEB)?)?;
        client.waits_for_door(server.at(ipv6, WEB)?, true)?;
        // The other way there is no rule, so nothing that the server begins gets in.
        let _back = client.instance.tcp_echo(client.at(ipv6, WEB)?)?;
        expect("the server as a client", server.connects(client.at(ipv6, WEB)?)?, Outcome::Silent)?;
    }
    let _names = server.udp_echo(53)?;
    for ipv6 in [false, true] {
        expect("a question by UDP", client.asks(server.at(ipv6, 53)?, 100)?, Outcome::Open)?;
    }
    until(PATIENCE, "pings are answered", || client.reaches(&server).is_ok())?;
    server.does_not_reach(&client)
}

#[test]
fn a_rule_opens_for_the_next_packet_and_its_end_ends_what_it_allowed() -> Result<()> {
    let (cloud, network) = cloud("open")?;
    let (clients, servers) = (cloud.group("clients")?, cloud.group("servers")?);
    let client = guest(&cloud, &network, HOSTS[0], "client", &[&clients])?;
    for host in HOSTS {
        let server = guest(&cloud, &network, host, "server", &[&servers])?;
        for ipv6 in [false, true] {
            opens_and_closes(&cloud, &client, &servers, (&server, ipv6))?;
        }
    }
    Ok(())
}

fn opens_and_closes(
    cloud: &Cloud,
    client: &Guest,
    group: &str,
    (server, ipv6): (&Guest, bool),
) -> Result<()> {
    let door = server.at(ipv6, WEB)?;
    let echo = server.instance.tcp_echo(door)?;
    expect("before the rule", client.connects(door)?, Outcome::Silent)?;
    let rules = cloud.rules(group, &tcp(WEB))?;
    client.waits_for_door(door, true)?;
    let flow = client.instance.tcp_flow(echo.address(), PACE)?;
    goes_on(&flow)?;
    println!("the transfer to {door}: {:?}", ends(&flow, || cloud.delete_rules(&rules))?);
    expect("after the rule", client.connects(door)?, Outcome::Silent)?;
    let rules = cloud.rules(group, &tcp(WEB))?;
    client.waits_for_door(door, true)?;
    cloud.delete_rules(&rules)?;
    client.waits_for_door(door, false)
}

#[test]
fn ping_and_udp_end_with_their_rule() -> Result<()> {
    let (cloud, network) = cloud("stop")?;
    let (clients, servers) = (cloud.group("clients")?, cloud.group("servers")?);
    let client = guest(&cloud, &network, HOSTS[0], "client", &[&clients])?;
    let server = guest(&cloud, &network, HOSTS[1], "server", &[&servers])?;
    let _names = server.udp_echo(53)?;
    for ipv6 in [false, true] {
        let address = server.port.address(ipv6)?;
        let rule = cloud.rule(&servers, icmp(ipv6))?;
        let is_answered =
            || client.instance.ping(address).count(1).run().is_ok_and(|report| report.lost() == 0);
        until(PATIENCE, "a ping is answered", is_answered)?;
        let ping = client.instance.ping(address).interval(PACE).start()?;
        ping.wait_for_replies(20, PATIENCE)?;
        let close = || cloud.delete("security-group-rules", &rule);
        println!("pings: {:?}", stops(|| ping.received().into(), close)?);
        ping.stop()?;
        let rules =
            cloud.rules(&servers, &json!({"protocol": 17, "port_range_min": 53, "port_range_max": 53}))?;
        let door: SocketAddr = server.at(ipv6, 53)?;
        let guest = &client;
        let is = |wanted| move || guest.asks(door, 10).is_ok_and(|outcome| outcome == wanted);
        until(PATIENCE, "UDP is answered", is(Outcome::Open))?;
        cloud.delete_rules(&rules)?;
        until(PATIENCE, "UDP is silent", is(Outcome::Silent))?;
    }
    Ok(())
}

#[test]
fn what_is_not_changed_notices_no_change_and_no_restart() -> Result<()> {
    let (mut cloud, network) = cloud("steady")?;
    let (clients, servers) = (cloud.group("clients")?, cloud.group("servers")?);
    let client = guest(&cloud, &network, HOSTS[0], "client", &[&clients])?;
    let server = guest(&cloud, &network, HOSTS[1], "server", &[&servers])?;
    cloud.rules(&servers, &tcp(WEB))?;
    let mut flows = Vec::new();
    let mut servers_of = Vec::new();
    for ipv6 in [false, true] {
        let door = server.at(ipv6, WEB)?;
        servers_of.push(server.instance.tcp_echo(door)?);
        client.waits_for_door(door, true)?;
        let flow = client.instance.tcp_flow(door, PACE)?;
        goes_on(&flow)?;
        flows.push(flow);
    }
    for _ in 0..3 {
        let others = cloud.rules(&servers, &tcp(9999))?;
        let more = guest(&cloud, &network, HOSTS[0], "more", &[&servers])?;
        cloud.delete_rules(&others)?;
        cloud.delete("ports", &more.port.id)?;
    }
    for host in HOSTS {
        cloud.kill_agent(host);
        cloud.start_agent(host, &[])?;
    }
    cloud.wait_for_nodes()?;
    cloud.kill_server();
    cloud.start_server()?;
    cloud.wait_for_nodes()?;
    for flow in flows {
        goes_on(&flow).with_context(|| cloud.logs())?;
        let report = flow.stop()?;
        ensure!(report.error.is_none() && report.retransmits == 0, "{report:?}");
    }
    Ok(())
}

#[test]
fn a_stateless_group_asks_for_a_rule_each_way() -> Result<()> {
    let (cloud, network) = cloud("stateless")?;
    let (clients, servers) = (cloud.group("clients")?, cloud.stateless_group("servers")?);
    let client = guest(&cloud, &network, HOSTS[0], "client", &[&clients])?;
    let server = guest(&cloud, &network, HOSTS[1], "server", &[&servers])?;
    for ipv6 in [false, true] {
        let door = server.at(ipv6, WEB)?;
        let _echo = server.instance.tcp_echo(door)?;
        let family = if ipv6 { "IPv6" } else { "IPv4" };
        // A new group lets everything out: the answers too.
        let rule = cloud.rule(&servers, with(tcp(WEB), json!({"ethertype": family})))?;
        client.waits_for_door(door, true)?;
        let out = egress_rules(&cloud, &servers, family)?;
        cloud.delete_rules(&out)?;
        client.waits_for_door(door, false)?;
        let back = json!({"direction": "egress", "ethertype": family, "protocol": "tcp"});
        cloud.rule(&servers, back)?;
        client.waits_for_door(door, true)?;
        cloud.delete("security-group-rules", &rule)?;
        client.waits_for_door(door, false)?;
    }
    Ok(())
}

fn with(mut rule: Value, more: Value) -> Value {
    if let (Value::Object(rule), Value::Object(more)) = (&mut rule, more) {
        rule.extend(more);
    }
    rule
}

fn egress_rules(cloud: &Cloud, group: &str, family: &str) -> Result<Vec<String>> {
    let path =
        format!("/v2.0/security-group-rules?security_group_id={group}&direction=egress&ethertype={family}");
    let answer = cloud.call(hyper::Method::GET, &path, None)?;
    let rules = answer["security_group_rules"].as_array().context("no rules")?;
    Ok(rules.iter().filter_map(|rule| rule["id"].as_str().map(str::to_owned)).collect())
}

#[test]
fn members_of_a_remote_group_come_and_go() -> Result<()> {
    let (cloud, network) = cloud("members")?;
    let (friends, servers, nobody) =
        (cloud.group("friends")?, cloud.group("servers")?, cloud.group("nobody")?);
    let client = guest(&cloud, &network, HOSTS[0], "client", &[&nobody])?;
    let server = guest(&cloud, &network, HOSTS[1], "server", &[&servers])?;
    cloud.rules(&servers, &with(tcp(WEB), json!({"remote_group_id": friends})))?;
    for ipv6 in [false, true] {
        let door = server.at(ipv6, WEB)?;
        let echo = server.instance.tcp_echo(door)?;
        expect("no member", client.connects(door)?, Outcome::Silent)?;
        cloud.change_port(&client.port.id, json!({"security_groups": [nobody, friends]}))?;
        client.waits_for_door(door, true)?;
        let flow = client.instance.tcp_flow(echo.address(), PACE)?;
        goes_on(&flow)?;
        let leave = || cloud.change_port(&client.port.id, json!({"security_groups": [nobody]}));
        println!("a member leaves: {:?}", ends(&flow, leave)?);
        client.waits_for_door(door, false)?;
    }
    Ok(())
}

#[test]
fn addresses_of_an_address_group_come_and_go() -> Result<()> {
    let (cloud, network) = cloud("addresses")?;
    let (clients, servers) = (cloud.group("clients")?, cloud.group("servers")?);
    let known = cloud.address_group(&["192.0.2.0/24"])?;
    let client = guest(&cloud, &network, HOSTS[0], "client", &[&clients])?;
    let server = guest(&cloud, &network, HOSTS[1], "server", &[&servers])?;
    cloud.rules(&servers, &with(tcp(WEB), json!({"remote_address_group_id": known})))?;
    for (ipv6, range) in [(false, "10.0.0.0/25"), (true, "fd00:10::/96")] {
        let door = server.at(ipv6, WEB)?;
        let echo = server.instance.tcp_echo(door)?;
        expect("not among them", client.connects(door)?, Outcome::Silent)?;
        cloud.change_addresses(&known, "add_addresses", &[range])?;
        client.waits_for_door(door, true)?;
        let flow = client.instance.tcp_flow(echo.address(), PACE)?;
        goes_on(&flow)?;
        let leave = || cloud.change_addresses(&known, "remove_addresses", &[range]);
        println!("addresses leave: {:?}", ends(&flow, leave)?);
    }
    Ok(())
}
