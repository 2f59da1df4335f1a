//! One stream, from Hello to its end.

use super::Place;
use super::outbox::Outbox;
use super::{Rows, ServerNews};
use crate::cache::Position;
use crate::error::Error;
use crate::identity::Identity;
use crate::trace::Wish;
use hadron_wire::proto::nodes_client::NodesClient;
use hadron_wire::proto::{
    Batch, Goodbye, Heartbeat, Hello, NodeMessage, ServerMessage, goodbye, node_message, server_message,
    welcome,
};
use hadron_wire::{HEARTBEAT_SECONDS, MAX_MESSAGE_BYTES, row, version};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

/// The server has this long to answer Hello: it may have thousands to answer.
const WELCOME: Duration = Duration::from_secs(20);

/// Why a stream ended or did not begin.
#[derive(Debug)]
pub(super) enum End {
    /// For a renewed certificate to be used.
    Renewed,
    /// Without a word.
    Closed,
    /// With one.
    Goodbye(goodbye::Reason, String),
    /// By an error.
    Failed(Error),
}

impl End {
    /// Whether trying again soon is useless.
    pub(super) fn needs_operator(&self) -> bool {
        use goodbye::Reason;
        match self {
            End::Goodbye(reason, _) => matches!(reason, Reason::Version | Reason::Removed | Reason::Replaced),
            End::Failed(error) => error.is_permanent(),
            End::Renewed | End::Closed => false,
        }
    }
}

/// A stream that the server has welcomed.
pub(super) struct Session {
    incoming: Streaming<ServerMessage>,
    outgoing: mpsc::Sender<NodeMessage>,
    mode: welcome::Mode,
    history: [u8; 16],
    host_number: u32,
    staged: Vec<Batch>,
    is_first: bool,
}

impl Session {
    /// Says Hello and waits for Welcome; the inner error is the server's Goodbye.
    pub(super) async fn open(
        channel: Channel,
        identity: &Identity,
        place: &Place,
        instance: &[u8; 16],
        position: Option<Position>,
    ) -> Result<Result<Self, End>, Error> {
        let (outgoing, stream) = mpsc::channel(16);
        let hello = node_message::Message::Hello(hello(identity, place, instance, position));
        let _ = outgoing.try_send(NodeMessage { message: Some(hello) });
        let mut client = NodesClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let begin = async {
            let mut incoming = client.sync(ReceiverStream::new(stream)).await?.into_inner();
            let first = incoming.message().await?;
            Ok::<_, tonic::Status>((incoming, first))
        };
        let (incoming, first) = tokio::time::timeout(WELCOME, begin)
            .await
            .map_err(|_| Error::Silent)?
            .map_err(Error::refusal("open the stream"))?;
        let welcome = match first.and_then(|message| message.message) {
            Some(server_message::Message::Welcome(welcome)) => welcome,
            Some(server_message::Message::Goodbye(goodbye)) => return Ok(Err(End::from(goodbye))),
            _ => return Err(Error::Protocol("the first message is no Welcome")),
        };
        if !version::VERSIONS.contains(&welcome.version) {
            return Err(Error::Version(welcome.version));
        }
        let history = <[u8; 16]>::try_from(&welcome.history_id[..])
            .map_err(|_| Error::Protocol("no history id in Welcome"))?;
        Ok(Ok(Self {
            incoming,
            outgoing,
            mode: welcome.mode(),
            history,
            host_number: welcome.host_number,
            staged: Vec::new(),
            is_first: true,
        }))
    }

    pub(super) fn mode(&self) -> welcome::Mode {
        self.mode
    }

    pub(super) async fn run(
        mut self,
        news: &mpsc::Sender<ServerNews>,
        outbox: &Outbox,
    ) -> Result<End, Error> {
        let mut heartbeat = tokio::time::interval(Duration::from_secs(HEARTBEAT_SECONDS));
        loop {
            tokio::select! {
                message = self.incoming.message() => {
                    let message = message.map_err(Error::refusal("follow the stream"))?;
                    match message.map(|message| message.message) {
                        Some(Some(server_message::Message::Batch(batch))) => self.take(batch, news).await,
                        Some(Some(server_message::Message::Trace(request))) => {
                            let _ = news.send(ServerNews::Trace(request)).await;
                        }
                        Some(Some(server_message::Message::Follow(request))) => {
                            let _ = news.send(ServerNews::Follow(Wish::Begin(request))).await;
                        }
                        Some(Some(server_message::Message::EndFollow(end))) => {
                            let _ = news.send(ServerNews::Follow(Wish::End(end.id))).await;
                        }
                        Some(Some(server_message::Message::Goodbye(goodbye))) => return Ok(End::from(goodbye)),
                        Some(Some(server_message::Message::Welcome(_))) => {
                            return Err(Error::Protocol("a second Welcome"));
                        }
                        Some(None) => tracing::debug!("a message of a kind that this release doesn't know"),
                        None => return Ok(End::Closed),
                    }
                }
                () = outbox.changed() => {
                    for message in outbox.take() {
                        self.say(message).await;
                    }
                }
                _ = heartbeat.tick() => {
                    self.say(NodeMessage { message: Some(node_message::Message::Heartbeat(Heartbeat {})) }).await;
                }
            }
        }
    }

    /// Hands batches on once they are complete: to a revision, and in a snapshot to its end.
    async fn take(&mut self, batch: Batch, news: &mpsc::Sender<ServerNews>) {
        let revision = batch.complete_to;
        let ends_snapshot = batch.end_of_snapshot;
        self.staged.push(batch);
        let is_whole = !self.is_first || self.mode == welcome::Mode::Difference || ends_snapshot;
        if revision == 0 || !is_whole {
            return;
        }
        let rows = Rows {
            mode: self.is_first.then_some(self.mode),
            history: self.history,
            host_number: self.host_number,
            batches: std::mem::take(&mut self.staged),
            revision,
        };
        self.is_first = false;
        let _ = news.send(ServerNews::Rows(rows)).await;
    }

    /// A stream that is broken says so on its incoming side.
    async fn say(&self, message: NodeMessage) {
        let _ = self.outgoing.send(message).await;
    }
}

impl From<Goodbye> for End {
    fn from(goodbye: Goodbye) -> Self {
        End::Goodbye(goodbye.reason(), goodbye.text)
    }
}

fn hello(identity: &Identity, place: &Place, instance: &[u8; 16], position: Option<Position>) -> Hello {
    let (history, revision) = match position {
        Some(Position { history, revision }) => (history.to_vec(), revision),
        None => (Vec::new(), 0),
    };
    Hello {
        versions: Some(version::offered()),
        host_name: identity.host_name.clone(),
        software_version: env!("CARGO_PKG_VERSION").to_owned(),
        underlay: row::address(identity.underlay).octets().to_vec().into(),
        instance_id: instance.to_vec().into(),
        history_id: history.into(),
        revision,
        availability_zone: place.availability_zone.clone(),
        physical_networks: place.physical_networks.clone(),
    }
}
