//! Questions to a node that it answers by its stream: traces; and what they have in common with packets that are followed.

use super::hub::Hub;
use super::session::Session;
use hadron_model::Host;
use hadron_wire::proto::servers_client::ServersClient;
use hadron_wire::proto::{HostTrace, TraceReply, TraceRequest};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tonic::Status;
use tonic::transport::Channel;

/// How long a node has for its first word: it says it between two passes of its loop, which take milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most questions to one node at a time.
const MOST: usize = 16;

/// What a host can be asked, by the server that it is connected to.
pub(super) trait Question: Clone + Send {
    type Answer: Send;

    /// Asks a host that is connected to this server.
    fn here(self, hub: &Hub, host: &str) -> impl Future<Output = Result<Self::Answer, NoAnswer>> + Send;

    /// Has another server ask a host that is connected to that one.
    fn there(
        self,
        server: ServersClient<Channel>,
        host: String,
    ) -> impl Future<Output = Result<Self::Answer, Status>> + Send;
}

/// Why a host did not answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// It never joined, or was removed.
    #[error("there is no host {0}; `hadron host list` lists them")]
    Unknown(String),
    /// Its agent is not connected to this server, nor to another one of the cloud that answers.
    #[error(
        "host {host} is not connected to any server of this cloud that answers{}: its agent is down or cut off; \
         its ports go on by the last rows that it has",
        said(.silent)
    )]
    Away {
        /// The host.
        host: String,
        /// Servers that could not be asked, each with why not.
        silent: Vec<String>,
    },
    /// Its agent is not connected to this server; others were not asked.
    #[error(
        "host {0} is not connected to this server: its agent is down or cut off, or connected to another server of this cloud; \
         its ports go on by the last rows that it has"
    )]
    NotHere(String),
    /// It is connected to another server, which says why there is no answer.
    #[error("{0}")]
    Elsewhere(String),
    /// It was connected, and is no more.
    #[error("host {0} lost its connection before it answered; try again")]
    Lost(String),
    /// It is connected and says nothing.
    #[error(
        "host {0} has not answered for 5 s: its agent is overloaded, or of a release (it says {1}) without such traces"
    )]
    Silent(String, String),
    /// It says why not.
    #[error("host {0}: {1}")]
    Refused(String, String),
    /// Too many ask at once.
    #[error("host {0} is being asked by too many at once; try again in a moment")]
    Busy(String),
}

fn said(silent: &[String]) -> String {
    if silent.is_empty() { String::new() } else { format!(" (not asked: {})", silent.join("; ")) }
}

/// The stream of a host that is connected to this server.
pub(super) fn stream_of(hub: &Hub, host: &str) -> Result<Arc<Session>, NoAnswer> {
    let name = host.to_owned();
    if !hub.store.snapshot().has::<Host>(&name) {
        return Err(NoAnswer::Unknown(name));
    }
    hub.session(host).ok_or(NoAnswer::NotHere(name))
}

/// Has a stream say what there is to be said, and waits for the node's first word; there is none when the stream has ended.
pub(super) async fn first_word<T>(
    session: &Session,
    word: impl Future<Output = Option<T>>,
) -> Result<T, NoAnswer> {
    session.wake.notify_one();
    let host = || session.peer.host.clone();
    match tokio::time::timeout(PATIENCE, word).await {
        Ok(Some(word)) => Ok(word),
        Ok(None) => Err(NoAnswer::Lost(host())),
        Err(_late) => Err(NoAnswer::Silent(host(), session.software_version.clone())),
    }
}

/// Questions of a stream, and who waits for their answers.
#[derive(Default)]
pub(super) struct Questions(Mutex<State>);

#[derive(Default)]
struct State {
    last: u64,
    unsaid: VecDeque<TraceRequest>,
    waiting: HashMap<u64, oneshot::Sender<TraceReply>>,
}

impl Questions {
    /// Takes a question; none when there are too many.
    fn put(&self, mut request: TraceRequest) -> Option<(u64, oneshot::Receiver<TraceReply>)> {
        let mut state = self.0.lock();
        if state.waiting.len() >= MOST {
            return None;
        }
        let (answer, waiting) = oneshot::channel();
        state.last += 1;
        request.id = state.last;
        state.waiting.insert(request.id, answer);
        state.unsaid.push_back(request);
        Some((state.last, waiting))
    }

    /// The next one to be said.
    pub(super) fn next(&self) -> Option<TraceRequest> {
        self.0.lock().unsaid.pop_front()
    }

    /// The node answers. An answer that nobody waits for any more is dropped.
    pub(super) fn answer(&self, reply: TraceReply) {
        if let Some(waiting) = self.0.lock().waiting.remove(&reply.id) {
            let _ = waiting.send(reply);
        }
    }

    /// Nobody waits any more.
    fn forget(&self, id: u64) {
        let mut state = self.0.lock();
        state.waiting.remove(&id);
        state.unsaid.retain(|request| request.id != id);
    }

    /// The stream has ended; so who waits hears it at once.
    pub(super) fn end(&self) {
        *self.0.lock() = State::default();
    }
}

/// Forgets a question when its asker goes away.
struct Waiting<'a>(&'a Questions, u64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.forget(self.1);
    }
}

impl Question for TraceRequest {
    type Answer = TraceReply;

    async fn here(self, hub: &Hub, host: &str) -> Result<TraceReply, NoAnswer> {
        let session = stream_of(hub, host)?;
        let (id, answer) = session.traces.put(self).ok_or_else(|| NoAnswer::Busy(host.to_owned()))?;
        let _waiting = Waiting(&session.traces, id);
        first_word(&session, async { answer.await.ok() }).await
    }

    async fn there(self, mut server: ServersClient<Channel>, host: String) -> Result<TraceReply, Status> {
        Ok(server.trace(HostTrace { host, request: Some(self) }).await?.into_inner())
    }
}
