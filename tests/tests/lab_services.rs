//! What an instance asks its network and what real clients make of the answers: the kernel's autoconfiguration, ISC dhclient, busybox.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Instance, Process, Underlay, until};
use hadron_tests::cloud::{Cloud, Options, PATIENCE, Port};
use hyper::Method;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::path::PathBuf;

/// Writes what a client learned into the file `learned` beside it, a `name=value` on each line.
const SCRIPT: &str = "#!/bin/sh
case \"${reason:-$1}\" in PREINIT* | deconfig) ip link set dev \"$interface\" up; exit 0 ;; esac
env >\"$(dirname \"$0\")/learned.new\"
echo \"event=${reason:-$1}\" >>\"$(dirname \"$0\")/learned.new\"
mv \"$(dirname \"$0\")/learned.new\" \"$(dirname \"$0\")/learned\"
";

const ASKS: &str = "request dhcp6.name-servers, dhcp6.domain-search;\n";

/// A subnet with further attributes.
fn subnet(cloud: &Cloud, network: &str, cidr: &str, more: Value) -> Result<String> {
    let mut subnet =
        json!({"network_id": network, "cidr": cidr, "ip_version": if cidr.contains(':') { 6 } else { 4 }});
    let more = more.as_object().context("an object")?;
    subnet.as_object_mut().context("an object")?.extend(more.clone());
    cloud.made("subnet", subnet)
}

fn modes(mode: &str, dns: &str) -> Value {
    json!({"ipv6_ra_mode": mode, "ipv6_address_mode": mode, "dns_nameservers": [dns]})
}

/// An instance that heeds router advertisements, with its interface up.
fn plug(cloud: &Cloud, port: &Port, host: &str, name: &str) -> Result<Instance> {
    let instance = cloud.host(host)?.instance(name, &port.id, &port.mac)?;
    instance.wait_for_link(PATIENCE)?;
    set(&instance, "accept_ra", "1")?;
    for state in ["down", "up"] {
        instance.command("ip").args(["link", "set", "eth0", state]).succeed(PATIENCE)?;
    }
    Ok(instance)
}

fn set(instance: &Instance, name: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/net/ipv6/conf/eth0/{name}");
    instance.command("sh").args(["-c", &format!("echo {value} >{path}")]).succeed(PATIENCE)?;
    Ok(())
}

fn shown(instance: &Instance, arguments: &[&str]) -> Result<String> {
    Ok(instance.command("ip").args(arguments).succeed(PATIENCE)?)
}

/// A client's script in the instance's directory.
fn script(instance: &Instance) -> Result<PathBuf> {
    let script = instance.dir().join("learn");
    std::fs::write(&script, SCRIPT)?;
    std::fs::write(instance.dir().join("dhclient6.conf"), ASKS)?;
    instance.command("chmod").arg("755").arg(&script).succeed(PATIENCE)?;
    Ok(script)
}

