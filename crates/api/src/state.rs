//! What every request works with.

use crate::audit::Observer;
use crate::policy::{LivePolicy, Policy};
use crate::receipt::{NoHosts, Receipts};
use crate::{Authenticate, BodyShares, Shares};
use hadron_control::Config;
use hadron_store::{Snapshot, Store};
use std::sync::Arc;
use std::time::Duration;

/// Settings of the API.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Settings of the operations behind it.
    pub control: Config,
    /// What links in answers begin with, as `https://cloud.example:9696`; without it the request's scheme and host.
    pub public_url: Option<String>,
    /// Whether clients come by TLS, for links.
    pub is_https: bool,
    /// Largest body of a request, in octets.
    pub max_body: usize,
    /// Longest path and query of a request, in octets.
    pub max_url: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How much of bodies is held at once.
    pub bodies: BodyShares,
    /// How many requests of each project are worked on at once.
    pub shares: Shares,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            control: Config::default(),
            public_url: None,
            is_https: false,
            max_body: 4 * 1024 * 1024,
            max_url: 64 * 1024,
            body_timeout: Duration::from_secs(60),
            bodies: BodyShares::default(),
            shares: Shares::default(),
        }
    }
}

/// What every request works with; a clone shares it.
#[derive(Clone, Debug)]
pub struct ApiState {
    /// The store.
    pub store: Store,
    /// Who validates tokens.
    pub auth: Arc<dyn Authenticate>,
    /// Settings.
    pub config: Arc<ApiConfig>,
    /// Who knows what hosts have acknowledged.
    pub receipts: Arc<dyn Receipts>,
    /// Who is told of every request.
    pub observers: Arc<[Arc<dyn Observer>]>,
    /// Who may do what, in this request.
    pub(crate) policy: Arc<Policy>,
    /// Where that comes from.
    pub(crate) live_policy: Arc<LivePolicy>,
}

impl ApiState {
    /// With Neutron's default policy.
    pub fn new(store: Store, auth: Arc<dyn Authenticate>, config: ApiConfig) -> Self {
        Self::with_policy(store, auth, config, Arc::new(LivePolicy::defaults()))
    }

    /// With an operator's policy, which may change while requests are answered.
    pub fn with_policy(
        store: Store,
        auth: Arc<dyn Authenticate>,
        config: ApiConfig,
        live_policy: Arc<LivePolicy>,
    ) -> Self {
        let (receipts, policy) = (Arc::new(NoHosts), live_policy.current());
        Self {
            store,
            auth,
            config: Arc::new(config),
            receipts,
            observers: Arc::default(),
            policy,
            live_policy,
        }
    }

    /// The state that a request is judged in and answered from: it has what any server has acknowledged. If a shared
    /// backend can't be asked, the newest state known here: reads go on.
    pub(crate) async fn view(&self) -> Arc<Snapshot> {
        match self.store.wait_current().await {
            Ok(view) => view,
            Err(_) => self.store.snapshot(),
        }
    }
}
