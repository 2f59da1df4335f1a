//! What `hadron doctor` says of a host that is well, and of one with troubles of every kind.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Host, Output, Underlay, until};
use hadron_tests::cloud::{Cloud, Options, PATIENCE};
use hadron_tests::guest::Guest;
use hadron_tests::process::hadron;
use serde_json::Value;

const HOSTS: [&str; 2] = ["compute1", "compute2"];

fn doctor(host: &Host, arguments: &[&str]) -> Result<Output> {
    let doctor = host.command(hadron()?).arg("doctor").arg("--state-dir").arg(host.dir().join("node"));
    Ok(doctor.args(arguments).output(PATIENCE)?)
}

fn findings(host: &Host, arguments: &[&str]) -> Result<Vec<Value>> {
    let output = doctor(host, &[&["--json"], arguments].concat())?;
    let told: Value = serde_json::from_str(&output.stdout).with_context(|| output.stderr.clone())?;
    Ok(told["findings"].as_array().context("no findings")?.clone())
}

/// Whether a check has found something of a level whose text has these words.
fn has(findings: &[Value], check: &str, level: &str, words: &str) -> bool {
    findings.iter().any(|finding| {
        finding["check"] == check
            && finding["level"] == level
            && finding["text"].as_str().is_some_and(|text| text.contains(words))
            && (level == "fine" || finding["advice"].as_str().is_some_and(|advice| !advice.is_empty()))
    })
}

fn told(underlay: Underlay) -> Result<()> {
    let options = Options { has_physical: true, ..Options::default() };
    let cloud = Cloud::up_with("doctor", underlay, &HOSTS, options)?;
    let network = cloud.network("blue")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    let one = Guest::start(&cloud, &network, HOSTS[0], "one")?;
    let two = Guest::start(&cloud, &network, HOSTS[1], "two")?;
    one.reaches(&two)?;
    let host = cloud.host(HOSTS[0])?;

    // What the machine below the lab is like is no matter here; everything of the host's own is fine.
    let is_well = || {
        let found = findings(host, &[])?;
        let own = ["agent", "overlay", "mappings", "certificate", "server", "tables", "underlay", "bpffs"];
        let is_fine = |check: &&str| has(&found, check, "fine", "") && !has(&found, check, "error", "");
        let ill: Vec<_> = own.into_iter().filter(|check| !is_fine(check)).collect();
        ensure!(ill.is_empty(), "{ill:?}: {found:#?}");
        anyhow::Ok(())
    };
    // The agent keeps its rows some seconds after they came.
    until(PATIENCE, "the host is well", || is_well().is_ok()).or_else(|_| is_well())?;

    let run = |program: &str, arguments: &[&str]| host.command(program).args(arguments).succeed(PATIENCE);
    let far = cloud.host(HOSTS[1])?;
    // The other end takes in no more than 1,400 octets, so what is larger is lost on the way.
    far.command("ip").args(["link", "set", far.uplink(), "mtu", "1400"]).succeed(PATIENCE)?;
    // Only this host sees what is mounted here.
    run("mkdir", &["-p", "/run/netns"])?;
    run("mount", &["-t", "tmpfs", "tmpfs", "/run/netns"])?;
    run("touch", &["/run/netns/qrouter-5f1b0c9e-0000-4000-8000-000000000000"])?;
    run("ip", &["link", "add", "br-int", "type", "bridge"])?;
    let tap = format!("tap{}", &one.port.id[..11]);
    run("tc", &["qdisc", "add", "dev", &tap, "clsact"])?;
    run("nft", &["add", "table", "ip", "filter"])?;
    run("nft", &["add", "chain", "ip", "filter", "neutron-openvswi-sg-chain"])?;
    run("chmod", &["644", &host.dir().join("node/identity.json").display().to_string()])?;
    let found = findings(host, &["--bridge-mappings", "physnet1:physical,physnet2:eth7"])?;
    for (check, level, words) in [
        ("mappings", "fine", "physical network physnet1 is up"),
        ("mappings", "error", "interface eth7 to physical network physnet2 is missing"),
        ("leftovers", "warning", "qrouter-5f1b0c9e"),
        ("leftovers", "warning", "br-int"),
        ("leftovers", "warning", &tap),
        ("leftovers", "warning", "neutron-openvswi-sg-chain"),
        ("certificate", "error", "mode 644"),
        ("underlay", "error", &far.address().to_string()),
    ] {
        ensure!(has(&found, check, level, words), "{check} {level} {words}: {found:#?}");
    }
    let output = doctor(host, &["--quiet"])?;
    ensure!(output.status.code() == Some(2) && output.stdout.contains("→ "), "{}", output.stdout);
    ensure!(!output.stdout.contains("fine "), "{}", output.stdout);
    Ok(())
}

#[test]
fn a_host_that_is_well_is_said_to_be_and_every_trouble_is_named_over_ipv4() -> Result<()> {
    told(Underlay::V4)
}

#[test]
fn a_host_that_is_well_is_said_to_be_and_every_trouble_is_named_over_ipv6() -> Result<()> {
    told(Underlay::V6)
}
