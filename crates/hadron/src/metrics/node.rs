//! What a node tells.

use super::*;
use hadron_node::plane::PathCounters;
use hadron_node::{Gauges, Status};

/// The page of a node.
pub fn page(node: &Gauges) -> String {
    let mut page = Page::default();
    let status = node.status();
    of_status(&mut page, &status);
    match node.counters() {
        Ok(Some(counters)) => of_path(&mut page, node, &counters),
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(%error, "the packet path's counters can't be read; metrics are without them")
        }
    }
    page.finish()
}

fn of_status(page: &mut Page, status: &Status) {
    let summary = &status.summary;
    page.single(&NODE_CONNECTED, status.is_connected.into());
    page.single(&NODE_CONNECTIONS, status.connections);
    page.single(&NODE_REVISION, summary.position.map_or(0, |position| position.revision));
    page.single(&NODE_ROWS, summary.rows as u64);
    page.single(&NODE_PENDING, summary.pending as u64);
    let states = |is_it: &dyn Fn(bool, &str) -> bool| {
        status.ports.values().filter(|port| is_it(port.wired, &port.error)).count() as u64
    };
    let ports = [
        ("wired", states(&|wired, _| wired)),
        ("waiting", states(&|wired, error| !wired && error.is_empty())),
        ("failed", states(&|wired, error| !wired && !error.is_empty())),
    ];
    page.write(&NODE_PORTS, ports.map(|(state, count)| ([state.to_owned()], count)));
    page.single(&NODE_LEASES, status.leases as u64);
    let services = status.services.iter();
    page.write(
        &SERVICES,
        services.map(|(service, outcome, count)| ([*service, outcome].map(str::to_owned), *count)),
    );
    let tracked = &status.tracked;
    page.single(&CONNECTIONS, tracked.live);
    page.single(&CONNECTION_CAPACITY, tracked.capacity);
    page.single(&CONNECTIONS_REFUSED, tracked.refused);
    page.single(&CONNECTIONS_LOST, tracked.lost);
    page.single(&SESSIONS, tracked.sessions);
    let tables = &summary.tables;
    page.write(&TABLE_ROWS, tables.iter().map(|table| ([table.name.to_owned()], table.rows)));
    page.write(&TABLE_CAPACITY, tables.iter().map(|table| ([table.name.to_owned()], table.capacity.into())));
    page.write(&TABLE_REFUSED, tables.iter().map(|table| ([table.name.to_owned()], table.refused)));
}

fn of_path(page: &mut Page, node: &Gauges, counters: &PathCounters) {
    let PathCounters { stages, drops, ports, rules } = counters;
    page.write(&STAGES, stages.iter().map(|(stage, count)| ([stage.name().to_owned()], *count)));
    let drops = drops.iter();
    page.write(
        &DROPS,
        drops.map(|(reason, count)| ([reason.stage().name(), reason.label()].map(str::to_owned), *count)),
    );
    let named: Vec<_> = ports.iter().map(|(port, counters)| (node.port_name(*port), counters)).collect();
    let both = |of: fn(&hadron_node::plane::PortCounters) -> [u64; 2]| {
        named.iter().flat_map(move |(port, counters)| {
            let [sent, received] = of(counters);
            [("sent", sent), ("received", received)]
                .map(|(way, count)| ([port.clone(), way.to_owned()], count))
        })
    };
    page.write(&PORT_PACKETS, both(|port| [port.tx_packets, port.rx_packets]));
    page.write(&PORT_BYTES, both(|port| [port.tx_bytes, port.rx_bytes]));
    page.write(&PORT_DROPS, both(|port| [port.tx_dropped, port.rx_dropped]));
    page.write(&PORT_UNTRACKED, named.iter().map(|(port, counters)| ([port.clone()], counters.untracked)));
    page.write(&RULES, rules.iter().map(|(rule, count)| ([node.rule_name(*rule)], *count)));
}
