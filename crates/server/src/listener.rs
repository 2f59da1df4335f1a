//! HTTPS listeners.

use crate::connection::Bounded;
use crate::{Limits, ServerError};
use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// Octets that the head of a request may have.
const HEAD_SIZE: usize = 64 * 1024;
/// How long requests under way may take once the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// Binds `address`, so that what is wrong with it is said before anything is started.
pub fn bind(address: SocketAddr, what: &'static str) -> Result<TcpListener, ServerError> {
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|source| ServerError::Listen { what, address, source })
}

/// Serves `router` on `listener` until `handle` is told to stop.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    router: Router,
    limits: &Limits,
    handle: Handle<SocketAddr>,
) -> std::io::Result<()> {
    let bounded = Bounded::new(limits.connections, limits.body_timeout);
    let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(tls)).acceptor(bounded);
    // Looking for the version of HTTP first would wait without end for a client that says nothing.
    let mut server = axum_server::from_tcp(listener)?.acceptor(acceptor).http1_only().handle(handle);
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(HEAD_SIZE)
        .keep_alive(true);
    server.serve(router.into_make_service_with_connect_info::<SocketAddr>()).await
}

/// Tells `handle`'s server to finish what is under way and stop.
pub fn stop(handle: &Handle<SocketAddr>) {
    handle.graceful_shutdown(Some(GRACE));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::Authority;
    use axum::routing::get;
    use hadron_store::Store;
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, ServerName};
    use std::net::Ipv4Addr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream;

    const HELLO: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    /// More than the buffers between client and server hold.
    const LONG: usize = 64 << 20;
    /// When a test that waits has failed.
    const PATIENCE: Duration = Duration::from_secs(60);

    struct Served {
        address: SocketAddr,
        tls: TlsConnector,
        handle: Handle<SocketAddr>,
    }

    impl Served {
        async fn with(limits: Limits) -> Self {
            let authority = Arc::new(Authority::open(&Store::in_memory().await).await.unwrap());
            let listener = bind((Ipv4Addr::LOCALHOST, 0).into(), "tests").unwrap();
            let address = listener.local_addr().unwrap();
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.ca_pem().as_bytes()).unwrap()).unwrap();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let client = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            let tls = authority.https_config(&["127.0.0.1".to_owned()]).unwrap();
            let router = Router::new()
                .route("/", get(|| async { "hello" }))
                .route("/long", get(|| async { vec![0_u8; LONG] }));
            let handle = Handle::new();
            let stop = handle.clone();
            tokio::spawn(async move { serve(listener, tls, router, &limits, stop).await });
            Self { address, tls: TlsConnector::from(Arc::new(client)), handle }
        }

        async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
            let stream = TcpStream::connect(self.address).await?;
            self.tls.connect(ServerName::IpAddress(self.address.ip().into()), stream).await
        }

        /// Whether a request on a connection of its own is answered.
        async fn answers(&self) -> bool {
            let Ok(mut stream) = self.connect().await else { return false };
            if stream.write_all(HELLO).await.is_err() {
                return false;
            }
            let mut answer = [0; 15];
            stream.read_exact(&mut answer).await.is_ok() && &answer == b"HTTP/1.1 200 OK"
        }
    }

    impl Drop for Served {
        fn drop(&mut self) {
            self.handle.shutdown();
        }
    }

    /// Waits until the server has closed a connection, and returns what it sent before.
    async fn closed(mut stream: TlsStream<TcpStream>) -> Vec<u8> {
        let mut all = Vec::new();
        // A connection that ends without TLS's goodbye is closed as well.
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("it stays open");
        all
    }

    fn hasty() -> Limits {
        Limits { head_timeout: Duration::from_millis(300), ..Limits::default() }
    }

    #[tokio::test]
    async fn a_client_that_says_nothing_or_half_a_head_is_closed() {
        let served = Served::with(hasty()).await;
        assert_eq!(closed(served.connect().await.unwrap()).await, b"");
        // Also within what another version of HTTP would begin with.
        for begun in [&b"P"[..], b"PRI * HTTP/2.0", b"GET / HTTP/1.1\r\nX-A: "] {
            let mut stream = served.connect().await.unwrap();
            stream.write_all(begun).await.unwrap();
            let answer = closed(stream).await;
            assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        }
        let mut idle = served.connect().await.unwrap();
        idle.write_all(HELLO).await.unwrap();
        assert!(closed(idle).await.ends_with(b"hello"));
        assert!(served.answers().await);
    }

    #[tokio::test]
    async fn a_client_that_drips_its_head_is_closed() {
        let served = Served::with(hasty()).await;
        let mut stream = served.connect().await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nX-A: ").await.unwrap();
        let drip = async {
            while stream.write_all(b"a").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, drip).await.expect("it may drip for ever");
    }

    #[tokio::test]
    async fn a_head_without_measure_is_refused() {
        let served = Served::with(Limits::default()).await;
        let mut stream = served.connect().await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let line = format!("X-A: {}\r\n", "a".repeat(1000));
        for _ in 0..1000 {
            if stream.write_all(line.as_bytes()).await.is_err() {
                break;
            }
        }
        let answer = closed(stream).await;
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        assert!(served.answers().await);
    }

    #[tokio::test]
    async fn connections_beyond_the_limit_are_closed_and_places_come_back() {
        let served = Served::with(Limits { connections: 2, ..Limits::default() }).await;
        let (one, two) = (served.connect().await.unwrap(), served.connect().await.unwrap());
        assert!(!served.answers().await);
        drop(one);
        let again = async { while !served.answers().await {} };
        tokio::time::timeout(PATIENCE, again).await.expect("no place comes back");
        drop(two);
    }

    #[tokio::test]
    async fn a_client_that_leaves_its_answer_is_closed() {
        let body_timeout = Duration::from_millis(300);
        let served = Served::with(Limits { connections: 1, body_timeout, ..Limits::default() }).await;
        let mut stream = served.connect().await.unwrap();
        stream.write_all(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let again = async { while !served.answers().await {} };
        tokio::time::timeout(PATIENCE, again).await.expect("its connection stays");
        drop(stream);
    }
}
