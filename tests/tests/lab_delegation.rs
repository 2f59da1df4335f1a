//! An instance that is a router itself gets a prefix, and what lies behind it is reached.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Underlay, until};
use hadron_tests::cloud::{Cloud, PATIENCE};
use serde_json::json;

const PREFIX: &str = "fd00:d0::/56";

/// Writes what a client learned into the file `learned` beside it.
const SCRIPT: &str = "#!/bin/sh
[ \"$reason\" = PREINIT6 ] && ip link set dev \"$interface\" up
[ -z \"$new_ip6_prefix\" ] || echo \"$new_ip6_prefix\" >\"$(dirname \"$0\")/learned\"
exit 0
";

#[test]
fn a_prefix_that_is_routed_to_an_instance_is_delegated_to_it() -> Result<()> {
    let cloud = Cloud::up("delegation", Underlay::V4, &["compute1", "compute2"])?;
    let (near, far) = (cloud.network("near")?, cloud.network("far")?);
    let mode = |mode: &str, network: &str, cidr: &str| {
        cloud.made("subnet", json!({
            "network_id": network, "ip_version": 6, "cidr": cidr, "ipv6_ra_mode": mode, "ipv6_address_mode": mode,
        }))
    };
    let subnets = [mode("dhcpv6-stateful", &near, "fd00:1::/64")?, mode("slaac", &far, "fd00:2::/64")?];
    let router = cloud.router("r")?;
    subnets.iter().try_for_each(|subnet| cloud.attach(&router, subnet))?;
    let pairs = json!([{"ip_address": PREFIX}]);
    let port = cloud.port_with(&near, "compute1", json!({"allowed_address_pairs": pairs}))?;
    let other = cloud.port(&far, "compute2")?;
    let inner = cloud.host("compute1")?.instance("inner", &port.id, &port.mac)?;
    let outer = cloud.host("compute2")?.instance("outer", &other.id, &other.mac)?;
    for instance in [&inner, &outer] {
        instance.wait_for_link(PATIENCE)?;
        for state in ["down", "up"] {
            let heed = format!("echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_ra; ip link set eth0 {state}");
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
    let file = |name: &str| inner.dir().join(name);
    let start = || {
        let client = inner.command("dhclient").args(["-6", "-N", "-P", "-d", "-v", "-sf"]).arg(&script);
        let client =
            client.arg("-cf").arg("/dev/null").arg("-lf").arg(file("leases")).arg("-pf").arg(file("pid"));
        client.arg("eth0").log_name("dhclient6").spawn()
    };
    // Nothing is led to it yet.
    let early = start()?;
    early.wait_for_log("RCV: Advertise", PATIENCE)?;
    ensure!(!file("learned").exists(), "a prefix that nobody leads here:\n{}", early.log());
    early.kill();

    let hop = port.address(true)?.to_string();
    cloud.change_router(&router, json!({"routes": [{"destination": PREFIX, "nexthop": hop}]}))?;
    let client = start()?;
    until(PATIENCE, "a prefix", || {
        std::fs::read_to_string(file("learned")).is_ok_and(|text| text.trim() == PREFIX)
    })
    .with_context(|| format!("{}\n{}", client.log(), cloud.logs()))?;

    inner.add_address(&format!("{hop}/64"))?;
    inner.command("ip").args(["address", "add", "fd00:d0::1/128", "dev", "lo"]).succeed(PATIENCE)?;
    outer.add_address(&format!("{}/64", other.address(true)?)).ok();
    let behind: std::net::IpAddr = "fd00:d0::1".parse()?;
    until(PATIENCE, "what lies behind the instance answers", || {
        outer.ping(behind).count(2).run().is_ok_and(|report| report.lost() == 0)
    })
    .with_context(|| cloud.logs())?;
    Ok(())
}
