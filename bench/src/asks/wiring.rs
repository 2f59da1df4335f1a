//! Interfaces of a thousand instances: those that the node wires, and those on a bridge with dnsmasq.

use anyhow::{Context, Result};
use hadron_lab::{Namespace, Process};
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(120);

/// An instance: the interface's name on the host, its MAC and its address.
pub struct Seat {
    /// The host's end.
    pub near: String,
    /// The instance's end.
    pub far: String,
    /// Hardware address.
    pub mac: String,
    /// The address that its port has.
    pub address: Ipv4Addr,
}

impl Seat {
    /// The hardware address in octets.
    pub fn octets(&self) -> Result<[u8; 6]> {
        let octets: Vec<u8> =
            self.mac.split(':').map(|part| u8::from_str_radix(part, 16)).collect::<Result<_, _>>()?;
        octets.try_into().ok().context("a MAC of six octets")
    }
}

/// Makes the interfaces, the far ends in `guests` and up. Without IPv6 of the kernel's own on what is new: a thousand interfaces that
/// tell each other of their groups and addresses at the same moment are a million packets, which are not what is measured.
pub fn plug(host: &Namespace, guests: &Namespace, seats: &[Seat]) -> Result<()> {
    for namespace in [host, guests] {
        let quiet = "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6";
        namespace.command("sh").args(["-c", quiet]).succeed(LONG)?;
    }
    let mut pairs = String::new();
    for Seat { near, far, mac, .. } in seats {
        let net = guests.dir().join("net");
        writeln!(pairs, "link add {near} type veth peer name {far} address {mac} netns {}", net.display())?;
    }
    batch(host, "pairs", &pairs)?;
    let far: String = seats.iter().map(|seat| format!("link set {} up\n", seat.far)).collect();
    batch(guests, "up", &far)
}

/// A pair of interfaces of these names that is nothing's but the kernel's: what `near` receives goes to the host's own stack.
pub fn bare(host: &Namespace, guests: &Namespace, near: &str, far: &str) -> Result<()> {
    let net = guests.dir().join("net");
    batch(host, "bare", &format!("link add {near} up type veth peer name {far} netns {}\n", net.display()))?;
    batch(guests, "bare", &format!("link set {far} up\n"))
}

/// dnsmasq on a bridge with all seats, which can't hear each other: a question goes to the server alone.
pub fn dnsmasq(host: &Namespace, seats: &[Seat]) -> Result<Process> {
    let mut bridge =
        "link add bridge type bridge\naddress add 10.0.255.254/16 dev bridge\nlink set bridge up\n"
            .to_owned();
    for Seat { near, .. } in seats {
        writeln!(bridge, "link set {near} master bridge up\nlink set {near} type bridge_slave isolated on")?;
    }
    batch(host, "bridge", &bridge)?;
    let hosts: String = seats.iter().map(|seat| format!("{},{}\n", seat.mac, seat.address)).collect();
    let file = host.dir().join("dnsmasq-hosts");
    std::fs::write(&file, hosts)?;
    let dnsmasq = host.command("/usr/sbin/dnsmasq").args([
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--port=0",
        "--user=root",
        "--pid-file=",
        "--interface=bridge",
        "--bind-dynamic",
        "--leasefile-ro",
        "--dhcp-authoritative",
        "--no-ping",
        "--dhcp-lease-max=100000",
        "--dhcp-range=10.0.0.0,static,255.255.0.0,86400s",
        "--quiet-dhcp",
    ]);
    Ok(dnsmasq.arg(format!("--dhcp-hostsfile={}", file.display())).spawn()?)
}

fn batch(namespace: &Namespace, name: &str, commands: &str) -> Result<()> {
    let file = namespace.dir().join(name);
    std::fs::write(&file, commands)?;
    namespace.command("ip").arg("-batch").arg(&file).succeed(LONG)?;
    Ok(())
}
