//! The three calls of the service for nodes.

use super::accept::Origin;
use super::authority::Authority;
use super::counters::Counter;
use super::goodbye::Farewell;
use super::hub::Hub;
use super::outbound::{self, Outbound};
use super::peer::Peer;
use super::session::Session;
use super::{inbound, join, reporter};
use hadron_store::{HistoryId, Position, Revision};
use hadron_wire::proto::goodbye::Reason;
use hadron_wire::proto::node_message::Message;
use hadron_wire::proto::nodes_server::Nodes;
use hadron_wire::proto::welcome::Mode;
use hadron_wire::proto::{Hello, JoinReply, JoinRequest, NodeMessage, RenewReply, RenewRequest, Welcome};
use hadron_wire::version::{VERSIONS, negotiate};
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};

#[derive(Clone)]
pub(super) struct Rpc {
    pub(super) hub: Arc<Hub>,
    authority: Arc<dyn Authority>,
}

impl Rpc {
    pub(super) fn new(hub: Arc<Hub>, authority: Arc<dyn Authority>) -> Self {
        Self { hub, authority }
    }

    async fn open(
        &self,
        origin: &Origin,
        peer: Arc<Peer>,
        hello: &Hello,
    ) -> Result<(Arc<Session>, Welcome), Farewell> {
        let version = negotiate(VERSIONS, hello.versions.as_ref())
            .map_err(|error| Farewell::new(Reason::Version, error.to_string()))?;
        let host = match join::check(&self.hub.store, &peer) {
            Ok(host) => host,
            // It may have joined by another server, an instant ago.
            Err(_) if self.hub.store.wait_current().await.is_ok() => join::check(&self.hub.store, &peer)?,
            Err(farewell) => return Err(farewell),
        };
        if hello.host_name != host.name {
            let text =
                format!("the certificate is of host {}, the hello of host {:?}", host.name, hello.host_name);
            return Err(Farewell::protocol(text));
        }
        let held = held(hello)?;
        // It may have been told more by another server than this one has seen yet; then all of it would be sent again.
        let position = self.hub.projection.read().position();
        if held.is_some_and(|held| held.history == position.history && held.revision > position.revision) {
            let _ = self.hub.store.wait_current().await;
        }
        join::record_underlay(&self.hub.store, &host, &hello.underlay).await?;
        join::record_physical_networks(&self.hub.store, &host, &hello.physical_networks).await?;
        self.hub.reach(self.hub.store.snapshot().position().revision).await;
        let session = self
            .hub
            .open(host.number.0, held, |subscription| Session::new(peer, origin.remote, hello, subscription))
            .map_err(|_| Farewell::removed(&host.name))?;
        let mode = session.subscription.lock().mode();
        self.hub.counters.one(if mode == Mode::Difference {
            Counter::Differences
        } else {
            Counter::Snapshots
        });
        let history = self.hub.projection.read().position().history;
        let welcome = Welcome {
            version,
            history_id: history.0.as_bytes().to_vec().into(),
            mode: mode.into(),
            host_number: host.number.0,
        };
        Ok((session, welcome))
    }
}

fn held(hello: &Hello) -> Result<Option<Position>, Farewell> {
    if hello.history_id.is_empty() {
        return Ok(None);
    }
    let history = <[u8; 16]>::try_from(&hello.history_id[..])
        .map_err(|_| Farewell::protocol("the history id is not 16 bytes long"))?;
    let history = HistoryId(uuid::Uuid::from_bytes(history));
    Ok(Some(Position { history, revision: Revision(hello.revision) }))
}

pub(super) fn origin<T>(request: &Request<T>) -> Result<Origin, Status> {
    request.extensions().get().cloned().ok_or_else(|| Status::internal("the connection has no origin"))
}

pub(super) fn peer(origin: &Origin) -> Result<Arc<Peer>, Status> {
    origin.peer.clone().ok_or_else(|| {
        Status::unauthenticated(
            "a client certificate of this cloud is needed; join to get one (hadron agent --join)",
        )
    })
}

#[tonic::async_trait]
impl Nodes for Rpc {
    type SyncStream = Outbound;

    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinReply>, Status> {
        let remote = origin(&request)?.remote;
        let joined = join::join(&self.hub.store, &*self.authority, request.into_inner()).await;
        self.hub.counters.one(if joined.is_ok() { Counter::Joined } else { Counter::JoinsRefused });
        joined.map(Response::new).inspect_err(|status| {
            tracing::warn!(%remote, reason = status.message(), "a node was not let in");
        })
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewReply>, Status> {
        let peer = peer(&origin(&request)?)?;
        let renewed = join::renew(&self.hub.store, &*self.authority, &peer, request.into_inner()).await?;
        self.hub.counters.one(Counter::Renewed);
        Ok(Response::new(renewed))
    }

    async fn sync(&self, request: Request<Streaming<NodeMessage>>) -> Result<Response<Outbound>, Status> {
        let origin = origin(&request)?;
        let peer = peer(&origin)?;
        let mut messages = request.into_inner();
        let first = tokio::time::timeout(self.hub.config.handshake, messages.message());
        let hello = match first.await {
            Ok(Ok(Some(NodeMessage { message: Some(Message::Hello(hello)) }))) => hello,
            Ok(Err(status)) => return Err(status),
            Ok(Ok(_)) | Err(_) => {
                let farewell = Farewell::protocol("the first message must be a hello");
                return Ok(Response::new(outbound::refusal(&self.hub, farewell)));
            }
        };
        let (session, welcome) = match self.open(&origin, peer.clone(), &hello).await {
            Ok(opened) => opened,
            Err(farewell) => {
                tracing::warn!(host = peer.host, remote = %origin.remote, reason = farewell.text, "a node was refused");
                return Ok(Response::new(outbound::refusal(&self.hub, farewell)));
            }
        };
        self.hub.counters.one(Counter::Streams);
        let version = session.software_version.clone();
        tracing::info!(host = peer.host, remote = %origin.remote, version, mode = welcome.mode, "a node connected");
        tokio::spawn(inbound::read(self.hub.clone(), session.clone(), messages));
        tokio::spawn(reporter::record(self.hub.clone(), session.clone()));
        let body: Outbound = outbound::of(self.hub.clone(), session, welcome);
        Ok(Response::new(body))
    }
}
