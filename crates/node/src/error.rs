//! What can go wrong in a node, and what to do about it.

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
    /// The overlay device can't be as configured.
    #[error("no overlay: {0}")]
    Overlay(Cow<'static, str>),
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
