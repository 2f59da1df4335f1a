//! A node as the server sees one: it joins with a ticket, follows its stream by the real protocol over TLS, acknowledges, and reports
//! its ports as wired. Of its rows it keeps only the keys.

use anyhow::{Context, Result, bail};
use hadron_node::Identity;
use hadron_wire::proto::node_message::Message;
use hadron_wire::proto::nodes_client::NodesClient;
use hadron_wire::proto::server_message::Message as FromServer;
use hadron_wire::proto::welcome::Mode;
use hadron_wire::proto::{Ack, Batch, Heartbeat, Hello, NodeMessage, PortReport, PortReports, ServerMessage};
use hadron_wire::row::{self, Decoded};
use hadron_wire::{HEARTBEAT_SECONDS, MAX_PORT_REPORTS, Row, RowChange, RowKey, version};
use std::collections::{BTreeMap, HashSet};
use std::net::Ipv6Addr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity as Credentials};

/// The pauses of the product's nodes between attempts: the first at most this long, each twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Room for a snapshot to be under way at once, as the product's nodes have it.
const WINDOW: u32 = 4 << 20;

/// What a node tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum News {
    /// It holds everything that the server had for it when the stream began.
    Current,
    /// What is sought has come: the row with the address, under this key, or the removal of the key.
    Found(RowKey),
}

/// News of one node.
pub struct Told {
    pub node: usize,
    pub news: News,
    pub at: Instant,
}

/// What all nodes look for in what they are sent.
#[derive(Clone, Copy, Debug)]
pub enum Sought {
    /// A location or a member with this address.
    Address(Ipv6Addr),
    /// That the row of this key goes.
    Removal(RowKey),
}

/// The same for all nodes.
pub type Search = Arc<RwLock<Option<Sought>>>;

/// A node.
pub struct Simulated {
    pub identity: Identity,
    pub number: usize,
    pub search: Search,
    pub told: mpsc::UnboundedSender<Told>,
    /// Keys of the rows that it holds.
    pub held: HashSet<RowKey>,
    /// Its ports by number, with the revisions of their rows.
    pub ports: BTreeMap<u32, u64>,
    /// The position to come back with: history and revision. `None` asks for everything.
    pub position: Option<(Vec<u8>, u64)>,
}

/// One stream.
struct Stream {
    incoming: Streaming<ServerMessage>,
    outgoing: mpsc::Sender<NodeMessage>,
    history: Vec<u8>,
    /// The first complete batch is still to come.
    is_first: bool,
    is_snapshot: bool,
}

impl Simulated {
    /// Follows streams, one after the other, until the task is aborted.
    pub async fn live(&mut self) {
        let mut failures = 0;
        loop {
            match self.open().await {
                Ok(stream) => {
                    failures = 0;
                    let _ = self.follow(stream).await;
                }
                Err(_) => failures += 1,
            }
            tokio::time::sleep(self.pause(failures)).await;
        }
    }

