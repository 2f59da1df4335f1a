//! The audit log: a file of JSON lines with every commit of the store and every request that would change something.
//!
//! ```text
//! store's commits ─▶ follower ─┐ waits while the file takes nothing
//! requests, answered ──────────┴▶ queue ─▶ writer (a thread) ─▶ file
//!                                 └ full: the line is lost, and counted
//! ```
//!
//! The API waits for none of it. Commits are never left out: the follower reads in the file how far it came before the server started, and goes on
//! there as long as the store knows.

mod file;
mod line;
mod writer;

use file::AuditFile;
use hadron_api::audit::{Asked, Observer};
use hadron_store::{Position, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a server that stops waits for the disk.
const SETTLE: Duration = Duration::from_secs(2);
/// Lines that wait for the disk.
const QUEUE: usize = 8192;

/// A handle on the audit log.
#[derive(Clone, Debug)]
pub struct AuditLog {
    queue: mpsc::Sender<String>,
    state: Arc<State>,
}

/// What is known of it.
#[derive(Debug)]
struct State {
    path: PathBuf,
    /// Lines that have come into the queue.
    taken: AtomicU64,
    written: AtomicU64,
    lost: AtomicU64,
    trouble: parking_lot::Mutex<Option<String>>,
}

/// The log as an operator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditReading {
    /// The file.
    pub path: PathBuf,
    /// Lines written since the server started.
    pub written: u64,
    /// Lines of requests that found the queue full.
    pub lost: u64,
    /// Why nothing can be written now.
    pub trouble: Option<String>,
}

impl AuditLog {
    /// Opens the file and begins to follow the store. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// The file can't be opened.
    pub(crate) fn start(path: &Path, store: &Store) -> std::io::Result<Self> {
        let file = AuditFile::open(path)?;
        let last = file.tail()?.lines().rev().find_map(line::position);
        let (queue, lines) = mpsc::channel(QUEUE);
        let state = Arc::new(State {
            path: path.to_owned(),
            taken: AtomicU64::new(0),
            written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            trouble: parking_lot::Mutex::new(None),
        });
        writer::start(file, lines, state.clone())?;
        let log = Self { queue, state };
        tokio::spawn(log.clone().follow(store.clone(), last));
        Ok(log)
    }

    /// Waits until what is in the queue is in the file, a moment at most.
    pub(crate) async fn settle(&self) {
        let is_settled = || self.state.written.load(Relaxed) >= self.state.taken.load(Relaxed);
        let settled = async {
            while !is_settled() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(SETTLE, settled).await.is_err() {
            tracing::warn!(
                "the last lines of the audit log are not written; commits are when the server starts again"
            );
        }
    }

    /// What is known of it at this moment.
    pub fn read(&self) -> AuditReading {
        AuditReading {
            path: self.state.path.clone(),
            written: self.state.written.load(Relaxed),
            lost: self.state.lost.load(Relaxed),
            trouble: self.state.trouble.lock().clone(),
        }
    }
}

impl Observer for AuditLog {
    fn answered(&self, asked: &Asked) {
        if asked.only_reads() {
            return;
        }
        let counter = match self.queue.try_send(line::of_request(asked)) {
            Ok(()) => &self.state.taken,
            Err(_full) => &self.state.lost,
        };
        counter.fetch_add(1, Relaxed);
    }
}

/// Following the store.
impl AuditLog {
    /// Writes down commits, from the last one in the file on, until the writer has ended.
    async fn follow(self, store: Store, last: Option<Position>) {
        let now = store.snapshot().position();
        let mut watch = match last.map(|last| store.watch_from(last)) {
            Some(Ok(watch)) => watch,
            Some(Err(gone)) => {
                tracing::warn!(%gone, "the audit log lacks commits that were made while this server was down");
                if self.put(line::of_gap(gone.asked, now)).await.is_err() {
                    return;
                }
                store.watch()
            }
            None => store.watch(),
        };
        loop {
            let behind = watch.snapshot().position();
            let commit = watch.next().await;
            if let Some(line) = line::of_commit(&commit, behind)
                && self.put(line).await.is_err()
            {
                return;
            }
        }
    }

    async fn put(&self, line: String) -> Result<(), mpsc::error::SendError<String>> {
        self.queue.send(line).await?;
        self.state.taken.fetch_add(1, Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
