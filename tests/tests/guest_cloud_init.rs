//! Debian's cloud-init in an instance: its sources of data from the network, and the network that it sets up.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Instance, Underlay};
use hadron_tests::cloud::{Cloud, PATIENCE, Port};
use hadron_tests::debian::Debian;
use serde_json::{Value, json};
use std::time::Duration;

/// Of all stages of cloud-init; it is a Python program.
const STAGES: Duration = Duration::from_secs(90);

/// As the services of an image run them, with Debian's own program for interfaces between.
const BOOT: &str = "cloud-init init --local && cat /etc/network/interfaces.d/50-cloud-init && ifup -a && cloud-init init \
    && cloud-init modules --mode config && cloud-init modules --mode final; cloud-init status --long";

/// What an image says besides: only what concerns a namespace. Names of interfaces and the host's own name are not for it to change.
const COMMON: &str = "cloud_init_modules: [write-files, users-groups, ssh]\ncloud_config_modules: [runcmd]\n\
    cloud_final_modules: [scripts-user, final-message]\nssh_genkeytypes: []\nno_ssh_fingerprints: true\nusers: []\n";

/// `#cloud-config`, `runcmd:`, ` - echo it ran >/root/ran`, each a line.
const USER_DATA: &str = "I2Nsb3VkLWNvbmZpZwpydW5jbWQ6CiAtIGVjaG8gaXQgcmFuID4vcm9vdC9yYW4K";

/// An instance of `source` with its own address, which nothing but cloud-init sets up.
fn instance(cloud: &Cloud, network: &str, source: &str) -> Result<(Port, Instance)> {
    cloud.register(source, &json!({
        "name": source, "hostname": format!("{source}.example"), "user_data": USER_DATA,
        "keys": [{"name": "owner", "type": "ssh", "data": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl owner"}],
    }))?;
    let port = cloud.port_with(network, "compute1", json!({"device_id": source}))?;
    let instance = cloud.host("compute1")?.instance(source, &port.id, &port.mac)?;
    instance.wait_for_link(PATIENCE)?;
    Ok((port, instance))
}

/// Runs all stages, and gives back what they wrote.
fn boot(debian: &Debian<'_>, sources: &str, settings: &str) -> Result<String> {
    debian.write(
        "/etc/cloud/cloud.cfg.d/99_test.cfg",
        &format!("datasource_list: [{sources}]\n{settings}{COMMON}"),
    )?;
    debian.write(
        "/etc/network/interfaces",
        "auto lo\niface lo inet loopback\nsource-directory /etc/network/interfaces.d\n",
    )?;
    // What cloud-init takes for the sign that it runs in the cloud's container and not on somebody's desk.
    let variables = [("container", "lxc"), ("product_name", "OpenStack Nova")];
    let container = debian.container(BOOT, &variables).log_name("stages").spawn()?;
    let ended = container.wait(STAGES);
    let text = container.log();
    ensure!(
        ended.is_ok_and(|status| status.success()),
        "{text}\n{}",
        debian.read("/var/log/cloud-init.log").unwrap_or_default()
    );
    Ok(text)
}

/// It has ended well, with data from this source, whose name is in what it says, and has done what the user data say.
fn check(debian: &Debian<'_>, text: &str, source: &str) -> Result<()> {
    let log = || debian.read("/var/log/cloud-init.log").unwrap_or_default();
    ensure!(text.contains("status: done"), "{text}\n{}", log());
    let status: Value = serde_json::from_str(&debian.read("/run/cloud-init/status.json")?)?;
    let found = status["v1"]["datasource"].as_str().context("a source")?;
    ensure!(found.contains(source), "{found} is not {source}\n{}", log());
    ensure!(debian.read("/root/ran")?.trim() == "it ran", "{}", log());
    Ok(())
}

#[test]
fn cloud_init_ends_well_by_each_of_its_sources_and_sets_up_the_network() -> Result<()> {
    let cloud = Cloud::up("cloud-init", Underlay::V4, &["compute1"])?;
    let network = cloud.network("net")?;
    let v4 = cloud.subnet(&network, "10.0.0.0/24")?;
    let mode = "slaac";
    let v6 = cloud.made("subnet", json!({
        "network_id": network, "ip_version": 6, "cidr": "fd00:1::/64", "ipv6_ra_mode": mode, "ipv6_address_mode": mode,
    }))?;
    let router = cloud.router("r")?;
    [&v4, &v6].into_iter().try_for_each(|subnet| cloud.attach(&router, subnet))?;
    let local = "  OpenStack: {max_wait: 20, timeout: 5}\n";
    let ec2 =
        "  Ec2: {strict_id: false, max_wait: 20, timeout: 5, metadata_urls: ['http://169.254.169.254']}\n";
    let seed = "  NoCloud: {seedfrom: 'http://169.254.169.254/nocloud/'}\n";
    for (source, class, settings) in
        [("OpenStack", "OpenStack", local), ("Ec2", "Ec2", ec2), ("NoCloud", "NoCloud", seed)]
    {
        let (port, instance) = instance(&cloud, &network, &source.to_lowercase())?;
        let debian = Debian::of(&instance)?;
        let text =
            boot(&debian, source, &format!("datasource:\n{settings}")).with_context(|| cloud.logs())?;
        check(&debian, &text, class).context(source)?;
        let addresses = instance.addresses()?;
        ensure!(addresses.contains(&port.address(false)?), "{source}: {addresses:?}\n{text}");
        if source == "OpenStack" {
            // By network_data.json: one interface, both families.
            ensure!(text.contains("inet dhcp") && text.contains("inet6 "), "{text}");
        }
        hadron_lab::until(PATIENCE, "an address of each family", || {
            instance.addresses().is_ok_and(|all| port.addresses.iter().all(|own| all.contains(own)))
        })?;
        let routes = instance.routes()?;
        ensure!(
            routes.contains("default via 10.0.0.1") && routes.contains("169.254.169.254"),
            "{source}: {routes}"
        );
    }
    Ok(())
}
