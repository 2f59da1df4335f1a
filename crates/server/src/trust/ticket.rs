//! Tickets to join: a one-time token whose secret only the ticket has.

use super::certificate::random;
use super::{Authority, TrustError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hadron_control::host;
use hadron_model::{JoinToken, Timestamp};
use hadron_store::{CommitInfo, Store};
use hadron_wire::ticket::JoinTicket;
use ring::digest::{SHA256, digest};
use std::time::Duration;

impl Authority {
    /// Keeps a new one-time token in the store, only the hash of its secret, and returns the ticket's text. `server` is the
    /// address of the nodes' listener, `host` the only name under which the ticket may be used, if it is limited to one.
    pub async fn ticket(
        &self,
        store: &Store,
        server: String,
        host: Option<String>,
        lifetime: Duration,
    ) -> Result<String, TrustError> {
        let id: String = random::<8>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        let secret = URL_SAFE_NO_PAD.encode(random::<32>()?);
        let hash = digest(&SHA256, secret.as_bytes());
        let token = JoinToken {
            id: id.clone(),
            secret_sha256: hash.as_ref().try_into().map_err(|_| TrustError::Damaged)?,
            host,
            expires_at: host::expiry(Timestamp::now(), lifetime),
        };
        let keep = store.write(CommitInfo::system(), |tx| {
            host::remove_expired_tokens(tx);
            host::create_join_token(tx, token.clone()).map_err(TrustError::Ticket)
        });
        keep.await?;
        Ok(JoinTicket { server, ca_pem: self.ca_pem(), id, secret }.to_string())
    }
}
