//! The conversation with the server: desired rows in, status out, for as long as the node runs.
//!
//! ```text
//!            Rows (whole, in order)                         set(), in_force()
//! session ──────────────────────────► node's loop ────────────────────────► Outbox
//!    ▲ │  ◄── Position on request ───                                          │
//!    │ └──────────────── NodeMessage ◄──────────────────────────────────────────┘
//!  server
//! ```
//!
//! Batches are handed on only when they are complete to a revision, so that what the node holds is always one position of one
//! history, and a stream that breaks in the middle leaves nothing half done. Before each stream the node is asked for its
//! position, behind everything that it was handed earlier.

pub(crate) mod channel;
pub mod outbox;
mod session;

use crate::backoff::Backoff;
use crate::cache::Position;
use crate::error::{Error, chain};
use crate::identity::Identity;
use crate::join;
use crate::trace::Wish;
use hadron_wire::proto::{Batch, TraceRequest, goodbye, welcome};
use outbox::Outbox;
use session::{End, Session};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{mpsc, oneshot};
use tonic::transport::Channel;

/// The pause after a refusal that only an operator can lift.
const REFUSED: Duration = Duration::from_secs(30);

/// A stream that lasted as long was a good one: what ends it is a new trouble.
const GOOD: Duration = Duration::from_secs(5);

/// The pause after a renewal that failed. There is a third of the certificate's life for some attempts.
const RENEWAL_PAUSE: Duration = Duration::from_secs(600);

/// What the session tells the node's loop, in order.
#[derive(Debug)]
pub enum ServerNews {
    /// Rows that bring the node to a new position.
    Rows(Rows),
    /// Where does the node stand, after all that came before?
    Position(oneshot::Sender<Option<Position>>),
    /// What would become of a packet, by the rows that came before?
    Trace(TraceRequest),
    /// Packets to be followed, or no more.
    Follow(Wish),
}

/// Batches that are complete to a revision.
#[derive(Debug)]
pub struct Rows {
    /// How a new stream's first batches relate to what is held; `None` for those that follow.
    pub mode: Option<welcome::Mode>,
    /// The history that the revision belongs to.
    pub history: [u8; 16],
    /// The number that the server knows this host by.
    pub host_number: u32,
    /// To be applied in this order.
    pub batches: Vec<Batch>,
    /// The position's revision after them.
    pub revision: u64,
}

/// How the connection is, for the operator.
#[derive(Debug, Default)]
pub struct Link {
    connected: AtomicBool,
    connections: AtomicU64,
    last_error: Mutex<String>,
}

impl Link {
    /// Whether a stream is up.
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Streams since the process began.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Why the last stream ended or didn't begin; empty if none did.
    pub fn last_error(&self) -> String {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn up(&self) {
        self.connected.store(true, Ordering::Relaxed);
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    fn down(&self, why: &str) {
        self.connected.store(false, Ordering::Relaxed);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = why.to_owned();
    }
}

/// Where a host stands, as it tells its servers.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Its availability zone; empty for the default one.
    pub availability_zone: String,
    /// The physical networks that it has an interface to, sorted.
    pub physical_networks: Vec<String>,
}

/// Speaks with the server until its future is dropped.
#[derive(Debug)]
pub struct Sync {
    /// Who the node is.
    pub identity: Identity,
    /// Where it is.
    pub place: Place,
    /// Where a renewed identity is kept.
    pub state: PathBuf,
    /// To the node's loop.
    pub news: mpsc::Sender<ServerNews>,
    /// From the node's loop.
    pub outbox: Arc<Outbox>,
    /// For the operator.
    pub link: Arc<Link>,
    /// No renewal is tried before.
    pub renew_after: SystemTime,
    /// The number of the server that is tried first.
    pub first: usize,
}

impl Sync {
    /// Connects, and connects again, for ever; ends when the node's loop does.
    pub async fn run(mut self) {
        let instance = instance_id();
        let mut backoff = Backoff::default();
        while !self.news.is_closed() {
            let begin = Instant::now();
            let end = self.attempt(&instance).await.unwrap_or_else(End::Failed);
            if begin.elapsed() >= GOOD {
                backoff.reset();
            }
            let pause = match &end {
                End::Renewed => Duration::ZERO,
                end if end.needs_operator() => REFUSED + backoff.next(),
                _ => backoff.next(),
            };
            self.report(&end);
            tokio::time::sleep(pause).await;
        }
    }

