//! Instances reach a machine outside the cloud by their router's address, and it reaches one of them by a floating IP; each knows the other by
//! its true address.

use crate::story::{Tenant, text};
use crate::telling::step;
use anyhow::{Context, Result, ensure};
use hadron_lab::{Instance, until};
use hadron_tests::cloud::{Cloud, PATIENCE, PHYSICAL_NETWORK};
use hadron_tests::openstack::{OpenStack, User};
use hadron_tests::outside::{UPSTREAM, WORLD, seen_as, world};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

const WEB: u16 = 80;

/// Tells it of a tenant's first instance.
pub fn tell(cloud: &Cloud, admin: &User, tenant: &Tenant) -> Result<Instance> {
    let (operator, member) = (OpenStack::new(cloud, admin), OpenStack::new(cloud, &tenant.user));
    let server = &tenant.guests[0];
    let world = step("an external network, and a machine on it that is no host of the cloud", || {
        let physical = format!("--provider-network-type flat --provider-physical-network {PHYSICAL_NETWORK}");
        operator.json(&format!("network create --external {physical} ext"))?;
        let range = format!("--subnet-range 203.0.113.0/24 --gateway {UPSTREAM} --no-dhcp");
        operator.json(&format!("subnet create --network ext {range} ext4"))?;
        Ok((world(cloud)?, format!("{UPSTREAM}, and {WORLD} behind it")))
    })?;
    let shared: IpAddr = step("a router of the project, its way out", || {
        let router = member.json("router create router")?;
        member.done("router add subnet router v4")?;
        member.done("router set --external-gateway ext router")?;
        member.done(&format!("security group rule create --protocol tcp --dst-port {WEB} default"))?;
        member.done("security group rule create --protocol icmp default")?;
        let router = operator.json(&format!("router show {}", text(&router, "id")?))?;
        let shared = &router["external_gateway_info"]["external_fixed_ips"][0]["ip_address"];
        let shared = shared.as_str().context("a router without an address outside")?;
        Ok((shared.parse()?, format!("its address there is {shared}")))
    })?;
    for guest in &tenant.guests {
        step(&format!("{} connects to the world, without an address of its own there", guest.name), || {
            let far = SocketAddr::from((WORLD, WEB));
            let client = seen_as(&guest.instance, far, &world, far)?;
            ensure!(client == shared, "the world sees {client}");
            Ok(((), format!("the world sees {client}")))
        })?;
    }
    let address: IpAddr = step(&format!("a floating IP for {}", server.name), || {
        let floating = member.json(&format!("floating ip create --port {} ext", server.name))?;
        let address: IpAddr = text(&floating, "floating_ip_address")?.parse()?;
        let begun = Instant::now();
        until(PATIENCE, "the floating IP is answered", || {
            let ping = world.ping(address).count(1).timeout(Duration::from_millis(100));
            ping.run().is_ok_and(|report| report.received == 1)
        })?;
        let waited = begun.elapsed().as_secs_f64() * 1e3;
        Ok((address, format!("{address} answers the world {waited:.0} ms after the client's return")))
    })?;
    step(&format!("the world connects to {}", server.name), || {
        let (by, door) = (SocketAddr::new(address, WEB), SocketAddr::new(server.port.address(false)?, WEB));
        let client = seen_as(&world, by, &server.instance, door)?;
        ensure!(client == IpAddr::from(UPSTREAM), "{} sees {client}", server.name);
        Ok(((), format!("{} sees {client}", server.name)))
    })?;
    step(&format!("{} connects to the world again", server.name), || {
        let far = SocketAddr::from((WORLD, WEB));
        let client = seen_as(&server.instance, far, &world, far)?;
        ensure!(client == address, "the world sees {client}");
        Ok(((), format!("the world sees {client}")))
    })?;
    Ok(world)
}
