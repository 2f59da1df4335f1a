//! From a TCP connection to one with a known peer.

use super::counters::Counter;
use super::hub::Hub;
use super::peer::Peer;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

/// Handshakes at a time; more connections wait in the listener's queue.
const HANDSHAKES: usize = 256;

/// How long a connection without a certificate may last: enough to join.
const STRANGER: Duration = Duration::from_secs(30);

/// How a connection came about; an extension of its requests.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) remote: SocketAddr,
    /// `None` without a certificate: such a client may only join.
    pub(super) peer: Option<Arc<Peer>>,
}

/// A connection after its handshake.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    origin: Origin,
    /// When a client without a certificate must be done.
    deadline: Option<Pin<Box<Sleep>>>,
}

type Tls = Box<dyn Fn() -> Arc<rustls::ServerConfig> + Send>;

/// The connections of `listener`, each after its handshake, in no particular order.
pub(super) fn connections(
    hub: Arc<Hub>,
    listener: TcpListener,
    tls: Tls,
) -> ReceiverStream<io::Result<Connection>> {
    let (ready, connections) = mpsc::channel(64);
    tokio::spawn(accept(hub, listener, tls, ready));
    ReceiverStream::new(connections)
}

async fn accept(hub: Arc<Hub>, listener: TcpListener, tls: Tls, ready: mpsc::Sender<io::Result<Connection>>) {
    let permits = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ready.closed() => return,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely; those in use must end before the next can begin.
                tracing::warn!(%error, "a node's connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (hub, acceptor, ready) = (hub.clone(), TlsAcceptor::from(for_http2(tls())), ready.clone());
        tokio::spawn(async move {
            let handshake = tokio::time::timeout(hub.config.handshake, shake_hands(acceptor, stream, remote));
            match handshake.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(connection) => drop(ready.send(Ok(connection)).await),
                Err(error) => {
                    hub.counters.one(Counter::HandshakesFailed);
                    tracing::info!(%remote, %error, "a node's TLS handshake failed");
                }
            }
            drop(permit);
        });
    }
}

fn for_http2(tls: Arc<rustls::ServerConfig>) -> Arc<rustls::ServerConfig> {
    if tls.alpn_protocols == [b"h2"] {
        return tls;
    }
    let mut tls = rustls::ServerConfig::clone(&tls);
    tls.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(tls)
}

async fn shake_hands(acceptor: TlsAcceptor, stream: TcpStream, remote: SocketAddr) -> io::Result<Connection> {
    stream.set_nodelay(true)?;
    let stream = acceptor.accept(stream).await?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let peer = certificate.map(|certificate| Peer::of(certificate)).transpose().map_err(io::Error::other)?;
    let deadline = peer.is_none().then(|| Box::pin(tokio::time::sleep(STRANGER)));
    Ok(Connection { stream, origin: Origin { remote, peer: peer.map(Arc::new) }, deadline })
}

impl Connected for Connection {
    type ConnectInfo = Origin;

    fn connect_info(&self) -> Origin {
        self.origin.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
