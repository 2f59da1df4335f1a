//! What is outside in scenarios: an external network, a machine on it that is no host of the cloud, and floating IPs.

use crate::cloud::{Cloud, PATIENCE, SECOND_PHYSICAL_NETWORK};
use anyhow::{Context, Result};
use hadron_lab::Instance;
use hyper::Method;
use nix::sys::socket::{Shutdown, shutdown};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;

/// Where the external network's subnet ends: the way to the rest of the world.
pub const UPSTREAM: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// An address beyond it.
pub const WORLD: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 9);
/// [`UPSTREAM`] of IPv6, once the external network has that.
pub const UPSTREAM_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1);
/// [`WORLD`] of IPv6, likewise.
pub const WORLD_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 9);
const MAC: &str = "52:54:00:00:00:01";
/// [`UPSTREAM`] of the second physical network.
pub const SECOND_UPSTREAM: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SECOND_MAC: &str = "52:54:00:00:00:02";

/// An external network of the physical one: 203.0.113.0/24.
pub struct Outside {
    /// Its id.
    pub network: String,
    /// The upstream router, which has [`WORLD`] too.
    pub world: Instance,
    /// Its address there.
    upstream: Ipv4Addr,
}

impl Outside {
    /// Creates it, and the world.
    pub fn create(cloud: &Cloud) -> Result<Self> {
        Self::create_with(cloud, json!({}))
    }

    /// As [`Outside::create`], with further attributes of the subnet.
    pub fn create_with(cloud: &Cloud, more: Value) -> Result<Self> {
        Self::create_in(cloud, None, more)
    }

