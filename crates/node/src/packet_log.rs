//! The log of ports' packets: events of the packet path as lines of JSON, with the ids of the cloud.
//!
//! ```text
//! packet path ── LogEvent ──► serve() ── one line each ──► standard output, or a file
//!                               ▲
//! node ── Names (port, project, rule) ──┘
//! ```
//!
//! How many there are is bounded for each port by the packet path, so that no guest's packets fill the host's disk.

use crate::clock;
use futures_util::{Stream, StreamExt};
use hadron_pipeline::drop::DropReason;
use hadron_pipeline::table::{LogEvent, direction};
use hadron_wire::row::{LogObject, PortLog, PortRow, RuleRow};
use serde::Serialize;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use uuid::Uuid;

/// What the ids of the packet path are in the cloud.
#[derive(Debug, Default)]
pub struct Names {
    ports: RwLock<HashMap<u32, Arc<PortNames>>>,
    ids: RwLock<HashMap<u32, Uuid>>,
    rules: RwLock<HashMap<u32, RuleNames>>,
}

#[derive(Debug)]
struct PortNames {
    port: Uuid,
    project: String,
    logs: Vec<LogObject>,
}

#[derive(Clone, Copy, Debug)]
struct RuleNames {
    rule: Uuid,
    /// Its group's number among the sets.
    group: u32,
}

impl Names {
    /// Sets what is said of a port's packets; of a port that isn't logged, nothing is.
    pub fn set_port(&self, number: u32, row: Option<&PortRow>) {
        let logged = row.and_then(|row| Some((row.uuid, row.log.as_ref()?)));
        let mut ids = self.ids.write().unwrap_or_else(PoisonError::into_inner);
        match row {
            Some(row) => ids.insert(number, Uuid::from_bytes(row.uuid)),
            None => ids.remove(&number),
        };
        let mut ports = self.ports.write().unwrap_or_else(PoisonError::into_inner);
        match logged {
            Some((port, PortLog { project, logs })) => {
                let names =
                    PortNames { port: Uuid::from_bytes(port), project: project.clone(), logs: logs.clone() };
                ports.insert(number, Arc::new(names));
            }
            None => drop(ports.remove(&number)),
        }
    }

    /// Sets what is said of a rule.
    pub fn set_rule(&self, number: u32, row: Option<&RuleRow>) {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        match row {
            Some(row) => {
                rules.insert(number, RuleNames { rule: Uuid::from_bytes(row.uuid), group: row.group })
            }
            None => rules.remove(&number),
        };
    }

    /// The id of a port of this host.
    pub fn port(&self, number: u32) -> Option<Uuid> {
        self.ids.read().unwrap_or_else(PoisonError::into_inner).get(&number).copied()
    }

    /// The id of a rule.
    pub fn rule(&self, number: u32) -> Option<Uuid> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).get(&number).map(|names| names.rule)
    }

    /// What there is to say about an event of this moment; `None` if no log object asks for it.
    fn line(&self, event: &LogEvent, time: jiff::Timestamp) -> Option<String> {
        let names = self.ports.read().unwrap_or_else(PoisonError::into_inner).get(&event.port)?.clone();
        let rule = self.rules.read().unwrap_or_else(PoisonError::into_inner).get(&event.rule).copied();
        let reason = DropReason::from_number(event.reason.into());
        let is_asked = |log: &&LogObject| match reason {
            Some(_) => log.dropped,
            None => {
                log.accepted && log.group.is_none_or(|group| rule.is_some_and(|rule| rule.group == group))
            }
        };
        let logs: Vec<Uuid> =
            names.logs.iter().filter(is_asked).map(|log| Uuid::from_bytes(log.uuid)).collect();
        if logs.is_empty() {
            return None;
        }
        let line = Line {
            time: time.to_string(),
            action: if reason.is_some() { "DROP" } else { "ACCEPT" },
            reason: reason.map(DropReason::label),
            project_id: &names.project,
            port_id: names.port.to_string(),
            log_ids: logs.iter().map(Uuid::to_string).collect(),
            rule_id: rule.map(|names| names.rule.to_string()),
            direction: if u32::from(event.direction) == direction::EGRESS { "egress" } else { "ingress" },
            ether_type: event.ether_type,
            protocol: event.protocol,
            source: event.source.ip(),
            destination: event.destination.ip(),
            source_port: event.source_port,
            destination_port: event.destination_port,
            tcp_flags: event.tcp_flags,
            length: event.length,
        };
        serde_json::to_string(&line).ok()
    }
}

