//! busybox's udhcpc6, the client of DHCPv6 in small images: its lease, the renewal that it is told to do, and the release.
//!
//! No package of Debian has it, `cargo xtask setup` builds it; without it the test is skipped.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Instance, Process, Underlay, until};
use hadron_tests::cloud::{Cloud, PATIENCE};
use hadron_tests::debian::tool;
use libtest_mimic::{Arguments, Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::net::IpAddr;
use std::process::ExitCode;

const LEASE_SECONDS: u32 = 86_400;

/// Adds a line to the file `events` beside it: what happened, and what the client knows.
const SCRIPT: &str = "#!/bin/sh
[ \"$1\" != deconfig ] || exec ip -6 address flush dev \"$interface\" scope global
ip -6 address replace \"$ipv6/128\" dev \"$interface\"
echo \"$1 $ipv6 lease=$lease dns=$dns search=$search\" >>\"$(dirname \"$0\")/events\"
";

fn main() -> ExitCode {
    let is_away = tool("udhcpc6/busybox").is_err();
    let run = || lease_renewal_and_release().map_err(|error| Failed::from(format!("{error:#}")));
    let trial = Trial::test("udhcpc6_gets_renews_and_releases_its_address", run).with_ignored_flag(is_away);
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

fn lease_renewal_and_release() -> Result<()> {
    let cloud = Cloud::up("udhcpc6", Underlay::V4, &["compute1"])?;
    let network = cloud.network("net")?;
    let mode = "dhcpv6-stateful";
    cloud.made("subnet", json!({
        "network_id": network, "ip_version": 6, "cidr": "fd00:1::/64", "ipv6_ra_mode": mode, "ipv6_address_mode": mode,
        "dns_nameservers": ["fd00::53", "fd00::54"],
    }))?;
    let port = cloud.port(&network, "compute1")?;
    let address = port.address(true)?;
    let instance = cloud.host("compute1")?.instance("small", &port.id, &port.mac)?;
    instance.wait_for_link(PATIENCE)?;

    let client = udhcpc6(&instance)?;
    let bound = event(&instance, &client, "bound", 1)?;
    check(&bound, address)?;
    ensure!(instance.addresses()?.contains(&address), "the script did not set {address}");

    // It is told to renew: the server gives the same again, for as long as before.
    signal(&client, Signal::SIGUSR1)?;
    let renewed = event(&instance, &client, "renew", 1)?;
    check(&renewed, address)?;
    signal(&client, Signal::SIGUSR2)?;
    client.wait_for_log("sending release", PATIENCE)?;
    until(PATIENCE, "no address after the release", || {
        instance.addresses().is_ok_and(|all| !all.contains(&address))
    })
    .with_context(|| client.log())?;
    client.kill();

    // The port's address is the port's: the next client of the instance gets it again.
    let again = udhcpc6(&instance)?;
    check(&event(&instance, &again, "bound", 2)?, address)
}

fn udhcpc6(instance: &Instance) -> Result<Process> {
    let script = instance.dir().join("learn");
    std::fs::write(&script, SCRIPT)?;
    instance.command("chmod").arg("755").arg(&script).succeed(PATIENCE)?;
    until(PATIENCE, "a link-local address that nobody else has", || {
        let shown = instance.command("ip").args(["-6", "address", "show", "dev", "eth0"]).succeed(PATIENCE);
        shown.is_ok_and(|text| text.contains("scope link") && !text.contains("tentative"))
    })?;
    let client =
        instance.command(tool("udhcpc6/busybox")?).args(["udhcpc6", "-f", "-i", "eth0", "-s"]).arg(script);
    Ok(client.args(["-O", "dns", "-O", "search"]).log_name("udhcpc6").spawn()?)
}

fn signal(client: &Process, signal: Signal) -> Result<()> {
    Ok(kill(Pid::from_raw(client.pid().cast_signed()), signal)?)
}

/// What the client knew when it met the event for the `count`th time.
fn event(instance: &Instance, client: &Process, name: &str, count: usize) -> Result<String> {
    let mut found = None;
    until(PATIENCE, name, || {
        let events = std::fs::read_to_string(instance.dir().join("events")).unwrap_or_default();
        found = events.lines().filter_map(|line| line.strip_prefix(name)).nth(count - 1).map(str::to_owned);
        found.is_some()
    })
    .with_context(|| client.log())?;
    found.context("no event")
}

/// The port's address for a day, and what the subnet says of names.
fn check(event: &str, address: IpAddr) -> Result<()> {
    let words: Vec<&str> = event.split_whitespace().collect();
    let own: IpAddr = words.first().context("no address")?.parse()?;
    ensure!(own == address, "got {own}, the port has {address}");
    // It shows the four octets as a number of the machine's own order.
    let lease = format!("lease={}", u32::from_ne_bytes(LEASE_SECONDS.to_be_bytes()));
    ensure!(words.contains(&lease.as_str()), "{event}");
    let dns: Vec<IpAddr> = ["dns=", ""]
        .iter()
        .zip(&words[2..])
        .filter_map(|(name, word)| word.strip_prefix(name)?.parse().ok())
        .collect();
    ensure!(dns == ["fd00::53".parse::<IpAddr>()?, "fd00::54".parse::<IpAddr>()?], "{event}");
    ensure!(event.trim_end().ends_with("search=openstacklocal"), "{event}");
    Ok(())
}
