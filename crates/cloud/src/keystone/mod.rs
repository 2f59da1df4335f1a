//! Tokens validated by a real Keystone.
//!
//! ```text
//! token ─▶ cache (bounded in time and number) ─known─▶ Caller
//!             └─new─▶ one question for all who ask at once ─▶ GET /v3/auth/tokens, as the service user ─▶ Caller
//!                                                              └ 401: a new token for the service user, once
//! ```
//!
//! A token that Keystone does not confirm lets nobody in: that it is down, slow, or answers what is no token is
//! [`AuthError::Unavailable`], that it knows no such token is [`AuthError::Invalid`]. A revoked token, a disabled project or a
//! role taken away is noticed at the latest when the cached answer is [`KeystoneConfig::cache_time`] old.
//!
//! Begin with [`Keystone`].

mod answer;
mod client;
mod config;
mod error;
mod flight;
mod service;

pub use config::{KeystoneConfig, Password};
pub use error::KeystoneError;

use crate::cache::Cache;
use answer::Confirmed;
use client::{Client, Reply};
use flight::Flights;
use hadron_api::{AuthError, Authenticate, Authentication, Caller};
use hadron_model::Timestamp;
use parking_lot::Mutex;
use ring::digest::{SHA256, digest};
use service::ServiceUser;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Most questions to Keystone at a time.
const AT_ONCE: usize = 32;
/// How often a fault of the same Keystone is told in the log.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// What stands for a token where it is remembered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct TokenHash([u8; 32]);

impl TokenHash {
    fn of(token: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(hash)
    }
}

impl From<&TokenHash> for TokenHash {
    fn from(hash: &TokenHash) -> Self {
        *hash
    }
}

/// A Keystone that is asked about tokens. A clone shares everything.
#[derive(Clone)]
pub struct Keystone(Arc<Inner>);

struct Inner {
    config: KeystoneConfig,
    client: Client,
    service: ServiceUser,
    cache: Cache<TokenHash, Arc<Confirmed>>,
    flights: Flights,
    at_once: Semaphore,
    last_logged: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for Keystone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keystone({})", self.0.config.url)
    }
}

impl Keystone {
    /// A client; it asks nothing yet.
    ///
    /// # Errors
    /// The URL can't be used, or the certificate authorities can't be read.
    pub fn new(config: KeystoneConfig) -> Result<Self, KeystoneError> {
        Ok(Self(Arc::new(Inner {
            client: Client::new(&config)?,
            service: ServiceUser::default(),
            cache: Cache::new(config.cache_tokens),
            flights: Flights::default(),
            at_once: Semaphore::new(AT_ONCE),
            last_logged: Mutex::default(),
            config,
        })))
    }

    /// Gets a token for the service user, so that what is wrong with the configuration is known at the start.
    ///
    /// # Errors
    /// Keystone can't be reached, or refuses the service user.
    pub async fn probe(&self) -> Result<(), KeystoneError> {
        let probe = self.0.service.token(&self.0.client, &self.0.config);
        tokio::time::timeout(self.0.config.timeout, probe).await.map_err(|_| KeystoneError::Slow)?.map(|_| ())
    }

    async fn caller(&self, token: &str, allow_expired: bool) -> Result<Arc<Caller>, AuthError> {
        let hash = TokenHash::of(token);
        let known = self.0.cache.get(&hash);
        let fresh = known.filter(|known| known.asked_at.elapsed() < self.0.config.cache_time);
        let confirmed = match fresh {
            Some(known) => known,
            None => {
                let inner = self.0.clone();
                let token = token.to_owned();
                let question = async move { inner.ask(hash, &token, allow_expired).await };
                self.0.flights.join((hash, allow_expired), question).await?
            }
        };
        if !allow_expired && confirmed.expires_at <= Timestamp::now() {
            return Err(AuthError::Invalid);
        }
        Ok(confirmed.caller.clone())
    }
}

impl Inner {
    /// Asks Keystone, whatever the cache knows, and remembers the answer.
    async fn ask(
        &self,
        hash: TokenHash,
        token: &str,
        allow_expired: bool,
    ) -> Result<Arc<Confirmed>, AuthError> {
        let asked_at = Instant::now();
        let validation = tokio::time::timeout(self.config.timeout, self.validate(token, allow_expired));
        let answer = validation.await.unwrap_or(Err(KeystoneError::Slow));
        match answer {
            Ok(None) => Err(AuthError::Invalid),
            Ok(Some((caller, expires_at))) => {
                let confirmed = Arc::new(Confirmed { caller: Arc::new(caller), expires_at, asked_at });
                self.cache.insert(hash, confirmed.clone());
                Ok(confirmed)
            }
            Err(error) => {
                self.log(&error);
                Err(AuthError::Unavailable { reason: error.to_string() })
            }
        }
    }

    /// What Keystone says of a token; `None` if it knows none such.
    async fn validate(
        &self,
        token: &str,
        allow_expired: bool,
    ) -> Result<Option<(Caller, Timestamp)>, KeystoneError> {
        let _permit = self.at_once.acquire().await.map_err(|_| KeystoneError::Slow)?;
        for _ in 0..2 {
            let service = self.service.token(&self.client, &self.config).await?;
            let Reply { status, body, .. } =
                match self.client.validate(&service, token, allow_expired).await? {
                    Some(reply) => reply,
                    None => return Ok(None),
                };
            match status {
                200 => return answer::read(&body),
                404 => return Ok(None),
                // The service user's own token has ended before its time.
                401 => self.service.forget(&service).await,
                403 => return Err(KeystoneError::NotAllowed),
                status => return Err(KeystoneError::Status { status, what: "the question about a token" }),
            }
        }
        Err(KeystoneError::ServiceToken)
    }

    fn log(&self, error: &KeystoneError) {
        let mut last = self.last_logged.lock();
        if last.is_none_or(|last| last.elapsed() >= LOG_EVERY) {
            *last = Some(Instant::now());
            let source = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(keystone = self.config.url, %error, source, "tokens can't be validated");
        }
    }
}

impl Authenticate for Keystone {
    fn authenticate<'a>(&'a self, token: &'a str) -> Authentication<'a> {
        Box::pin(self.caller(token, false))
    }

    fn authenticate_even_expired<'a>(&'a self, token: &'a str) -> Authentication<'a> {
        Box::pin(self.caller(token, true))
    }

    fn identity_uri(&self) -> &str {
        self.0.config.public_url.as_deref().unwrap_or(&self.0.config.url)
    }
}
