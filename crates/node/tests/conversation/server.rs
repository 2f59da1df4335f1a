//! A server that says what a test tells it to, on the real wire with real certificates.

use hadron_wire::proto::nodes_server::{Nodes, NodesServer};
use hadron_wire::proto::welcome::Mode;
use hadron_wire::proto::{
    Batch, Goodbye, Hello, JoinReply, JoinRequest, NodeMessage, PortReport, RenewReply, RenewRequest,
    ServerMessage, Welcome, goodbye, node_message, server_message,
};
use hadron_wire::row::{Row, RowChange, RowKey};
use hadron_wire::ticket::JoinTicket;
use rcgen::{BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

pub const SECRET: &str = "s3cret";
pub const HISTORY: [u8; 16] = [7; 16];

/// A stream that a node opened.
pub struct Conversation {
    pub hello: Hello,
    to_node: mpsc::Sender<Result<ServerMessage, Status>>,
    from_node: Streaming<NodeMessage>,
    /// The last report on each port.
    pub reports: BTreeMap<u32, PortReport>,
    pub acknowledged: u64,
}

struct Authority {
    ca: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).unwrap();
        Self { ca, issuer: Issuer::new(params, key) }
    }

    /// Certifies the key of a request, from and to so many seconds away from now.
    fn sign(&self, csr: &[u8], from: i64, to: i64) -> Vec<u8> {
        let mut request = CertificateSigningRequestParams::from_der(&csr.to_vec().into()).unwrap();
        let at = |offset: i64| {
            let now = SystemTime::now();
            let span = Duration::from_secs(offset.unsigned_abs());
            (if offset < 0 { now - span } else { now + span }).into()
        };
        request.params.not_before = at(from);
        request.params.not_after = at(to);
        request.signed_by(&self.issuer).unwrap().der().to_vec()
    }
}

struct Service {
    authority: Arc<Authority>,
    conversations: mpsc::Sender<Conversation>,
    /// Validity of the certificate that Join gives, seconds from now.
    first_validity: (i64, i64),
    renewals: Arc<Mutex<u32>>,
}

#[tonic::async_trait]
impl Nodes for Service {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinReply>, Status> {
        let request = request.into_inner();
        if request.token_secret != SECRET {
            return Err(Status::permission_denied("the ticket was used already; make a new one"));
        }
        let (from, to) = self.first_validity;
        Ok(Response::new(JoinReply {
            certificate_chain: vec![self.authority.sign(&request.csr, from, to).into()],
            ca_certificate: self.authority.ca.der().to_vec().into(),
            host_number: 1,
        }))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewReply>, Status> {
        assert!(request.peer_certs().is_some_and(|certs| !certs.is_empty()), "renewal without a certificate");
        *self.renewals.lock().unwrap() += 1;
        Ok(Response::new(RenewReply {
            certificate_chain: vec![self.authority.sign(&request.into_inner().csr, -60, 86_400).into()],
            ca_certificate: self.authority.ca.der().to_vec().into(),
        }))
    }

    type SyncStream = ReceiverStream<Result<ServerMessage, Status>>;

