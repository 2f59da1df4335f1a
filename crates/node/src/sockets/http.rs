//! The metadata listener: HTTP/1.1 for instances.
//!
//! Who asks is the port at the interface that the connection's source stands for, looked up anew for each request. No header of a
//! request is read, and none goes on to Nova. A port has a bounded number of connections, and each of them a bounded life.

use super::nova::{Asker, Nova};
use super::places::{NoPlace, Place, Places};
use crate::error::chain;
use crate::plane::Sessions;
use crate::services::metadata::{Metadata, subject};
use crate::services::{self, Services};
use bytes::Bytes;
use hadron_responders::metadata::{Answer, SEED, answer};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// Connections of a port at a time.
pub const PER_PORT: usize = 16;
/// How long a request's head may take, and a connection be idle.
const HEAD: Duration = Duration::from_secs(10);
/// How long a connection lives at most.
const LIFE: Duration = Duration::from_secs(120);
/// Octets of a request's head and of its body.
const HEAD_SIZE: usize = 32 << 10;
const BODY_SIZE: usize = 64 << 10;
const TCP: u8 = 6;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        /// Requests and connections by outcome, since the process began.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: AtomicU64,)*
        }

        impl Counters {
            /// Outcome and how often.
            pub fn read(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name.load(Ordering::Relaxed))),*].into_iter()
            }
        }
    };
}

counters! {
    /// Answered with what was asked for.
    answered;
    /// There is no such thing, or nobody has told of the instance.
    not_found;
    /// Another refusal.
    refused;
    /// Answered by Nova.
    proxied;
    /// Nova didn't answer.
    unavailable;
    /// Connections of no port.
    strangers;
    /// Connections of a port with too many.
    crowded;
    /// Connections that ended in an error, as a request that is none.
    broken;
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// What requests are answered from.
#[derive(Clone)]
pub struct Context {
    /// The ports.
    pub services: Arc<Services>,
    /// Who asks from where.
    pub sessions: Arc<dyn Sessions>,
    /// Who has what hasn't been registered.
    pub nova: Option<Arc<Nova>>,
    /// What was answered.
    pub counters: Arc<services::Counters>,
}

/// Serves for as long as it runs.
pub async fn serve(listeners: Vec<std::net::TcpListener>, context: Context) {
    let open = Places::default();
    let all = listeners.into_iter().map(|listener| accept(listener, context.clone(), open.clone()));
    futures_util::future::join_all(all).await;
}

async fn accept(listener: std::net::TcpListener, context: Context, open: Places) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(error = chain(&error), "the metadata listener is not usable");
            return;
        }
    };
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match open.take(&context.services, peer, PER_PORT) {
                    Ok(place) => drop(connections.spawn(connection(stream, place, context.clone()))),
                    Err(NoPlace::Stranger) => count(&context.counters.metadata.strangers),
                    Err(NoPlace::Crowded) => count(&context.counters.metadata.crowded),
                },
                Err(error) => {
                    tracing::warn!(error = chain(&error), "a connection for metadata can't be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, place: Place, context: Context) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| respond(request, &place, &context));
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_SIZE)
        .serve_connection(TokioIo::new(stream), service);
    if let Ok(Err(error)) = tokio::time::timeout(LIFE, serving).await {
        count(&context.counters.metadata.broken);
        tracing::debug!(port = place.port, error = chain(&error), "a connection for metadata broke");
    }
}

async fn respond(
    request: Request<Incoming>,
    place: &Place,
    context: &Context,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let counters = &context.counters.metadata;
    // The interface may be another port's by now.
    let told = context.services.get(place.port).filter(|_| place.is_held(&context.services));
    let asks = told.and_then(|told| told.metadata.clone());
    let Some(asks) = asks else {
        count(&counters.not_found);
        return Ok(plain(Answer::refusal(404, "Not Found")));
    };
    if asks.instance.is_none() {
        return Ok(match &context.nova {
            Some(nova) => ask_nova(nova, request, place, &asks, context).await,
            None => {
                count(&counters.not_found);
                plain(Answer::refusal(404, "Nobody has told of this instance"))
            }
        });
    }
    let answer = own_answer(&request, &asks, context);
    count(match answer.status {
        200 => &counters.answered,
        404 => &counters.not_found,
        _ => &counters.refused,
    });
    Ok(plain(answer))
}

fn own_answer(request: &Request<Incoming>, asks: &Metadata, context: &Context) -> Answer {
    let Some(subject) = subject(asks, &context.services.of_device(&asks.device)) else {
        return Answer::refusal(404, "Not Found");
    };
    let mut seed = [0; SEED];
    if getrandom::fill(&mut seed).is_err() {
        return Answer::refusal(503, "There is no randomness now");
    }
    let path = percent_encoding::percent_decode_str(request.uri().path()).decode_utf8_lossy();
    answer(request.method().as_str(), &path, &subject, &seed)
}

async fn ask_nova(
    nova: &Nova,
    request: Request<Incoming>,
    place: &Place,
    asks: &Metadata,
    context: &Context,
) -> Response<Full<Bytes>> {
    let counters = &context.counters.metadata;
    let (parts, body) = request.into_parts();
    let Ok(Ok(body)) = tokio::time::timeout(HEAD, Limited::new(body, BODY_SIZE).collect()).await else {
        count(&counters.refused);
        return plain(Answer::refusal(413, "The body is too long, or took too long"));
    };
    let known = context.sessions.guest(place.peer.ip(), place.peer.port(), TCP);
    let own = || asks.link.addresses.first().map(|own| own.address);
    let address = known.or_else(own).unwrap_or(place.peer.ip());
    let asker = Asker { device: &asks.device, project: &asks.project, address };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    match nova.ask(parts.method, path, body.to_bytes(), asker).await {
        Ok(answer) => {
            count(&counters.proxied);
            answer
        }
        Err(error) => {
            count(&counters.unavailable);
            tracing::warn!(
                error = chain(&error),
                port = place.port,
                "an instance gets no metadata from Nova"
            );
            plain(Answer::refusal(503, "The metadata service is not available now"))
        }
    }
}

fn plain(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body.into()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    response
}
