//! What can go wrong in a node, and what to do about it.

use crate::plane::PlaneError;
use hadron_wire::version::VERSIONS;
use std::borrow::Cow;
use std::path::PathBuf;

/// An error of the node. The text names the cause and the next step; the source has the detail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No netlink socket.
    #[error("can't open a netlink socket; the node needs CAP_NET_ADMIN")]
    Netlink(#[source] std::io::Error),
    /// The list of interfaces can't be read.
    #[error("can't read the host's interfaces")]
    LinkDump(#[source] rtnetlink::Error),
    /// A change to an interface was refused.
    #[error("can't {action} interface {name}")]
    Link {
        /// The interface.
        name: String,
        /// What was tried.
        action: &'static str,
        /// The kernel's answer.
        #[source]
        source: rtnetlink::Error,
    },
    /// No namespace for the sockets of services.
    #[error("no network namespace for the sockets of metadata and DNS; the node needs CAP_SYS_ADMIN")]
    Namespace(#[source] std::io::Error),
    /// Nova's metadata service can't be asked as configured.
    #[error("Nova's metadata service can't be asked: {0}")]
    Nova(String),
    /// The overlay device can't be as configured.
    #[error("no overlay: {0}")]
    Overlay(Cow<'static, str>),
    /// The table that keeps the overlay's packets out of conntrack.
    #[error(
        "the overlay's packets can't be kept out of the host's connection tracking; the kernel needs nf_tables and the node CAP_NET_ADMIN"
    )]
    Untracked(#[source] std::io::Error),
    /// A file of the state directory.
    #[error("can't {action} {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The identity file isn't one.
    #[error("{} is damaged; join again with a new ticket", path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// Where it is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The machine is no node yet.
    #[error("no identity in {}; make a ticket on the server and join with it first", .0.display())]
    NotJoined(PathBuf),
    /// A certificate that can't be read.
    #[error("there is no readable certificate; join again with a new ticket")]
    Certificate,
    /// The certificate has ended.
    #[error(
        "the node's certificate has ended; join again with a new ticket, or set this machine's clock right"
    )]
    Expired,
    /// A key can't be made, read or used.
    #[error("the node's private key can't be used; join again with a new ticket")]
    Key(#[source] rcgen::Error),
    /// No connection.
    #[error(
        "can't connect to the server at {server}; check that it runs, is reachable, and that its certificate is of the known authority"
    )]
    Connect {
        /// `host:port`.
        server: String,
        /// What the transport says.
        #[source]
        source: tonic::transport::Error,
    },
    /// The server answered with an error.
    #[error("the server refuses to {action}: {} ({:?})", status.message(), status.code())]
    Refused {
        /// What was tried.
        action: &'static str,
        /// Its answer.
        status: Box<tonic::Status>,
    },
    /// The server doesn't answer.
    #[error("the server doesn't answer; it may be overloaded")]
    Silent,
    /// The server broke the protocol.
    #[error("the server broke the protocol: {0}; server and node may be more than one release apart")]
    Protocol(&'static str),
    /// The server speaks a version that this build doesn't.
    #[error("the server speaks protocol version {0}, this node {VERSIONS:?}; upgrade the older of the two")]
    Version(u32),
    /// The kernel's announcements ended.
    #[error("the kernel's announcements of interfaces ended; start the node again")]
    LinksEnded,
    /// The packet path.
    #[error("the packet path doesn't work")]
    Plane(#[source] PlaneError),
}

impl Error {
    /// Whether trying again is useless until an operator has done something.
    pub(crate) fn is_permanent(&self) -> bool {
        use tonic::Code;
        match self {
            Error::Refused { status, .. } => {
                matches!(
                    status.code(),
                    Code::Unauthenticated | Code::PermissionDenied | Code::FailedPrecondition
                )
            }
            Error::Version(_)
            | Error::Certificate
            | Error::Expired
            | Error::Key(_)
            | Error::Identity { .. } => true,
            _ => false,
        }
    }

    pub(crate) fn refusal(action: &'static str) -> impl FnOnce(tonic::Status) -> Error {
        move |status| Error::Refused { action, status: Box::new(status) }
    }
}

/// An error with all its sources on one line, for logs and reports.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
