//! What may happen to a host.

use crate::marks;
use crate::netlink;
use crate::topology::{SOON, UPLINK};
use crate::{Host, LabError, Namespace, Result};
use nix::sys::signal::Signal;
use std::str::FromStr;
use std::time::Duration;

const TABLE: &str = "hadron-lab";

/// Something that happens to a host.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The underlay drops what the host sends and what is sent to it. The host's link stays up: nobody is told.
    Partition,
    /// The cable is pulled: the host's link loses its carrier.
    LinkDown,
    /// What the host sends takes longer by this, one way. Needs `sch_netem` in the kernel.
    Delay(Duration),
    /// This share of the packets in each direction is lost, percent.
    Loss(u8),
    /// The network is whole again: every fault above is lifted, and the link carries packets.
    Heal,
    /// The host's processes end at once.
    Kill,
    /// The host's processes stop where they are.
    Pause,
    /// The host's processes go on.
    Resume,
}

impl FromStr for Fault {
    type Err = LabError;

    /// Reads `partition`, `link-down`, `delay=20ms`, `loss=5`, `heal`, `kill`, `pause` and `resume`.
    fn from_str(text: &str) -> Result<Self> {
        let unknown = || LabError::NoFault(text.to_owned());
        if let Some(time) = text.strip_prefix("delay=") {
            let milliseconds = time.strip_suffix("ms").and_then(|number| number.parse().ok());
            return milliseconds.map(|number| Self::Delay(Duration::from_millis(number))).ok_or_else(unknown);
        }
        if let Some(share) = text.strip_prefix("loss=") {
            let percent = share.trim_end_matches('%').parse().ok().filter(|percent| *percent <= 100);
            return percent.map(Self::Loss).ok_or_else(unknown);
        }
        match text {
            "partition" => Ok(Self::Partition),
            "link-down" => Ok(Self::LinkDown),
            "heal" => Ok(Self::Heal),
            "kill" => Ok(Self::Kill),
            "pause" => Ok(Self::Pause),
            "resume" => Ok(Self::Resume),
            _ => Err(unknown()),
        }
    }
}

impl Host {
    /// Lets `fault` happen. Processes are those that the lab started in the host, not the instances on it.
    pub fn fault(&self, fault: &Fault) -> Result<()> {
        happen(fault, self, &Wire { namespace: self.wire(), port: self.wire_port() }, None)
    }
}

impl Host {
    /// The physical network drops what the host sends there and what is sent to it, or carries it again. The host's link stays up.
    pub fn cut_physical(&self, is_cut: bool) -> Result<()> {
        let Some(port) = self.physical_port() else {
            return Err(LabError::Topology("the lab has no physical network".into()));
        };
        netlink::set_forwarding(self.wire(), port, !is_cut)
    }
}

/// The underlay's end of a host's link.
pub(crate) struct Wire<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) port: &'a str,
}

/// Lets `fault` happen. A process that only holds the host open is spared.
pub(crate) fn happen(fault: &Fault, host: &Namespace, wire: &Wire<'_>, spared: Option<i32>) -> Result<()> {
    let signal = |signal| {
        marks::signal(host.lab(), Some(host.name()), signal, spared);
        Ok(())
    };
    match fault {
        Fault::Partition => netlink::set_forwarding(wire.namespace, wire.port, false),
        Fault::LinkDown => netlink::set_up(wire.namespace, wire.port, false),
        Fault::Delay(time) => delay(host, *time),
        Fault::Loss(percent) => lose(wire.namespace, wire.port, *percent),
        Fault::Heal => heal(host, wire.namespace, wire.port),
        Fault::Kill => signal(Signal::SIGKILL),
        Fault::Pause => signal(Signal::SIGSTOP),
        Fault::Resume => signal(Signal::SIGCONT),
    }
}

fn delay(host: &Namespace, time: Duration) -> Result<()> {
    let time = format!("{}us", time.as_micros());
    let netem = ["qdisc", "replace", "dev", UPLINK, "root", "netem", "delay", &time];
    let output = host.command("tc").args(netem).output(SOON)?;
    if !output.status.success() {
        return Err(LabError::Unsupported(format!(
            "no delay without the queueing discipline netem; load the module sch_netem or use a kernel that has it: {}",
            output.stderr.trim_end()
        )));
    }
    Ok(())
}

/// Drops at random on the bridge, in a chain per host, so that the host's own rules are left alone.
fn lose(wire: &Namespace, port: &str, percent: u8) -> Result<()> {
    // The comparison's right side must be below the modulus.
    let chance = if percent < 100 { format!("numgen random mod 100 < {percent}") } else { String::new() };
    let rules = format!(
        "add table bridge {TABLE}; \
         add chain bridge {TABLE} {port} {{ type filter hook forward priority 0; }}; \
         flush chain bridge {TABLE} {port}; \
         add rule bridge {TABLE} {port} iifname {port} {chance} drop; \
         add rule bridge {TABLE} {port} oifname {port} {chance} drop"
    );
    wire.command("nft").arg(rules).succeed(SOON).map(drop)
}

fn heal(host: &Namespace, wire: &Namespace, port: &str) -> Result<()> {
    netlink::set_up(wire, port, true)?;
    netlink::wait_until_up(host, UPLINK, SOON)?;
    netlink::wait_until_up(wire, port, SOON)?;
    netlink::set_forwarding(wire, port, true)?;
    // Either may not be there.
    host.command("tc").args(["qdisc", "delete", "dev", UPLINK, "root"]).output(SOON)?;
    wire.command("nft").args(["delete", "chain", "bridge", TABLE, port]).output(SOON).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_from_their_names() {
        assert_eq!("partition".parse::<Fault>().unwrap(), Fault::Partition);
        assert_eq!("delay=20ms".parse::<Fault>().unwrap(), Fault::Delay(Duration::from_millis(20)));
        assert_eq!("loss=5%".parse::<Fault>().unwrap(), Fault::Loss(5));
        for unknown in ["", "delay=20", "delay=ms", "loss=101", "loss=x", "Partition", "fire"] {
            let error = unknown.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains("there are partition"), "{error}");
        }
    }
}
