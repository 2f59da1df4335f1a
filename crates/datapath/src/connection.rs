//! The sweep of connections: what has expired goes, and each port's count is put right.

use crate::error::{Error, Result};
use crate::nat::Slot;
use crate::tables::Tables;
use hadron_pipeline::table::{self, ConnectionCount, ConnectionKey, PortKey};
use nix::time::{ClockId, clock_gettime};
use std::collections::HashMap;

/// What a sweep found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Connections in force.
    pub live: u64,
    /// Those that had expired, and are gone.
    pub expired: u64,
    /// Connections that fit.
    pub capacity: u64,
    /// Connections that ports had no room for, since the ports are here.
    pub refused: u64,
    /// Packets that passed without a connection because their ports had little room, since the ports are here.
    pub untracked: u64,
    /// Connections that the ports had counted and that are not there: the kernel gave their place to newer ones, or two CPUs
    /// counted at once.
    pub lost: u64,
    /// Sessions in force by addresses outside that instances share.
    pub sessions: u64,
    /// The slots that the host has of such addresses.
    pub slots: Vec<Slot>,
}

impl Sweep {
    /// From four fifths on an operator should be told: a full table forgets connections that are in use.
    pub fn is_nearly_full(&self) -> bool {
        self.live * 5 >= self.capacity * 4
    }
}

/// Connections of one port.
#[derive(Clone, Copy, Default)]
struct Count {
    live: u32,
    expired: u32,
}

impl Tables {
    /// Deletes the connections that have expired or whose port is gone, and writes how many each port has; sessions by shared addresses
    /// too. To be called every few seconds, and well within [`table::SWEEP_OVERDUE`]; it reads the whole tables.
    ///
    /// A connection that comes to life again between being read and being deleted is lost, and judged by the rules with its next
    /// packet. Connections that begin meanwhile are counted by the next sweep.
    pub fn sweep(&self) -> Result<Sweep> {
        let now = monotonic()?;
        let mut sweep = Sweep { capacity: self.connections.status().capacity.into(), ..Sweep::default() };
        let rows = self.connection_counts.dump()?;
        let mut counts: HashMap<u32, Count> =
            rows.iter().map(|(key, _)| (key.port, Count::default())).collect();
        for (key, connection) in self.connections.dump()? {
            let Some(count) = counts.get_mut(&key.port) else {
                self.connections.remove(&key)?;
                continue;
            };
            if connection.expires <= now && self.has_expired(&key, now)? {
                self.connections.remove(&key)?;
                count.expired += 1;
            } else {
                count.live += 1;
            }
        }
        for (key, row) in rows {
            let count = counts[&key.port];
            sweep.live += u64::from(count.live);
            sweep.expired += u64::from(count.expired);
            sweep.refused += u64::from(row.refused);
            sweep.untracked += self.port_counters(key.port)?.map_or(0, |counters| counters.untracked);
            sweep.lost += u64::from(row.count.saturating_sub(count.live + count.expired));
            self.put_count(&key, count.live, now)?;
        }
        self.connections.recount(sweep.live);
        (sweep.sessions, sweep.slots) = self.sweep_nat(now)?;
        Ok(sweep)
    }

    /// How many connections a port has, as the programs count; none without [`Tables::ensure_port_state`].
    pub fn connection_count(&self, port: u32) -> Result<Option<ConnectionCount>> {
        self.connection_counts.get(&PortKey { port })
    }

    /// Writes it.
    pub fn set_connection_count(&self, port: u32, row: ConnectionCount) -> Result<()> {
        self.connection_counts.put(&PortKey { port }, &row)
    }

    fn has_expired(&self, key: &ConnectionKey, now: u64) -> Result<bool> {
        Ok(self.connections.get(key)?.is_some_and(|connection| connection.expires <= now))
    }

    /// Puts a port's count right, if the port is still there. What the programs count between reading and writing is lost.
    fn put_count(&self, key: &PortKey, count: u32, since: u64) -> Result<()> {
        let Some(row) = self.connection_counts.get(key)? else { return Ok(()) };
        self.connection_counts.overwrite(key, &ConnectionCount { count, since, ..row }).map(drop)
    }
}

/// The programs' clock, nanoseconds.
pub(crate) fn monotonic() -> Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_err(|error| Error::Table {
        action: "read the clock for",
        table: table::CONNECTIONS.name,
        source: error.into(),
    })?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}
