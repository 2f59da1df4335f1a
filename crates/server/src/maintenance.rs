//! What a running server does from time to time.

use crate::state_dir;
use crate::trust::Authority;
use hadron_cloud::identity::Identity;
use hadron_control::bulk::Abandoned;
use hadron_control::recovery;
use hadron_store::Store;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often what another server may have left or changed is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// So many looks later what ends with time is looked at: every minute.
const LOOKS: u32 = 12;
/// A bulk create that makes no progress for so long has lost its server.
const NO_PROGRESS: Duration = Duration::from_secs(20);

pub(crate) struct Maintenance {
    /// The embedded identity service, if it serves.
    pub(crate) identity: Option<Identity>,
    pub(crate) store: Store,
    pub(crate) authority: Arc<Authority>,
    pub(crate) ca_path: PathBuf,
    pub(crate) control: hadron_control::Config,
    /// Whether other servers use the store.
    pub(crate) is_shared: bool,
}

impl Maintenance {
    pub(crate) async fn run(self, stopped: impl Future<Output = ()>) -> &'static str {
        let mut stopped = std::pin::pin!(stopped);
        let mut clock = tokio::time::interval(LOOK);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut abandoned = Abandoned::default();
        let mut published = self.authority.ca_pem();
        for look in 0u32.. {
            tokio::select! {
                () = &mut stopped => break,
                _ = clock.tick() => {}
            }
            self.publish_authority(&mut published);
            if self.is_shared
                && let Err(error) = abandoned.undo(&self.store, &self.control, NO_PROGRESS).await
            {
                tracing::warn!(%error, "an abandoned bulk create is not undone yet");
            }
            if look.is_multiple_of(LOOKS) {
                self.look_at_time().await;
            }
        }
        "maintenance"
    }

    /// Another server may have rotated the authority.
    fn publish_authority(&self, published: &mut String) {
        let now = self.authority.ca_pem();
        if now == *published {
            return;
        }
        match state_dir::publish(&self.ca_path, &now) {
            Ok(()) => *published = now,
            Err(error) => tracing::warn!(%error, "the new authority is not in its file yet"),
        }
    }

    async fn look_at_time(&self) {
        if let Some(identity) = &self.identity
            && let Err(error) = identity.maintain().await
        {
            tracing::warn!(%error, "expired revocations and old keys stay for another minute");
        }
        if self.is_shared
            && let Err(error) = recovery::run_beside_others(&self.store, &self.control).await
        {
            tracing::warn!(%error, "what another server left undone stays for another minute");
        }
    }
}