    /// Each node has its own place in the range from which the product's nodes draw.
    fn pause(&self, failures: u32) -> Duration {
        let longest = FIRST_PAUSE.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE);
        let part = longest.mul_f64((self.number * 619 % 1000) as f64 / 1000.0);
        if failures == 0 { part } else { longest / 2 + part / 2 }
    }

    async fn open(&mut self) -> Result<Stream> {
        let identity = &self.identity;
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&identity.ca_pem))
            .identity(Credentials::from_pem(&identity.certificate_pem, &identity.key_pem));
        let channel = Endpoint::from_shared(format!("https://{}", identity.server))?
            .tls_config(tls)?
            .connect_timeout(Duration::from_secs(20))
            .tcp_nodelay(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .connect()
            .await?;
        let (outgoing, messages) = mpsc::channel(64);
        say(&outgoing, Message::Hello(self.hello())).await?;
        let mut incoming = NodesClient::new(channel).sync(ReceiverStream::new(messages)).await?.into_inner();
        let first = incoming.message().await?.and_then(|first| first.message);
        let Some(FromServer::Welcome(welcome)) = first else { bail!("not welcome: {first:?}") };
        let is_snapshot = welcome.mode() != Mode::Difference;
        if is_snapshot {
            self.forget_all();
        }
        Ok(Stream { incoming, outgoing, history: welcome.history_id.to_vec(), is_first: true, is_snapshot })
    }

    /// It comes back with nothing.
    pub fn forget_all(&mut self) {
        self.held.clear();
        self.ports.clear();
        self.position = None;
    }

    fn hello(&self) -> Hello {
        let (history_id, revision) = self.position.clone().unwrap_or_default();
        Hello {
            versions: Some(version::offered()),
            host_name: self.identity.host_name.clone(),
            software_version: env!("CARGO_PKG_VERSION").into(),
            underlay: row::address(self.identity.underlay).octets().to_vec().into(),
            instance_id: vec![7; 16].into(),
            history_id: history_id.into(),
            revision,
            availability_zone: String::new(),
            physical_networks: Vec::new(),
        }
    }

    async fn follow(&mut self, mut stream: Stream) -> Result<()> {
        let mut heartbeat = tokio::time::interval(Duration::from_secs(HEARTBEAT_SECONDS));
        loop {
            let message = tokio::select! {
                message = stream.incoming.message() => message?,
                _ = heartbeat.tick() => {
                    say(&stream.outgoing, Message::Heartbeat(Heartbeat {})).await?;
                    continue;
                }
            };
            match message.and_then(|message| message.message) {
                Some(FromServer::Batch(batch)) => self.take(&mut stream, batch).await?,
                other => bail!("the stream ends: {other:?}"),
            }
        }
    }

    async fn take(&mut self, stream: &mut Stream, batch: Batch) -> Result<()> {
        self.forget(&batch);
        let (complete_to, ends_snapshot) = (batch.complete_to, batch.end_of_snapshot);
        let sought = *self.search.read().unwrap_or_else(PoisonError::into_inner);
        let mut changed = Vec::new();
        for bytes in batch.changes {
            let Ok(Decoded::Change(change)) = RowChange::decode(bytes) else { bail!("a row can't be read") };
            if sought.is_some_and(|sought| sought.is(&change)) {
                self.tell(News::Found(change.key));
            }
            changed.extend(self.set(change));
        }
        if complete_to == 0 {
            return self.report(stream, changed).await;
        }
        self.position = Some((stream.history.clone(), complete_to));
        let is_now_current = stream.is_first && (!stream.is_snapshot || ends_snapshot);
        if is_now_current {
            stream.is_first = false;
            self.tell(News::Current);
            changed = self.ports.keys().copied().collect();
        }
        self.report(stream, changed).await?;
        say(&stream.outgoing, Message::Ack(Ack { revision: complete_to })).await
    }

    /// The number of the port that is to be reported.
    fn set(&mut self, change: RowChange) -> Option<u32> {
        match change.row {
            None => {
                self.held.remove(&change.key);
                if let RowKey::Port(number) = change.key {
                    self.ports.remove(&number);
                }
                None
            }
            Some(row) => {
                self.held.insert(change.key);
                let Row::Port(port) = row else { return None };
                self.ports.insert(port.number, port.revision);
                Some(port.number)
            }
        }
    }

    async fn report(&self, stream: &Stream, ports: Vec<u32>) -> Result<()> {
        let report = |port: &u32| {
            let revision = *self.ports.get(port)?;
            Some(PortReport { port: *port, wired: true, revision, error: String::new() })
        };
        for ports in ports.chunks(MAX_PORT_REPORTS) {
            let reports = ports.iter().filter_map(report).collect();
            say(&stream.outgoing, Message::PortReports(PortReports { reports })).await?;
        }
        Ok(())
    }

    fn forget(&mut self, batch: &Batch) {
        let forgets = [&batch.forget, &batch.forget_policies, &batch.forget_rules, &batch.forget_members];
        if forgets.iter().all(|numbers| numbers.is_empty()) {
            return;
        }
        self.held.retain(|key| match *key {
            RowKey::Policy(number) => !batch.forget_policies.contains(&number),
            RowKey::Rule { group, .. } => !batch.forget_rules.contains(&group),
            RowKey::Member { set, .. } => !batch.forget_members.contains(&set),
            key => key.network().is_none_or(|network| !batch.forget.contains(&network)),
        });
    }

    fn tell(&self, news: News) {
        // Nobody listens any more when the bench has ended.
        let _ = self.told.send(Told { node: self.number, news, at: Instant::now() });
    }
}

impl Sought {
    fn is(self, change: &RowChange) -> bool {
        match (self, &change.row) {
            (Sought::Removal(key), None) => change.key == key,
            (Sought::Address(address), Some(Row::Location(row))) => row.addresses.contains(&address),
            (Sought::Address(address), Some(Row::Member(row))) => {
                row.prefixes.iter().any(|prefix| prefix.address == address)
            }
            _ => false,
        }
    }
}

async fn say(outgoing: &mpsc::Sender<NodeMessage>, message: Message) -> Result<()> {
    outgoing.send(NodeMessage { message: Some(message) }).await.context("the stream is gone")
}
