//! Packets that a node tells of by its stream, for as long as somebody listens.

use super::hub::Hub;
use super::question::{NoAnswer, Question, first_word, stream_of};
use super::session::Session;
use futures_util::stream::{self, BoxStream, StreamExt};
use hadron_wire::proto::follow_news::News;
use hadron_wire::proto::server_message::Message;
use hadron_wire::proto::servers_client::ServersClient;
use hadron_wire::proto::{FollowEnd, FollowNews, FollowRequest, HostFollow};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

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

/// What a host tells of packets that it follows, to its last word, or until its stream has ended. Dropping it has the host follow them no
/// longer.
pub type Following = BoxStream<'static, News>;

/// Packets that a host of this server follows for as long as this lives.
struct Listener {
    session: Arc<Session>,
    id: u64,
    news: mpsc::Receiver<News>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.session.listeners.forget(self.id);
        self.session.wake.notify_one();
    }
}

impl Question for FollowRequest {
    type Answer = Following;

    async fn here(self, hub: &Hub, host: &str) -> Result<Following, NoAnswer> {
        let session = stream_of(hub, host)?;
        let (id, news) = session.listeners.put(self).ok_or_else(|| NoAnswer::Busy(host.to_owned()))?;
        let mut listener = Listener { session: session.clone(), id, news };
        if let News::End(FollowEnd { error, .. }) = first_word(&session, listener.news.recv()).await? {
            return Err(NoAnswer::Refused(host.to_owned(), error));
        }
        let news =
            stream::unfold(listener, async |mut listener| Some((listener.news.recv().await?, listener)));
        Ok(news.boxed())
    }

    async fn there(self, mut server: ServersClient<Channel>, host: String) -> Result<Following, Status> {
        let news = server.follow(HostFollow { host, request: Some(self) }).await?.into_inner();
        Ok(stream::unfold(news, async |mut news| Some((told(&mut news).await?, news))).boxed())
    }
}

/// What another server's host tells next.
async fn told(news: &mut Streaming<FollowNews>) -> Option<News> {
    loop {
        match news.message().await {
            Ok(Some(FollowNews { news: Some(news), .. })) => return Some(news),
            // News of a kind that a later release knows.
            Ok(Some(FollowNews { news: None, .. })) => {}
            Ok(None) => return None,
            Err(status) => {
                tracing::debug!(error = status.message(), "another server tells of packets no longer");
                return None;
            }
        }
    }
}
