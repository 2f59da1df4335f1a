//! Servers of one cloud ask each other about the hosts that are connected to them.
//!
//! A server asks all others at once, and one of them has the host, or none. Nothing is kept: connection, key and certificate are made for
//! the question, which is an operator's, so a server that comes, goes or moves is no matter. The one that is asked asks no further.
//!
//! An answer that goes on for a while, of packets that are followed, ends with what it hangs on, whichever goes first:
//! ```text
//! asker ──► this server ──► the other one ──► its host's node
//!      drops      resets the call,  ends its listener:
//!      the answer or is silent      the node is told
//! ```
//! Both servers ask the connection between them whether it lives, so one that dies without a word is noticed by the other.

use super::authority::Authority;
use super::hub::Hub;
use super::question::{NoAnswer, Question};
use super::rpc::{Rpc, origin, peer};
use futures_util::stream::{BoxStream, FuturesUnordered, StreamExt};
use hadron_wire::proto::servers_client::ServersClient;
use hadron_wire::proto::servers_server::Servers;
use hadron_wire::proto::{FollowNews, HostFollow, HostTrace, TraceReply};
use std::time::Duration;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Response, Status};

/// How long another server may take to be connected.
const CONNECT: Duration = Duration::from_secs(2);
/// How long it may take for the head of its answer: longer than a host may for its first word.
const ANSWER: Duration = Duration::from_secs(7);

/// Asks a host by whichever server it is connected to.
pub(super) async fn ask<Q: Question>(
    hub: &Hub,
    authority: &dyn Authority,
    host: &str,
    question: Q,
) -> Result<Q::Answer, NoAnswer> {
    match question.clone().here(hub, host).await {
        Err(NoAnswer::NotHere(_)) => ask_others(hub, authority, host, question).await,
        here => here,
    }
}

async fn ask_others<Q: Question>(
    hub: &Hub,
    authority: &dyn Authority,
    host: &str,
    question: Q,
) -> Result<Q::Answer, NoAnswer> {
    let (servers, mut silent) = (&hub.config.servers, Vec::new());
    if servers.is_empty() {
        return Err(NoAnswer::Away { host: host.to_owned(), silent });
    }
    let identity = authority.server_identity().map_err(|error| NoAnswer::Elsewhere(error.to_string()))?;
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&identity.roots))
        .identity(Identity::from_pem(&identity.certificate, &identity.key));
    let answers = servers.iter().map(|server| {
        let (tls, question) = (tls.clone(), question.clone());
        async move {
            let answer = async { question.there(connect(hub, server, tls).await?, host.to_owned()).await };
            (server, answer.await)
        }
    });
    let mut answers: FuturesUnordered<_> = answers.collect();
    // A host that moved is still another one's for a while, so a refusal is not the end of it.
    let mut refused = None;
    while let Some((server, answer)) = answers.next().await {
        let status = match answer {
            Ok(answer) => return Ok(answer),
            Err(status) => status,
        };
        match status.code() {
            Code::NotFound => {}
            Code::FailedPrecondition => refused = Some(NoAnswer::Elsewhere(status.message().to_owned())),
            Code::Unimplemented => {
                silent.push(format!("{server}, whose release does not know such questions"))
            }
            _ => silent.push(format!("{server}, {}", status.message())),
        }
    }
    silent.sort_unstable();
    Err(refused.unwrap_or(NoAnswer::Away { host: host.to_owned(), silent }))
}

async fn connect(hub: &Hub, server: &str, tls: ClientTlsConfig) -> Result<ServersClient<Channel>, Status> {
    let unreachable = |error: tonic::transport::Error| {
        tracing::debug!(server, error = &error as &dyn std::error::Error, "another server can't be asked");
        Status::unavailable("which can't be reached")
    };
    let endpoint = Endpoint::from_shared(format!("https://{server}"))
        .and_then(|endpoint| endpoint.tls_config(tls))
        .map_err(unreachable)?
        .http2_keep_alive_interval(hub.config.keep_alive)
        .keep_alive_timeout(2 * hub.config.keep_alive)
        // hyper takes one for idle by which nobody can ask any more, also while an answer goes on.
        .keep_alive_while_idle(true)
        .timeout(ANSWER);
    let channel = tokio::time::timeout(CONNECT, endpoint.connect()).await;
    let channel =
        channel.map_err(|_| Status::unavailable("which can't be reached in time"))?.map_err(unreachable)?;
    Ok(ServersClient::new(channel).max_decoding_message_size(hadron_wire::MAX_MESSAGE_BYTES))
}

#[tonic::async_trait]
impl Servers for Rpc {
    type FollowStream = BoxStream<'static, Result<FollowNews, Status>>;

    async fn trace(&self, request: Request<HostTrace>) -> Result<Response<TraceReply>, Status> {
        let HostTrace { host, request } = of_server(request)?;
        Ok(Response::new(answer(&self.hub, &host, request.unwrap_or_default()).await?))
    }

    async fn follow(&self, request: Request<HostFollow>) -> Result<Response<Self::FollowStream>, Status> {
        let HostFollow { host, request } = of_server(request)?;
        let news = answer(&self.hub, &host, request.unwrap_or_default()).await?;
        Ok(Response::new(news.map(|news| Ok(FollowNews { id: 0, news: Some(news) })).boxed()))
    }
}

/// What a server asks; nobody else may.
fn of_server<T>(request: Request<T>) -> Result<T, Status> {
    if peer(&origin(&request)?)?.is_server {
        return Ok(request.into_inner());
    }
    Err(Status::permission_denied("only servers of this cloud may ask about hosts"))
}

/// The answer of a host that is connected to this server.
async fn answer<Q: Question>(hub: &Hub, host: &str, question: Q) -> Result<Q::Answer, Status> {
    question.here(hub, host).await.map_err(|error| match error {
        NoAnswer::NotHere(_) | NoAnswer::Unknown(_) => Status::not_found(error.to_string()),
        other => Status::failed_precondition(other.to_string()),
    })
}
