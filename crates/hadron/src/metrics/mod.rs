//! Metrics in the text format of Prometheus, on listeners of their own: one of the server, one of the node.
//!
//! What there is is declared once, in [`SERVER`] and [`NODE`]; pages are written by these declarations, and the dashboard in
//! `docs/grafana/hadron.json` is held against them by a test. Labels of stages and drop reasons are those of the packet path's own lists.

mod listener;
mod node;
mod server;

pub use listener::{Serving, serve};
pub use node::page as node_page;
pub use server::page as server_page;

use std::fmt::Write as _;

/// How a value moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It only rises.
    Counter,
    /// It rises and falls.
    Gauge,
}

/// A metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// What it is, in a sentence.
    pub help: &'static str,
    /// Names of its labels.
    pub labels: &'static [&'static str],
}

macro_rules! metrics {
    ($(#[$doc:meta])* $all:ident { $($(#[$of:meta])* $name:ident: $kind:ident $text:literal [$($label:literal),*] = $help:literal;)* }) => {
        $($(#[$of])* const $name: Metric = Metric {
            name: $text,
            kind: Kind::$kind,
            help: $help,
            labels: &[$($label),*],
        };)*
        $(#[$doc])*
        #[cfg_attr(not(test), expect(dead_code, reason = "a test holds the documentation and the dashboard against it"))]
        pub const $all: &[Metric] = &[$($name),*];
    };
}

metrics! {
    /// What a node tells.
    NODE {
        STAGES: Counter "hadron_stage_packets_total" ["stage"] = "Packets that entered a stage of the packet path.";
        DROPS: Counter "hadron_drops_total" ["stage", "reason"] = "Packets, and copies of packets, that were dropped.";
        PORT_PACKETS: Counter "hadron_port_packets_total" ["port", "direction"] = "Frames that a port's instance sent, or was delivered.";
        PORT_BYTES: Counter "hadron_port_bytes_total" ["port", "direction"] = "Octets of these.";
        PORT_DROPS: Counter "hadron_port_drops_total" ["port", "direction"] = "Frames that were dropped at a port.";
        PORT_UNTRACKED: Counter "hadron_port_untracked_total" ["port"] = "Packets that passed without a connection, since the port has nearly as many as it may have.";
        RULES: Counter "hadron_rule_allowed_total" ["rule"] = "Connections, and packets without one, that a security group's rule allowed.";
        CONNECTIONS: Gauge "hadron_connections" [] = "Connections that are kept.";
        CONNECTION_CAPACITY: Gauge "hadron_connections_capacity" [] = "Connections that there is room for.";
        CONNECTIONS_REFUSED: Counter "hadron_connections_refused_total" [] = "Connections that ports had no room for.";
        CONNECTIONS_LOST: Counter "hadron_connections_lost_total" [] = "Connections that gave their place to newer ones because the table was full.";
        SESSIONS: Gauge "hadron_nat_sessions" [] = "Sessions by addresses outside that instances share.";
        TABLE_ROWS: Gauge "hadron_table_rows" ["table"] = "Rows in a table of the packet path.";
        TABLE_CAPACITY: Gauge "hadron_table_capacity" ["table"] = "Rows that fit into it.";
        TABLE_REFUSED: Counter "hadron_table_refused_total" ["table"] = "Rows that did not fit.";
        NODE_CONNECTED: Gauge "hadron_node_connected" [] = "1 while the node is connected to a server.";
        NODE_CONNECTIONS: Counter "hadron_node_connections_total" [] = "Streams to servers that have begun.";
        NODE_REVISION: Gauge "hadron_node_revision" [] = "Revision up to which the node holds everything.";
        NODE_ROWS: Gauge "hadron_node_rows" [] = "Rows that the node holds.";
        NODE_PENDING: Gauge "hadron_node_pending" [] = "Rows of its tables that are not as they should be.";
        NODE_PORTS: Gauge "hadron_node_ports" ["state"] = "Ports of the host: wired, waiting for their interface, or failed.";
        NODE_LEASES: Gauge "hadron_node_leases" [] = "Ports that have a DHCP lease.";
        SERVICES: Counter "hadron_services_total" ["service", "outcome"] = "Questions of instances to the host's services.";
    }
}

metrics! {
    /// What a server tells.
    SERVER {
        REVISION: Gauge "hadron_server_revision" [] = "Revision of the store.";
        OBJECTS: Gauge "hadron_server_objects" ["kind"] = "Objects in the store.";
        PORTS: Gauge "hadron_server_ports" ["status"] = "Ports by their status.";
        HOST_CONNECTED: Gauge "hadron_server_host_connected" ["host"] = "1 while the host's node is connected to this server.";
        HOST_LAG: Gauge "hadron_server_host_lag" ["host"] = "Revisions by which what is in force on the host is behind the store.";
        HOST_WAITING: Gauge "hadron_server_host_waiting_rows" ["host"] = "Rows that wait to be sent to the host.";
        AUDIT_LINES: Counter "hadron_server_audit_lines_total" ["result"] = "Lines of the audit log: written, or lost because too many waited.";
        AUDIT_FAILING: Gauge "hadron_server_audit_failing" [] = "1 while the audit log can't be written.";
        EVENTS: Counter "hadron_server_events_total" ["event"] = "What happened between this server and its nodes.";
    }
}

/// A page under way.
#[derive(Default)]
pub struct Page(String);

impl Page {
    /// Writes a metric with its samples: the values of its labels, and its value.
    fn write<const N: usize>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = ([String; N], u64)>,
    ) {
        debug_assert_eq!(metric.labels.len(), N, "{}", metric.name);
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let _ = writeln!(self.0, "# HELP {0} {1}\n# TYPE {0} {kind}", metric.name, metric.help);
        for (values, value) in samples {
            self.0.push_str(metric.name);
            let pairs = metric.labels.iter().zip(&values);
            let pairs: Vec<String> =
                pairs.map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
            if !pairs.is_empty() {
                let _ = write!(self.0, "{{{}}}", pairs.join(","));
            }
            let _ = writeln!(self.0, " {value}");
        }
    }

    /// A metric without labels.
    fn single(&mut self, metric: &Metric, value: u64) {
        self.write(metric, [([], value)]);
    }

    /// The text.
    fn finish(self) -> String {
        self.0
    }
}

/// A label's value as the format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    const DASHBOARD: &str = include_str!("../../../../docs/grafana/hadron.json");
    const DOCUMENTATION: &str = include_str!("../../../../docs/metrics.md");

    fn all() -> impl Iterator<Item = &'static Metric> {
        NODE.iter().chain(SERVER)
    }

    #[test]
    fn names_follow_the_custom_and_are_told_apart() {
        let names: BTreeSet<&str> = all().map(|metric| metric.name).collect();
        assert_eq!(names.len(), all().count());
        for metric in all() {
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
            assert!(metric.name.starts_with("hadron_") && metric.help.ends_with('.'), "{}", metric.name);
        }
    }

    #[test]
    fn values_are_escaped() {
        let mut page = Page::default();
        page.write(&OBJECTS, [(["a\"b\\c\nd".to_owned()], 7)]);
        let text = page.finish();
        assert!(text.ends_with("hadron_server_objects{kind=\"a\\\"b\\\\c\\nd\"} 7\n"), "{text}");
    }

    #[test]
    fn the_dashboard_shows_what_there_is() {
        let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
        let panels = dashboard["panels"].as_array().expect("panels");
        let expressions = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
        let mut asked = BTreeSet::new();
        for expression in expressions.filter_map(|target| target["expr"].as_str()) {
            let words = expression.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
            let known = |word: &&str| word.starts_with("hadron_");
            for word in words.filter(known) {
                assert!(all().any(|metric| metric.name == word), "no metric {word}, asked by {expression}");
                asked.insert(word.to_owned());
            }
        }
        let missed: Vec<_> = all().map(|metric| metric.name).filter(|name| !asked.contains(*name)).collect();
        assert!(missed.is_empty(), "the dashboard does not show {missed:?}");
    }

    #[test]
    fn the_page_of_metrics_is_current() {
        let mut page = String::from(HEAD);
        for (title, metrics) in [("A node", NODE), ("A server", SERVER)] {
            page.push_str(&format!(
                "\n## {title}\n\n| name | kind | labels | meaning |\n|---|---|---|---|\n"
            ));
            for metric in metrics {
                let kind = if metric.kind == Kind::Counter { "counter" } else { "gauge" };
                let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
                page.push_str(&format!(
                    "| `{}` | {kind} | {} | {} |\n",
                    metric.name,
                    labels.join(", "),
                    metric.help
                ));
            }
        }
        if std::env::var_os("HADRON_UPDATE").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
            std::fs::write(path, &page).expect("docs/ is writable");
            return;
        }
        assert!(DOCUMENTATION == page, "docs/metrics.md is behind the code; HADRON_UPDATE=1 rewrites it");
    }

    const HEAD: &str = "# Metrics

Made from `crates/hadron/src/metrics/mod.rs`; change it there, then run `HADRON_UPDATE=1 cargo test -p hadron --bin hadron metrics`.

`hadron agent --node-metrics ADDRESS:PORT` and `hadron server --metrics ADDRESS:PORT` (`hadron up` takes both) answer `GET /metrics` there, in the
text format of Prometheus, without TLS: choose an address that only Prometheus reaches. A page is made at most once a second, however many ask; 128
connections are served at a time, others wait. `stage` and `reason` are those of [drop-reasons.md](drop-reasons.md), `port` and `rule` UUIDs (a number where the name is not known).
A dashboard for Grafana: [grafana/hadron.json](grafana/hadron.json).
";
}
