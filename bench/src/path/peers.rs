//! What the packet path is held against: a bare veth pair, the kernel's bridge, and the kernel's VXLAN with bridges.
//!
//! ```text
//! host one                                    host two
//!   veth ──────────── guest
//!   bridge ─┬── veth ─ guest
//!           └── veth ─ guest
//!   bridge ─┬── veth ─ guest                    bridge ─┬── veth ─ guest
//!           └── vxlan ═══════════ underlay ═══════════ vxlan
//! ```

use crate::course::Course;
use anyhow::{Context, Result};
use hadron_lab::{Host, Instance, Lab, Namespace, Topology, Underlay};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// How long one change of a link may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest IP packet of every guest here and on the cloud: what VXLAN leaves of 1500.
pub const MTU: &str = "1450";

/// Two hosts and the guests of all peers.
pub struct Peers {
    bare: Instance,
    bridged: [Instance; 2],
    tunnelled: [Instance; 2],
    lab: Lab,
}

impl Peers {
    /// Builds them.
    pub fn up() -> Result<Self> {
        let lab = Topology::new("peers").underlay(Underlay::V4).hosts(["one", "two"]).up()?;
        let (one, two) = (lab.host("one")?, lab.host("two")?);
        for place in [one, two, lab.wire()] {
            without_bridge_filter(place)?;
        }
        let bare = guest(one, "bare", 0x10)?;
        up(one, bare.interface_name())?;
        for address in ["10.1.0.2/24", "fd01::2/64"] {
            ip(one, &["address", "add", address, "dev", bare.interface_name(), "nodad"])?;
        }
        give(&bare, 1, 1)?;
        let bridged = [guest(one, "bridged1", 0x20)?, guest(one, "bridged2", 0x21)?];
        bridge(one, "br0", &bridged.each_ref().map(Instance::interface_name))?;
        let tunnelled = [guest(one, "tunnelled1", 0x30)?, guest(two, "tunnelled2", 0x31)?];
        for (here, there) in [((one, 0), (two, 1)), ((two, 1), (one, 0))] {
            vxlan(here.0, there.0.address(), &mac(0x30 + there.1))?;
            bridge(here.0, "br1", &[tunnelled[here.1].interface_name(), "vxlan"])?;
        }
        for (subnet, guests) in [(2, &bridged), (3, &tunnelled)] {
            give(&guests[0], subnet, 1)?;
            give(&guests[1], subnet, 2)?;
        }
        Ok(Self { bare, bridged, tunnelled, lab })
    }

    /// The paths.
    pub fn courses(&self) -> Result<[Course<'_>; 3]> {
        let [b1, b2] = &self.bridged;
        let [t1, t2] = &self.tunnelled;
        Ok([
            course(super::VETH, &self.bare, self.lab.host("one")?, 1)?,
            course(super::BRIDGE, b1, b2, 2)?,
            course(super::VXLAN, t1, t2, 3)?,
        ])
    }
}

fn course<'a>(name: &'static str, near: &'a Namespace, far: &'a Namespace, subnet: u8) -> Result<Course<'a>> {
    let address = |text: String| text.parse::<IpAddr>().context("an address");
    Ok(Course {
        name,
        near,
        far,
        addresses: [Some(address(format!("10.{subnet}.0.2"))?), Some(address(format!("fd0{subnet}::2"))?)],
    })
}

/// An instance of this number, with its own MAC.
pub fn guest(host: &Host, name: &str, number: usize) -> Result<Instance> {
    let guest = host.instance(name, &format!("{number:08x}-00"), &mac(number))?;
    ip(&guest, &["link", "set", "eth0", "mtu", MTU])?;
    ip(host, &["link", "set", guest.interface_name(), "mtu", MTU])?;
    Ok(guest)
}

fn mac(number: usize) -> String {
    format!("02:00:00:00:00:{number:02x}")
}

fn give(guest: &Instance, subnet: u8, number: u8) -> Result<()> {
    guest.add_address(&format!("10.{subnet}.0.{number}/24"))?;
    Ok(guest.add_address(&format!("fd0{subnet}::{number}/64"))?)
}

/// Keeps the frames that a bridge forwards from the rules for IP packets, where the kernel has that at all: it would make every
/// bridge slower than it need be.
pub fn without_bridge_filter(place: &Namespace) -> Result<()> {
    place.run(|| {
        for family in ["iptables", "ip6tables", "arptables"] {
            let path = format!("/proc/sys/net/bridge/bridge-nf-call-{family}");
            if Path::new(&path).exists() {
                std::fs::write(&path, "0").with_context(|| format!("write {path}"))?;
            }
        }
        Ok(())
    })?
}

/// A bridge that forwards at once, with `ports`.
pub fn bridge(host: &Host, name: &str, ports: &[&str]) -> Result<()> {
    ip(
        host,
        &["link", "add", name, "mtu", MTU, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0"],
    )?;
    up(host, name)?;
    for port in ports {
        ip(host, &["link", "set", port, "master", name])?;
        up(host, port)?;
    }
    Ok(())
}

/// A VXLAN device to one other host, which learns nothing: `mac` is there, and so is everyone.
fn vxlan(host: &Host, remote: IpAddr, mac: &str) -> Result<()> {
    let (local, remote) = (host.address().to_string(), remote.to_string());
    let device = ["link", "add", "vxlan", "mtu", MTU, "type", "vxlan", "id", "7", "dev", host.uplink()];
    let tunnel = ["local", &local, "remote", &remote, "dstport", "4789", "nolearning"];
    ip(host, &[device.as_slice(), &tunnel].concat())?;
    let entry = ["fdb", "add", mac, "dev", "vxlan", "dst", &remote, "self", "permanent"];
    host.command("bridge").args(entry).succeed(PATIENCE)?;
    Ok(())
}

fn up(place: &Namespace, link: &str) -> Result<()> {
    ip(place, &["link", "set", link, "up"])
}

/// Runs `ip` in a host or guest.
pub fn ip(place: &Namespace, arguments: &[&str]) -> Result<()> {
    place.command("ip").args(arguments).succeed(PATIENCE)?;
    Ok(())
}
