//! The name server: what the asking port's network has is answered here, everything else asked of the operator's servers.
//!
//! Each question elsewhere has a socket, a port and an id of its own, so that nobody guesses them all. Nothing is kept: the servers that
//! are asked have their caches.

use super::places::{NoPlace, Place, Places};
use crate::error::chain;
use crate::services::{self, Services};
use hadron_responders::dns::{Answered, Outcome, Question, Transport, answer};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

/// Questions of a port that wait for others' answers, and its TCP connections.
const PER_PORT: usize = 64;
const STREAMS: usize = 8;
/// How long a server may take before the next one is asked, and how often each is.
const PATIENCE: Duration = Duration::from_millis(1500);
const ROUNDS: usize = 2;
/// How long a connection may be idle, and how many questions it may bring.
const IDLE: Duration = Duration::from_secs(10);
const QUESTIONS: usize = 200;
const LARGEST: usize = u16::MAX as usize;

/// What names are answered from.
#[derive(Clone)]
pub struct Context {
    /// The ports and the names of their networks.
    pub services: Arc<Services>,
    /// The operator's servers, in the order in which they are asked.
    pub upstreams: Arc<[SocketAddr]>,
    /// What was answered.
    pub counters: Arc<services::Counters>,
    /// Questions that are asked elsewhere.
    pub(super) under_way: Places,
}

impl Context {
    /// Nothing is under way yet.
    pub fn new(services: Arc<Services>, upstreams: &[SocketAddr], counters: Arc<services::Counters>) -> Self {
        Context { services, upstreams: upstreams.into(), counters, under_way: Places::default() }
    }

    fn count(&self, outcome: Outcome) {
        self.counters.dns.record(outcome);
    }

    /// Answers a message of the port, as far as its network's names go.
    fn answer(&self, peer: SocketAddr, bytes: &[u8], transport: Transport) -> Option<(Answered, Place)> {
        let place = match self.under_way.take(&self.services, peer, PER_PORT) {
            Ok(place) => place,
            Err(NoPlace::Stranger) => return None,
            Err(NoPlace::Crowded) => {
                self.count(Outcome::Crowded);
                return None;
            }
        };
        let answered = self.services.with_names(place.port, |names| answer(bytes, names, transport))?;
        Some((answered, place))
    }

    /// The message to send back, if any.
    async fn settle(&self, answered: Answered) -> Option<Vec<u8>> {
        let (reply, outcome) = match answered {
            Answered::Reply(reply, outcome) => (Some(reply), outcome),
            Answered::Silence(outcome) => (None, outcome),
            Answered::Forward(question) => match self.forward(&question).await {
                Some(reply) => (Some(reply), Outcome::Forwarded),
                None => (Some(question.failed()), Outcome::Failed),
            },
        };
        self.count(outcome);
        reply
    }

    async fn forward(&self, question: &Question) -> Option<Vec<u8>> {
        for _ in 0..ROUNDS {
            for server in self.upstreams.iter() {
                match timeout(PATIENCE, exchange(*server, question)).await {
                    Ok(Ok(reply)) => return Some(reply),
                    Ok(Err(error)) => {
                        tracing::debug!(%server, error = chain(&error), "a name server can't be asked");
                    }
                    Err(_) => tracing::debug!(%server, "a name server doesn't answer"),
                }
            }
        }
        None
    }
}

/// Serves for as long as it runs.
pub async fn serve(
    datagrams: Vec<std::net::UdpSocket>,
    streams: Vec<std::net::TcpListener>,
    context: Context,
) {
    let datagrams = datagrams.into_iter().map(|socket| receive(socket, context.clone()));
    let streams = streams.into_iter().map(|listener| accept(listener, context.clone()));
    let datagrams = futures_util::future::join_all(datagrams);
    futures_util::future::join(datagrams, futures_util::future::join_all(streams)).await;
}

async fn receive(socket: std::net::UdpSocket, context: Context) {
    let socket = match UdpSocket::from_std(socket) {
        Ok(socket) => Arc::new(socket),
        Err(error) => {
            tracing::error!(error = chain(&error), "the name server's socket is not usable");
            return;
        }
    };
    let mut buffer = vec![0; LARGEST];
    let mut waiting = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            received = socket.recv_from(&mut buffer) => {
                let Ok((length, peer)) = received else { continue };
                let Some((answered, place)) = context.answer(peer, &buffer[..length], Transport::Udp) else { continue };
                let (context, socket) = (context.clone(), socket.clone());
                let reply = async move {
                    let reply = context.settle(answered).await;
                    // It may be another port's interface by now.
                    if let Some(reply) = reply.filter(|_| place.is_held(&context.services)) {
                        let _ = socket.send_to(&reply, peer).await;
                    }
                };
                waiting.spawn(reply);
            }
            Some(_) = waiting.join_next() => {}
        }
    }
}

async fn accept(listener: std::net::TcpListener, context: Context) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(error = chain(&error), "the name server's listener is not usable");
            return;
        }
    };
    let places = Places::default();
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match places.take(&context.services, peer, STREAMS) {
                    Ok(place) => drop(connections.spawn(converse(stream, place, context.clone()))),
                    Err(NoPlace::Crowded) => context.count(Outcome::Crowded),
                    Err(NoPlace::Stranger) => {}
                },
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Questions of a connection, one after the other (RFC 7766).
async fn converse(mut stream: TcpStream, place: Place, context: Context) {
    for _ in 0..QUESTIONS {
        let Ok(Ok(message)) = timeout(IDLE, read_message(&mut stream)).await else { return };
        let Some((answered, _under_way)) = context.answer(place.peer, &message, Transport::Tcp) else {
            return;
        };
        let Some(reply) = context.settle(answered).await else { return };
        if !place.is_held(&context.services)
            || !matches!(timeout(IDLE, write_message(&mut stream, &reply)).await, Ok(Ok(())))
        {
            return;
        }
    }
}

/// The answer of a server, by TCP if it says that it is too long.
async fn exchange(server: SocketAddr, question: &Question) -> io::Result<Vec<u8>> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(|error| io::Error::other(error.to_string()))?;
    let id = u16::from_ne_bytes(id);
    let query = question.query(id).ok_or(io::ErrorKind::InvalidData)?;
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(&query).await?;
    let mut buffer = vec![0; LARGEST];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let Some(reply) = question.relayed(id, &buffer[..length]) else { continue };
        if !question.is_truncated(id, &buffer[..length]) {
            return Ok(reply);
        }
        let mut stream = TcpStream::connect(server).await?;
        write_message(&mut stream, &query).await?;
        let whole = read_message(&mut stream).await?;
        return question.relayed(id, &whole).ok_or(io::ErrorKind::InvalidData.into());
    }
}

async fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; length.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

async fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    let whole = [&length.to_be_bytes(), message].concat();
    stream.write_all(&whole).await
}
