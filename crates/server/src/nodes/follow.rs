//! Packets that a node tells of by its stream, for as long as somebody listens.

use super::hub::Hub;
use super::question::{NoAnswer, PATIENCE};
use super::session::Session;
use hadron_model::Host;
use hadron_wire::proto::follow_news::News;
use hadron_wire::proto::server_message::Message;
use hadron_wire::proto::{FollowEnd, FollowNews, FollowRequest};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Most requests to one node at a time; it refuses more itself by what it has room for.
const MOST: usize = 16;
/// News that wait for a listener that is slow.
const WAITING: usize = 256;

/// What a stream's node tells of, and to whom.
#[derive(Default)]
pub(super) struct Listeners(Mutex<State>);

#[derive(Default)]
struct State {
    last: u64,
    unsaid: VecDeque<Message>,
    open: HashMap<u64, mpsc::Sender<News>>,
}

impl Listeners {
    fn put(&self, mut request: FollowRequest) -> Option<(u64, mpsc::Receiver<News>)> {
        let mut state = self.0.lock();
        if state.open.len() >= MOST {
            return None;
        }
        let (tell, news) = mpsc::channel(WAITING);
        state.last += 1;
        request.id = state.last;
        state.open.insert(request.id, tell);
        state.unsaid.push_back(Message::Follow(request));
        Some((state.last, news))
    }

    /// The next message to the node.
    pub(super) fn next(&self) -> Option<Message> {
        self.0.lock().unsaid.pop_front()
    }

    /// The node tells something. What nobody waits for any more is dropped, and what a slow listener has no room for.
    pub(super) fn tell(&self, FollowNews { id, news }: FollowNews) {
        let mut state = self.0.lock();
        let is_last = matches!(news, Some(News::End(_)));
        if let (Some(listener), Some(news)) = (state.open.get(&id), news)
            && listener.try_send(news).is_err()
        {
            tracing::debug!(id, "a followed packet was not told, as its listener is slow");
        }
        if is_last {
            state.open.remove(&id);
        }
    }

    fn forget(&self, id: u64) {
        let mut state = self.0.lock();
        if state.open.remove(&id).is_some() {
            state.unsaid.push_back(Message::EndFollow(FollowEnd { id, ..FollowEnd::default() }));
        }
    }

    /// The stream has ended; so who listens hears it at once.
    pub(super) fn end(&self) {
        *self.0.lock() = State::default();
    }
}

/// Packets of a host that are followed. Dropping it has the node follow them no longer.
pub struct Following {
    session: Arc<Session>,
    id: u64,
    news: mpsc::Receiver<News>,
}

impl Following {
    /// What the host tells next; none after its last word, or when its stream has ended.
    pub async fn next(&mut self) -> Option<News> {
        self.news.recv().await
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.session.listeners.forget(self.id);
        self.session.wake.notify_one();
    }
}

/// Has a host's node follow packets; its first word is waited for.
pub(super) async fn follow(hub: &Hub, host: &str, request: FollowRequest) -> Result<Following, NoAnswer> {
    let name = || host.to_owned();
    if !hub.store.snapshot().has::<Host>(&name()) {
        return Err(NoAnswer::Unknown(name()));
    }
    let session = hub.session(host).ok_or_else(|| NoAnswer::NotHere(name()))?;
    let (id, news) = session.listeners.put(request).ok_or_else(|| NoAnswer::Busy(name()))?;
    session.wake.notify_one();
    let mut following = Following { session, id, news };
    match tokio::time::timeout(PATIENCE, following.next()).await {
        Ok(Some(News::End(FollowEnd { error, .. }))) => Err(NoAnswer::Refused(name(), error)),
        Ok(Some(_)) => Ok(following),
        Ok(None) => Err(NoAnswer::Lost(name())),
        Err(_late) => Err(NoAnswer::Silent(name(), following.session.software_version.clone())),
    }
}
