//! A running server, from its configuration to its end.

use crate::admin::{self, AdminState};
use crate::audit::AuditLog;
use crate::gauges::Gauges;
use crate::maintenance::Maintenance;
use crate::nodes::{NodeConfig, NodeService};
use crate::publisher::Publisher;
use crate::trust::Authority;
use crate::{Config, ServerError, listener, state_dir};
use axum_server::Handle;
use hadron_api::audit::Observer;
use hadron_api::policy::LivePolicy;
use hadron_api::{ApiConfig, ApiState, Authenticate};
use hadron_cloud::identity::{self, Identity, IdentityConfig};
use hadron_cloud::keystone::{Keystone, KeystoneConfig};
use hadron_store::etcd::{Etcd, EtcdOptions};
use hadron_store::{HistoryId, Store};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How often the policy's files are looked at.
const POLICY_LOOK: Duration = Duration::from_secs(5);

/// A running server. Dropping it stops it without waiting for requests under way.
pub struct Server {
    config: Config,
    store: Store,
    authority: Arc<Authority>,
    gauges: Gauges,
    first_start: Option<String>,
    handles: [Handle<SocketAddr>; 2],
    stop: watch::Sender<bool>,
    /// One task per listener, by what it serves; none ends by itself.
    tasks: JoinSet<&'static str>,
    /// Of the state directory, where the store has none of its own.
    _lock: Option<File>,
}

impl Server {
    /// Opens the store, completes what an earlier server left unfinished, and listens.
    ///
    /// # Errors
    /// What can't be used is named: the state directory, the store, a listener's address.
    pub async fn start(config: Config) -> Result<Self, ServerError> {
        let policy = Arc::new(LivePolicy::open(config.policy.clone())?);
        state_dir::prepare(&config.state_dir)?;
        let api = listener::bind(config.api, "the API")?;
        let keystone = config.keystone.clone().map(Keystone::new).transpose()?;
        let identity_listener = match keystone {
            None => Some(listener::bind(config.identity, "the identity service")?),
            Some(_) => None,
        };
        let nodes_listener = listener::bind(config.nodes, "nodes")?;

        let (store, lock) = open_store(&config).await?;
        let authority = Arc::new(Authority::open(&store).await?);
        state_dir::publish(&config.ca_path(), &authority.ca_pem())?;
        let first_start = match keystone {
            None => {
                identity::bootstrap(&store).await?.map(|password| config.clouds_yaml(&password.to_string()))
            }
            Some(_) => None,
        };
        if lock.is_none() {
            hadron_control::recovery::run(&store, &config.control).await?;
        } else {
            hadron_control::recovery::run_beside_others(&store, &config.control).await?;
            hadron_control::segment_range::sync_defaults(&store, &config.control).await?;
        }

        let (auth, identity): (Arc<dyn Authenticate>, _) = match &keystone {
            Some(keystone) => (Arc::new(keystone.clone()), None),
            None => {
                let identity = Identity::new(store.clone(), identity_config(&config))?;
                (Arc::new(identity.clone()), Some(identity))
            }
        };
        let nodes = NodeService::start(store.clone(), authority.clone(), node_config(&config));
        let audit = open_audit_log(&config, &store)?;
        let gauges = Gauges::new(store.clone(), nodes.clone(), audit.clone());
        let mut server = Self {
            handles: [Handle::new(), Handle::new()],
            stop: watch::channel(false).0,
            tasks: JoinSet::new(),
            config,
            store,
            authority,
            gauges,
            first_start,
            _lock: lock,
        };
        let mut api_state =
            ApiState::with_policy(server.store.clone(), auth, api_config(&server.config), policy.clone());
        api_state.receipts = Arc::new(nodes.clone());
        let audit = audit.map(|audit| Arc::new(audit) as Arc<dyn Observer>);
        api_state.observers = audit.into_iter().chain(server.config.observers.iter().cloned()).collect();
        server.follow_policy(policy)?;
        server.serve_https(0, "the API", api, hadron_api::router(api_state))?;
        if let (Some(listener), Some(identity)) = (identity_listener, &identity) {
            server.serve_https(1, "the identity service", listener, identity::router(identity.clone()))?;
        }
        server.serve_nodes(nodes_listener, nodes.clone())?;
        for missing in hadron_api::coverage::MISSING {
            tracing::warn!(extension = missing.alias, "not in the packet path yet: {}", missing.effect);
        }
        server.serve_admin(identity.clone(), nodes)?;
        server.maintain(identity);
        server.publish_names();
        if let Some(keystone) = keystone {
            server.probe(keystone);
        }
        Ok(server)
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What can be read of it while it runs.
    pub fn gauges(&self) -> Gauges {
        self.gauges.clone()
    }

    /// What to put into `clouds.yaml`, if this start made the administrator.
    pub fn first_start(&self) -> Option<&str> {
        self.first_start.as_deref()
    }

    /// A ticket with which one node may join, only under the name `host` if one is given.
    ///
    /// # Errors
    /// The store can't be written.
    pub async fn ticket(&self, host: Option<String>, lifetime: Duration) -> Result<String, ServerError> {
        let addresses = self.config.node_addresses();
        Ok(self.authority.ticket(&self.store, addresses, host, lifetime).await?)
    }

    /// Waits until a listener ends by itself, which it does only by a fault.
    pub async fn failed(&mut self) -> ServerError {
        match self.tasks.join_next().await {
            Some(Ok(what)) => ServerError::Ended { what },
            Some(Err(error)) => {
                tracing::error!(%error, "a task of the server failed");
                ServerError::Ended { what: "a task that failed" }
            }
            None => std::future::pending().await,
        }
    }

    /// Lets requests under way finish, says goodbye to nodes, and ends.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        self.handles.iter().for_each(listener::stop);
        while self.tasks.join_next().await.is_some() {}
        if let Some(audit) = &self.gauges.audit {
            audit.settle().await;
        }
        let _ = std::fs::remove_file(self.config.admin_socket());
    }

