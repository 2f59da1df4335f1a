//! What an operator sets: where the services are and how long a token lasts.

use hadron_model::Timestamp;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Settings of the embedded identity, the same on every server.
#[derive(Clone, Debug)]
pub struct IdentityConfig {
    /// The region's name in the catalogue, for example `RegionOne`.
    pub region: String,
    /// Public URL of this identity with its version, without a slash at the end: `https://cloud.example:5000/v3`.
    pub identity_url: String,
    /// The other services of the catalogue.
    pub services: Vec<Service>,
    /// How long a token is valid; Keystone's default is an hour.
    pub token_lifetime: Duration,
    /// Age at which [`Identity::maintain`](super::Identity::maintain) replaces the key that signs tokens.
    pub key_rotation: Duration,
    /// Where the time comes from.
    pub clock: Clock,
}

/// A service of the catalogue, with one URL for the public, internal and admin interface.
#[derive(Clone, Debug)]
pub struct Service {
    /// Type, as in the service-types authority: `network`.
    pub kind: String,
    /// Name, as people see it: `neutron`.
    pub name: String,
    /// URL, as a client joins it with the API's paths.
    pub url: String,
}

impl IdentityConfig {
    /// The catalogue of this identity and the network service, in region `RegionOne`, with tokens of one hour.
    ///
    /// `identity_url` may be given with or without `/v3`; `network_url` is without `/v2.0`, as Neutron is registered.
    pub fn new(identity_url: &str, network_url: &str) -> Self {
        let base = identity_url.trim_end_matches('/').trim_end_matches("/v3");
        let network = Service { kind: "network".into(), name: "neutron".into(), url: network_url.into() };
        Self {
            region: "RegionOne".into(),
            identity_url: format!("{base}/v3"),
            services: vec![network],
            token_lifetime: Duration::from_secs(3600),
            key_rotation: Duration::from_secs(7 * 24 * 3600),
            clock: Clock::system(),
        }
    }

    pub(crate) fn lifetime_ms(&self) -> i64 {
        i64::try_from(self.token_lifetime.as_millis()).unwrap_or(i64::MAX / 4)
    }
}

/// A source of the current time; tests turn it by hand.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Arc::new(Timestamp::now))
    }

    /// A clock that shows what `read` returns.
    pub fn from_fn(read: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}
