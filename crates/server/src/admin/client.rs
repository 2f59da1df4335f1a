//! The caller's side of the administration socket.

use super::message::Failure;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// A call that was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nobody listens on the socket.
    #[error("no server answers at {path}; is it running, and is --state-dir its directory?")]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The connection broke or spoke no HTTP.
    #[error("the server's answer could not be read")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server says why not.
    #[error("{0}")]
    Refused(String),
}

/// Calls a server through its administration socket.
#[derive(Clone, Debug)]
pub struct AdminClient {
    socket: PathBuf,
}

impl AdminClient {
    /// The server whose state directory is `state_dir`.
    pub fn new(state_dir: &Path) -> Self {
        Self { socket: state_dir.join("admin.sock") }
    }

    /// Sends `body` as JSON and reads the answer as JSON.
    pub async fn call<R: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<R, AdminError> {
        let stream = tokio::net::UnixStream::connect(&self.socket)
            .await
            .map_err(|source| AdminError::NotRunning { path: self.socket.clone(), source })?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(connection);
        let body = body.map(serde_json::to_vec).transpose().map_err(broken)?.unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Host", "localhost")
            .header("Content-Type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(broken)?;
        let answer = sender.send_request(request).await.map_err(broken)?;
        let is_success = answer.status().is_success();
        let bytes = answer.into_body().collect().await.map_err(broken)?.to_bytes();
        if !is_success {
            let failure = serde_json::from_slice::<Failure>(&bytes).map_err(broken)?;
            return Err(AdminError::Refused(failure.error));
        }
        serde_json::from_slice(&bytes).map_err(broken)
    }
}

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AdminError {
    AdminError::Broken(error.into())
}