    fn serve_https(
        &mut self,
        handle: usize,
        what: &'static str,
        listener: std::net::TcpListener,
        router: axum::Router,
    ) -> Result<(), ServerError> {
        let tls = self.authority.https_config(&self.config.names())?;
        let handle = self.handles[handle].clone();
        let limits = self.config.limits.clone();
        self.tasks.spawn(async move {
            if let Err(error) = listener::serve(listener, tls, router, &limits, handle).await {
                tracing::error!(%error, "the listener for {what} failed");
            }
            what
        });
        Ok(())
    }

    fn serve_nodes(
        &mut self,
        listener: std::net::TcpListener,
        nodes: NodeService,
    ) -> Result<(), ServerError> {
        let tls = self.authority.node_listener_config(&self.config.names())?;
        let stopped = self.stopped();
        let listener = tokio::net::TcpListener::from_std(listener).map_err(|source| ServerError::Listen {
            what: "nodes",
            address: self.config.nodes,
            source,
        })?;
        self.tasks.spawn(async move {
            if let Err(error) = nodes.serve(listener, move || tls.clone(), stopped).await {
                tracing::error!(%error, "the listener for nodes failed");
            }
            "nodes"
        });
        Ok(())
    }

    fn serve_admin(&mut self, identity: Option<Identity>, nodes: NodeService) -> Result<(), ServerError> {
        let state = AdminState {
            store: self.store.clone(),
            authority: self.authority.clone(),
            identity,
            nodes,
            gauges: self.gauges.clone(),
            node_address: self.config.node_addresses(),
            ca_path: self.config.ca_path(),
        };
        let path = self.config.admin_socket();
        let listener =
            admin::listen(&path).map_err(|source| ServerError::StateDir { path: path.clone(), source })?;
        let stopped = self.stopped();
        self.tasks.spawn(async move {
            admin::serve(listener, state, stopped).await;
            "administration"
        });
        Ok(())
    }

