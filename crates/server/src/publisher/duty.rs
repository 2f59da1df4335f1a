//! Which of the servers that share a store publishes names.

use hadron_control::Error;
use hadron_control::publication::ledger;
use hadron_store::{CommitInfo, Store};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// How often who has the duty shows that it is there.
const SHOW: Duration = Duration::from_secs(5);
/// How long one that does not show is waited for.
const GONE: Duration = Duration::from_secs(20);
/// After a failure of the store.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Duty {
    store: Store,
    is_shared: bool,
    holder: Uuid,
    shown: Instant,
}

impl Duty {
    pub(super) fn new(store: Store, is_shared: bool) -> Self {
        Self { store, is_shared, holder: Uuid::new_v4(), shown: Instant::now() }
    }

    /// The random id of this process.
    pub(super) fn holder(&self) -> Uuid {
        self.holder
    }

    /// Waits until the duty is this server's. No clock of another machine is asked: who has not shown itself while this one waited is gone.
    pub(super) async fn take(&mut self) {
        loop {
            let seen = ledger::holder(&self.store.snapshot());
            if self.is_shared && seen.is_some() {
                sleep(GONE).await;
            }
            match self.beat(seen).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(%error, "the duty of publishing names can't be taken yet");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Shows that this server is there, if it is time to. False if another one has the duty, or may soon.
    pub(super) async fn show(&mut self) -> bool {
        if !self.is_shared || self.next_show() > Instant::now() {
            return true;
        }
        self.beat(None).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "the duty of publishing names can't be kept");
            false
        })
    }

    /// When it is to show itself again.
    pub(super) fn next_show(&self) -> Instant {
        self.shown + if self.is_shared { SHOW } else { Duration::from_secs(3600) }
    }

    pub(super) async fn resign(&self) {
        let holder = self.holder;
        let resigned = self.store.write(CommitInfo::system(), move |tx| ledger::resign(tx, holder)).await;
        if let Err(error) = resigned {
            tracing::debug!(%error, "another server waits for a while before it publishes names");
        }
    }

    async fn beat(&mut self, seen: Option<(Uuid, u64)>) -> Result<bool, Error> {
        let (now, holder) = (Instant::now(), self.holder);
        let beat = self.store.write(CommitInfo::system(), move |tx| ledger::beat(tx, holder, seen)).await?;
        self.shown = now;
        Ok(beat.value.is_some())
    }
}
