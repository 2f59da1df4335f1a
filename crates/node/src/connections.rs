//! The table of connections: what has expired is taken out every few seconds, and an operator is told before it is full.
//!
//! The sweep reads the whole table, so it runs beside the node's loop.

use crate::error::chain;
use crate::leases::Leases;
use crate::plane::PlaneError;
use hadron_datapath::Slot;
use hadron_pipeline::table::timeout;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The timeouts of connections that an operator can set, by name and place in [`Limits::timeouts`].
///
/// [`Limits::timeouts`]: crate::apply::Limits::timeouts
pub const TIMEOUTS: [(&str, usize); timeout::SLOTS] = [
    ("tcp-opening", timeout::TCP_OPENING),
    ("tcp-established", timeout::TCP_ESTABLISHED),
    ("tcp-closing", timeout::TCP_CLOSING),
    ("tcp-closed", timeout::TCP_CLOSED),
    ("udp-opening", timeout::UDP_OPENING),
    ("udp-established", timeout::UDP_ESTABLISHED),
    ("icmp", timeout::ICMP),
    ("other", timeout::OTHER),
];

/// The pause between two sweeps.
const PAUSE: Duration = Duration::from_secs(5);

/// What a sweep found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sweep {
    /// Connections in force.
    pub live: u64,
    /// Those that had expired, and are gone.
    pub expired: u64,
    /// Connections that fit.
    pub capacity: u64,
    /// Connections that were refused because their port had as many as it may have, since the ports are here.
    pub refused: u64,
    /// Packets that rules allowed and for which no connection was kept because their port had nearly too many, since the ports are here.
    pub untracked: u64,
    /// Connections that gave their place to newer ones because the table was full.
    pub lost: u64,
    /// Sessions in force by addresses outside that instances share.
    pub sessions: u64,
}

impl Sweep {
    /// Whether four fifths are taken: a full table forgets connections that are in use.
    pub fn is_nearly_full(&self) -> bool {
        self.capacity > 0 && self.live * 5 >= self.capacity * 4
    }
}

/// A table of connections.
pub trait Connections: Send + Sync + 'static {
    /// Takes out what has expired. What there is, and the slots that the host has of shared addresses. It takes a while.
    fn sweep(&self) -> Result<(Sweep, Vec<Slot>), PlaneError>;
}

/// What is known of the connections, for the operator.
#[derive(Debug, Default)]
pub struct Watch {
    last: Mutex<Sweep>,
}

impl Watch {
    /// What the last sweep found; `lost` is of all sweeps.
    pub fn last(&self) -> Sweep {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a sweep, and says what an operator should know of it.
    fn take(&self, sweep: Sweep) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let Sweep { live, capacity, lost, refused, untracked, .. } = sweep;
        if sweep.is_nearly_full() && !last.is_nearly_full() {
            tracing::warn!(
                live,
                capacity,
                "the table of connections is nearly full; raise its size, or lower the limit of each port"
            );
        }
        if lost > 0 {
            tracing::warn!(
                connections = lost,
                "connections were forgotten for newer ones; the rules judge them anew"
            );
        }
        if refused > last.refused {
            let connections = refused - last.refused;
            tracing::warn!(connections, "connections were refused because their port had too many");
        }
        if untracked > last.untracked {
            let packets = untracked - last.untracked;
            tracing::warn!(
                packets,
                "packets passed by their rules alone because their port has nearly too many connections"
            );
        }
        *last = Sweep { lost: last.lost + lost, ..sweep };
    }
}

/// Sweeps for ever; `leases` hear which slots are in use, and may have it done sooner.
pub async fn keep(connections: Arc<dyn Connections>, watch: Arc<Watch>, leases: Arc<Leases>) {
    let mut has_failed = false;
    loop {
        let _ = tokio::time::timeout(PAUSE, leases.asks_for_sweep()).await;
        let (connections, before) = (connections.clone(), leases.before_sweep());
        match tokio::task::spawn_blocking(move || connections.sweep()).await {
            Ok(Ok((sweep, slots))) => {
                watch.take(sweep);
                leases.swept(before, &slots);
                has_failed = false;
            }
            Ok(Err(error)) if !has_failed => {
                tracing::error!(
                    error = chain(&error),
                    "the table of connections can't be swept; it fills with what has expired"
                );
                has_failed = true;
            }
            Ok(Err(_)) => {}
            // The runtime is shutting down.
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_add_up_and_the_rest_is_of_the_last_sweep() {
        let watch = Watch::default();
        let sweep =
            Sweep { live: 7, expired: 1, capacity: 10, refused: 2, untracked: 0, lost: 3, sessions: 0 };
        watch.take(sweep);
        watch.take(Sweep { live: 8, lost: 1, ..sweep });
        assert_eq!(watch.last(), Sweep { live: 8, lost: 4, ..sweep });
        assert!(watch.last().is_nearly_full() && !sweep.is_nearly_full());
        assert!(!Sweep::default().is_nearly_full());
    }
}
