//! The service user's own token: made when first needed, renewed before it ends.

use super::client::Client;
use super::{KeystoneConfig, KeystoneError};
use hadron_model::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long not to ask again after the user was refused: each attempt counts towards locking it out.
const AFTER_REFUSAL: Duration = Duration::from_secs(30);

/// The service user.
#[derive(Default)]
pub(super) struct ServiceUser(Mutex<State>);

#[derive(Default)]
struct State {
    token: Option<Token>,
    refused_at: Option<Instant>,
}

struct Token {
    value: Arc<str>,
    renew_at: Timestamp,
}

impl ServiceUser {
    /// A token that holds for a while yet. Whoever needs one while it is being made waits for it.
    pub(super) async fn token(
        &self,
        client: &Client,
        config: &KeystoneConfig,
    ) -> Result<Arc<str>, KeystoneError> {
        let mut state = self.0.lock().await;
        let now = Timestamp::now();
        if let Some(token) = state.token.as_ref().filter(|token| now < token.renew_at) {
            return Ok(token.value.clone());
        }
        if state.refused_at.is_some_and(|at| at.elapsed() < AFTER_REFUSAL) {
            return Err(KeystoneError::Credentials);
        }
        match client.log_in(config).await {
            Ok((value, expires_at)) => {
                // Four fifths of its life, so that it outlives the requests that it is used for.
                let life = expires_at.0.saturating_sub(now.0);
                let renew_at = Timestamp(now.0.saturating_add(life / 5 * 4));
                let value: Arc<str> = value.into();
                *state = State { token: Some(Token { value: value.clone(), renew_at }), refused_at: None };
                Ok(value)
            }
            Err(error) => {
                let is_refusal = matches!(error, KeystoneError::Credentials);
                *state = State { token: None, refused_at: is_refusal.then(Instant::now) };
                Err(error)
            }
        }
    }

    /// Makes the next question ask for a new token, if this one is still in use.
    pub(super) async fn forget(&self, value: &str) {
        let mut state = self.0.lock().await;
        if state.token.as_ref().is_some_and(|token| &*token.value == value) {
            state.token = None;
        }
    }
}
