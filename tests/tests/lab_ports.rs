//! What a tenant sees of networks and ports: instances get their addresses and reach those that they should, and no others.

use anyhow::{Result, bail, ensure};
use hadron_lab::Underlay;
use hadron_tests::cloud::{Cloud, PATIENCE};
use hadron_tests::guest::Guest;
use hyper::Method;
use serde_json::json;
use std::net::IpAddr;
use std::time::Duration;

fn instances_reach_each_other_over(underlay: Underlay, mtu: u32) -> Result<()> {
    let cloud = Cloud::up("reach", underlay, &["compute1", "compute2"])?;
    let network = cloud.network("net")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    cloud.subnet(&network, "fd00:10::/64")?;
    let one = Guest::start(&cloud, &network, "compute1", "one")?;
    let two = Guest::start(&cloud, &network, "compute1", "two")?;
    let far = Guest::start(&cloud, &network, "compute2", "far")?;
    for (from, to) in [(&one, &two), (&one, &far), (&far, &two)] {
        from.reaches(to)?;
    }
    ensure!(one.instance.mtu()? == mtu, "the MTU is {}", one.instance.mtu()?);
    // The largest packet fits, one octet more does not leave the instance.
    let largest = one.instance.ping(far.port.address(false)?).size(mtu - 28).unfragmented().count(2).run()?;
    ensure!(largest.lost() == 0, "a packet of {mtu} octets was lost");
    for guest in [&one, &two, &far] {
        cloud.wait_for_status(&guest.port.id, "ACTIVE")?;
    }
    Ok(())
}

#[test]
fn instances_reach_each_other_on_one_host_and_across_an_ipv4_underlay() -> Result<()> {
    instances_reach_each_other_over(Underlay::V4, 1450)
}

#[test]
fn instances_reach_each_other_on_one_host_and_across_an_ipv6_underlay() -> Result<()> {
    instances_reach_each_other_over(Underlay::V6, 1430)
}

#[test]
fn networks_with_the_same_addresses_never_meet() -> Result<()> {
    let cloud = Cloud::up("apart", Underlay::V4, &["compute1", "compute2"])?;
    let mut pairs = Vec::new();
    for name in ["blue", "green"] {
        let network = cloud.network(name)?;
        cloud.subnet(&network, "10.0.0.0/24")?;
        cloud.subnet(&network, "fd00:10::/64")?;
        let near = Guest::start(&cloud, &network, "compute1", &format!("{name}-near"))?;
        let far = Guest::start(&cloud, &network, "compute2", &format!("{name}-far"))?;
        near.reaches(&far)?;
        pairs.push((near, far));
    }
    let [(blue, blue_far), (green, green_far)] = &pairs[..] else { unreachable!() };
    ensure!(blue_far.port.addresses == green_far.port.addresses, "the addresses differ");
    green_far.instance.command("ip").args(["link", "set", "eth0", "down"]).succeed(PATIENCE)?;
    green.does_not_reach(blue_far)?;
    blue.reaches(blue_far)
}

#[test]
fn an_instance_cannot_take_an_address_that_is_not_its_ports() -> Result<()> {
    let cloud = Cloud::up("forge", Underlay::V4, &["compute1"])?;
    let network = cloud.network("net")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    let one = Guest::start(&cloud, &network, "compute1", "one")?;
    let two = Guest::start(&cloud, &network, "compute1", "two")?;
    one.reaches(&two)?;
    one.instance.add_address("10.0.0.99/24")?;
    let target = two.port.address(false)?.to_string();
    let forged =
        one.instance.command("ping").args(["-c", "3", "-i", "0.2", "-W", "1", "-I", "10.0.0.99", &target]);
    ensure!(!forged.output(PATIENCE)?.status.success(), "a packet from a foreign address was answered");
    one.instance
        .command("ip")
        .args(["link", "set", "eth0", "address", "fa:16:3e:00:00:99"])
        .succeed(PATIENCE)?;
    one.does_not_reach(&two)
}