    /// Reads the policy again when its files change, and at SIGHUP.
    fn follow_policy(&mut self, policy: Arc<LivePolicy>) -> Result<(), ServerError> {
        if self.config.policy.files.is_empty() {
            return Ok(());
        }
        let mut hangup = signal(SignalKind::hangup()).map_err(ServerError::Signal)?;
        let stopped = self.stopped();
        self.tasks.spawn(async move {
            let mut stopped = std::pin::pin!(stopped);
            let mut clock = tokio::time::interval(POLICY_LOOK);
            loop {
                let is_asked = tokio::select! {
                    () = &mut stopped => return "the policy's files",
                    _ = clock.tick() => false,
                    _ = hangup.recv() => true,
                };
                let policy = policy.clone();
                let read = move || if is_asked { policy.reload() } else { policy.reload_if_changed() };
                // A failure of the task leaves the policy as it was.
                let _ = tokio::task::spawn_blocking(read).await;
            }
        });
        Ok(())
    }

    /// Says in the log what is wrong between Keystone and this server, before the first request meets it.
    fn probe(&self, keystone: Keystone) {
        if self.config.keystone.as_ref().is_some_and(KeystoneConfig::is_in_the_clear) {
            tracing::warn!(
                "Keystone is asked without TLS: its answers, tokens and the service user's password can be read and changed on the way"
            );
        }
        tokio::spawn(async move {
            match keystone.probe().await {
                Ok(()) => tracing::info!(?keystone, "tokens are validated by Keystone"),
                Err(error) => {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(?keystone, %error, source, "requests will be answered with 503 until this is mended");
                }
            }
        });
    }

    fn maintain(&mut self, identity: Option<Identity>) {
        let maintenance = Maintenance {
            identity,
            store: self.store.clone(),
            authority: self.authority.clone(),
            ca_path: self.config.ca_path(),
            control: self.config.control.clone(),
            is_shared: self.config.etcd.is_some(),
        };
        self.tasks.spawn(maintenance.run(self.stopped()));
    }

    fn publish_names(&mut self) {
        if let Some(config) = self.config.publisher.clone() {
            let publisher = Publisher::new(self.store.clone(), config, self.config.etcd.is_some());
            self.tasks.spawn(publisher.run(self.stopped()));
        }
    }

    fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stop = self.stop.subscribe();
        async move {
            let _ = stop.wait_for(|stop| *stop).await;
        }
    }
}

/// The store, and the lock of the state directory if others may use the store.
async fn open_store(config: &Config) -> Result<(Store, Option<File>), ServerError> {
    let Some(options) = &config.etcd else { return Ok((Store::open(config.store_path()).await?, None)) };
    let lock = state_dir::lock(&config.state_dir)?;
    let options = EtcdOptions { seen_file: Some(config.seen_path()), ..options.clone() };
    Ok((Store::open_with(Arc::new(Etcd::new(options)?)).await?, Some(lock)))
}

/// The audit log, if one is asked for.
fn open_audit_log(config: &Config, store: &Store) -> Result<Option<AuditLog>, ServerError> {
    let open = |path: &PathBuf| {
        AuditLog::start(path, store).map_err(|source| ServerError::Audit { path: path.clone(), source })
    };
    config.audit_log.as_ref().map(open).transpose()
}

fn node_config(config: &Config) -> NodeConfig {
    let projection = hadron_project::Settings { lease_seconds: config.lease_seconds, ..Default::default() };
    let servers = config.node_servers.clone();
    NodeConfig { projection, servers, ..NodeConfig::default() }
}

fn identity_config(config: &Config) -> IdentityConfig {
    let urls = (config.public_url(config.identity), config.public_url(config.api));
    IdentityConfig {
        region: config.region.clone(),
        token_lifetime: config.token_lifetime,
        ..IdentityConfig::new(&urls.0, &urls.1)
    }
}

fn api_config(config: &Config) -> ApiConfig {
    ApiConfig {
        control: config.control.clone(),
        public_url: Some(config.public_url(config.api)),
        is_https: true,
        max_body: config.limits.max_body,
        body_timeout: config.limits.body_timeout,
        ..ApiConfig::default()
    }
}

/// Makes the store of `state_dir` from a backup; there must be none yet.
///
/// # Errors
/// There is a store already, or the file is no backup.
pub async fn restore(backup: &Path, state_dir: &Path) -> Result<HistoryId, ServerError> {
    state_dir::prepare(state_dir)?;
    Ok(Store::restore(backup, state_dir.join("store.redb")).await?)
}