/// A line. Ports are type and code of ICMP, and the operation of ARP.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    project_id: &'a str,
    port_id: String,
    log_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_id: Option<String>,
    direction: &'static str,
    ether_type: u16,
    protocol: u8,
    source: IpAddr,
    destination: IpAddr,
    source_port: u16,
    destination_port: u16,
    tcp_flags: u8,
    length: u32,
}

/// Where lines go.
enum Sink {
    Output,
    File(File),
}

impl Sink {
    /// The file at `path`, made or continued; without one, standard output.
    fn open(path: Option<&Path>) -> io::Result<Self> {
        match path {
            None => Ok(Sink::Output),
            Some(path) => OpenOptions::new().create(true).append(true).open(path).map(Sink::File),
        }
    }

    /// One write for each line, so that lines of several writers don't mix.
    fn write(&mut self, mut line: String) -> io::Result<()> {
        line.push('\n');
        match self {
            Sink::Output => io::stdout().lock().write_all(line.as_bytes()),
            Sink::File(file) => file.write_all(line.as_bytes()),
        }
    }
}

/// Writes a line for each event, as long as there are any. A line that can't be written is lost; the first is told of.
pub async fn serve(events: impl Stream<Item = LogEvent> + Send, names: Arc<Names>, path: Option<PathBuf>) {
    let mut events = pin!(events);
    let mut sink = None;
    let mut has_failed = false;
    while let Some(event) = events.next().await {
        let Some(line) = names.line(&event, clock::wall(event.time)) else { continue };
        let result = match &mut sink {
            Some(sink) => Sink::write(sink, line),
            None => Sink::open(path.as_deref()).and_then(|opened| sink.insert(opened).write(line)),
        };
        match result {
            Ok(()) => has_failed = false,
            Err(error) => {
                if !has_failed {
                    tracing::error!(%error, ?path, "the log of ports' packets can't be written; lines are lost");
                }
                has_failed = true;
                sink = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hadron_pipeline::Address;
    use hadron_wire::row::{Direction, Family, Remote};

    fn row(log: Option<PortLog>) -> PortRow {
        PortRow {
            number: 9,
            uuid: [9; 16],
            network: 5,
            mac: [2; 6],
            addresses: Vec::new(),
            interface_name: "tap9".into(),
            admin_up: true,
            port_security_disabled: false,
            revision: 1,
            policy: Some(1),
            allowed_pairs: Vec::new(),
            log,
            dhcp_options: Vec::new(),
            dns_name: String::new(),
        }
    }

    fn log() -> Option<PortLog> {
        Some(of_project(vec![LogObject { uuid: [7; 16], accepted: true, dropped: true, group: None }]))
    }

    fn of_project(logs: Vec<LogObject>) -> PortLog {
        PortLog { project: "p1".into(), logs }
    }

    fn rule(number: u32, group: u32) -> RuleRow {
        RuleRow {
            group,
            rule: number,
            uuid: [number as u8; 16],
            direction: Direction::Ingress,
            family: Family::Ipv4,
            protocol: None,
            port_min: None,
            port_max: None,
            remote: Remote::Any,
            stateless: false,
        }
    }

    fn event(rule: u32, reason: u8) -> LogEvent {
        LogEvent {
            port: 9,
            rule,
            reason,
            source: Address::v4([10, 0, 0, 1]),
            destination: Address::v4([10, 0, 0, 2]),
            source_port: 40_000,
            destination_port: 22,
            ether_type: 0x0800,
            protocol: 6,
            direction: 1,
            length: 60,
            ..LogEvent::default()
        }
    }

    #[test]
    fn lines_name_port_project_and_rule() {
        let names = Names::default();
        names.set_rule(4, Some(&rule(4, 1)));
        let time = jiff::Timestamp::UNIX_EPOCH;
        assert_eq!(names.line(&event(4, 0), time), None);
        names.set_port(9, Some(&row(log())));
        let line = names.line(&event(4, 0), time).unwrap();
        let accepted: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(accepted["time"], "1970-01-01T00:00:00Z");
        assert_eq!(accepted["action"], "ACCEPT");
        assert_eq!(accepted["project_id"], "p1");
        assert_eq!(accepted["port_id"], "09090909-0909-0909-0909-090909090909");
        assert_eq!(accepted["rule_id"], "04040404-0404-0404-0404-040404040404");
        assert_eq!(accepted["log_ids"][0], "07070707-0707-0707-0707-070707070707");
        assert_eq!((&accepted["direction"], &accepted["source"]), (&"ingress".into(), &"10.0.0.1".into()));
        assert!(accepted.get("reason").is_none());
        let denied = DropReason::IngressDenied;
        let line = names.line(&event(0, denied as u8), time).unwrap();
        let dropped: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&dropped["action"], &dropped["reason"]), (&"DROP".into(), &denied.label().into()));
        assert!(dropped.get("rule_id").is_none());
        names.set_port(9, Some(&row(None)));
        assert_eq!(names.line(&event(4, 0), time), None);
    }

    #[test]
    fn lines_name_the_log_objects_that_ask_for_them() {
        let names = Names::default();
        names.set_rule(4, Some(&rule(4, 1)));
        names.set_rule(5, Some(&rule(5, 2)));
        let object = |n: u8, accepted, dropped, group| LogObject { uuid: [n; 16], accepted, dropped, group };
        let logs = vec![
            object(1, true, true, None),
            object(2, true, false, Some(1)),
            object(3, false, true, Some(2)),
            object(4, true, true, Some(2)),
        ];
        let ids = |logs: &[LogObject], rule, reason| -> Vec<u8> {
            names.set_port(9, Some(&row(Some(of_project(logs.to_vec())))));
            let Some(line) = names.line(&event(rule, reason), jiff::Timestamp::UNIX_EPOCH) else {
                return vec![];
            };
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            let ids = line["log_ids"].as_array().unwrap().iter();
            ids.map(|id| id.as_str().unwrap().parse::<Uuid>().unwrap().as_bytes()[0]).collect()
        };
        let denied = DropReason::IngressDenied as u8;
        assert_eq!(ids(&logs, 4, 0), [1, 2]);
        assert_eq!(ids(&logs, 5, 0), [1, 4]);
        assert_eq!(ids(&logs, 6, 0), [1], "a rule that is not known is of no group");
        assert_eq!(ids(&logs, 0, denied), [1, 3, 4]);
        assert_eq!(ids(&logs[1..2], 5, 0), [0; 0]);
        assert_eq!(ids(&logs[1..2], 0, denied), [0; 0]);
    }

    #[tokio::test]
    async fn lines_go_to_the_end_of_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("packets.log");
        let names = Arc::new(Names::default());
        names.set_port(9, Some(&row(log())));
        for _ in 0..2 {
            let events = futures_util::stream::iter([event(4, 0), event(0, 45)]);
            serve(events, names.clone(), Some(path.clone())).await;
        }
        let written = std::fs::read_to_string(&path).unwrap();
        assert_eq!(written.lines().count(), 4);
        assert!(written.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    }
}
