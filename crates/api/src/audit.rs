//! What those are told who keep account of requests, as an audit log does: requests, after their answer, and what a commit has changed.

use crate::Caller;
use crate::resource::changed;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request};
use hadron_store::Commit;
use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

/// A request, and what became of it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `req-` and a UUID; commits of the request have the same.
    pub request_id: String,
    /// The trace of the caller's that it is a part of (`traceparent`, W3C Trace Context, section 3.2), as it came.
    pub traceparent: Option<String>,
    /// When it came.
    pub since: SystemTime,
    /// HTTP method.
    pub method: Method,
    /// Path.
    pub path: String,
    /// From where it came, if that is known: the client's address, or a proxy's.
    pub client: Option<IpAddr>,
    /// Who asks; `None` if no valid token was shown.
    pub caller: Option<Arc<Caller>>,
    /// The answer's status; `None` if the client went away before there was one, or it ended in a fault.
    pub status: Option<u16>,
}

impl Asked {
    /// Whether it would change nothing.
    pub fn only_reads(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }
}

/// Who is told of requests. It must not block.
pub trait Observer: Debug + Send + Sync {
    /// A request has its answer.
    fn answered(&self, asked: &Asked);
}

/// A request under way; it is told when this is dropped.
pub(crate) struct Watched {
    observers: Arc<[Arc<dyn Observer>]>,
    pub(crate) asked: Asked,
}

impl Watched {
    /// Nothing if nobody is to be told.
    pub(crate) fn begin<B>(
        observers: &Arc<[Arc<dyn Observer>]>,
        request: &Request<B>,
        request_id: &str,
    ) -> Option<Self> {
        if observers.is_empty() {
            return None;
        }
        let client = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let traceparent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
        let asked = Asked {
            request_id: request_id.to_owned(),
            traceparent: traceparent.map(str::to_owned),
            since: SystemTime::now(),
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            client: client.map(|ConnectInfo(address)| address.ip().to_canonical()),
            caller: None,
            status: None,
        };
        Some(Self { observers: observers.clone(), asked })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.observers.iter().for_each(|observer| observer.answered(&self.asked));
    }
}

/// What happened to an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Happened {
    /// It was made.
    Created,
    /// It was changed.
    Updated,
    /// It is gone.
    Deleted,
}

impl Happened {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Happened::Created => "created",
            Happened::Updated => "updated",
            Happened::Deleted => "deleted",
        }
    }
}

/// An object that a commit has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangedObject {
    /// What it is: the API's name for one, or the store's for what the API does not show.
    pub resource: String,
    /// Its id, or what else it is found by.
    pub id: String,
    /// What happened to it.
    pub happened: Happened,
    /// The attributes that differ, by the API's names, if it was there before and still is. No values: they may be secret.
    pub attributes: Vec<&'static str>,
}

/// What a commit has changed, without the store's own bookkeeping (claims of addresses, counters, heartbeats).
pub fn changes(commit: &Commit) -> Vec<ChangedObject> {
    commit.changes.iter().filter_map(|change| changed::object(&change.key, commit)).collect()
}
