//! A name server outside whose zones are written by dynamic updates (RFC 2136), each signed with a shared key (TSIG, RFC 8945).
//!
//! Updates go by TCP, one connection for as long as both sides like it. What the server says is believed only if it is signed with the
//! key, too.

mod key;
mod message;

pub use key::{Algorithm, UpdateKey};

use hadron_model::NameValue;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::TSigVerifier;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long the name server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why an update did not happen, or may not have.
#[derive(Debug, thiserror::Error)]
pub enum NameServerError {
    /// The key's file or name can't be used.
    #[error("the key of dynamic updates: {0}")]
    Key(String),
    /// A name or zone is none of DNS.
    #[error("{name:?} can't be written: {reason}")]
    Name {
        /// The name.
        name: String,
        /// Why.
        reason: String,
    },
    /// It can't be reached, or it went away; what was sent may have been done.
    #[error("the name server {server} can't be reached: {source}")]
    Away {
        /// Its address.
        server: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// It doesn't take the key, or the clocks differ.
    #[error("the name server {server} refuses the key {key:?}: {reason}")]
    KeyRefused {
        /// Its address.
        server: SocketAddr,
        /// The key's name.
        key: String,
        /// What it says.
        reason: &'static str,
    },
    /// What answers doesn't have the key.
    #[error("an answer of {server} is not signed with the key {key:?}: {reason}")]
    Forged {
        /// Whose address it came from.
        server: SocketAddr,
        /// The key's name.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It refuses the update.
    #[error("the name server {server} refuses to change the zone {zone:?}: {reason}")]
    Refused {
        /// Its address.
        server: SocketAddr,
        /// The zone.
        zone: String,
        /// Its code (RFC 2136 §2.2).
        reason: ResponseCode,
    },
}

/// What is to become of a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Nobody may have the name yet; it gets these records.
    Claim(BTreeSet<NameValue>),
    /// It has these records, and no others of their types; nothing changes.
    Confirm(BTreeSet<NameValue>),
    /// Some records go, others come; the rest of the name stays as it is.
    Replace {
        /// What goes, if it is there.
        old: BTreeSet<NameValue>,
        /// What comes, unless it is there.
        new: BTreeSet<NameValue>,
    },
}

/// Whether an update has happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It has.
    Done,
    /// What had to be so of one of the names was not, and nothing has changed (RFC 2136 §3.2).
    Conflict,
}

/// The name server.
pub struct NameServer {
    address: SocketAddr,
    key: UpdateKey,
    /// Of the records that are written, seconds.
    ttl: u32,
    connection: Option<TcpStream>,
}

impl NameServer {
    /// The one at an address; nothing is sent yet.
    pub fn new(address: SocketAddr, key: UpdateKey, ttl: u32) -> Self {
        Self { address, key, ttl, connection: None }
    }

    /// Changes names of a zone, all or none.
    ///
    /// # Errors
    /// [`NameServerError::Away`] leaves open whether it has happened; the other ones mean that it has not.
    pub async fn update(
        &mut self,
        zone: &str,
        changes: &[(&str, Change)],
    ) -> Result<Outcome, NameServerError> {
        let mut message = message::update(zone, self.ttl, changes)?;
        let (bytes, verifier) = self.signed(&mut message)?;
        let answer = self.exchange(&bytes).await?;
        self.outcome(zone, message.id, &answer, verifier)
    }

    fn signed(&self, message: &mut Message) -> Result<(Vec<u8>, TSigVerifier), NameServerError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let unusable = |error: hickory_proto::ProtoError| NameServerError::Key(error.to_string());
        let verifier = message.finalize(self.key.signer(), now).map_err(unusable)?;
        let verifier = verifier.ok_or_else(|| NameServerError::Key("it signs nothing".to_owned()))?;
        Ok((message.to_vec().map_err(unusable)?, verifier))
    }

    /// Sends a message and waits for an answer. A connection that the server has closed in between is made anew, once.
    async fn exchange(&mut self, message: &[u8]) -> Result<Vec<u8>, NameServerError> {
        let away = |source| NameServerError::Away { server: self.address, source };
        if let Some(stream) = self.connection.take()
            && let Ok((stream, answer)) = ask(stream, message).await
        {
            self.connection = Some(stream);
            return Ok(answer);
        }
        let connecting = tokio::time::timeout(PATIENCE, TcpStream::connect(self.address)).await;
        let stream = connecting.map_err(|_| away(std::io::ErrorKind::TimedOut.into()))?.map_err(away)?;
        let (stream, answer) = ask(stream, message).await.map_err(away)?;
        self.connection = Some(stream);
        Ok(answer)
    }

    fn outcome(
        &mut self,
        zone: &str,
        id: u16,
        bytes: &[u8],
        mut verifier: TSigVerifier,
    ) -> Result<Outcome, NameServerError> {
        let (server, key) = (self.address, self.key.name());
        let forged = |reason: String| NameServerError::Forged { server, key: key.clone(), reason };
        let answer = Message::from_vec(bytes).map_err(|error| forged(error.to_string()))?;
        if answer.id != id {
            self.connection = None;
            return Err(forged("it is to another question".to_owned()));
        }
        if let Some(reason) = message::key_error(&answer) {
            return Err(NameServerError::KeyRefused { server, key, reason });
        }
        verifier.verify(bytes).map_err(|error| forged(error.to_string()))?;
        match answer.response_code {
            ResponseCode::NoError => Ok(Outcome::Done),
            ResponseCode::YXDomain
            | ResponseCode::YXRRSet
            | ResponseCode::NXDomain
            | ResponseCode::NXRRSet => Ok(Outcome::Conflict),
            reason => Err(NameServerError::Refused { server, zone: zone.to_owned(), reason }),
        }
    }
}

/// Messages by TCP follow their length in two octets (RFC 1035 §4.2.2).
async fn ask(mut stream: TcpStream, message: &[u8]) -> std::io::Result<(TcpStream, Vec<u8>)> {
    let exchange = async {
        let length =
            u16::try_from(message.len()).map_err(|_| std::io::Error::other("too large a message"))?;
        let framed = [&length.to_be_bytes()[..], message].concat();
        stream.write_all(&framed).await?;
        let mut answer = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut answer).await?;
        Ok((stream, answer))
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}

impl std::fmt::Debug for NameServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NameServer")
            .field("address", &self.address)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
