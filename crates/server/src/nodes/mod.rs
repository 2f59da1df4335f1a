//! The node streams: rows to nodes, reports from them, and their joining.
//!
//! What is here is a cache of the store: a server that starts builds it again, and nodes reconnect by themselves.
//!
//! ```text
//!  Store ─watch▶ projector ─apply▶ Projection ─notes▶ Session of each connected host: dirty keys, wake
//!                                       ▲                      │
//!                          next_batch   └──── outbound ◀───────┘   pulled by HTTP/2: a slow node costs its keys only
//!  node ─▶ inbound: acks, heartbeats, reports ─▶ Session ─▶ reporter ─▶ control::set_port_wired ─▶ Store
//! ```
//!
//! | task | lives as long as | waits for |
//! |---|---|---|
//! | projector | the service | commits |
//! | acceptor | the listener | connections; one task per TLS handshake |
//! | outbound | a stream; it is the response body, polled by the transport | dirty keys, room in the HTTP/2 window |
//! | inbound | a stream | messages |
//! | presence, ports | the service | a clock, nodes that connect |
//! | reporter | a stream | reports; while a write is under way the latest of each port waits |
//!
//! Begin with [`NodeService`], then `session`.

mod accept;
mod authority;
mod counters;
mod follow;
mod goodbye;
mod hub;
mod inbound;
mod join;
mod outbound;
mod peer;
mod ports;
mod presence;
mod question;
mod receipt;
mod reporter;
mod rpc;
mod servers;
mod session;

pub use authority::{Authority, Issued, ServerIdentity, SigningRefused};
pub use counters::{Counter, Counters};
pub use follow::Following;
pub use hub::NodeStatus;
pub use peer::{BadCertificate, Peer};
pub use question::NoAnswer;

use futures_util::StreamExt;
use hadron_api::receipt::{Needed, Receipts};
use hadron_project::{Limits, Settings};
use hadron_store::{Position, RecordKey, Revision, Snapshot, Store};
use hadron_wire::proto::nodes_server::NodesServer;
use hadron_wire::proto::servers_server::ServersServer;
use hadron_wire::proto::{FollowRequest, TraceReply, TraceRequest};
use hub::Hub;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// How the service treats nodes.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// What rows contain beside the model.
    pub projection: Settings,
    /// How large a batch is at most.
    pub batch: Limits,
    /// A stream without a message from its node for this long is closed.
    pub silence: Duration,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How often a connection is asked whether it lives; one that has not answered for twice as long is closed.
    pub keep_alive: Duration,
    /// `host:port` of the listeners for nodes of all servers of the cloud, this one among them; empty for a server by itself.
    pub servers: Vec<String>,
    /// How long streams have to end after [`NodeService::serve`] was told to stop.
    pub drain: Duration,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            projection: Settings::default(),
            batch: Limits::default(),
            silence: Duration::from_secs(3 * hadron_wire::HEARTBEAT_SECONDS),
            handshake: Duration::from_secs(10),
            keep_alive: Duration::from_secs(hadron_wire::HEARTBEAT_SECONDS),
            servers: Vec::new(),
            drain: Duration::from_secs(5),
        }
    }
}

/// The service that nodes connect to. A clone is another handle on the same.
#[derive(Clone)]
pub struct NodeService {
    hub: Arc<Hub>,
    authority: Arc<dyn Authority>,
    _tasks: Arc<[AbortOnDrop; 3]>,
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl NodeService {
    /// Builds the projection and begins to follow the store. Must be called within a Tokio runtime.
    pub fn start(store: Store, authority: Arc<dyn Authority>, config: NodeConfig) -> Self {
        let (hub, watch) = Hub::new(store, config);
        let hub = Arc::new(hub);
        let projector = tokio::spawn(hub::follow(hub.clone(), watch)).abort_handle();
        let presence = tokio::spawn(presence::record(hub.clone())).abort_handle();
        let ports = tokio::spawn(ports::keep(hub.clone())).abort_handle();
        Self { hub, authority, _tasks: Arc::new([projector, presence, ports].map(AbortOnDrop)) }
    }

    /// Serves nodes on `listener` until `shutdown` resolves; then says goodbye to them and returns when their streams
    /// have ended, or after [`NodeConfig::drain`].
    ///
    /// `tls` must verify client certificates against the authority and let clients without one pass: they may only join.
    /// It is asked for with every connection, so that a renewed server certificate is used from then on.
    pub async fn serve(
        &self,
        listener: TcpListener,
        tls: impl Fn() -> Arc<rustls::ServerConfig> + Send + 'static,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), tonic::transport::Error> {
        let rpc = rpc::Rpc::new(self.hub.clone(), self.authority.clone());
        let servers = ServersServer::new(rpc.clone())
            .max_decoding_message_size(hadron_wire::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(hadron_wire::MAX_MESSAGE_BYTES);
        let nodes = NodesServer::new(rpc)
            .max_decoding_message_size(hadron_wire::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(hadron_wire::MAX_MESSAGE_BYTES);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let connections = accept::connections(self.hub.clone(), listener, Box::new(tls));
        let server = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(self.hub.config.keep_alive))
            .http2_keepalive_timeout(Some(2 * self.hub.config.keep_alive))
            .max_concurrent_streams(4)
            .add_service(nodes)
            .add_service(servers)
            .serve_with_incoming_shutdown(connections, async { drop(stopped.await) });
        let mut server = std::pin::pin!(server);
        tokio::select! {
            ended = &mut server => return ended,
            () = shutdown => {}
        }
        self.hub.stop();
        drop(stop);
        tokio::time::timeout(self.hub.config.drain, server).await.unwrap_or(Ok(()))
    }

    /// How far the rows follow the store.
    pub fn position(&self) -> Position {
        self.hub.projection.read().position()
    }

    /// What is known of the nodes that are or have been connected to this server, by host name.
    pub fn nodes(&self) -> Vec<NodeStatus> {
        self.hub.statuses()
    }

    /// What is known of one of them.
    pub fn node(&self, host: &str) -> Option<NodeStatus> {
        self.hub.status(host)
    }

    /// Asks a host what would become of a packet there, by whichever server of the cloud it is connected to.
    ///
    /// # Errors
    /// [`NoAnswer`]; what the host itself says of why there is no walk is in the reply.
    pub async fn trace(&self, host: &str, request: TraceRequest) -> Result<TraceReply, NoAnswer> {
        servers::ask(&self.hub, &*self.authority, host, request).await
    }

    /// Has a host tell of real packets, likewise. It has begun when this returns, and ends when the service stops, at the latest.
    ///
    /// # Errors
    /// [`NoAnswer`]
    pub async fn follow(&self, host: &str, request: FollowRequest) -> Result<Following, NoAnswer> {
        let following = servers::ask(&self.hub, &*self.authority, host, request).await?;
        Ok(following.take_until(self.hub.stopped()).boxed())
    }

    /// What a host that is connected last said is wrong with a port of this number.
    pub fn port_error(&self, host: &str, port: u32) -> Option<String> {
        self.hub.session(host)?.errors.lock().get(&port).cloned()
    }

    /// The revision of a port's row.
    pub fn row_revision(&self, port: u32) -> Option<Revision> {
        self.hub.projection.read().port_revision(port)
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.hub.counters
    }
}

impl Receipts for NodeService {
    fn hosts(&self, key: RecordKey, changed: Revision, view: Arc<Snapshot>) -> Needed<'_> {
        Box::pin(receipt::hosts(&self.hub, key, changed, view))
    }
}

impl std::fmt::Debug for NodeService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NodeService with {} nodes", self.hub.statuses().len())
    }
}