    /// One stream, from connecting to its end.
    async fn attempt(&mut self, instance: &[u8; 16]) -> Result<End, Error> {
        let identity = &self.identity;
        let validity = identity.validity()?;
        if validity.to < SystemTime::now() {
            return Err(Error::Expired);
        }
        let (server, channel) =
            channel::connect_any(&identity.server, self.first, &identity.ca_pem, Some(identity)).await?;
        // What fails on it from here on may go well on the next one.
        self.first = server + 1;
        let due = validity.renewal().max(self.renew_after);
        if due <= SystemTime::now() && self.renew(&channel).await {
            return Ok(End::Renewed);
        }
        let position = self.position().await;
        self.outbox.close();
        let session =
            match Session::open(channel.clone(), &self.identity, &self.place, instance, position).await? {
                Ok(session) => session,
                Err(end) => return Ok(end),
            };
        self.link.up();
        let servers = hadron_wire::ticket::servers(&self.identity.server);
        tracing::info!(server = servers.get(server), mode = ?session.mode(), "connected");
        let due = validity.renewal().max(self.renew_after);
        let until_due = due.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        let end = tokio::select! {
            end = session.run(&self.news, &self.outbox) => end,
            () = tokio::time::sleep(until_due) => {
                self.renew(&channel).await;
                Ok(End::Renewed)
            }
        };
        let _ = self.news.send(ServerNews::Follow(Wish::Clear)).await;
        end
    }

    /// Gets a new certificate. Answers whether it did; the old one serves until it ends.
    async fn renew(&mut self, channel: &Channel) -> bool {
        let renewed = join::renew(channel.clone(), &self.identity).await;
        match renewed.and_then(|renewed| renewed.save(&self.state).map(|()| renewed)) {
            Ok(renewed) => {
                self.identity = renewed;
                tracing::info!("certificate renewed");
                true
            }
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    "the certificate can't be renewed; will be tried again"
                );
                self.renew_after = SystemTime::now() + RENEWAL_PAUSE;
                false
            }
        }
    }

    /// The node's position once it has taken in everything that it was handed.
    async fn position(&self) -> Option<Position> {
        let (answer, position) = oneshot::channel();
        self.news.send(ServerNews::Position(answer)).await.ok()?;
        position.await.ok().flatten()
    }

    fn report(&self, end: &End) {
        let server = &self.identity.server;
        let text = match end {
            End::Renewed => String::new(),
            End::Closed => "the server ended the stream".to_owned(),
            End::Goodbye(reason, text) => format!("{}: {text}", reason_text(*reason)),
            End::Failed(error) => chain(error),
        };
        if end.needs_operator() {
            tracing::error!(
                server,
                reason = text,
                "the server refuses this node; ports go on by the last known rows"
            );
        } else if !text.is_empty() && text != self.link.last_error() {
            tracing::warn!(server, reason = text, "no connection to the server; will be tried again");
        }
        self.link.down(&text);
    }
}

fn reason_text(reason: goodbye::Reason) -> &'static str {
    match reason {
        goodbye::Reason::Version => "no common protocol version",
        goodbye::Reason::Replaced => "another agent connected with this node's identity",
        goodbye::Reason::Removed => "this host was removed; join again with a new ticket",
        goodbye::Reason::Certificate => "the certificate of this stream is no longer good",
        goodbye::Reason::Protocol => "the server found a breach of protocol",
        goodbye::Reason::Shutdown => "the server is stopping",
        goodbye::Reason::Unspecified => "the server ended the stream",
    }
}

fn instance_id() -> [u8; 16] {
    let mut id = [0; 16];
    if getrandom::fill(&mut id).is_err() {
        id[..4].copy_from_slice(&std::process::id().to_le_bytes());
    }
    id
}
