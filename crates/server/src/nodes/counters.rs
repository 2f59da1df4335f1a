//! What happened, counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// Something that is counted.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Counter {
            $($(#[$doc])* $name,)+
        }

        impl Counter {
            /// All of them.
            pub const ALL: &[Counter] = &[$(Counter::$name),+];

            /// Its name, for metrics.
            pub fn name(self) -> &'static str {
                match self {
                    $(Counter::$name => $text,)+
                }
            }
        }
    };
}

counters! {
    /// TLS handshakes that failed: a wrong or expired certificate, no TLS at all, too slow.
    HandshakesFailed = "node_handshakes_failed",
    /// Nodes that joined.
    Joined = "nodes_joined",
    /// Attempts to join that were refused.
    JoinsRefused = "node_joins_refused",
    /// Certificates renewed.
    Renewed = "node_certificates_renewed",
    /// Streams that began.
    Streams = "node_streams",
    /// Streams that were refused or ended by the server.
    Goodbyes = "node_goodbyes",
    /// Streams that began with a snapshot.
    Snapshots = "node_snapshots",
    /// Streams that began with a difference.
    Differences = "node_differences",
    /// Batches sent.
    Batches = "node_batches",
    /// Changes of rows sent.
    Rows = "node_rows",
    /// Bytes of these changes.
    RowBytes = "node_row_bytes",
    /// Port reports received.
    Reports = "port_reports",
    /// Port reports on a port that is not bound to the reporting host.
    ReportsRefused = "port_reports_refused",
    /// Port reports older than the port's row.
    ReportsStale = "port_reports_stale",
    /// Port reports that told of an error.
    ReportsWithError = "port_reports_with_error",
    /// Transactions that recorded port reports.
    ReportWrites = "port_report_writes",
    /// Port statuses that changed by them.
    StatusChanges = "port_status_changes",
}

/// The counters of a service since its start.
#[derive(Debug)]
pub struct Counters([AtomicU64; Counter::ALL.len()]);

impl Default for Counters {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Counters {
    /// How often it happened.
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize].load(Relaxed)
    }

    pub(super) fn add(&self, counter: Counter, count: usize) {
        self.0[counter as usize].fetch_add(count as u64, Relaxed);
    }

    pub(super) fn one(&self, counter: Counter) {
        self.add(counter, 1);
    }
}
