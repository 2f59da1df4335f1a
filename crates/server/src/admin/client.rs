//! The caller's side of the administration socket.

use super::message::Failure;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
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
        let answer = self.send(method, path, body).await?;
        let bytes = answer.collect().await.map_err(broken)?.to_bytes();
        serde_json::from_slice(&bytes).map_err(broken)
    }

    /// Sends `body` as JSON and reads the answer as lines of JSON. Dropping them tells the server.
    pub async fn lines<R: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Lines<R>, AdminError> {
        let body = self.send(Method::POST, path, Some(body)).await?;
        Ok(Lines { body, read: Vec::new(), of: PhantomData })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Incoming, AdminError> {
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
        if answer.status().is_success() {
            return Ok(answer.into_body());
        }
        let bytes = answer.into_body().collect().await.map_err(broken)?.to_bytes();
        let failure = serde_json::from_slice::<Failure>(&bytes).map_err(broken)?;
        Err(AdminError::Refused(failure.error))
    }
}

/// An answer that comes line by line.
#[derive(Debug)]
pub struct Lines<R> {
    body: Incoming,
    read: Vec<u8>,
    of: PhantomData<fn() -> R>,
}

impl<R: DeserializeOwned> Lines<R> {
    /// The next line; none at the end.
    ///
    /// # Errors
    /// [`AdminError::Broken`]
    pub async fn next(&mut self) -> Result<Option<R>, AdminError> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return serde_json::from_slice(&line).map(Some).map_err(broken);
            }
            match self.body.frame().await {
                Some(frame) => self.read.extend(frame.map_err(broken)?.data_ref().into_iter().flatten()),
                None => return Ok(None),
            }
        }
    }
}

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AdminError {
    AdminError::Broken(error.into())
}
