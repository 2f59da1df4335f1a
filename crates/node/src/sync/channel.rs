//! The connection to the server: HTTP/2 over TLS 1.3, the server verified against the node's own authorities.

use crate::error::Error;
use crate::identity::Identity;
use std::time::Duration;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity as ClientIdentity};

/// Connecting takes at most this long, TLS included.
const CONNECT: Duration = Duration::from_secs(5);

/// A silent connection is probed after this long and given up after as much again.
const PROBE: Duration = Duration::from_secs(10);

/// Room for a snapshot to be under way at once.
const WINDOW: u32 = 4 << 20;

/// Connects to one of `servers` (`host:port`, with commas between them), the one with the number `first` if it answers, and tells
/// which.
pub(crate) async fn connect_any(
    servers: &str,
    first: usize,
    ca_pem: &str,
    identity: Option<&Identity>,
) -> Result<(usize, Channel), Error> {
    let servers = hadron_wire::ticket::servers(servers);
    let count = servers.len().max(1);
    let mut failure = Error::Protocol("no server is known");
    for number in (first..first + count).map(|number| number % count) {
        match connect(servers.get(number).copied().unwrap_or_default(), ca_pem, identity).await {
            Ok(channel) => return Ok((number, channel)),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Connects to `server` (`host:port`), with the certificate of `identity` or none.
async fn connect(server: &str, ca_pem: &str, identity: Option<&Identity>) -> Result<Channel, Error> {
    let failed = |source| Error::Connect { server: server.to_owned(), source };
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca_pem));
    if let Some(identity) = identity {
        tls = tls.identity(ClientIdentity::from_pem(&identity.certificate_pem, &identity.key_pem));
    }
    let endpoint =
        Endpoint::from_shared(format!("https://{server}")).and_then(|e| e.tls_config(tls)).map_err(failed)?;
    endpoint
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PROBE)
        .keep_alive_timeout(PROBE)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .connect()
        .await
        .map_err(failed)
}
