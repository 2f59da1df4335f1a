//! Echo requests, by the system's own `ping`.

use crate::{LabError, Namespace, Output, Process, Result};
use std::net::IpAddr;
use std::time::Duration;

/// Echo requests to one address.
#[derive(Debug)]
#[must_use = "nothing is sent before `run` or `start`"]
pub struct Ping<'a> {
    namespace: &'a Namespace,
    address: IpAddr,
    count: u32,
    interval: Duration,
    size: u32,
    wait: Duration,
    is_never_fragmented: bool,
}

/// What came of echo requests.
#[derive(Debug, Clone, PartialEq)]
pub struct PingReport {
    /// Requests.
    pub sent: u32,
    /// Replies, each request's first.
    pub received: u32,
    /// How long each reply took, in the order of their arrival.
    pub round_trips: Vec<Duration>,
    /// Numbers of the requests without a reply, counted from 1.
    pub unanswered: Vec<u32>,
}

impl PingReport {
    /// How many requests had no reply.
    pub fn lost(&self) -> u32 {
        self.sent - self.received
    }

    /// The median of the round trips.
    pub fn median(&self) -> Option<Duration> {
        let mut sorted = self.round_trips.clone();
        sorted.sort();
        sorted.get(sorted.len() / 2).copied()
    }
}

/// Echo requests that go out until they are stopped.
#[derive(Debug)]
pub struct RunningPing {
    process: Process,
}

impl<'a> Ping<'a> {
    pub(crate) fn new(namespace: &'a Namespace, address: IpAddr) -> Self {
        Self {
            namespace,
            address,
            count: 1,
            interval: Duration::from_millis(20),
            size: 56,
            wait: Duration::from_secs(1),
            is_never_fragmented: false,
        }
    }

    /// How many requests [`Ping::run`] sends [default: 1].
    pub fn count(mut self, count: u32) -> Self {
        self.count = count;
        self
    }

    /// Time between two requests [default: 20 ms].
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Octets after the ICMP header [default: 56].
    pub fn size(mut self, size: u32) -> Self {
        self.size = size;
        self
    }

    /// How long to wait for the last reply [default: 1 s].
    pub fn timeout(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Forbids fragments, here and on the way: what is too large is not sent.
    pub fn unfragmented(mut self) -> Self {
        self.is_never_fragmented = true;
        self
    }

    /// Sends the requests and waits for the replies.
    pub fn run(self) -> Result<PingReport> {
        let within = self.interval * self.count + self.wait + Duration::from_secs(10);
        let Output { stdout, stderr, .. } =
            self.command().args(["-c", &self.count.to_string()]).output(within)?;
        read(&stdout).ok_or(LabError::Unintelligible { what: "ping", text: stdout + &stderr })
    }

    /// Sends requests from now on.
    pub fn start(self) -> Result<RunningPing> {
        let log_name = format!("ping-{}", std::process::id() ^ crate::ping::serial());
        Ok(RunningPing { process: self.command().log_name(&log_name).spawn()? })
    }

    fn command(&self) -> crate::Command<'a> {
        let command = self
            .namespace
            .command("ping")
            .arg("-n")
            .args(["-i", &self.interval.as_secs_f64().to_string()])
            .args(["-W", &self.wait.as_secs_f64().to_string()])
            .args(["-s", &self.size.to_string()])
            .env("LC_ALL", "C");
        let command = if self.is_never_fragmented { command.args(["-M", "do"]) } else { command };
        command.arg(self.address.to_string())
    }
}

/// A number of its own for each log.
fn serial() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl RunningPing {
    /// Replies so far.
    pub fn received(&self) -> u32 {
        replies(&self.process.log()).count() as u32
    }

    /// Waits for `count` more replies.
    pub fn wait_for_replies(&self, count: u32, within: Duration) -> Result<()> {
        let wanted = self.received() + count;
        crate::until(within, &format!("{count} more echo replies"), || self.received() >= wanted)
    }

    /// Stops after the reply to the last request, and reports. A request that was sent within the last round trip before the stop has no
    /// reply yet; it counts as not sent.
    pub fn stop(self) -> Result<PingReport> {
        self.process.interrupt();
        self.process.wait(Duration::from_secs(10))?;
        let log = self.process.log();
        let mut report = read(&log).ok_or(LabError::Unintelligible { what: "ping", text: log })?;
        if report.unanswered.last() == Some(&report.sent) {
            report.unanswered.pop();
            report.sent -= 1;
        }
        Ok(report)
    }
}

/// Sequence number and time of each first reply.
fn replies(text: &str) -> impl Iterator<Item = (u32, Duration)> {
    text.lines().filter(|line| !line.contains("DUP!")).filter_map(|line| {
        let (_, rest) = line.split_once("icmp_seq=")?;
        let (sequence, rest) = rest.split_once(' ')?;
        let (_, rest) = rest.split_once("time=")?;
        let (milliseconds, _) = rest.split_once(' ')?;
        let time = Duration::try_from_secs_f64(milliseconds.parse::<f64>().ok()? / 1e3).ok()?;
        Some((sequence.parse().ok()?, time))
    })
}

fn read(text: &str) -> Option<PingReport> {
    let summary = text.lines().find(|line| line.contains(" packets transmitted, "))?;
    let mut words = summary.split(' ');
    let sent: u32 = words.next()?.parse().ok()?;
    let received: u32 = words.nth(2)?.parse().ok()?;
    let (answered, round_trips): (std::collections::BTreeSet<u32>, Vec<Duration>) = replies(text).unzip();
    let unanswered = (1..=sent).filter(|number| !answered.contains(number)).collect();
    Some(PingReport { sent, received, round_trips, unanswered })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.\n\
        64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.050 ms\n\
        64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.061 ms (DUP!)\n\
        From 10.0.0.1 icmp_seq=2 Destination Host Unreachable\n\
        64 bytes from 10.0.0.2: icmp_seq=3 ttl=64 time=12 ms\n\n\
        --- 10.0.0.2 ping statistics ---\n\
        3 packets transmitted, 2 received, +1 duplicates, +1 errors, 33.3333% packet loss, time 20ms\n";

    #[test]
    fn a_report_is_read_from_what_ping_writes() {
        let report = read(TEXT).unwrap();
        assert_eq!((report.sent, report.received, report.lost()), (3, 2, 1));
        assert_eq!(report.unanswered, [2]);
        assert_eq!(report.round_trips, [Duration::from_micros(50), Duration::from_millis(12)]);
        assert_eq!(read("ping: unknown host"), None);
    }
}
