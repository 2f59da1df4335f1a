//! Why the server ends a stream, in words for the node's operator.

use hadron_wire::proto::{Goodbye, ServerMessage, goodbye::Reason, server_message::Message};

/// A reason with its text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Farewell {
    pub(super) reason: Reason,
    pub(super) text: String,
}

impl Farewell {
    pub(super) fn new(reason: Reason, text: impl Into<String>) -> Self {
        Self { reason, text: text.into() }
    }

    pub(super) fn protocol(text: impl Into<String>) -> Self {
        Self::new(Reason::Protocol, text)
    }

    pub(super) fn removed(host: &str) -> Self {
        let text = format!(
            "host {host} is not a part of this cloud (any more); to make it one, get a ticket from an operator and join again"
        );
        Self::new(Reason::Removed, text)
    }

    pub(super) fn other_key(host: &str) -> Self {
        let text = format!(
            "the certificate of host {host} is not the one on record: the host was replaced by another that joined under its \
             name, or its key was; if this is the rightful one, have an operator remove the host and join again"
        );
        Self::new(Reason::Removed, text)
    }

    pub(super) fn certificate(host: &str) -> Self {
        let text = format!(
            "the certificate with which host {host} connected has ended or was replaced; reconnect with the new one"
        );
        Self::new(Reason::Certificate, text)
    }

    pub(super) fn shutdown() -> Self {
        Self::new(Reason::Shutdown, "the server is stopping; reconnect")
    }

    pub(super) fn history() -> Self {
        Self::new(Reason::Shutdown, "the store was restored from a backup; reconnect for what it holds")
    }

    pub(super) fn message(self) -> ServerMessage {
        let goodbye = Goodbye { reason: self.reason.into(), text: self.text };
        ServerMessage { message: Some(Message::Goodbye(goodbye)) }
    }
}
