//! Requests to etcd: to one member, or to the next when one does not answer.

use super::options::EtcdOptions;
use super::proto::{
    AuthenticateRequest, AuthenticateResponse, RangeRequest, RangeResponse, TxnRequest, TxnResponse,
    WatchRequest, WatchResponse,
};
use crate::StoreError;
use arc_swap::ArcSwapOption;
use futures_util::stream;
use prost::Message;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstCodec;

const RANGE: &str = "/etcdserverpb.KV/Range";
const TXN: &str = "/etcdserverpb.KV/Txn";
const WATCH: &str = "/etcdserverpb.Watch/Watch";
const AUTHENTICATE: &str = "/etcdserverpb.Auth/Authenticate";

/// How long the handshakes of TCP and TLS may take.
const CONNECT: Duration = Duration::from_secs(2);
/// etcd refuses pings that come more often than every 5 s.
const PING: Duration = Duration::from_secs(10);
/// A connection on which a ping is not answered for so long is given up.
const PONG: Duration = Duration::from_secs(5);
/// Largest answer that is read.
const MAX_ANSWER: usize = 256 << 20;

/// Why a request has no result.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// etcd has refused it; nothing was done.
    Refused(Code, String),
    /// No answer, or none that says so: it may have been carried out.
    NoAnswer(String),
}

impl Failure {
    /// Whether the revision asked for is compacted.
    pub(super) fn is_compacted(&self) -> bool {
        matches!(self, Failure::Refused(Code::OutOfRange, text) if text.contains("compacted"))
    }

    /// Whether the answer is larger than what can be read.
    pub(super) fn is_too_large(&self) -> bool {
        matches!(self, Failure::Refused(Code::OutOfRange | Code::ResourceExhausted, text) if text.contains("message"))
    }

    /// Whether the token does not count (any more).
    fn is_stale_token(&self) -> bool {
        let Failure::Refused(code, text) = self else { return false };
        *code == Code::Unauthenticated || text.contains("revision of auth store is old")
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Failure::Refused(_, text) | Failure::NoAnswer(text) => text,
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        StoreError::Unavailable { reason: failure.text().to_owned() }
    }
}

/// A client of an etcd.
pub(super) struct Client {
    members: Vec<Member>,
    /// The member that answered last.
    preferred: AtomicUsize,
    credentials: Option<(String, String)>,
    token: ArcSwapOption<MetadataValue<Ascii>>,
    timeout: Duration,
}

struct Member {
    name: String,
    channel: Channel,
}

impl Client {
    /// Connects when it is first needed.
    pub(super) fn new(options: &EtcdOptions) -> Result<Self, StoreError> {
        let members = options.endpoints.iter().map(|name| Member::new(name, options));
        Ok(Self {
            members: members.collect::<Result<_, _>>()?,
            preferred: AtomicUsize::new(0),
            credentials: options.credentials.clone(),
            token: ArcSwapOption::empty(),
            timeout: options.timeout,
        })
    }

    /// Reads, from the next member if one does not answer; from the only one again if its connection broke.
    pub(super) async fn range(&self, request: RangeRequest) -> Result<RangeResponse, Failure> {
        self.any(RANGE, request).await
    }

    /// A transaction that may be carried out twice, to the next member if one does not answer.
    pub(super) async fn repeatable_txn(&self, request: TxnRequest) -> Result<TxnResponse, Failure> {
        self.any(TXN, request).await
    }

    /// A transaction, to one member.
    pub(super) async fn txn(&self, request: TxnRequest) -> Result<TxnResponse, Failure> {
        let at = self.preferred.load(Relaxed);
        let answer = self.authorised(at, TXN, request, self.timeout).await;
        self.judge(at, &answer);
        answer
    }

    /// Opens a watch on the preferred member. Which member a watch is on is fixed; it ends when that loses its leader.
    pub(super) async fn watch(&self, request: WatchRequest) -> Result<Watching, Failure> {
        let at = self.preferred.load(Relaxed);
        let opened = tokio::time::timeout(self.timeout, self.watch_at(at, request.clone())).await;
        let mut opened = opened.unwrap_or_else(|_| Err(self.silence(at, self.timeout)));
        if opened.as_ref().is_err_and(Failure::is_stale_token) {
            self.authenticate(at).await?;
            opened = self.watch_at(at, request).await;
        }
        self.judge(at, &opened);
        opened
    }