    async fn sync(
        &self,
        request: Request<Streaming<NodeMessage>>,
    ) -> Result<Response<Self::SyncStream>, Status> {
        if request.peer_certs().is_none_or(|certs| certs.is_empty()) {
            return Err(Status::unauthenticated("no client certificate"));
        }
        let mut from_node = request.into_inner();
        let Some(NodeMessage { message: Some(node_message::Message::Hello(hello)) }) =
            from_node.message().await?
        else {
            return Err(Status::invalid_argument("no Hello"));
        };
        let (to_node, stream) = mpsc::channel(64);
        let conversation =
            Conversation { hello, to_node, from_node, reports: BTreeMap::new(), acknowledged: 0 };
        let _ = self.conversations.send(conversation).await;
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// The server; it ends when dropped.
pub struct FakeServer {
    pub ticket: JoinTicket,
    pub renewals: Arc<Mutex<u32>>,
    conversations: mpsc::Receiver<Conversation>,
    task: JoinHandle<()>,
}

impl FakeServer {
    pub async fn start(first_validity: (i64, i64)) -> Self {
        let authority = Arc::new(Authority::new());
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["127.0.0.1".into()])
            .unwrap()
            .signed_by(&key, &authority.issuer)
            .unwrap();
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(certificate.pem(), key.serialize_pem()))
            .client_ca_root(Certificate::from_pem(authority.ca.pem()))
            .client_auth_optional(true);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ticket = JoinTicket {
            server: listener.local_addr().unwrap().to_string(),
            ca_pem: authority.ca.pem(),
            id: "token".into(),
            secret: SECRET.into(),
        };
        let (sender, conversations) = mpsc::channel(4);
        let renewals = Arc::new(Mutex::new(0));
        let service =
            Service { authority, conversations: sender, first_validity, renewals: renewals.clone() };
        let server = Server::builder()
            .tls_config(tls)
            .unwrap()
            .tcp_nodelay(true)
            .add_service(NodesServer::new(service));
        let task = tokio::spawn(async move {
            server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap()
        });
        Self { ticket, renewals, conversations, task }
    }

    /// The next stream that a node opens.
    pub async fn conversation(&mut self) -> Conversation {
        soon(self.conversations.recv()).await.unwrap()
    }

    /// The next stream, welcomed.
    pub async fn welcome(&mut self, mode: Mode) -> Conversation {
        let conversation = self.conversation().await;
        let welcome = Welcome {
            version: *hadron_wire::version::VERSIONS.end(),
            history_id: HISTORY.to_vec().into(),
            mode: mode.into(),
            host_number: 1,
        };
        conversation.say(server_message::Message::Welcome(welcome)).await;
        conversation
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Conversation {
    pub async fn say(&self, message: server_message::Message) {
        self.to_node.send(Ok(ServerMessage { message: Some(message) })).await.expect("the node hung up");
    }

    pub async fn rows(&self, complete_to: u64, end_of_snapshot: bool, rows: impl IntoIterator<Item = Row>) {
        let changes = rows.into_iter().map(|row| RowChange::encode_set(&row)).collect();
        self.say(server_message::Message::Batch(Batch {
            complete_to,
            changes,
            end_of_snapshot,
            ..Batch::default()
        }))
        .await;
    }

    pub async fn remove(&self, complete_to: u64, keys: impl IntoIterator<Item = RowKey>) {
        let changes = keys.into_iter().map(RowChange::encode_removal).collect();
        let batch = Batch { complete_to, changes, ..Batch::default() };
        self.say(server_message::Message::Batch(batch)).await;
    }

    pub async fn goodbye(&self, reason: goodbye::Reason) {
        let goodbye = Goodbye { reason: reason.into(), text: "for the test".into() };
        self.say(server_message::Message::Goodbye(goodbye)).await;
    }

    /// Listens until what the node said is as wanted.
    pub async fn until(&mut self, wanted: impl Fn(&Self) -> bool) {
        while !wanted(self) {
            match soon(self.from_node.message()).await.unwrap().expect("the node hung up").message {
                Some(node_message::Message::PortReports(reports)) => {
                    self.reports.extend(reports.reports.into_iter().map(|report| (report.port, report)));
                }
                Some(node_message::Message::Ack(ack)) => {
                    assert!(ack.revision >= self.acknowledged, "an acknowledgement was taken back");
                    self.acknowledged = ack.revision;
                }
                Some(node_message::Message::Heartbeat(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub async fn acknowledged(&mut self, revision: u64) {
        self.until(|c| c.acknowledged >= revision).await;
    }

    pub async fn reported(&mut self, port: u32, wanted: impl Fn(&PortReport) -> bool) {
        self.until(|c| c.reports.get(&port).is_some_and(&wanted)).await;
    }
}

/// A test that waits this long hangs.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("nothing happened")
}
