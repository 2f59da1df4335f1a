//! Passwords: argon2id (RFC 9106), on blocking threads, few at a time.
//!
//! A check costs some 20 ms of a core and 19 MiB by design. A permit bounds how many run together, so that a storm of
//! logins leaves the other cores to the API; a bounded queue answers the rest at once with 429.

use super::IdentityError;
use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Longest password accepted, in bytes, as Keystone's `max_password_length`.
pub(crate) const MAX_PASSWORD: usize = 4096;

/// Most checks that wait for their turn.
const MAX_WAITING: usize = 256;

/// Hashes and checks passwords.
pub(crate) struct Passwords {
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Checked when there is no hash, so that an unknown user takes the same time as a wrong password.
    decoy: String,
}

impl Passwords {
    pub(crate) fn new() -> Result<Self, IdentityError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let permits = Arc::new(Semaphore::new((cores / 2).max(1)));
        Ok(Self { permits, waiting: AtomicUsize::new(0), decoy: hash_now(&random_text()?)? })
    }

    /// The PHC string of `password`.
    pub(crate) async fn hash(&self, password: &str) -> Result<String, IdentityError> {
        let password = password.to_owned();
        self.run(move || hash_now(&password)).await?
    }

    /// Whether `password` is the one behind `hash`; without a hash the answer is no, after the same time.
    pub(crate) async fn is_match(&self, password: &str, hash: Option<&str>) -> Result<bool, IdentityError> {
        let known = hash.is_some();
        let hash = hash.unwrap_or(&self.decoy).to_owned();
        let password = password.to_owned();
        let matches = self.run(move || matches_now(&password, &hash)).await??;
        Ok(known && matches)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, IdentityError> {
        let permit = self.permit().await?;
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        task.await.map_err(IdentityError::internal)
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, IdentityError> {
        let _place = Place::take(&self.waiting)?;
        self.permits.clone().acquire_owned().await.map_err(IdentityError::internal)
    }
}

/// A place in the queue, given back when dropped, also if the client went away.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self, IdentityError> {
        let place = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            return Err(IdentityError::TooMany { retry_after: 5 });
        }
        Ok(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Hashes on this thread.
pub(crate) fn hash_now(password: &str) -> Result<String, IdentityError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(IdentityError::internal)?;
    let salt = SaltString::encode_b64(&salt).map_err(IdentityError::internal)?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(IdentityError::internal)?.to_string())
}

fn matches_now(password: &str, hash: &str) -> Result<bool, IdentityError> {
    let parsed = PasswordHash::new(hash)
        .map_err(|error| IdentityError::internal(format!("a stored password hash can't be read: {error}")))?;
    Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
}

/// A password that nobody has to think of: 100 random bits in four groups, without letters that look alike.
pub(crate) fn random_text() -> Result<String, IdentityError> {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut random = [0; 20];
    getrandom::fill(&mut random).map_err(IdentityError::internal)?;
    let groups = random.chunks(5).map(|group| {
        let letters = group.iter().map(|byte| char::from(LETTERS[usize::from(byte & 31)]));
        letters.collect::<String>()
    });
    Ok(groups.collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_matches() {
        let passwords = Passwords::new().unwrap();
        let hash = passwords.hash("right").await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.is_match("right", Some(&hash)).await.unwrap());
        assert!(!passwords.is_match("wrong", Some(&hash)).await.unwrap());
        assert!(!passwords.is_match("right", None).await.unwrap());
    }

    #[tokio::test]
    async fn a_full_queue_answers_at_once() {
        let passwords = Passwords::new().unwrap();
        passwords.waiting.store(MAX_WAITING, Ordering::Relaxed);
        assert!(matches!(passwords.hash("x").await, Err(IdentityError::TooMany { .. })));
        assert_eq!(passwords.waiting.load(Ordering::Relaxed), MAX_WAITING);
    }

    #[test]
    fn random_text_is_long_and_differs() {
        let text = random_text().unwrap();
        assert_eq!(text.len(), 23);
        assert_ne!(text, random_text().unwrap());
    }
}
