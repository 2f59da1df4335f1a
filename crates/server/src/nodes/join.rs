//! Joining, renewal, and whether a certificate's holder is still a host.

use super::authority::Authority;
use super::goodbye::Farewell;
use super::peer::Peer;
use hadron_control::{Error, host};
use hadron_model::{Host, Timestamp};
use hadron_store::{CommitInfo, Store};
use hadron_wire::proto::{JoinReply, JoinRequest, RenewReply, RenewRequest};
use hadron_wire::row::{address_from_bytes, unmapped};
use hadron_wire::version::{VERSIONS, negotiate};
use ring::digest::{SHA256, digest};
use tonic::{Code, Status};

fn by_node(host: &str) -> CommitInfo {
    CommitInfo { actor: format!("node:{host}"), time: Timestamp::now(), ..CommitInfo::default() }
}

/// Uses up a token.
pub(super) async fn join(
    store: &Store,
    authority: &dyn Authority,
    request: JoinRequest,
) -> Result<JoinReply, Status> {
    negotiate(VERSIONS, request.versions.as_ref())
        .map_err(|error| Status::failed_precondition(error.to_string()))?;
    let underlay = address_from_bytes(&request.underlay)
        .map(unmapped)
        .ok_or_else(|| Status::invalid_argument("the underlay address is not 16 bytes long"))?;
    // The token is used up only by a request that can be signed.
    let issued = authority
        .issue(&request.csr, &request.host_name)
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    let secret_sha256 = digest(&SHA256, request.token_secret.as_bytes());
    let join = host::Join {
        token_id: request.token_id,
        secret_sha256: secret_sha256
            .as_ref()
            .try_into()
            .map_err(|_| Status::internal("SHA-256 has 32 bytes"))?,
        host: request.host_name,
        underlay,
        key_fingerprint: issued.key_fingerprint,
    };
    let joined = store.write(by_node(&join.host), |tx| host::redeem(tx, &join)).await.map_err(status)?.value;
    tracing::info!(host = joined.name, number = joined.number.0, %underlay, "a node joined");
    Ok(JoinReply {
        certificate_chain: issued.chain.into_iter().map(Into::into).collect(),
        ca_certificate: issued.ca.into(),
        host_number: joined.number.0,
    })
}

/// Signs a new certificate for a host that has shown its old one.
pub(super) async fn renew(
    store: &Store,
    authority: &dyn Authority,
    peer: &Peer,
    request: RenewRequest,
) -> Result<RenewReply, Status> {
    check(store, peer).map_err(|farewell| Status::permission_denied(farewell.text))?;
    let issued = authority
        .issue(&request.csr, &peer.host)
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    if issued.key_fingerprint != peer.key_fingerprint {
        let (old, new) = (&peer.key_fingerprint, issued.key_fingerprint);
        store
            .write(by_node(&peer.host), |tx| host::rotate_key(tx, &peer.host, old, new))
            .await
            .map_err(status)?;
    }
    Ok(RenewReply {
        certificate_chain: issued.chain.into_iter().map(Into::into).collect(),
        ca_certificate: issued.ca.into(),
    })
}

/// The host that `peer` is; refused when it was removed or has another key.
pub(super) fn check(store: &Store, peer: &Peer) -> Result<Host, Farewell> {
    let view = store.snapshot();
    let host = view.get::<Host>(&peer.host).ok_or_else(|| Farewell::removed(&peer.host))?;
    if host.key_fingerprint != peer.key_fingerprint {
        return Err(Farewell::other_key(&peer.host));
    }
    if peer.has_expired() {
        return Err(Farewell::certificate(&peer.host));
    }
    Ok(host.value.clone())
}

/// Records the underlay address that the node has now.
pub(super) async fn record_underlay(store: &Store, host: &Host, underlay: &[u8]) -> Result<(), Farewell> {
    if underlay.is_empty() {
        return Ok(());
    }
    let underlay = address_from_bytes(underlay)
        .map(unmapped)
        .ok_or_else(|| Farewell::protocol("the underlay address is not 16 bytes long"))?;
    if underlay == host.underlay {
        return Ok(());
    }
    let moved = store.write(by_node(&host.name), |tx| host::set_underlay(tx, &host.name, underlay)).await;
    match moved {
        Ok(_) => {
            tracing::info!(host = host.name, from = %host.underlay, to = %underlay, "a host's underlay address changed");
            Ok(())
        }
        Err(error) => {
            Err(Farewell::protocol(format!("the underlay address {underlay} can't be used: {error}")))
        }
    }
}

/// Most physical networks that a host may have, and most characters of a name.
const MOST_PHYSICAL_NETWORKS: usize = 64;

/// Records the physical networks that the node has now.
pub(super) async fn record_physical_networks(
    store: &Store,
    host: &Host,
    networks: &[String],
) -> Result<(), Farewell> {
    if networks.len() > MOST_PHYSICAL_NETWORKS
        || networks.iter().any(|name| name.is_empty() || name.len() > MOST_PHYSICAL_NETWORKS)
    {
        return Err(Farewell::protocol(format!(
            "more than {MOST_PHYSICAL_NETWORKS} physical networks, or a name that is empty or longer than that"
        )));
    }
    if networks == host.physical_networks {
        return Ok(());
    }
    let write = |tx: &mut hadron_store::Tx| host::set_physical_networks(tx, &host.name, networks);
    match store.write(by_node(&host.name), write).await {
        Ok(_) => {
            tracing::info!(host = host.name, ?networks, "a host's physical networks changed");
            Ok(())
        }
        Err(error) => Err(Farewell::protocol(format!("the physical networks can't be recorded: {error}"))),
    }
}

fn status(error: Error) -> Status {
    let code = match &error {
        Error::Store(_) => Code::Unavailable,
        Error::JoinTokenInvalid => Code::PermissionDenied,
        Error::HostNameTaken(_) | Error::UnderlayInUse { .. } => Code::AlreadyExists,
        Error::HostUnknown(_) => Code::NotFound,
        _ => Code::InvalidArgument,
    };
    Status::new(code, error.to_string())
}
