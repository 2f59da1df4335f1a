//! Servers of one cloud ask each other about the hosts that are connected to them.
//!
//! A server asks all others at once, and one of them has the host, or none. Nothing is kept: connection, key and certificate are made for
//! the question, which is an operator's, so a server that comes, goes or moves is no matter. The one that is asked asks no further.

use super::authority::Authority;
use super::hub::Hub;
use super::question::{self, NoAnswer};
use super::rpc::{Rpc, origin, peer};
use futures_util::stream::{FuturesUnordered, StreamExt};
use hadron_wire::proto::servers_client::ServersClient;
use hadron_wire::proto::servers_server::Servers;
use hadron_wire::proto::{HostTrace, TraceReply, TraceRequest};
use std::time::Duration;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Response, Status};

/// How long another server may take to be connected.
const CONNECT: Duration = Duration::from_secs(2);
/// How long it may take to answer: longer than a host may.
const ANSWER: Duration = Duration::from_secs(7);

/// Asks a host by whichever server it is connected to.
pub(super) async fn ask(
    hub: &Hub,
    authority: &dyn Authority,
    host: &str,
    request: TraceRequest,
) -> Result<TraceReply, NoAnswer> {
    match question::ask(hub, host, request.clone()).await {
        Err(NoAnswer::NotHere(_)) => ask_others(hub, authority, host, request).await,
        here => here,
    }
}

async fn ask_others(
    hub: &Hub,
    authority: &dyn Authority,
    host: &str,
    request: TraceRequest,
) -> Result<TraceReply, NoAnswer> {
    let away = || NoAnswer::Away(host.to_owned());
    let servers = &hub.config.servers;
    if servers.is_empty() {
        return Err(away());
    }
    let identity = authority.server_identity().map_err(|error| NoAnswer::Elsewhere(error.to_string()))?;
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&identity.roots))
        .identity(Identity::from_pem(&identity.certificate, &identity.key));
    let question = HostTrace { host: host.to_owned(), request: Some(request) };
    let mut answers: FuturesUnordered<_> =
        servers.iter().map(|server| ask_one(server, tls.clone(), question.clone())).collect();
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(reply) => return Ok(reply),
            Err(status) if status.code() == Code::FailedPrecondition => {
                return Err(NoAnswer::Elsewhere(status.message().to_owned()));
            }
            // It does not have the host, can't be reached, or is of a release that is not asked so.
            Err(_) => {}
        }
    }
    Err(away())
}

async fn ask_one(server: &str, tls: ClientTlsConfig, question: HostTrace) -> Result<TraceReply, Status> {
    let unreachable = |error: tonic::transport::Error| {
        tracing::debug!(server, error = &error as &dyn std::error::Error, "another server can't be asked");
        Status::unavailable("no connection")
    };
    let endpoint = Endpoint::from_shared(format!("https://{server}"))
        .and_then(|endpoint| endpoint.tls_config(tls))
        .map_err(unreachable)?
        .timeout(ANSWER);
    let channel = tokio::time::timeout(CONNECT, endpoint.connect()).await;
    let channel = channel.map_err(|_| Status::unavailable("no connection in time"))?.map_err(unreachable)?;
    let mut client = ServersClient::new(channel).max_decoding_message_size(hadron_wire::MAX_MESSAGE_BYTES);
    Ok(client.trace(question).await?.into_inner())
}

#[tonic::async_trait]
impl Servers for Rpc {
    async fn trace(&self, request: Request<HostTrace>) -> Result<Response<TraceReply>, Status> {
        if !peer(&origin(&request)?)?.is_server {
            return Err(Status::permission_denied("only servers of this cloud may ask about hosts"));
        }
        let HostTrace { host, request } = request.into_inner();
        let answer = question::ask(&self.hub, &host, request.unwrap_or_default()).await;
        answer.map(Response::new).map_err(|error| match error {
            NoAnswer::NotHere(_) | NoAnswer::Unknown(_) => Status::not_found(error.to_string()),
            other => Status::failed_precondition(other.to_string()),
        })
    }
}
