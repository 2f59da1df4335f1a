//! Administration of a running server: a Unix socket in its state directory, which only the directory's owner can reach.
//!
//! HTTP with JSON bodies: `GET /hosts`, `GET /status`, `GET /receipts/UUID`, `POST /tickets`, `POST /trace`, `POST /trace/live` (a JSON object a line), `DELETE /hosts/NAME`, `PUT /instances/ID`, `DELETE /instances/ID`, `POST /backup`, `POST /token-keys`,
//! `POST /authority`, `POST /administrator`. What goes wrong is answered as `{"error": "…"}`.

mod client;
mod message;
mod receipt;
mod service;

pub use client::{AdminClient, AdminError, Lines};
pub use message::{
    AuditStatus, AuthorityReply, BackupRequest, HostStatus, HostView, InstanceKeyRequest, InstanceRequest,
    PasswordReply, PortTrouble, StatusView, TicketReply, TicketRequest,
};
pub(crate) use service::{AdminState, listen, serve};
