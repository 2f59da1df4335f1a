//! The listener: plain HTTP, `GET /metrics`, nothing else. Who asks too often or too slowly costs only itself.

use anyhow::{Context, Result};
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Connections at a time; more wait in the listener's queue.
const CONNECTIONS: usize = 128;
/// How long a connection may last in all.
const LIFETIME: Duration = Duration::from_secs(10);
/// How long a page is good.
const FRESH: Duration = Duration::from_secs(1);
/// How long to wait when no connection can be accepted, as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// A page and when it was made.
type Last = Mutex<Option<(Instant, Bytes)>>;

/// A listener that serves; dropping it ends it.
pub struct Serving(JoinHandle<Infallible>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Serves what `page` makes.
///
/// # Errors
/// The address can't be listened at.
pub async fn serve(
    address: SocketAddr,
    page: impl Fn() -> String + Send + Sync + 'static,
) -> Result<Serving> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("metrics at {address}"))?;
    tracing::info!(%address, "metrics are served");
    Ok(Serving(tokio::spawn(accept(listener, Arc::new(page)))))
}

async fn accept<P: Fn() -> String + Send + Sync + 'static>(
    listener: TcpListener,
    page: Arc<P>,
) -> Infallible {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let last: Arc<Last> = Arc::default();
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { std::future::pending().await };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (page, last) = (page.clone(), last.clone());
                tokio::spawn(async move {
                    let _ = tokio::time::timeout(LIFETIME, answer(stream, page, last)).await;
                    drop(permit);
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn answer<P: Fn() -> String + Send + Sync + 'static>(stream: TcpStream, page: Arc<P>, last: Arc<Last>) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let (page, last) = (page.clone(), last.clone());
        async move {
            let is_right = request.uri().path() == "/metrics";
            let answer = match (request.method(), is_right) {
                (&Method::GET, true) => said(current(&*page, &last).await),
                (_, true) => refused(StatusCode::METHOD_NOT_ALLOWED),
                _ => refused(StatusCode::NOT_FOUND),
            };
            Ok::<_, Infallible>(answer)
        }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(LIFETIME).keep_alive(false);
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

/// The page, made anew when it is old; who asks meanwhile waits for it.
async fn current(page: &(dyn Fn() -> String + Sync + Send), last: &Last) -> Bytes {
    let mut last = last.lock().await;
    if let Some((made, page)) = &*last
        && made.elapsed() < FRESH
    {
        return page.clone();
    }
    let made = Bytes::from(page());
    *last = Some((Instant::now(), made.clone()));
    made
}

type Body = http_body_util::Full<Bytes>;

fn said(page: Bytes) -> Response<Body> {
    let mut answer = Response::new(Body::new(page));
    let kind = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

fn refused(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::new(Bytes::from_static(b"GET /metrics\n")));
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    }

    #[tokio::test]
    async fn a_hundred_scrapers_cost_one_page_and_slow_ones_stop_nobody() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let made = Arc::new(AtomicU64::new(0));
        let count = made.clone();
        let page = move || format!("page {}\n", count.fetch_add(1, Ordering::Relaxed));
        let serving = tokio::spawn(accept(listener, Arc::new(page)));
        let mut slow = Vec::new();
        for _ in 0..CONNECTIONS / 2 {
            slow.push(TcpStream::connect(address).await.expect("a connection"));
        }
        let get = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
        let asking = (0..100).map(|_| tokio::spawn(ask(address, get)));
        for answer in asking.collect::<Vec<_>>() {
            let answer = answer.await.expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("version=0.0.4"), "{answer}");
            assert!(answer.contains("page "), "{answer}");
        }
        assert!(made.load(Ordering::Relaxed) < 100, "each scraper had a page of its own");
        assert!(ask(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.starts_with("HTTP/1.1 404"));
        assert!(ask(address, "POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.starts_with("HTTP/1.1 405"));
        assert!(ask(address, "nonsense\r\n\r\n").await.starts_with("HTTP/1.1 400"));
        serving.abort();
    }
}
