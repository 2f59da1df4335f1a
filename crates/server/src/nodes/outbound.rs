//! The response body of a stream: batches made when the transport has room for them.

use super::counters::Counter;
use super::goodbye::Farewell;
use super::hub::Hub;
use super::session::Session;
use futures_util::Stream;
use futures_util::stream;
use hadron_wire::proto::server_message::Message;
use hadron_wire::proto::{Batch, ServerMessage, Welcome};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tonic::Status;

/// What a node is sent.
pub(super) type Outbound = std::pin::Pin<Box<dyn Stream<Item = Result<ServerMessage, Status>> + Send>>;

/// A stream that only says why there is none.
pub(super) fn refusal(hub: &Hub, farewell: Farewell) -> Outbound {
    hub.count_goodbye();
    Box::pin(stream::iter([Ok(farewell.message())]))
}

/// The stream of a session. Dropping it, as the transport does when the connection is gone, ends the session.
pub(super) fn of(hub: Arc<Hub>, session: Arc<Session>, welcome: Welcome) -> Outbound {
    let first = ServerMessage { message: Some(Message::Welcome(welcome)) };
    let open = Open { hub, session, next: Some(first) };
    Box::pin(stream::unfold(Some(open), |open| async {
        let mut open = open?;
        let (message, goes_on) = open.next().await?;
        Some((Ok(message), goes_on.then_some(open)))
    }))
}

struct Open {
    hub: Arc<Hub>,
    session: Arc<Session>,
    next: Option<ServerMessage>,
}

impl Open {
    /// The next message, and whether others can follow; `None` when the stream is over without a word.
    async fn next(&mut self) -> Option<(ServerMessage, bool)> {
        if let Some(first) = self.next.take() {
            return Some((first, true));
        }
        loop {
            if let Some(farewell) = self.session.take_farewell() {
                self.hub.count_goodbye();
                tracing::info!(host = self.session.peer.host, reason = farewell.text, "a node's stream ends");
                return Some((farewell.message(), false));
            }
            if self.session.has_ended() {
                return None;
            }
            if let Some(request) = self.session.traces.next() {
                return Some((ServerMessage { message: Some(Message::Trace(request)) }, true));
            }
            if let Some(message) = self.session.listeners.next() {
                return Some((ServerMessage { message: Some(message) }, true));
            }
            if let Some(batch) = self.batch() {
                return Some((ServerMessage { message: Some(Message::Batch(batch)) }, true));
            }
            // A permit is kept if this comes after the wake.
            self.session.wake.notified().await;
        }
    }

    fn batch(&self) -> Option<Batch> {
        let projection = self.hub.projection.read();
        let mut subscription = self.session.subscription.lock();
        let mut batch = projection.next_batch(&mut subscription, self.hub.config.batch).or_else(|| {
            let is_asked = self.session.wants_catch_up.swap(false, Relaxed);
            is_asked.then(|| projection.catch_up(&mut subscription)).flatten()
        })?;
        batch.request_id = self.session.request_of_batch(batch.complete_to != 0);
        let counters = &self.hub.counters;
        counters.one(Counter::Batches);
        counters.add(Counter::Rows, batch.changes.len());
        counters.add(Counter::RowBytes, batch.changes.iter().map(|change| change.len()).sum());
        Some(batch)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.hub.forget(&self.session);
    }
}
