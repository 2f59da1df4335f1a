//! The sweep of connections: what has expired goes, and each port's count is put right.

use crate::error::{Error, Result};
use crate::tables::Tables;
use hadron_pipeline::table::{self, ConnectionCount, ConnectionKey};
use nix::time::{ClockId, clock_gettime};
use std::collections::HashMap;

/// What a sweep found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Connections in force.
    pub live: u64,
    /// Those that had expired, and are gone.
    pub expired: u64,
    /// Connections that fit.
    pub capacity: u64,
    /// Connections that ports had no room for, since the ports are here.
    pub refused: u64,
    /// Connections that the ports had counted and that are not there: the kernel gave their place to newer ones, or two CPUs
    /// counted at once.
    pub lost: u64,
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
    /// Deletes the connections that have expired, and writes how many each port has. To be called every few seconds; it reads the
    /// whole table.
    ///
    /// A connection that comes to life again between being read and being deleted is lost, and judged by the rules with its next
    /// packet. Connections that begin meanwhile are counted by the next sweep.
    pub fn sweep(&self) -> Result<Sweep> {
        let now = monotonic()?;
        let mut sweep = Sweep { capacity: self.connections.status().capacity.into(), ..Sweep::default() };
        let mut counts: HashMap<u32, Count> = HashMap::new();
        for (key, connection) in self.connections.dump()? {
            let count = counts.entry(key.port).or_default();
            if connection.expires <= now && self.has_expired(&key, now)? {
                self.connections.remove(&key)?;
                count.expired += 1;
            } else {
                count.live += 1;
            }
        }
        for (key, row) in self.connection_counts.dump()? {
            let count = counts.get(&key.port).copied().unwrap_or_default();
            sweep.refused += u64::from(row.refused);
            sweep.lost += u64::from(row.count.saturating_sub(count.live + count.expired));
            if row.count != count.live {
                self.connection_counts.put(&key, &ConnectionCount { count: count.live, ..row })?;
            }
        }
        sweep.live = counts.values().map(|count| u64::from(count.live)).sum();
        sweep.expired = counts.values().map(|count| u64::from(count.expired)).sum();
        self.connections.recount(sweep.live);
        Ok(sweep)
    }

    fn has_expired(&self, key: &ConnectionKey, now: u64) -> Result<bool> {
        Ok(self.connections.get(key)?.is_some_and(|connection| connection.expires <= now))
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