    async fn watch_at(&self, at: usize, request: WatchRequest) -> Result<Watching, Failure> {
        let member = self.member(at);
        let mut grpc = member.grpc().await?;
        let (keep, open) = tokio::sync::oneshot::channel::<()>();
        // The stream of requests must stay open as long as the watch.
        let requests = stream::unfold((Some(request), open), |(request, open)| async {
            match request {
                Some(request) => Some((request, (None, open))),
                None => {
                    let _ = open.await;
                    None
                }
            }
        });
        let mut request = tonic::Request::new(requests);
        self.sign(&mut request);
        let codec = ProstCodec::<WatchRequest, WatchResponse>::default();
        let answer = grpc.streaming(request, PathAndQuery::from_static(WATCH), codec).await;
        let answers = answer.map_err(|status| member.failure(&status))?.into_inner();
        Ok(Watching { answers, name: member.name.clone(), _keep: keep })
    }

    /// The next member is asked first from now on.
    pub(super) fn prefer_another(&self) {
        let at = self.preferred.load(Relaxed);
        self.turn_from(at);
    }

    async fn any<Q, A>(&self, path: &'static str, request: Q) -> Result<A, Failure>
    where
        Q: Message + Clone + Sync + 'static,
        A: Message + Default + 'static,
    {
        let patience = self.timeout / self.members.len().min(2) as u32;
        let begun = Instant::now();
        let mut attempts = self.members.len().max(2);
        loop {
            let at = self.preferred.load(Relaxed);
            let answer = self.authorised(at, path, request.clone(), patience).await;
            self.judge(at, &answer);
            attempts -= 1;
            // A connection that broke is no reason to give up on the only member; its silence is.
            let is_worth_another = attempts > 0 && (self.members.len() > 1 || begun.elapsed() < patience / 2);
            match answer {
                Err(Failure::NoAnswer(_)) if is_worth_another => {}
                answer => return answer,
            }
        }
    }

    /// A request with a token that counts.
    async fn authorised<Q, A>(
        &self,
        at: usize,
        path: &'static str,
        request: Q,
        patience: Duration,
    ) -> Result<A, Failure>
    where
        Q: Message + Clone + Sync + 'static,
        A: Message + Default + 'static,
    {
        if self.credentials.is_some() && self.token.load().is_none() {
            self.authenticate(at).await?;
        }
        let answer = self.once(at, path, request.clone(), patience).await;
        if self.credentials.is_some() && answer.as_ref().is_err_and(Failure::is_stale_token) {
            self.authenticate(at).await?;
            return self.once(at, path, request, patience).await;
        }
        answer
    }

    async fn authenticate(&self, at: usize) -> Result<(), Failure> {
        let Some((name, password)) = self.credentials.clone() else { return Ok(()) };
        let request = AuthenticateRequest { name, password };
        self.token.store(None);
        let answer: AuthenticateResponse = self.once(at, AUTHENTICATE, request, self.timeout).await?;
        let token = answer.token.parse().map_err(|_| {
            Failure::Refused(Code::Internal, "etcd has given a token that can't be sent back".to_owned())
        })?;
        self.token.store(Some(Arc::new(token)));
        Ok(())
    }

    async fn once<Q, A>(
        &self,
        at: usize,
        path: &'static str,
        request: Q,
        patience: Duration,
    ) -> Result<A, Failure>
    where
        Q: Message + Sync + 'static,
        A: Message + Default + 'static,
    {
        let member = self.member(at);
        let call = async {
            let mut grpc = member.grpc().await?;
            let mut request = tonic::Request::new(request);
            self.sign(&mut request);
            let codec = ProstCodec::<Q, A>::default();
            let answer = grpc.unary(request, PathAndQuery::from_static(path), codec).await;
            answer.map(tonic::Response::into_inner).map_err(|status| member.failure(&status))
        };
        tokio::time::timeout(patience, call).await.unwrap_or_else(|_| Err(self.silence(at, patience)))
    }

    fn sign<T>(&self, request: &mut tonic::Request<T>) {
        let metadata = request.metadata_mut();
        // A member that has lost its leader is to say so instead of waiting.
        metadata.insert("hasleader", MetadataValue::from_static("true"));
        if let Some(token) = &*self.token.load() {
            metadata.insert("token", MetadataValue::clone(token));
        }
    }

    fn member(&self, at: usize) -> &Member {
        &self.members[at % self.members.len()]
    }

    fn judge<A>(&self, at: usize, answer: &Result<A, Failure>) {
        if let Err(Failure::NoAnswer(_)) = answer {
            self.turn_from(at);
        }
    }

    fn turn_from(&self, at: usize) {
        // Another request may have turned already.
        let _ = self.preferred.compare_exchange(at, (at + 1) % self.members.len(), Relaxed, Relaxed);
    }

    fn silence(&self, at: usize, patience: Duration) -> Failure {
        let name = &self.member(at).name;
        Failure::NoAnswer(format!("etcd at {name} does not answer within {} ms", patience.as_millis()))
    }
}

impl Member {
    fn new(name: &str, options: &EtcdOptions) -> Result<Self, StoreError> {
        let unusable = |error: &dyn std::error::Error| StoreError::Unavailable {
            reason: format!("etcd at {name} can't be used: {}", chain(error)),
        };
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        let endpoint =
            Endpoint::from_shared(format!("{scheme}://{name}")).map_err(|error| unusable(&error))?;
        let mut endpoint = endpoint
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .tcp_nodelay(true);
        if let Some(tls) = &options.tls {
            let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&tls.ca_pem));
            if let Some((certificate, key)) = &tls.identity {
                config = config.identity(Identity::from_pem(certificate, key));
            }
            endpoint = endpoint.tls_config(config).map_err(|error| unusable(&error))?;
        }
        Ok(Self { name: name.to_owned(), channel: endpoint.connect_lazy() })
    }

    async fn grpc(&self) -> Result<Grpc<Channel>, Failure> {
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER);
        grpc.ready()
            .await
            .map_err(|error| Failure::NoAnswer(format!("etcd at {}: {}", self.name, chain(&error))))?;
        Ok(grpc)
    }

    fn failure(&self, status: &Status) -> Failure {
        let name = &self.name;
        match status.code() {
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss => Failure::NoAnswer(format!("etcd at {name}: {}", text(status))),
            Code::ResourceExhausted if status.message().contains("space") => Failure::Refused(
                status.code(),
                format!(
                    "etcd at {name} has no space left ({}): compact and defragment it, then disarm its alarm",
                    status.message()
                ),
            ),
            code => Failure::Refused(code, format!("etcd at {name} refuses: {}", text(status))),
        }
    }
}

fn text(status: &Status) -> String {
    match std::error::Error::source(status) {
        Some(source) => chain(source),
        None => status.message().to_owned(),
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// An open watch.
pub(super) struct Watching {
    answers: Streaming<WatchResponse>,
    name: String,
    _keep: tokio::sync::oneshot::Sender<()>,
}

impl Watching {
    /// The next answer, its pieces together.
    pub(super) async fn next(&mut self) -> Result<WatchResponse, Failure> {
        let mut whole: Option<WatchResponse> = None;
        loop {
            let answer = self.answers.message().await.map_err(|status| {
                Failure::NoAnswer(format!("the watch on etcd at {}: {}", self.name, text(&status)))
            })?;
            let answer = answer
                .ok_or_else(|| Failure::NoAnswer(format!("etcd at {} has ended the watch", self.name)))?;
            let is_last = !answer.fragment;
            match &mut whole {
                None => whole = Some(answer),
                Some(whole) => whole.events.extend(answer.events),
            }
            if let Some(whole) = whole.take_if(|_| is_last) {
                return Ok(whole);
            }
        }
    }
}
