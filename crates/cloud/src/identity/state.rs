//! The identity as a value: what requests share.

use super::keys::{self, KeyRing};
use super::password::Passwords;
use super::throttle::Throttle;
use super::{IdentityConfig, IdentityError, Verified, revocation};
use crate::cache::Cache;
use arc_swap::ArcSwapOption;
use hadron_model::Timestamp;
use hadron_model::identity::Secret;
use hadron_store::{CommitInfo, Store, Stored};
use std::sync::Arc;

/// Most tokens whose checked signatures are kept, about 1 KiB each.
const CACHED_TOKENS: usize = 32 * 1024;

/// The last ring of keys read, with the record that it came from.
type LastRing = (Arc<Stored<Secret>>, Arc<KeyRing>);

/// The embedded identity over a store. A clone shares everything.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    store: Store,
    config: IdentityConfig,
    passwords: Passwords,
    throttle: Throttle,
    cache: Cache<Box<str>, Arc<Verified>>,
    ring_name: String,
    last_ring: ArcSwapOption<LastRing>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.0.config.identity_url)
    }
}

impl Identity {
    /// The identity whose records are in `store`, which [`bootstrap`](super::bootstrap) has prepared. It hashes one
    /// password to begin with, some 20 ms. Errors: no randomness.
    pub fn new(store: Store, config: IdentityConfig) -> Result<Self, IdentityError> {
        Ok(Self(Arc::new(Inner {
            store,
            config,
            passwords: Passwords::new()?,
            throttle: Throttle::default(),
            cache: Cache::new(CACHED_TOKENS),
            ring_name: keys::SECRET_NAME.to_owned(),
            last_ring: ArcSwapOption::empty(),
        })))
    }

    /// What an operator has set.
    pub fn config(&self) -> &IdentityConfig {
        &self.0.config
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.config.clock.now()
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    pub(crate) fn throttle(&self) -> &Throttle {
        &self.0.throttle
    }

    pub(crate) fn cache(&self) -> &Cache<Box<str>, Arc<Verified>> {
        &self.0.cache
    }

    pub(crate) fn ring_name(&self) -> &String {
        &self.0.ring_name
    }

    pub(crate) fn last_ring(&self) -> &ArcSwapOption<LastRing> {
        &self.0.last_ring
    }
}

/// What an operator, or time, asks for.
impl Identity {
    /// The staged key begins to sign; tokens signed by earlier keys stay valid until they expire.
    pub async fn rotate_token_keys(&self) -> Result<(), IdentityError> {
        let fresh = keys::fresh()?;
        let lifetime = self.config().lifetime_ms();
        self.store().write(self.system(), |tx| keys::rotate(tx, &fresh, lifetime)).await?;
        tracing::info!("token keys rotated");
        Ok(())
    }

    /// Replaces every signing key, for the day when one has leaked: all tokens end at once.
    pub async fn replace_token_keys(&self) -> Result<(), IdentityError> {
        let fresh = [keys::fresh()?, keys::fresh()?];
        self.store().write(self.system(), |tx| keys::replace(tx, &fresh)).await?;
        tracing::warn!("token keys replaced: all tokens have ended");
        Ok(())
    }

    /// What has to be done now and then, about every minute: rotates the keys when the primary one is older than
    /// `key_rotation`, and forgets revocations of tokens that have expired.
    pub async fn maintain(&self) -> Result<(), IdentityError> {
        let now = self.now();
        while !revocation::expired(&self.store().snapshot(), now).is_empty() {
            let purge = |tx: &mut _| {
                revocation::purge(tx, now);
                Ok::<_, IdentityError>(())
            };
            self.store().write(self.system(), purge).await?;
        }
        let since = self.ring(&self.store().snapshot())?.primary_since();
        let age = i64::try_from(self.config().key_rotation.as_millis()).unwrap_or(i64::MAX);
        if now.0.saturating_sub(since) >= age { self.rotate_token_keys().await } else { Ok(()) }
    }

    fn system(&self) -> CommitInfo {
        CommitInfo { actor: "system".to_owned(), time: self.now(), ..CommitInfo::default() }
    }
}
