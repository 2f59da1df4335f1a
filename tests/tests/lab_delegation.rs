//! An instance that is a router itself gets a prefix, and what lies behind it is reached.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Instance, Process, Underlay, until};
use hadron_tests::cloud::{Cloud, PATIENCE, Port};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::path::PathBuf;

const PREFIX: &str = "fd00:d0::/56";

/// Writes what a client learned into the file `learned` beside it.
const SCRIPT: &str = "#!/bin/sh
[ \"$reason\" = PREINIT6 ] && ip link set dev \"$interface\" up
[ -z \"$new_ip6_prefix\" ] || echo \"$new_ip6_prefix\" >\"$(dirname \"$0\")/learned\"
exit 0
";

/// An instance that is a router on one host, another network's instance on another host, and a router between them.
struct Scene {
    cloud: Cloud,
    router: String,
    port: Port,
    other: Port,
    inner: Instance,
    outer: Instance,
}

impl Scene {
    fn raise(name: &str, port: Value) -> Result<Self> {
        let cloud = Cloud::up(name, Underlay::V4, &["compute1", "compute2"])?;
        let (near, far) = (cloud.network("near")?, cloud.network("far")?);
        let mode = |mode: &str, network: &str, cidr: &str| {
            cloud.made("subnet", json!({
                "network_id": network, "ip_version": 6, "cidr": cidr, "ipv6_ra_mode": mode, "ipv6_address_mode": mode,
            }))
        };
        let subnets = [mode("dhcpv6-stateful", &near, "fd00:1::/64")?, mode("slaac", &far, "fd00:2::/64")?];
        let router = cloud.router("r")?;
        subnets.iter().try_for_each(|subnet| cloud.attach(&router, subnet))?;
        let port = cloud.port_with(&near, "compute1", port)?;
        let other = cloud.port(&far, "compute2")?;
        let inner = cloud.host("compute1")?.instance("inner", &port.id, &port.mac)?;
        let outer = cloud.host("compute2")?.instance("outer", &other.id, &other.mac)?;
        for instance in [&inner, &outer] {
            instance.wait_for_link(PATIENCE)?;
            for state in ["down", "up"] {
                let heed =
                    format!("echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_ra; ip link set eth0 {state}");
                instance.command("sh").args(["-c", &heed]).succeed(PATIENCE)?;
            }
        }
        let script = inner.dir().join("learn");
        std::fs::write(&script, SCRIPT)?;
        inner.command("chmod").arg("755").arg(&script).succeed(PATIENCE)?;
        until(PATIENCE, "a default route", || {
            let routes = inner.command("ip").args(["-6", "route"]).succeed(PATIENCE);
            routes.is_ok_and(|all| all.contains("default via fe80::"))
        })?;
        Ok(Self { cloud, router, port, other, inner, outer })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.inner.dir().join(name)
    }

    /// A client that asks for an address and a prefix.
    fn client(&self) -> Result<Process> {
        let client = self.inner.command("dhclient").args(["-6", "-N", "-P", "-d", "-v", "-sf"]);
        let client =
            client.arg(self.file("learn")).arg("-cf").arg("/dev/null").arg("-lf").arg(self.file("leases"));
        Ok(client.arg("-pf").arg(self.file("pid")).arg("eth0").log_name("dhclient6").spawn()?)
    }

    fn learns(&self, client: &Process, prefix: &str) -> Result<()> {
        until(PATIENCE, "a prefix", || {
            std::fs::read_to_string(self.file("learned")).is_ok_and(|text| text.trim() == prefix)
        })
        .with_context(|| format!("{}\n{}", client.log(), self.cloud.logs()))
    }

    /// What has an address of the prefix, behind the instance, is reached from the other network.
    fn is_reached(&self, behind: &str) -> Result<()> {
        self.inner.add_address(&format!("{}/64", self.port.address(true)?))?;
        let address = format!("{behind}/128");
        self.inner.command("ip").args(["address", "add", &address, "dev", "lo"]).succeed(PATIENCE)?;
        self.outer.add_address(&format!("{}/64", self.other.address(true)?)).ok();
        let behind: IpAddr = behind.parse()?;
        until(PATIENCE, "what lies behind the instance answers", || {
            self.outer.ping(behind).count(2).run().is_ok_and(|report| report.lost() == 0)
        })
        .with_context(|| self.cloud.logs())
    }
}

#[test]
fn a_prefix_that_is_routed_to_an_instance_is_delegated_to_it() -> Result<()> {
    let scene = Scene::raise("delegation", json!({"allowed_address_pairs": [{"ip_address": PREFIX}]}))?;
    // Nothing is led to it yet.
    let early = scene.client()?;
    early.wait_for_log("RCV: Advertise", PATIENCE)?;
    ensure!(!scene.file("learned").exists(), "a prefix that nobody leads here:\n{}", early.log());
    early.kill();

    let hop = scene.port.address(true)?.to_string();
    let routes = json!({"routes": [{"destination": PREFIX, "nexthop": hop}]});
    scene.cloud.change_router(&scene.router, routes)?;
    scene.learns(&scene.client()?, PREFIX)?;
    scene.is_reached("fd00:d0::1")
}

#[test]
fn a_prefix_of_a_subnet_pool_is_led_to_the_port_that_asks_for_it_and_delegated() -> Result<()> {
    let scene = Scene::raise("pooled", json!({}))?;
    let pool =
        json!({"name": "d", "prefixes": ["fd00:e0::/48"], "min_prefixlen": 48, "default_prefixlen": 60});
    let pool = scene.cloud.made("subnetpool", pool)?;
    scene.cloud.change_port(&scene.port.id, json!({"hadron:delegated_prefix": {"subnetpool_id": pool}}))?;
    scene.learns(&scene.client()?, "fd00:e0::/60")?;
    scene.is_reached("fd00:e0::1")?;
    // What is given back is led nowhere.
    scene.cloud.change_port(&scene.port.id, json!({"hadron:delegated_prefix": null}))?;
    let behind: IpAddr = "fd00:e0::1".parse()?;
    until(PATIENCE, "nobody leads there", || {
        scene.outer.ping(behind).count(2).run().is_ok_and(|report| report.lost() == 2)
    })?;
    Ok(())
}
