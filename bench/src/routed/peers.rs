//! What routers are held against: a namespace for each, as the field's agents build them, between bridges, with nf_tables and conntrack.
//!
//! ```text
//! guest ── bridge ── veth ─┐
//!                      namespace ── veth ── bridge ── world
//! guest ── bridge ── veth ─┘
//! ```

use crate::course::Course;
use crate::path::peers::{bridge, guest, ip};
use anyhow::Result;
use hadron_lab::{Host, Instance, Lab, Topology, Underlay};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);
const OUTSIDE: &str = "outside";
/// The world of the peers.
const WORLD: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const INSIDE: [&str; 2] = ["inside1", "inside2"];

/// A host with two networks, one router and a world.
pub struct Routed {
    guests: [Instance; 2],
    world: Instance,
    _router: Router,
    _lab: Lab,
}

impl Routed {
    /// Builds them.
    pub fn up() -> Result<Self> {
        let lab = Topology::new("netns").underlay(Underlay::V4).hosts(["one"]).up()?;
        let host = lab.host("one")?;
        let guests = [guest(host, "routed1", 0x50)?, guest(host, "routed2", 0x51)?];
        let world = guest(host, "world", 0x52)?;
        for (name, guest) in INSIDE.into_iter().zip(&guests).chain([(OUTSIDE, &world)]) {
            bridge(host, name, &[guest.interface_name()])?;
        }
        let router = Router::add(host, 1, &INSIDE)?;
        for (number, guest) in guests.iter().enumerate() {
            guest.add_address(&format!("10.8.{number}.2/24"))?;
            guest.add_route("default", Ipv4Addr::new(10, 8, number as u8, 1).into())?;
        }
        world.add_address(&format!("{WORLD}/16"))?;
        Ok(Self { guests, world, _router: router, _lab: lab })
    }

    /// The paths: from network to network, and out by the router's address.
    pub fn courses(&self, [inside, out]: [&'static str; 2]) -> [Course<'_>; 2] {
        let [near, far] = &self.guests;
        let address = |address: Ipv4Addr| [Some(IpAddr::from(address)), None];
        [
            Course { name: inside, near, far, addresses: address(Ipv4Addr::new(10, 8, 1, 2)) },
            Course { name: out, near, far: &self.world, addresses: address(WORLD) },
        ]
    }
}

/// A host with bridges for many routers, and a world that looks for them.
pub struct Crowd {
    routers: Vec<Router>,
    world: Instance,
    lab: Lab,
}

impl Crowd {
    /// Builds all but the routers.
    pub fn up(count: usize) -> Result<Self> {
        let lab = Topology::new("netns").underlay(Underlay::V4).hosts(["one"]).up()?;
        let host = lab.host("one")?;
        let world = guest(host, "world", 0x52)?;
        bridge(host, OUTSIDE, &[world.interface_name()])?;
        for number in 1..=count {
            bridge(host, &format!("net{number}"), &[])?;
        }
        world.add_address(&format!("{WORLD}/16"))?;
        Ok(Self { routers: Vec::new(), world, lab })
    }

    /// Adds one router with a network and a way out. Its address outside.
    pub fn add(&mut self, number: usize) -> Result<IpAddr> {
        let router = Router::add(self.lab.host("one")?, number, &[&format!("net{number}")])?;
        self.routers.push(router);
        Ok(outside(number).into())
    }

    /// Who looks for them.
    pub fn world(&self) -> &Instance {
        &self.world
    }
}

fn outside(number: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(WORLD.to_bits() + number as u32)
}

/// A namespace, gone with this.
struct Router(String);

impl Router {
    /// Connects bridges of a host, at the first address of 10.8.N.0/24 in the Nth, and translates what leaves by the outside one.
    fn add(host: &Host, number: usize, inside: &[&str]) -> Result<Self> {
        let router = Self(format!("{}-{number}", host.name()));
        let name = &router.0;
        ip(host, &["netns", "add", name])?;
        let addresses = (0..inside.len()).map(|n| format!("10.8.{n}.1/24"));
        let own = format!("{}/16", outside(number));
        for (n, (bridge, address)) in
            inside.iter().copied().zip(addresses).chain([(OUTSIDE, own)]).enumerate()
        {
            let (near, far) = (format!("v{number}-{n}"), format!("i{n}"));
            ip(host, &["link", "add", &near, "mtu", "1450", "type", "veth", "peer", "name", &far])?;
            ip(host, &["link", "set", &far, "mtu", "1450", "netns", name])?;
            ip(host, &["link", "set", &near, "master", bridge, "up"])?;
            ip(host, &["-n", name, "address", "add", &address, "dev", &far])?;
            ip(host, &["-n", name, "link", "set", &far, "up"])?;
        }
        let out = format!("i{}", inside.len());
        let rules = format!(
            "table ip nat {{ chain out {{ type nat hook postrouting priority 100; oifname {out} snat to {}; }}; }}",
            outside(number)
        );
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward && exec nft \"$0\"";
        let command = host.command("ip").args(["netns", "exec", name, "sh", "-c", forward, &rules]);
        command.succeed(PATIENCE)?;
        Ok(router)
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        let delete = Command::new("ip").args(["netns", "delete", &self.0]).stderr(Stdio::null()).status();
        if !delete.is_ok_and(|status| status.success()) {
            eprintln!("namespace {} is left; delete it: ip netns delete {0}", self.0);
        }
    }
}