    /// The same in a VLAN, if one is given. The world is on the untagged network all the same: kernels without VLANs have no interface to one.
    pub fn create_in(cloud: &Cloud, vlan: Option<u16>, more: Value) -> Result<Self> {
        let network = cloud.physical_network_with(json!({"name": "ext", "router:external": true}), vlan)?;
        let mut subnet = json!({
            "network_id": network,
            "ip_version": 4,
            "cidr": "203.0.113.0/24",
            "gateway_ip": UPSTREAM,
            "enable_dhcp": false,
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            subnet[key] = value.clone();
        }
        cloud.made("subnet", subnet)?;
        Ok(Self { network, world: world(cloud)?, upstream: UPSTREAM })
    }

    /// An external network of the second physical one: 192.0.2.0/24. Its upstream router leads to [`WORLD`] too.
    pub fn create_second(cloud: &Cloud) -> Result<Self> {
        let physical = json!({
            "name": "ext2",
            "router:external": true,
            "provider:physical_network": SECOND_PHYSICAL_NETWORK,
        });
        let network = cloud.physical_network_with(physical, None)?;
        let subnet = json!({
            "network_id": network,
            "ip_version": 4,
            "cidr": "192.0.2.0/24",
            "gateway_ip": SECOND_UPSTREAM,
            "enable_dhcp": false,
        });
        cloud.made("subnet", subnet)?;
        let world = cloud.lab.outsider_on("physical2", "world2", SECOND_MAC)?;
        Ok(Self { network, world: leading_on(world, SECOND_UPSTREAM)?, upstream: SECOND_UPSTREAM })
    }

    /// Adds IPv6: 2001:db8:ffff::/64.
    pub fn add_ipv6(&self, cloud: &Cloud) -> Result<()> {
        let subnet = json!({
            "network_id": self.network,
            "ip_version": 6,
            "cidr": "2001:db8:ffff::/64",
            "gateway_ip": UPSTREAM_V6,
            "enable_dhcp": false,
        });
        cloud.made("subnet", subnet)?;
        self.world.add_address(&format!("{UPSTREAM_V6}/64"))?;
        let far = format!("{WORLD_V6}/128");
        self.world.command("ip").args(["address", "add", &far, "dev", "lo"]).succeed(PATIENCE).map(drop)?;
        Ok(())
    }

    /// The upstream router's address on the network, of IPv4.
    pub fn world_address(&self) -> IpAddr {
        self.upstream.into()
    }

    /// As whom the world is seen that connects without saying from where.
    pub fn seen(&self, is_ipv6: bool) -> IpAddr {
        if is_ipv6 { UPSTREAM_V6.into() } else { UPSTREAM.into() }
    }

    /// Makes it a router's gateway.
    pub fn open(&self, cloud: &Cloud, router: &str, enable_snat: bool) -> Result<()> {
        let gateway = json!({"network_id": self.network, "enable_snat": enable_snat});
        cloud.change_router(router, json!({"external_gateway_info": gateway}))
    }

    /// Creates a floating IP that leads nowhere yet: its id and address.
    pub fn floating_ip(&self, cloud: &Cloud) -> Result<(String, IpAddr)> {
        let body = json!({"floatingip": {"floating_network_id": self.network}});
        let made = cloud.call(Method::POST, "/v2.0/floatingips", Some(body))?;
        let text = |key: &str| made["floatingip"][key].as_str().context("a floating IP without it");
        Ok((text("id")?.to_owned(), text("floating_ip_address")?.parse()?))
    }
}

/// A machine on the physical network that has [`UPSTREAM`] and [`WORLD`].
pub fn world(cloud: &Cloud) -> Result<Instance> {
    leading_on(cloud.lab.outsider("world", MAC)?, UPSTREAM)
}

/// Makes a machine an upstream router.
fn leading_on(world: Instance, own: Ipv4Addr) -> Result<Instance> {
    world.add_address(&format!("{own}/24"))?;
    world.command("ip").args(["address", "add", &format!("{WORLD}/32"), "dev", "lo"]).succeed(PATIENCE)?;
    Ok(world)
}

/// Whom a server at `door` in `server` sees when `client` connects to `by`.
pub fn seen_as(client: &Instance, by: SocketAddr, server: &Instance, door: SocketAddr) -> Result<IpAddr> {
    let listener = server.run(|| TcpListener::bind(door))??;
    let _connection = client
        .run(|| TcpStream::connect_timeout(&by, PATIENCE))?
        .with_context(|| format!("no connection to {by}"))?;
    let seen = listener.accept()?.1.ip();
    // A process that another scenario starts just now holds the socket until its program runs; shut, nobody is let in by it.
    shutdown(listener.as_raw_fd(), Shutdown::Both)?;
    Ok(seen)
}

impl Cloud {
    /// A router's first address on its external network.
    pub fn gateway_address(&self, router: &str) -> Result<IpAddr> {
        self.gateway_addresses(router)?.first().copied().context("a router without a gateway")
    }

    /// A router's addresses on its external network.
    pub fn gateway_addresses(&self, router: &str) -> Result<Vec<IpAddr>> {
        let answer = self.call(Method::GET, &format!("/v2.0/routers/{router}"), None)?;
        let fixed = answer["router"]["external_gateway_info"]["external_fixed_ips"].as_array();
        let addresses = fixed.into_iter().flatten().filter_map(|fixed| fixed["ip_address"].as_str());
        Ok(addresses.map(str::parse).collect::<Result<_, _>>()?)
    }

    /// Forwards a port, or ports, of a floating IP: the forwarding's path.
    pub fn forward(&self, floating: &str, forwarding: Value) -> Result<String> {
        let all = format!("/v2.0/floatingips/{floating}/port_forwardings");
        let made = self.call(Method::POST, &all, Some(json!({"port_forwarding": forwarding})))?;
        let id = made["port_forwarding"]["id"].as_str().context("a forwarding without an id")?;
        Ok(format!("{all}/{id}"))
    }

    /// Has a floating IP lead to a port, or nowhere.
    pub fn associate(&self, floating: &str, port: Option<&str>) -> Result<()> {
        let body = json!({"floatingip": {"port_id": port}});
        self.call(Method::PUT, &format!("/v2.0/floatingips/{floating}"), Some(body)).map(drop)
    }
}
