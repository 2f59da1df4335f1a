//! What a router costs beside the same instances without one: between two networks on one host and on two; and from instances with a
//! floating IP, and with none, to a machine outside, beside an instance that is on the external network itself. And beside routers that are
//! namespaces: packets, and the time that many of them take to be set up.

mod association;
mod peers;
mod set_up;

use crate::course::{Course, measure, tell};
use crate::path::peers::{MTU, ip, without_bridge_filter};
use crate::report::Report;
use anyhow::{Context, Result};
use hadron_lab::{Instance, Underlay};
use hadron_tests::cloud::{Cloud, Options, PATIENCE, Port};
use hadron_tests::outside::{Outside, UPSTREAM};
use hadron_tests::routers::Dual;
use std::net::IpAddr;

const HOSTS: [&str; 2] = ["compute1", "compute2"];

const SAME_HERE: &str = "one network, one host";
const SAME_THERE: &str = "one network, two hosts";
const ROUTED_HERE: &str = "two networks, one host";
const ROUTED_THERE: &str = "two networks, two hosts";
const DIRECT: &str = "on the external network, to outside";
const FLOATING: &str = "by a floating IP, to outside";

const SHARED: &str = "by the router's address, to outside";
const RELAYED: &str = "the same, answers relayed by another host";

/// Each path with a router beside the same without.
/// By a namespace, on one host.
const NETNS_ROUTED: &str = "two networks, by a namespace";
const NETNS_SHARED: &str = "by a namespace's address, to outside";

const PEERS: [(&str, &str); 7] = [
    (ROUTED_HERE, SAME_HERE),
    (ROUTED_THERE, SAME_THERE),
    (FLOATING, DIRECT),
    (SHARED, DIRECT),
    (RELAYED, DIRECT),
    (ROUTED_HERE, NETNS_ROUTED),
    (SHARED, NETNS_SHARED),
];

/// Runs the benchmark and reports.
pub fn run() -> Result<()> {
    let mut report = Report::new("routed")?;
    let scene = Scene::up()?;
    let linux = peers::Routed::up()?;
    let courses: Vec<Course<'_>> =
        scene.courses()?.into_iter().chain(linux.courses([NETNS_ROUTED, NETNS_SHARED])).collect();
    let all = measure(&courses)?;
    tell(&mut report, &all, &PEERS);
    report.write()
}

/// How long changes take: a floating IP that moves, and many routers.
pub fn run_changes() -> Result<()> {
    let mut report = Report::new("routers")?;
    association::run(&mut report)?;
    set_up::run(&mut report)?;
    report.write()
}

/// A cloud with two networks behind a router, and the world.
struct Scene {
    near: Guest,
    /// In the network of `near`: on its host, and on the other.
    same: [Guest; 2],
    /// In the other network.
    other: [Guest; 2],
    direct: Guest,
    outside: Outside,
    _cloud: Cloud,
}

struct Guest {
    instance: Instance,
    port: Port,
}

impl Scene {
    fn up() -> Result<Self> {
        let options = Options { has_physical: true, ..Options::default() };
        let cloud = Cloud::up_with("routed", Underlay::V4, &HOSTS, options)?;
        without_bridge_filter(cloud.lab.wire())?;
        let outside = Outside::create(&cloud)?;
        ip(&outside.world, &["link", "set", "eth0", "mtu", MTU])?;
        let [blue, green] = [Dual::create(&cloud, 1)?, Dual::create(&cloud, 2)?];
        let router = cloud.router("r")?;
        blue.attach(&cloud, &router)?;
        green.attach(&cloud, &router)?;
        outside.open(&cloud, &router, true)?;
        let near = guest(&cloud, &blue, HOSTS[0], "near")?;
        let same = [guest(&cloud, &blue, HOSTS[0], "same1")?, guest(&cloud, &blue, HOSTS[1], "same2")?];
        let other = [guest(&cloud, &green, HOSTS[0], "other1")?, guest(&cloud, &green, HOSTS[1], "other2")?];
        let direct = Guest::plug(&cloud, &outside.network, HOSTS[0], "direct")?;
        direct.instance.add_address(&format!("{}/24", direct.port.address(false)?))?;
        let (floating, _) = outside.floating_ip(&cloud)?;
        cloud.associate(&floating, Some(&near.port.id))?;
        Ok(Self { near, same, other, direct, outside, _cloud: cloud })
    }

    fn courses(&self) -> Result<[Course<'_>; 8]> {
        let near = &self.near.instance;
        let world = &self.outside.world;
        let up = [Some(IpAddr::from(UPSTREAM)), None];
        Ok([
            self.inside(SAME_HERE, &self.same[0])?,
            self.inside(SAME_THERE, &self.same[1])?,
            self.inside(ROUTED_HERE, &self.other[0])?,
            self.inside(ROUTED_THERE, &self.other[1])?,
            Course { name: DIRECT, near: &self.direct.instance, far: world, addresses: up },
            Course { name: FLOATING, near, far: world, addresses: up },
            // The first host stands for the router.
            Course { name: SHARED, near: &self.same[0].instance, far: world, addresses: up },
            Course { name: RELAYED, near: &self.same[1].instance, far: world, addresses: up },
        ])
    }

    fn inside<'a>(&'a self, name: &'static str, far: &'a Guest) -> Result<Course<'a>> {
        let addresses = [Some(far.port.address(false)?), Some(far.port.address(true)?)];
        Ok(Course { name, near: &self.near.instance, far: &far.instance, addresses })
    }
}

/// An instance in a network behind the router, with its addresses and default routes.
fn guest(cloud: &Cloud, network: &Dual, host: &str, name: &str) -> Result<Guest> {
    let guest = Guest::plug(cloud, &network.network, host, name)?;
    for (ipv6, length) in [(false, 24), (true, 64)] {
        guest.instance.add_address(&format!("{}/{length}", guest.port.address(ipv6)?))?;
    }
    for gateway in network.gateways {
        guest.instance.add_route("default", gateway).with_context(|| format!("a route over {gateway}"))?;
    }
    Ok(guest)
}

impl Guest {
    fn plug(cloud: &Cloud, network: &str, host: &str, name: &str) -> Result<Self> {
        let port = cloud.port(network, host)?;
        let instance = cloud.host(host)?.instance(name, &port.id, &port.mac)?;
        ip(&instance, &["link", "set", "eth0", "mtu", MTU])?;
        instance.wait_for_link(PATIENCE)?;
        cloud.wait_for_status(&port.id, "ACTIVE")?;
        Ok(Self { instance, port })
    }
}
