//! A node as the server sees one: it holds rows, acknowledges them, and reports its ports.

use crate::authority::Credentials;
use crate::cloud::{Cloud, until};
use hadron_wire::proto::goodbye::Reason;
use hadron_wire::proto::node_message::Message;
use hadron_wire::proto::nodes_client::NodesClient;
use hadron_wire::proto::server_message::Message as FromServer;
use hadron_wire::proto::welcome::Mode;
use hadron_wire::proto::{
    Ack, Batch, Goodbye, Heartbeat, Hello, NodeMessage, PortReport, PortReports, ServerMessage, Welcome,
};
use hadron_wire::row::PortRow;
use hadron_wire::{Applied, Held, Row, RowKey, version};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Status, Streaming};

pub struct TestNode {
    pub host: String,
    pub held: Held,
    /// History id and acknowledged revision.
    pub position: Option<(Vec<u8>, u64)>,
    pub welcome: Welcome,
    /// Changes and bytes received in batches since the last call of [`TestNode::take_cost`].
    cost: (usize, usize),
    messages: mpsc::Sender<NodeMessage>,
    stream: Streaming<ServerMessage>,
}

pub async fn channel(
    cloud: &Cloud,
    credentials: Option<&Credentials>,
) -> Result<Channel, tonic::transport::Error> {
    let mut tls = ClientTlsConfig::new().ca_certificate(cloud.authority.root()).domain_name("localhost");
    if let Some(credentials) = credentials {
        tls = tls.identity(credentials.identity());
    }
    Endpoint::from_shared(format!("https://{}", cloud.address)).unwrap().tls_config(tls)?.connect().await
}

pub fn hello(host: &str) -> Hello {
    Hello {
        versions: Some(version::offered()),
        host_name: host.to_owned(),
        software_version: "test".into(),
        availability_zone: String::new(),
        physical_networks: Vec::new(),
        underlay: bytes::Bytes::new(),
        instance_id: bytes::Bytes::copy_from_slice(&[7; 16]),
        history_id: bytes::Bytes::new(),
        revision: 0,
    }
}

fn message(message: Message) -> NodeMessage {
    NodeMessage { message: Some(message) }
}

/// Opens a stream with `hello`; its first answer is returned with it.
pub async fn open(
    cloud: &Cloud,
    credentials: Option<&Credentials>,
    hello: Hello,
) -> Result<(mpsc::Sender<NodeMessage>, Streaming<ServerMessage>, FromServer), Status> {
    let channel = channel(cloud, credentials).await.map_err(|error| Status::from_error(error.into()))?;
    let (messages, outgoing) = mpsc::channel(64);
    messages.send(message(Message::Hello(hello))).await.unwrap();
    let mut stream = NodesClient::new(channel).sync(ReceiverStream::new(outgoing)).await?.into_inner();
    let first = stream.message().await?.and_then(|first| first.message).expect("an answer to hello");
    Ok((messages, stream, first))
}

/// The goodbye with which a stream is refused.
pub async fn refusal(cloud: &Cloud, credentials: &Credentials, hello: Hello) -> Goodbye {
    let (_messages, mut stream, first) = open(cloud, Some(credentials), hello).await.unwrap();
    let FromServer::Goodbye(goodbye) = first else { panic!("not refused: {first:?}") };
    assert!(matches!(stream.message().await, Ok(None)), "nothing follows a goodbye");
    goodbye
}

impl TestNode {
    pub async fn connect(cloud: &Cloud, host: &str, credentials: &Credentials) -> Self {
        Self::connect_with(cloud, credentials, hello(host), Held::default()).await
    }

    pub async fn connect_with(
        cloud: &Cloud,
        credentials: &Credentials,
        hello: Hello,
        mut held: Held,
    ) -> Self {
        let host = hello.host_name.clone();
        let position = (!hello.history_id.is_empty()).then(|| (hello.history_id.to_vec(), hello.revision));
        let recorded = || cloud.store.snapshot().agents_of_host(&host).map(|agent| agent.modified).max();
        let before = recorded();
        let (messages, stream, first) = open(cloud, Some(credentials), hello).await.unwrap();
        let FromServer::Welcome(welcome) = first else { panic!("{host} is not welcome: {first:?}") };
        // So that no test meets this commit among those that it counts.
        until("it is recorded that the node is there", || recorded() > before).await;
        held.begin(welcome.mode());
        Self { host, held, position, welcome, cost: (0, 0), messages, stream }
    }

