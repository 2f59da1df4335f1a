//! systemd-networkd, as it sets up the interface of most images: by advertisements and by DHCP, each as the subnet says.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Underlay, until};
use hadron_tests::cloud::{Cloud, PATIENCE};
use hadron_tests::debian::Debian;
use serde_json::json;

const SETTINGS: &str = "[Match]\nName=eth0\n[Network]\nDHCP=yes\nIPv6AcceptRA=yes\n\
    [DHCPv4]\nClientIdentifier=duid\nUseMTU=yes\n";

/// The image's accounts have no service of names, and the namespace no manager of devices.
const START: &str = "mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp; \
    chown -R systemd-network /run/systemd/netif; exec /lib/systemd/systemd-networkd";

#[test]
fn networkd_gets_both_families_in_each_mode() -> Result<()> {
    let cloud = Cloud::up("networkd", Underlay::V4, &["compute1"])?;
    for mode in ["slaac", "dhcpv6-stateless", "dhcpv6-stateful"] {
        let network = cloud.network(mode)?;
        let v4 = cloud.subnet(&network, "10.0.0.0/24")?;
        let v6 = cloud.made("subnet", json!({
            "network_id": network, "ip_version": 6, "cidr": "fd00:1::/64", "ipv6_ra_mode": mode, "ipv6_address_mode": mode,
            "dns_nameservers": ["fd00::53"],
        }))?;
        let router = cloud.router(mode)?;
        [&v4, &v6].into_iter().try_for_each(|subnet| cloud.attach(&router, subnet))?;
        let port = cloud.port(&network, "compute1")?;
        let instance = cloud.host("compute1")?.instance(mode, &port.id, &port.mac)?;
        instance.wait_for_link(PATIENCE)?;
        let debian = Debian::of(&instance)?;
        debian.write("/etc/systemd/network/10-eth0.network", SETTINGS)?;
        debian.write("/etc/machine-id", "4ae9f0b6c6b84f3e9d0f2a8f0d3c1b7e\n")?;
        let passwd = debian.read("/etc/passwd")? + "systemd-network:x:998:998::/:/usr/sbin/nologin\n";
        debian.write("/etc/passwd", &passwd)?;
        let groups = debian.read("/etc/group")? + "systemd-network:x:998:\n";
        debian.write("/etc/group", &groups)?;
        debian
            .command("chmod")
            .args([
                "644",
                "/etc/passwd",
                "/etc/group",
                "/etc/machine-id",
                "/etc/systemd/network/10-eth0.network",
            ])
            .succeed(PATIENCE)?;
        let variables =
            [("container", "lxc"), ("SYSTEMD_LOG_TARGET", "console"), ("SYSTEMD_LOG_LEVEL", "info")];
        let client = debian.container(START, &variables).log_name("networkd").spawn()?;
        let has_all = || {
            let routes = instance.command("ip").args(["-6", "route"]).succeed(PATIENCE).unwrap_or_default();
            let addresses = instance.addresses().unwrap_or_default();
            port.addresses.iter().all(|own| addresses.contains(own)) && routes.contains("default via fe80::")
        };
        until(PATIENCE, "the port's addresses and a default route", has_all).with_context(|| {
            format!("{mode}: {:?}\n{}\n{}", instance.addresses(), client.log(), cloud.logs())
        })?;
        until(PATIENCE, "the routes of DHCP", || {
            instance
                .routes()
                .is_ok_and(|all| all.contains("default via 10.0.0.1") && all.contains("169.254.169.254"))
        })?;
        ensure!(instance.mtu()? == 1450, "{mode}: an MTU of {}", instance.mtu()?);
        until(PATIENCE, "the name server", || {
            let found = debian.command("sh").args(["-c", "cat /run/systemd/netif/links/*"]).output(PATIENCE);
            found.is_ok_and(|state| state.stdout.contains("fd00::53"))
        })
        .with_context(|| format!("{mode}\n{}", client.log()))?;
    }
    Ok(())
}
