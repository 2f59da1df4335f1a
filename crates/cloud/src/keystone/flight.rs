//! One question for all who ask the same at once.

use super::answer::Confirmed;
use super::{KeystoneError, TokenHash};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use hadron_api::AuthError;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Most different questions under way; more are refused.
const MOST: usize = 4096;

/// A token, and whether it may have expired.
type Key = (TokenHash, bool);
type Outcome = Result<Arc<Confirmed>, AuthError>;

/// Questions under way. A clone shares them.
#[derive(Clone, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<Key, Shared<BoxFuture<'static, Outcome>>>>>);

impl Flights {
    /// The outcome of `question`, or of the one that is under way with the same key. It goes on to its end even if all who
    /// wait for it leave.
    pub(super) async fn join(
        &self,
        key: Key,
        question: impl Future<Output = Outcome> + Send + 'static,
    ) -> Outcome {
        let flight = {
            let mut flights = self.0.lock();
            match flights.get(&key) {
                Some(flight) => flight.clone(),
                None if flights.len() >= MOST => {
                    return Err(AuthError::Unavailable { reason: KeystoneError::Overloaded.to_string() });
                }
                None => {
                    let all = self.clone();
                    let task = tokio::spawn(async move {
                        let _end = End { all, key };
                        question.await
                    });
                    let flight = async move { task.await.unwrap_or_else(|_| Err(failed())) }.boxed().shared();
                    flights.insert(key, flight.clone());
                    flight
                }
            }
        };
        flight.await
    }
}

fn failed() -> AuthError {
    AuthError::Unavailable { reason: "the validation failed for an internal reason".to_owned() }
}

/// Takes a question off the list when it ends, also by a panic.
struct End {
    all: Flights,
    key: Key,
}

impl Drop for End {
    fn drop(&mut self) {
        self.all.0.lock().remove(&self.key);
    }
}
