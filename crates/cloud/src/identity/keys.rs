//! The keys that sign tokens: a ring in one record of the store, shared by all servers.
//!
//! | state | signs | is accepted | becomes |
//! |---|---|---|---|
//! | staged | no | yes | primary at the next rotation |
//! | primary | yes | yes | retired at the next rotation |
//! | retired | no | until its last token has expired | removed |
//!
//! The staged key has reached every server long before the first token that it signs.

use super::IdentityError;
use hadron_model::Timestamp;
use hadron_model::identity::Secret;
use hadron_store::Tx;
use prost::Message as _;
use ring::hmac;

/// Name of the ring's record.
pub(crate) const SECRET_NAME: &str = "identity/token-keys";

/// How long a retired key outlives the lifetime of its tokens: clocks differ, and a server may sign with it until it has
/// seen the rotation.
const MARGIN_MS: i64 = 5 * 60 * 1000;

#[derive(Clone, PartialEq, prost::Message)]
struct RingMessage {
    #[prost(message, repeated, tag = "1")]
    keys: Vec<KeyMessage>,
    #[prost(uint32, tag = "2")]
    primary: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct KeyMessage {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(bytes = "vec", tag = "2")]
    secret: Vec<u8>,
    /// Milliseconds since the epoch.
    #[prost(int64, tag = "3")]
    created_at: i64,
    /// Milliseconds since the epoch; 0 while it is not retired.
    #[prost(int64, tag = "4")]
    retired_at: i64,
}

/// The keys, ready for use.
pub(crate) struct KeyRing {
    primary: u32,
    primary_since: i64,
    keys: Vec<(u32, hmac::Key)>,
}

impl KeyRing {
    pub(crate) fn read(secret: &Secret) -> Result<Self, IdentityError> {
        let ring = read(secret)?;
        let key = |key: &KeyMessage| (key.id, hmac::Key::new(hmac::HMAC_SHA256, &key.secret));
        // A primary key has been in force since its predecessor retired.
        let since = ring.keys.iter().map(|key| key.retired_at).max().filter(|since| *since > 0);
        let created = ring.keys.iter().find(|key| key.id == ring.primary).map_or(0, |key| key.created_at);
        Ok(Self {
            primary: ring.primary,
            primary_since: since.unwrap_or(created),
            keys: ring.keys.iter().map(key).collect(),
        })
    }

    /// The key that signs, with its id.
    pub(crate) fn primary(&self) -> Option<(u32, &hmac::Key)> {
        self.get(self.primary).map(|key| (self.primary, key))
    }

    /// The key `id`, if its signatures are accepted.
    pub(crate) fn get(&self, id: u32) -> Option<&hmac::Key> {
        self.keys.iter().find(|key| key.0 == id).map(|key| &key.1)
    }

    /// When the primary key came into force, milliseconds since the epoch.
    pub(crate) fn primary_since(&self) -> i64 {
        self.primary_since
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRing({} keys, primary {})", self.keys.len(), self.primary)
    }
}

/// Makes the first ring, a primary and a staged key, unless there is one.
pub(crate) fn ensure(tx: &mut Tx, fresh: &[[u8; 32]; 2]) {
    if tx.get::<Secret>(&SECRET_NAME.to_owned()).is_none() {
        put(tx, first_ring(1, fresh, tx.info().time));
    }
}

/// The staged key becomes primary, the primary is retired, `fresh` is staged; keys whose last token has expired go.
pub(crate) fn rotate(tx: &mut Tx, fresh: &[u8; 32], lifetime_ms: i64) -> Result<(), IdentityError> {
    let secret = tx.get::<Secret>(&SECRET_NAME.to_owned()).ok_or_else(no_ring)?;
    let mut ring = read(&secret)?;
    let now = tx.info().time;
    let newest = ring.keys.iter().map(|key| key.id).max().ok_or_else(no_ring)?;
    for key in ring.keys.iter_mut().filter(|key| key.id == ring.primary) {
        key.retired_at = now.0;
    }
    ring.keys.retain(|key| key.retired_at == 0 || key.retired_at + lifetime_ms + MARGIN_MS > now.0);
    ring.keys.push(new_key(newest + 1, fresh, now));
    ring.primary = newest;
    put(tx, ring);
    Ok(())
}

/// Replaces every key: no token issued so far stays valid. Ids go on rising.
pub(crate) fn replace(tx: &mut Tx, fresh: &[[u8; 32]; 2]) -> Result<(), IdentityError> {
    let secret = tx.get::<Secret>(&SECRET_NAME.to_owned()).ok_or_else(no_ring)?;
    let newest = read(&secret)?.keys.iter().map(|key| key.id).max().unwrap_or(0);
    put(tx, first_ring(newest + 1, fresh, tx.info().time));
    Ok(())
}

/// Random bytes for a key.
pub(crate) fn fresh() -> Result<[u8; 32], IdentityError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(IdentityError::internal)?;
    Ok(secret)
}

fn first_ring(id: u32, fresh: &[[u8; 32]; 2], now: Timestamp) -> RingMessage {
    RingMessage { keys: vec![new_key(id, &fresh[0], now), new_key(id + 1, &fresh[1], now)], primary: id }
}

fn new_key(id: u32, secret: &[u8; 32], now: Timestamp) -> KeyMessage {
    KeyMessage { id, secret: secret.to_vec(), created_at: now.0, retired_at: 0 }
}

fn put(tx: &mut Tx, ring: RingMessage) {
    tx.put(Secret { name: SECRET_NAME.into(), value: ring.encode_to_vec() });
}

fn read(secret: &Secret) -> Result<RingMessage, IdentityError> {
    RingMessage::decode(secret.value.as_slice()).map_err(|error| {
        IdentityError::internal(format!("the token keys in the store can't be read: {error}"))
    })
}

pub(crate) fn no_ring() -> IdentityError {
    IdentityError::internal("the store has no token keys: the first start has not been completed")
}