#[test]
fn a_deleted_port_is_unplugged_and_its_address_given_again() -> Result<()> {
    let cloud = Cloud::up("delete", Underlay::V4, &["compute1", "compute2"])?;
    let network = cloud.network("net")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    let one = Guest::start(&cloud, &network, "compute1", "one")?;
    let two = Guest::start(&cloud, &network, "compute2", "two")?;
    one.reaches(&two)?;
    cloud.call(Method::DELETE, &format!("/v2.0/ports/{}", two.port.id), None)?;
    hadron_lab::until(PATIENCE, "the deleted port is silent", || one.does_not_reach(&two).is_ok())?;
    let again = cloud.port(&network, "compute2")?;
    ensure!(again.addresses == two.port.addresses, "{:?} was not given again", two.port.addresses);
    let three = Guest::plug(&cloud, again, "compute2", "three")?;
    // The other instance may believe in the old MAC for most of a minute; a guest that boots announces itself (RFC 5227 §3).
    let IpAddr::V4(address) = three.port.address(false)? else { bail!("no IPv4 address") };
    three.instance.gratuitous_arp(address)?;
    hadron_lab::until(PATIENCE, "the address leads to its new port", || one.reaches(&three).is_ok())?;
    Ok(())
}

#[test]
fn a_port_that_is_administratively_down_passes_nothing() -> Result<()> {
    let cloud = Cloud::up("down", Underlay::V4, &["compute1"])?;
    let network = cloud.network("net")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    let one = Guest::start(&cloud, &network, "compute1", "one")?;
    let two = Guest::start(&cloud, &network, "compute1", "two")?;
    let set = |up: bool| {
        let body = json!({"port": {"admin_state_up": up}});
        cloud.call(Method::PUT, &format!("/v2.0/ports/{}", two.port.id), Some(body))
    };
    set(false)?;
    hadron_lab::until(PATIENCE, "the port passes nothing", || one.does_not_reach(&two).is_ok())?;
    set(true)?;
    two.instance.wait_for_link(PATIENCE)?;
    hadron_lab::until(PATIENCE, "the port passes again", || one.reaches(&two).is_ok())?;
    Ok(())
}

#[test]
fn a_lease_is_given_back_and_taken_again() -> Result<()> {
    let cloud = Cloud::up("lease", Underlay::V4, &["compute1"])?;
    let network = cloud.network("net")?;
    let subnet = json!({"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24",
        "dns_nameservers": ["192.0.2.53"], "host_routes": [{"destination": "198.51.100.0/24", "nexthop": "10.0.0.254"}]}});
    cloud.call(Method::POST, "/v2.0/subnets", Some(subnet))?;
    let mut guest = Guest::start(&cloud, &network, "compute1", "one")?;
    let routes = guest.instance.routes()?;
    ensure!(routes.contains("default via 10.0.0.1"), "{routes}");
    ensure!(routes.contains("198.51.100.0/24 via 10.0.0.254"), "{routes}");
    ensure!(guest.instance.resolv_conf()?.contains("192.0.2.53"), "{}", guest.instance.resolv_conf()?);
    guest.instance.dhcp_release()?;
    let released = guest.instance.addresses()?;
    ensure!(!released.contains(&guest.port.address(false)?), "still {released:?}");
    guest.configure()
}

#[test]
fn an_interface_may_come_first_or_be_renamed() -> Result<()> {
    let cloud = Cloud::up("order", Underlay::V4, &["compute1"])?;
    let network = cloud.network("net")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    // The port exists, unbound; its interface is there before it is bound.
    let answer = cloud.call(Method::POST, "/v2.0/ports", Some(json!({"port": {"network_id": network}})))?;
    let port = hadron_tests::cloud::Port::read(&answer["port"])?;
    let host = cloud.host("compute1")?;
    let instance = host.instance("early", &port.id, &port.mac)?;
    let bind = json!({"port": {"binding:host_id": "compute1"}});
    cloud.call(Method::PUT, &format!("/v2.0/ports/{}", port.id), Some(bind))?;
    cloud.wait_for_status(&port.id, "ACTIVE")?;
    let rename = |from: &str, to: &str| {
        host.command("ip").args(["link", "set", from, "down"]).succeed(PATIENCE)?;
        host.command("ip").args(["link", "set", from, "name", to]).succeed(PATIENCE)
    };
    let name = instance.interface_name().to_owned();
    rename(&name, "elsewhere")?;
    cloud.wait_for_status(&port.id, "DOWN")?;
    rename("elsewhere", &name)?;
    cloud.wait_for_status(&port.id, "ACTIVE")?;
    let (_client, leased) = instance.dhcp_lease(Duration::from_secs(30))?;
    ensure!(IpAddr::V4(leased) == port.address(false)?, "leased {leased}");
    Ok(())
}