/// The value of a name that a client learned.
fn learned(instance: &Instance, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(instance.dir().join("learned")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}

fn dhclient6(instance: &Instance, arguments: &[&str]) -> Result<Process> {
    let script = script(instance)?;
    let _ = std::fs::remove_file(instance.dir().join("learned"));
    until(PATIENCE, "a link-local address that nobody else has", || {
        shown(instance, &["-6", "address", "show", "dev", "eth0"])
            .is_ok_and(|text| text.contains("scope link") && !text.contains("tentative"))
    })?;
    let file = |name: &str| instance.dir().join(name);
    let client = instance.command("dhclient").args(["-6", "-d", "-v"]).args(arguments);
    let client = client.arg("-sf").arg(script).arg("-cf").arg(file("dhclient6.conf"));
    let client = client.arg("-lf").arg(file("dhclient6.leases")).arg("-pf").arg(file("dhclient6.pid"));
    Ok(client.arg("eth0").log_name("dhclient6").spawn()?)
}

fn wait_for(instance: &Instance, client: &Process, event: &str) -> Result<()> {
    let waited = until(PATIENCE, event, || learned(instance, "event").is_some_and(|is| is == event));
    waited.with_context(|| client.log())
}

#[test]
fn an_instance_forms_its_address_from_what_its_router_says_and_hears_when_it_leaves() -> Result<()> {
    let cloud = Cloud::up("slaac", Underlay::V4, &["compute1", "compute2"])?;
    let (blue, green) = (cloud.network("blue")?, cloud.network("green")?);
    let near = subnet(&cloud, &blue, "fd00:1::/64", modes("slaac", "fd00::53"))?;
    let far = subnet(&cloud, &green, "fd00:2::/64", modes("slaac", "fd00::53"))?;
    let router = cloud.router("r")?;
    // One port is there before the router, the other one comes after it.
    let (one, two) = (cloud.port(&blue, "compute1")?, cloud.port(&green, "compute2")?);
    let first = plug(&cloud, &one, "compute1", "one")?;
    ensure!(!first.addresses()?.contains(&one.address(true)?), "an address without a router");
    [&near, &far].iter().try_for_each(|subnet| cloud.attach(&router, subnet))?;
    let second = plug(&cloud, &two, "compute2", "two")?;
    for (instance, port) in [(&first, &one), (&second, &two)] {
        let address = port.address(true)?;
        until(PATIENCE, "an address and a default route", || {
            let routes = shown(instance, &["-6", "route"]).unwrap_or_default();
            instance.addresses().is_ok_and(|all| all.contains(&address))
                && routes.contains("default via fe80::")
        })?;
    }
    let routes = shown(&first, &["-6", "route"])?;
    ensure!(routes.contains("proto ra"), "{routes}");
    let mtu = first.command("cat").arg("/proc/sys/net/ipv6/conf/eth0/mtu").succeed(PATIENCE)?;
    ensure!(mtu.trim() == "1450", "the advertised MTU is {mtu}");
    until(PATIENCE, "the other network answers", || {
        two.address(true).is_ok_and(|to| first.ping(to).count(2).run().is_ok_and(|report| report.lost() == 0))
    })?;

    cloud.detach(&router, &near)?;
    until(PATIENCE, "no default route", || {
        shown(&first, &["-6", "route"]).is_ok_and(|text| !text.contains("default"))
    })?;
    ensure!(first.addresses()?.contains(&one.address(true)?), "the port's address went with the router");
    let routes = shown(&second, &["-6", "route"])?;
    ensure!(routes.contains("default via fe80::"), "another network's router went too: {routes}");
    Ok(())
}

/// ISC dhclient names its association by the last four octets, and can't read its own file again when one is a backslash.
const PLAIN_MAC: &str = "fa:16:3e:00:00:42";

#[test]
fn an_instance_gets_its_address_by_dhcpv6_and_so_does_one_with_the_same_address_elsewhere() -> Result<()> {
    let cloud = Cloud::up("dhcp6", Underlay::V4, &["compute1"])?;
    let mut all = Vec::new();
    for name in ["blue", "green"] {
        let network = cloud.network(name)?;
        let dns = if name == "blue" { "fd00::53" } else { "fd00::54" };
        let subnet = subnet(&cloud, &network, "fd00:1::/64", modes("dhcpv6-stateful", dns))?;
        let router = cloud.router(name)?;
        cloud.attach(&router, &subnet)?;
        let fixed_ips = json!([{"subnet_id": subnet, "ip_address": "fd00:1::42"}]);
        let more = json!({"fixed_ips": fixed_ips, "mac_address": PLAIN_MAC});
        let port = cloud.port_with(&network, "compute1", more)?;
        let instance = plug(&cloud, &port, "compute1", name)?;
        all.push((instance, port, dns));
    }
    for (instance, port, dns) in &all {
        let client = dhclient6(instance, &[])?;
        wait_for(instance, &client, "BOUND6")?;
        let address = learned(instance, "new_ip6_address").context("an address")?;
        ensure!(address.parse::<IpAddr>()? == port.address(true)?, "got {address}");
        let servers = learned(instance, "new_dhcp6_name_servers");
        ensure!(servers.as_deref() == Some(dns), "name servers {servers:?}");
        // ISC dhclient ends names with a dot.
        let domain = learned(instance, "new_dhcp6_domain_search").unwrap_or_default();
        ensure!(domain.trim_end_matches('.') == "openstacklocal", "domain {domain}");
        let routes = shown(instance, &["-6", "route"])?;
        ensure!(routes.contains("default via fe80::"), "{routes}");
        // By autoconfiguration it has nothing, the prefix says so.
        ensure!(
            !instance.addresses()?.iter().any(|own| own.to_string().starts_with("fd00:1:")),
            "autoconfigured"
        );
        client.kill();
    }
    let (instance, port, _) = &all[0];
    let again = dhclient6(instance, &[])?;
    again.wait_for_log("XMT: Confirm", PATIENCE)?;
    wait_for(instance, &again, "REBOOT").or_else(|_| wait_for(instance, &again, "BOUND6"))?;
    again.kill();
    let released = dhclient6(instance, &["-r"])?;
    released.wait_for_log("RCV: Reply message on eth0", PATIENCE)?;
    // A port that has another address now doesn't confirm the old one.
    let bound = dhclient6(instance, &[])?;
    wait_for(instance, &bound, "BOUND6")?;
    bound.kill();
    let subnet = cloud.call(Method::GET, &format!("/v2.0/ports/{}", port.id), None)?;
    let subnet = subnet["port"]["fixed_ips"][0]["subnet_id"].clone();
    cloud.change_port(&port.id, json!({"fixed_ips": [{"subnet_id": subnet, "ip_address": "fd00:1::77"}]}))?;
    let moved = dhclient6(instance, &[])?;
    let waited = until(PATIENCE, "the new address", || {
        learned(instance, "new_ip6_address").is_some_and(|address| address == "fd00:1::77")
    });
    waited.with_context(|| moved.log())
}

#[test]
fn an_address_of_dhcpv6_is_renewed() -> Result<()> {
    let server = ["--dhcp-lease-duration", "12"].map(str::to_owned).to_vec();
    let cloud =
        Cloud::up_with("renew6", Underlay::V4, &["compute1"], Options { server, ..Options::default() })?;
    let network = cloud.network("net")?;
    subnet(&cloud, &network, "fd00:1::/64", modes("dhcpv6-stateful", "fd00::53"))?;
    let port = cloud.port(&network, "compute1")?;
    let instance = plug(&cloud, &port, "compute1", "one")?;
    let client = dhclient6(&instance, &[])?;
    wait_for(&instance, &client, "BOUND6")?;
    ensure!(
        learned(&instance, "new_max_life").as_deref() == Some("12"),
        "{:?}",
        learned(&instance, "new_max_life")
    );
    wait_for(&instance, &client, "RENEW6")?;
    let address = learned(&instance, "new_ip6_address").context("an address")?;
    ensure!(address.parse::<IpAddr>()? == port.address(true)?, "renewed {address}");
    Ok(())
}

#[test]
fn an_instance_that_forms_its_address_gets_the_rest_by_dhcpv6() -> Result<()> {
    let cloud = Cloud::up("stateless", Underlay::V4, &["compute1"])?;
    let network = cloud.network("net")?;
    let subnet = subnet(&cloud, &network, "fd00:1::/64", modes("dhcpv6-stateless", "fd00::53"))?;
    cloud.attach(&cloud.router("r")?, &subnet)?;
    let option = json!([{"opt_name": "domain-search", "opt_value": "port.example", "ip_version": 6}]);
    let port = cloud.port_with(&network, "compute1", json!({"extra_dhcp_opts": option}))?;
    let instance = plug(&cloud, &port, "compute1", "one")?;
    let address = port.address(true)?;
    until(PATIENCE, "an address", || instance.addresses().is_ok_and(|all| all.contains(&address)))?;
    let client = dhclient6(&instance, &["-S"])?;
    until(PATIENCE, "name servers", || {
        learned(&instance, "new_dhcp6_name_servers").is_some_and(|all| all == "fd00::53")
    })
    .with_context(|| client.log())?;
    let domain = learned(&instance, "new_dhcp6_domain_search").unwrap_or_default();
    ensure!(domain.trim_end_matches('.') == "port.example", "domain {domain}");
    Ok(())
}

/// dhcpcd heeds advertisements itself: it asks by DHCPv6 because M says so, and by rapid commit because it may.
#[test]
fn dhcpcd_follows_the_advertisement_to_dhcpv6() -> Result<()> {
    let cloud = Cloud::up("dhcpcd", Underlay::V4, &["compute1"])?;
    let network = cloud.network("net")?;
    let subnet = subnet(&cloud, &network, "fd00:1::/64", modes("dhcpv6-stateful", "fd00::53"))?;
    cloud.attach(&cloud.router("r")?, &subnet)?;
    let port = cloud.port(&network, "compute1")?;
    let instance = plug(&cloud, &port, "compute1", "one")?;
    set(&instance, "accept_ra", "0")?;
    let configuration = instance.dir().join("dhcpcd.conf");
    std::fs::write(
        &configuration,
        "ipv6only\nduid\nslaac hwaddr\nnohook resolv.conf, hostname, ntp.conf\n\
        option dhcp6_name_servers, dhcp6_domain_search, dhcp6_rapid_commit\n",
    )?;
    // What it keeps goes with it.
    let directories = "mount -t tmpfs none /run && mount -t tmpfs none /var/lib && mkdir /var/lib/dhcpcd";
    let client = format!("{directories} && exec dhcpcd -6 -B -d -f {} eth0", configuration.display());
    let client =
        instance.command("unshare").args(["--mount", "sh", "-c", &client]).log_name("dhcpcd").spawn()?;
    let address = port.address(true)?;
    until(PATIENCE, "an address", || instance.addresses().is_ok_and(|all| all.contains(&address)))
        .with_context(|| client.log())?;
    let routes = shown(&instance, &["-6", "route"])?;
    ensure!(routes.contains("default via fe80::"), "{routes}\n{}", client.log());
    Ok(())
}

#[test]
fn a_ports_own_dhcp_options_and_its_second_address_reach_its_client() -> Result<()> {
    let cloud = Cloud::up("options", Underlay::V4, &["compute1"])?;
    let network = cloud.network("net")?;
    let blue = subnet(&cloud, &network, "10.0.1.0/24", json!({"dns_nameservers": ["192.0.2.53"]}))?;
    let green = subnet(&cloud, &network, "10.0.2.0/24", json!({"dns_nameservers": ["192.0.2.54"]}))?;
    let option = |name: &str, value: &str| json!({"opt_name": name, "opt_value": value});
    let port = cloud.port_with(&network, "compute1", json!({
        "fixed_ips": [{"subnet_id": blue, "ip_address": "10.0.1.9"}, {"subnet_id": green, "ip_address": "10.0.2.9"}],
        "extra_dhcp_opts": [
            option("server-ip-address", "192.0.2.7"), option("67", "pxelinux.0"), option("ntp-server", "192.0.2.123"),
        ],
    }))?;
    let instance = cloud.host("compute1")?.instance("one", &port.id, &port.mac)?;
    instance.wait_for_link(PATIENCE)?;
    let script = script(&instance)?;
    let client = |more: &[&str]| {
        let base = ["udhcpc", "-i", "eth0", "-n", "-q", "-t", "10", "-T", "1", "-O", "staticroutes", "-s"];
        instance.command("busybox").args(base).arg(&script).args(more).succeed(PATIENCE)
    };
    let is = |name: &str, expected: &str| {
        let value = learned(&instance, name).unwrap_or_default();
        ensure!(value.contains(expected), "{name} is {value}, not {expected}");
        Ok(())
    };
    client(&[])?;
    for (name, expected) in [
        ("ip", "10.0.1.9"),
        ("dns", "192.0.2.53"),
        ("siaddr", "192.0.2.7"),
        ("boot_file", "pxelinux.0"),
        ("ntpsrv", "192.0.2.123"),
        ("staticroutes", "169.254.169.254/32 10.0.1."),
        ("staticroutes", "10.0.2.0/24 0.0.0.0"),
        ("staticroutes", "0.0.0.0/0 10.0.1.1"),
    ] {
        is(name, expected)?;
    }
    client(&["-r", "10.0.2.9"])?;
    is("ip", "10.0.2.9")?;
    is("dns", "192.0.2.54")?;
    let gone = json!({"extra_dhcp_opts": [{"opt_name": "ntp-server", "opt_value": null}]});
    cloud.change_port(&port.id, gone)?;
    until(PATIENCE, "the option is gone", || client(&[]).is_ok() && learned(&instance, "ntpsrv").is_none())?;
    Ok(())
}
