//! `hadron top`: what the packet path of this host does at this moment, in the terminal. It reads the kernel's tables, as `hadron counters`
//! does.

use crate::cli;
use anyhow::{Context, Result};
use hadron_datapath::Tables;
use hadron_datapath::table::PortCounters;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

/// Clears the terminal and goes to its upper left corner (ECMA-48 §8.3.39, §8.3.21).
const CLEAR: &str = "\x1b[2J\x1b[H";

/// All that is shown, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    stages: Vec<(&'static str, u64)>,
    drops: Vec<(&'static str, u64)>,
    ports: BTreeMap<u32, PortCounters>,
    connections: BTreeMap<u32, u32>,
}

/// Shows it until a signal comes, or so many times.
pub async fn run(command: cli::Top) -> Result<()> {
    let tables = hadron_datapath::observe(&command.pin_dir)
        .with_context(|| format!("no node's packet path in {}", command.pin_dir.display()))?;
    let (interval, clears) = (Duration::from_secs_f64(command.interval), std::io::stdout().is_terminal());
    let mut before = (Instant::now(), read(&tables)?);
    let mut stop = std::pin::pin!(crate::shutdown::signalled());
    let mut shown = 0;
    while command.count.is_none_or(|count| shown < count) {
        tokio::select! {
            stopped = &mut stop => return stopped,
            () = tokio::time::sleep(interval) => {}
        }
        let now = (Instant::now(), read(&tables)?);
        let text = text(&before.1, &now.1, now.0 - before.0, command.lines);
        let mut out = std::io::stdout().lock();
        write!(out, "{}{text}", if clears { CLEAR } else { "" })?;
        out.flush()?;
        before = now;
        shown += 1;
    }
    Ok(())
}

fn read(tables: &Tables) -> Result<Seen> {
    let totals = tables.totals()?;
    let mut seen = Seen {
        stages: totals.stages().map(|(stage, count)| (stage.name(), count)).collect(),
        drops: totals.drops().map(|(reason, count)| (reason.label(), count)).collect(),
        ..Seen::default()
    };
    for port in tables.port_states()? {
        let counters = tables.port_counters(port)?;
        seen.ports.extend(counters.map(|counters| (port, counters)));
        let count = tables.connection_count(port)?;
        seen.connections.extend(count.map(|row| (port, row.count)));
    }
    Ok(seen)
}

/// What happened between two moments, for each second.
fn text(before: &Seen, now: &Seen, time: Duration, lines: usize) -> String {
    let seconds = time.as_secs_f64().max(0.001);
    let rate = |before: u64, now: u64| now.saturating_sub(before) as f64 / seconds;
    let mut text = String::new();
    let connections: u64 = now.connections.values().map(|count| u64::from(*count)).sum();
    let _ = writeln!(text, "{} ports, {connections} connections\n", now.ports.len());
    let _ = writeln!(
        text,
        "{:>8} {:>12} {:>12} {:>12} {:>12} {:>10} {:>12}",
        "PORT", "SENT/s", "SENT bit/s", "RECEIVED/s", "RECEIVED b/s", "DROPPED/s", "CONNECTIONS"
    );
    let nothing = PortCounters::default();
    let mut talkers: Vec<_> = now
        .ports
        .iter()
        .map(|(port, now)| {
            let before = before.ports.get(port).unwrap_or(&nothing);
            let bits = [rate(before.tx_bytes, now.tx_bytes) * 8.0, rate(before.rx_bytes, now.rx_bytes) * 8.0];
            let drops = rate(before.tx_dropped + before.rx_dropped, now.tx_dropped + now.rx_dropped);
            let frames = [rate(before.tx_packets, now.tx_packets), rate(before.rx_packets, now.rx_packets)];
            (*port, frames, bits, drops)
        })
        .collect();
    talkers.sort_by(|a, b| (b.2[0] + b.2[1]).total_cmp(&(a.2[0] + a.2[1])));
    for (port, frames, bits, drops) in talkers.into_iter().take(lines) {
        let count = now.connections.get(&port).copied().unwrap_or(0);
        let _ = writeln!(
            text,
            "{port:>8} {:>12.0} {:>12} {:>12.0} {:>12} {drops:>10.0} {count:>12}",
            frames[0],
            short(bits[0]),
            frames[1],
            short(bits[1])
        );
    }
    let grown = |before: &[(&'static str, u64)], now: &[(&'static str, u64)]| {
        let mut grown: Vec<_> = now
            .iter()
            .map(|(name, now)| {
                let before = before.iter().find(|(other, _)| other == name).map_or(0, |(_, count)| *count);
                (*name, rate(before, *now))
            })
            .filter(|(_, rate)| *rate > 0.0)
            .collect();
        grown.sort_by(|a, b| b.1.total_cmp(&a.1));
        grown
    };
    let _ = writeln!(text, "\ndrops per second");
    for (reason, rate) in grown(&before.drops, &now.drops).into_iter().take(lines) {
        let _ = writeln!(text, "{reason:>24} {rate:>12.0}");
    }
    let _ = writeln!(text, "\npackets per second, by stage");
    for (stage, rate) in grown(&before.stages, &now.stages) {
        let _ = writeln!(text, "{stage:>24} {rate:>12.0}");
    }
    text
}

/// With a unit of thousands, as 1.2M.
fn short(value: f64) -> String {
    let units = [(1e9, "G"), (1e6, "M"), (1e3, "k")];
    match units.iter().find(|(unit, _)| value >= *unit) {
        Some((unit, name)) => format!("{:.1}{name}", value / unit),
        None => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loudest_come_first_and_drops_by_their_rate() {
        let port =
            |tx_bytes| PortCounters { tx_bytes, tx_packets: tx_bytes / 100, ..PortCounters::default() };
        let before = Seen {
            drops: vec![("no_route", 1), ("ingress_denied", 5)],
            ports: BTreeMap::from([(1, port(0)), (2, port(0))]),
            ..Seen::default()
        };
        let now = Seen {
            drops: vec![("no_route", 1), ("ingress_denied", 25)],
            ports: BTreeMap::from([(1, port(1000)), (2, port(2_000_000))]),
            connections: BTreeMap::from([(2, 3)]),
            ..Seen::default()
        };
        let text = text(&before, &now, Duration::from_secs(2), 10);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("2 ports, 3 connections"), "{text}");
        assert!(lines[3].trim_start().starts_with("2 ") && lines[3].contains("8.0M"), "{text}");
        assert!(text.contains("ingress_denied           10") && !text.contains("no_route"), "{text}");
        assert_eq!((short(999.0), short(1200.0)), ("999".to_owned(), "1.2k".to_owned()));
    }
}
