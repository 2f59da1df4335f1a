//! Becoming a node, and staying one: joining with a ticket, renewing the certificate.

use crate::cache::Cache;
use crate::error::Error;
use crate::identity::Identity;
use crate::sync::channel;
use hadron_wire::proto::nodes_client::NodesClient;
use hadron_wire::proto::{JoinRequest, RenewRequest};
use hadron_wire::row;
use hadron_wire::ticket::{JoinTicket, pem};
use hadron_wire::version;
use rcgen::{CertificateParams, KeyPair};
use std::net::IpAddr;
use std::path::Path;
use tonic::transport::Channel;

/// Redeems a ticket: makes a key, has it certified and keeps the result in the state directory. The private key never leaves
/// this machine. What an earlier join left there is replaced.
///
/// # Errors
/// The server can't be reached or refuses the ticket; the state directory can't be written.
pub async fn join(
    ticket: &JoinTicket,
    host_name: &str,
    underlay: IpAddr,
    state: &Path,
) -> Result<Identity, Error> {
    let key = KeyPair::generate().map_err(Error::Key)?;
    let (_, channel) = channel::connect_any(&ticket.server, 0, &ticket.ca_pem, None).await?;
    let request = JoinRequest {
        versions: Some(version::offered()),
        token_id: ticket.id.clone(),
        token_secret: ticket.secret.clone(),
        host_name: host_name.to_owned(),
        underlay: row::address(underlay).octets().to_vec().into(),
        csr: signing_request(&key)?,
    };
    let reply = NodesClient::new(channel).join(request).await.map_err(Error::refusal("join"))?.into_inner();
    let identity = Identity {
        server: ticket.server.clone(),
        host_name: host_name.to_owned(),
        host_number: reply.host_number,
        underlay,
        key_pem: key.serialize_pem(),
        certificate_pem: chain(&reply.certificate_chain)?,
        ca_pem: authorities(&reply.ca_certificate, &ticket.ca_pem),
    };
    identity.validity()?;
    identity.save(state)?;
    Cache::new(state, identity.host_number).remove()?;
    tracing::info!(host = host_name, number = identity.host_number, server = ticket.server, "joined");
    Ok(identity)
}

/// Has the key of `identity` certified again. The key stays, so that an answer that gets lost does no harm.
pub(crate) async fn renew(channel: Channel, identity: &Identity) -> Result<Identity, Error> {
    let key = KeyPair::from_pem(&identity.key_pem).map_err(Error::Key)?;
    let request = RenewRequest { csr: signing_request(&key)? };
    let reply = NodesClient::new(channel)
        .renew(request)
        .await
        .map_err(Error::refusal("renew the certificate"))?
        .into_inner();
    let renewed = Identity {
        certificate_pem: chain(&reply.certificate_chain)?,
        ca_pem: authorities(&reply.ca_certificate, &identity.ca_pem),
        ..identity.clone()
    };
    renewed.validity()?;
    Ok(renewed)
}

/// A PKCS #10 request (RFC 2986), DER. The server takes only the key from it.
fn signing_request(key: &KeyPair) -> Result<bytes::Bytes, Error> {
    let request = CertificateParams::default().serialize_request(key).map_err(Error::Key)?;
    Ok(request.der().to_vec().into())
}

fn chain(certificates: &[bytes::Bytes]) -> Result<String, Error> {
    if certificates.is_empty() {
        Err(Error::Certificate)
    } else {
        Ok(certificates.iter().map(|der| pem(der)).collect())
    }
}

/// The server's authority, or the known ones if it named none.
fn authorities(named: &[u8], known: &str) -> String {
    if named.is_empty() { known.to_owned() } else { pem(named) }
}
