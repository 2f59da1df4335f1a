//! A name server as operators run one: Debian's Knot, on the controller, with zones that take signed updates.

use crate::cloud::{CONTROLLER, Cloud, PATIENCE};
use crate::debian::Debian;
use anyhow::{Context, Result};
use hadron_lab::{Process, until};
use std::net::SocketAddr;

const PORT: u16 = 5300;
const CONFIG: &str = "/etc/knot/knot.conf";
/// The name of the key.
pub const KEY: &str = "hadron";

/// The name server of a cloud, which may be stopped.
#[derive(Default)]
pub struct Knot {
    process: Option<Process>,
}

impl Knot {
    /// Where it listens.
    pub fn address() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], PORT))
    }

    /// Prepares one with these zones and a secret in Base64; `records` are lines that `example.org` has from the beginning.
    pub fn new(cloud: &Cloud, zones: &[&str], secret: &str, records: &str) -> Result<Self> {
        let debian = debian(cloud)?;
        let mut config = format!(
            "server:\n  rundir: /run/knot\n  listen: 127.0.0.1@{PORT}\n\
             log:\n  - target: stderr\n    any: info\n\
             database:\n  storage: /var/lib/knot\n\
             key:\n  - id: {KEY}\n    algorithm: hmac-sha256\n    secret: {secret}\n\
             acl:\n  - id: ours\n    key: {KEY}\n    action: update\nzone:\n"
        );
        for zone in zones {
            config.push_str(&format!("  - domain: {zone}\n    storage: /var/lib/knot\n    acl: ours\n"));
            let own = if *zone == "example.org" { records } else { "" };
            let text = format!(
                "$ORIGIN {zone}.\n$TTL 60\n@ SOA ns.example.org. admin.example.org. 1 3600 600 86400 60\n@ NS ns.example.org.\n{own}\n"
            );
            debian.write(&format!("/var/lib/knot/{zone}.zone"), &text)?;
        }
        debian.write(CONFIG, &config)?;
        debian.command("mkdir").args(["-p", "/run/knot"]).succeed(PATIENCE)?;
        Ok(Self::default())
    }

    /// Starts it with what it had.
    pub fn start(&mut self, cloud: &Cloud) -> Result<()> {
        let process = debian(cloud)?.command("knotd").args(["-c", CONFIG]).log_name("knotd").spawn()?;
        let listens = cloud.host(CONTROLLER)?.wait_for_tcp(Self::address(), PATIENCE);
        listens.with_context(|| process.log())?;
        self.process = Some(process);
        Ok(())
    }

    /// Ends it.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(process) = self.process.take() {
            process.terminate();
            process.wait(PATIENCE)?;
        }
        Ok(())
    }

    /// What it says.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    /// The records of a name, sorted; an address is asked for its reverse name.
    pub fn ask(&self, cloud: &Cloud, name: &str, kind: &str) -> Result<Vec<String>> {
        let debian = debian(cloud)?;
        let command = debian.command("kdig").args(["@127.0.0.1", "-p", &PORT.to_string(), "+short"]);
        let command = if kind == "PTR" { command.args(["-x", name]) } else { command.args([name, kind]) };
        let answer = command.succeed(PATIENCE)?;
        let mut all: Vec<String> = answer.lines().map(str::to_owned).collect();
        all.sort();
        Ok(all)
    }

    /// Waits until a name has exactly these records.
    pub fn wait_for(&self, cloud: &Cloud, name: &str, kind: &str, expected: &[&str]) -> Result<()> {
        let mut last = Ok(Vec::new());
        let is_so = || {
            last = self.ask(cloud, name, kind);
            last.as_ref().is_ok_and(|records| records == expected)
        };
        let waiting = until(PATIENCE, &format!("{name} {kind} is {expected:?}"), is_so);
        waiting.with_context(|| format!("it is {last:?}\n{}\n--- knotd\n{}", cloud.logs(), self.log()))
    }
}

fn debian(cloud: &Cloud) -> Result<Debian<'_>> {
    Debian::of(cloud.host(CONTROLLER)?)
}