    /// Comes back with what it holds.
    pub async fn reconnect(self, cloud: &Cloud, credentials: &Credentials) -> Self {
        let (history_id, revision) = self.position.unwrap_or_default();
        let hello = Hello { history_id: history_id.into(), revision, ..hello(&self.host) };
        Self::connect_with(cloud, credentials, hello, self.held).await
    }

    pub fn mode(&self) -> Mode {
        self.welcome.mode()
    }

    pub async fn send(&self, what: Message) {
        self.messages.send(message(what)).await.unwrap();
    }

    pub async fn heartbeat(&self) {
        self.send(Message::Heartbeat(Heartbeat {})).await;
    }

    /// The next message without acting on it; `None` when the stream is over.
    pub async fn receive(&mut self) -> Option<FromServer> {
        self.stream.message().await.unwrap()?.message
    }

    /// What it is asked next, after any batches.
    pub async fn asked(&mut self) -> FromServer {
        loop {
            match self.receive().await.expect("a question") {
                FromServer::Batch(_) => {}
                other => return other,
            }
        }
    }

    /// The goodbye that ends the stream, after any batches.
    pub async fn goodbye(&mut self) -> (Reason, String) {
        loop {
            match self.receive().await.expect("a goodbye before the end") {
                FromServer::Goodbye(goodbye) => {
                    assert!(matches!(self.stream.message().await, Ok(None)));
                    return (goodbye.reason(), goodbye.text);
                }
                FromServer::Batch(batch) => drop(self.apply(batch)),
                FromServer::Welcome(_) => panic!("a second welcome"),
                FromServer::Trace(_) | FromServer::Follow(_) | FromServer::EndFollow(_) => {
                    panic!("a question that nobody asked")
                }
            }
        }
    }

    /// Takes one batch and acknowledges what it completes.
    pub async fn take(&mut self) -> Applied {
        let applied = self.take_silently().await;
        if let Some(revision) = applied.complete_to {
            self.send(Message::Ack(Ack { revision })).await;
        }
        applied
    }

    /// Takes one batch without a word.
    pub async fn take_silently(&mut self) -> Applied {
        match self.receive().await {
            Some(FromServer::Batch(batch)) => self.apply(batch),
            other => panic!("{}: expected a batch, got {other:?}", self.host),
        }
    }

    /// Acknowledges all that it has taken.
    pub async fn acknowledge(&self) {
        let (_, revision) = self.position.clone().unwrap();
        self.send(Message::Ack(Ack { revision })).await;
    }

    fn apply(&mut self, batch: Batch) -> Applied {
        let forgets = [
            &batch.forget,
            &batch.forget_policies,
            &batch.forget_rules,
            &batch.forget_members,
            &batch.forget_routers,
        ];
        let forgets: usize = forgets.into_iter().map(Vec::len).sum();
        self.cost.0 += batch.changes.len() + forgets;
        self.cost.1 += batch.changes.iter().map(|change| change.len()).sum::<usize>() + 5 * forgets;
        let applied = self.held.apply(batch);
        assert_eq!((applied.unknown, applied.malformed.len()), (0, 0));
        if let Some(revision) = applied.complete_to {
            self.position = Some((self.welcome.history_id.to_vec(), revision));
        }
        applied
    }

    /// Takes batches until it is complete up to `revision`.
    pub async fn until(&mut self, revision: u64) {
        while self.position.as_ref().is_none_or(|(_, held)| *held < revision) {
            self.take().await;
        }
    }

    /// Takes batches until `is_so` of the rows.
    pub async fn until_rows(&mut self, is_so: impl Fn(&Held) -> bool) {
        while !is_so(&self.held) {
            self.take().await;
        }
    }

    /// Takes batches until it has the row of the port.
    pub async fn until_port(&mut self, number: u32) -> PortRow {
        self.until_rows(|held| held.get(&RowKey::Port(number)).is_some()).await;
        self.port(number).unwrap()
    }

    pub fn port(&self, number: u32) -> Option<PortRow> {
        match self.held.get(&RowKey::Port(number))? {
            Row::Port(row) => Some(row.clone()),
            _ => None,
        }
    }

    pub async fn report(&self, reports: impl IntoIterator<Item = PortReport>) {
        self.send(Message::PortReports(PortReports { reports: reports.into_iter().collect() })).await;
    }

    /// Reports the port as wired, by its row.
    pub async fn wire(&mut self, number: u32) {
        let row = self.until_port(number).await;
        self.report([wired(number, row.revision)]).await;
    }

    pub fn take_cost(&mut self) -> (usize, usize) {
        std::mem::take(&mut self.cost)
    }
}

pub fn wired(port: u32, revision: u64) -> PortReport {
    PortReport { port, wired: true, revision, error: String::new() }
}
