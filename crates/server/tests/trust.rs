//! The certificate authority, held against TLS handshakes that really happen, in memory, and tickets against the store.

use hadron_control::host::{Join, redeem};
use hadron_model::{Host, JoinToken, Timestamp};
use hadron_server::nodes::{Authority as _, Issued, Peer};
use hadron_server::trust::Authority;
use hadron_store::{CommitInfo, Store};
use hadron_wire::ticket::JoinTicket;
use rcgen::{CertificateParams, DnType, KeyPair};
use ring::digest::{SHA256, digest};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use std::sync::Arc;
use std::time::Duration;

const DAY: u64 = 24 * 3600;

async fn authority() -> (Store, Arc<Authority>) {
    let store = Store::in_memory().await;
    let authority = Arc::new(Authority::open(&store).await.unwrap());
    (store, authority)
}

fn names() -> Vec<String> {
    vec!["cloud.test".into(), "192.0.2.1".into(), "2001:db8::1".into()]
}

/// A node with its key and what the authority has given it.
struct Node {
    key: KeyPair,
    issued: Issued,
}

impl Node {
    fn new(authority: &Authority, host: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let issued = authority.issue(&request(&key), host).unwrap();
        Self { key, issued }
    }
}

/// A PKCS #10 request, DER.
fn request(key: &KeyPair) -> Vec<u8> {
    CertificateParams::default().serialize_request(key).unwrap().der().to_vec()
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A client that trusts `root` alone and shows the certificate of `node`, if there is one.
fn client(root: &[u8], node: Option<&Node>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(root.to_vec())).unwrap();
    let builder =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match node {
        None => builder.with_no_client_auth(),
        Some(node) => {
            let chain = node.issued.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
            let key = PrivatePkcs8KeyDer::from(node.key.serialize_der()).into();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    Arc::new(config)
}

/// Shakes hands under the server's `name`; what the server learns about the client.
fn handshake_as(
    name: &'static str,
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
) -> Result<Option<Peer>, rustls::Error> {
    let name = ServerName::try_from(name).unwrap();
    let mut client = ClientConnection::new(client.clone(), name).unwrap();
    let mut server = ServerConnection::new(server.clone()).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    let certificate = server.peer_certificates().and_then(|chain| chain.first());
    Ok(certificate.map(|certificate| Peer::of(certificate).unwrap()))
}

fn handshake(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>) -> Result<Option<Peer>, rustls::Error> {
    handshake_as("cloud.test", server, client)
}

/// The system's clock, some days on.
#[derive(Debug)]
struct Later(u64);

impl TimeProvider for Later {
    fn current_time(&self) -> Option<UnixTime> {
        let now = UnixTime::now().as_secs();
        Some(UnixTime::since_unix_epoch(Duration::from_secs(now + self.0 * DAY)))
    }
}

fn days_later(config: &Arc<ServerConfig>, days: u64) -> Arc<ServerConfig> {
    let mut config = ServerConfig::clone(config);
    config.time_provider = Arc::new(Later(days));
    Arc::new(config)
}

#[tokio::test]
async fn a_node_and_a_server_know_each_other() {
    let (_, authority) = authority().await;
    let server = authority.node_listener_config(&names()).unwrap();
    let node = Node::new(&authority, "compute-1.example");
    let client = client(&node.issued.ca, Some(&node));
    for name in ["cloud.test", "192.0.2.1", "2001:db8::1"] {
        let peer = handshake_as(name, &server, &client).unwrap().unwrap();
        assert_eq!(peer.host, "compute-1.example");
        assert_eq!(peer.key_fingerprint, node.issued.key_fingerprint);
        let days = (peer.not_after.0 - Timestamp::now().0) / 1000 / DAY as i64;
        assert!((89..=90).contains(&days));
    }
    assert!(handshake_as("other.test", &server, &client).is_err());
}

#[tokio::test]
async fn without_a_certificate_one_may_join() {
    let (_, authority) = authority().await;
    let server = authority.node_listener_config(&names()).unwrap();
    let root = Node::new(&authority, "any").issued.ca;
    assert_eq!(handshake(&server, &client(&root, None)), Ok(None));
}

#[tokio::test]
async fn another_clouds_certificates_are_refused_on_both_sides() {
    let (_, ours) = authority().await;
    let (_, theirs) = authority().await;
    let server = ours.node_listener_config(&names()).unwrap();
    let (node, stranger) = (Node::new(&ours, "compute1"), Node::new(&theirs, "compute1"));
    assert!(handshake(&server, &client(&node.issued.ca, Some(&stranger))).is_err());
    assert!(handshake(&server, &client(&stranger.issued.ca, Some(&node))).is_err());
    let forged = {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "compute1");
        let chain = vec![params.self_signed(&stranger.key).unwrap().der().to_vec()];
        Node { issued: Issued { chain, ..stranger.issued.clone() }, key: stranger.key }
    };
    assert!(handshake(&server, &client(&node.issued.ca, Some(&forged))).is_err());
}

#[tokio::test]
async fn a_stolen_certificate_is_nothing_without_its_key() {
    let (_, authority) = authority().await;
    let server = authority.node_listener_config(&names()).unwrap();
    let node = Node::new(&authority, "compute1");
    // A client configuration refuses the mismatch itself, so the pair is put together by hand.
    let chain = node.issued.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let other = PrivatePkcs8KeyDer::from(KeyPair::generate().unwrap().serialize_der()).into();
    let key = rustls::crypto::ring::sign::any_ecdsa_type(&other).unwrap();
    let stolen = rustls::sign::CertifiedKey::new(chain, key);
    let mut config = ClientConfig::clone(&client(&node.issued.ca, None));
    config.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(stolen));
    assert!(handshake(&server, &Arc::new(config)).is_err());
}

#[tokio::test]
async fn a_certificate_ends() {
    let (_, authority) = authority().await;
    let server = authority.node_listener_config(&names()).unwrap();
    let node = Node::new(&authority, "compute1");
    let client = client(&node.issued.ca, Some(&node));
    assert!(handshake(&days_later(&server, 89), &client).is_ok());
    assert!(handshake(&days_later(&server, 91), &client).is_err());
}

#[tokio::test]
async fn clients_of_the_api_need_no_certificate_and_check_the_name() {
    let (_, authority) = authority().await;
    let server = authority.https_config(&names()).unwrap();
    let root = Node::new(&authority, "any").issued.ca;
    assert_eq!(handshake(&server, &client(&root, None)), Ok(None));
    assert!(handshake_as("other.test", &server, &client(&root, None)).is_err());
    let node = Node::new(&authority, "compute1");
    assert_eq!(handshake(&server, &client(&root, Some(&node))), Ok(None));
}

#[tokio::test]
async fn servers_of_one_store_share_the_authority() {
    let (store, one) = authority().await;
    let two = Arc::new(Authority::open(&store).await.unwrap());
    assert_eq!(one.ca_pem(), two.ca_pem());
    let node = Node::new(&one, "compute1");
    let server = two.node_listener_config(&names()).unwrap();
    assert!(handshake(&server, &client(&node.issued.ca, Some(&node))).is_ok());
}

#[tokio::test]
async fn a_rotation_strands_neither_old_nodes_nor_new_ones() {
    let (store, authority) = authority().await;
    let other_server = Arc::new(Authority::open(&store).await.unwrap());
    let servers = [
        authority.node_listener_config(&names()).unwrap(),
        other_server.node_listener_config(&names()).unwrap(),
    ];
    let mut nodes = vec![Node::new(&authority, "compute0")];
    for turn in 1..3 {
        authority.rotate().await.unwrap();
        nodes.push(Node::new(&other_server, &format!("compute{turn}")));
        assert_eq!(authority.ca_pem().matches("BEGIN CERTIFICATE").count(), turn + 1);
    }
    assert_ne!(nodes[0].issued.ca, nodes[1].issued.ca);
    for server in &servers {
        // The root that a node trusts may be that of its own time or, after a renewal, a newer one.
        for (at, node) in nodes.iter().enumerate() {
            for root in &nodes[at..] {
                let peer = handshake(server, &client(&root.issued.ca, Some(node))).unwrap();
                assert_eq!(peer.unwrap().host, format!("compute{at}"));
            }
        }
    }
}

#[tokio::test]
async fn only_a_requests_key_is_used() {
    let (_, authority) = authority().await;
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["cloud.test".into()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "another-host");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let csr = params.serialize_request(&key).unwrap().der().to_vec();
    let issued = authority.issue(&csr, "compute1").unwrap();
    let (_, certificate) = x509_parser::parse_x509_certificate(&issued.chain[0]).unwrap();
    assert_eq!(Peer::of(&issued.chain[0]).unwrap().host, "compute1");
    assert!(!certificate.is_ca());
    assert!(certificate.subject_alternative_name().unwrap().is_none());
    let usage = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth);
}

#[tokio::test]
async fn requests_that_are_none_are_refused() {
    let (_, authority) = authority().await;
    let csr = request(&KeyPair::generate().unwrap());
    for at in [csr.len() - 1, csr.len() / 2] {
        let mut changed = csr.clone();
        changed[at] ^= 1;
        assert!(authority.issue(&changed, "compute1").is_err(), "signature");
    }
    for bytes in [&[][..], b"no request", &csr[..csr.len() - 1], &[0x30; 10_000]] {
        assert!(authority.issue(bytes, "compute1").is_err());
    }
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    assert!(authority.issue(&request(&ed25519), "compute1").is_ok());
}

#[tokio::test]
async fn no_key_leaves_the_store() {
    let (store, authority) = authority().await;
    let ticket =
        authority.ticket(&store, "cloud.test:1".into(), None, Duration::from_secs(60)).await.unwrap();
    let parsed: JoinTicket = ticket.parse().unwrap();
    for text in [authority.ca_pem(), format!("{authority:?}"), format!("{parsed:?}"), parsed.ca_pem.clone()] {
        assert!(!text.contains("PRIVATE") && !text.contains(&parsed.secret));
    }
    let token = store.snapshot().get::<JoinToken>(&parsed.id).unwrap().value.clone();
    assert_eq!(token.secret_sha256, digest(&SHA256, parsed.secret.as_bytes()).as_ref());
}

/// Joins with a ticket as the nodes' service does, at `time`.
async fn join(
    store: &Store,
    ticket: &JoinTicket,
    node: &Node,
    host: &str,
    time: Timestamp,
) -> Result<Host, hadron_control::Error> {
    let join = Join {
        token_id: ticket.id.clone(),
        secret_sha256: digest(&SHA256, ticket.secret.as_bytes()).as_ref().try_into().unwrap(),
        host: host.to_owned(),
        underlay: "192.0.2.7".parse().unwrap(),
        key_fingerprint: node.issued.key_fingerprint,
    };
    let info = CommitInfo { time, ..CommitInfo::system() };
    Ok(store.write(info, |tx| redeem(tx, &join)).await?.value)
}

async fn ticket(store: &Store, authority: &Authority, host: Option<&str>) -> JoinTicket {
    let host = host.map(str::to_owned);
    let text =
        authority.ticket(store, "[2001:db8::1]:9797".into(), host, Duration::from_secs(600)).await.unwrap();
    text.parse().unwrap()
}

#[tokio::test]
async fn a_ticket_has_all_that_a_node_needs_to_know_the_server() {
    let (store, authority) = authority().await;
    let ticket = ticket(&store, &authority, None).await;
    assert_eq!(ticket.server, "[2001:db8::1]:9797");
    let server = authority.node_listener_config(&names()).unwrap();
    assert_eq!(handshake(&server, &client(&ticket.authorities()[0], None)), Ok(None));
}

#[tokio::test]
async fn a_ticket_is_good_once() {
    let (store, authority) = authority().await;
    let ticket = ticket(&store, &authority, None).await;
    let node = Node::new(&authority, "compute1");
    let now = Timestamp::now();
    let host = join(&store, &ticket, &node, "compute1", now).await.unwrap();
    assert_eq!(host.key_fingerprint, node.issued.key_fingerprint);
    assert!(join(&store, &ticket, &node, "compute1", now).await.is_err());
    assert!(join(&store, &ticket, &Node::new(&authority, "compute2"), "compute2", now).await.is_err());
}

#[tokio::test]
async fn a_ticket_ends_and_is_forgotten() {
    let (store, authority) = authority().await;
    let old = ticket(&store, &authority, None).await;
    let node = Node::new(&authority, "compute1");
    let later = Timestamp(Timestamp::now().0 + 601_000);
    assert!(join(&store, &old, &node, "compute1", later).await.is_err());
    let short = authority.ticket(&store, "x:1".into(), None, Duration::ZERO).await.unwrap();
    let short: JoinTicket = short.parse().unwrap();
    ticket(&store, &authority, None).await;
    assert!(!store.snapshot().has::<JoinToken>(&short.id), "the next ticket sweeps the ended ones");
}

#[tokio::test]
async fn a_ticket_for_one_host_is_for_no_other() {
    let (store, authority) = authority().await;
    let ticket = ticket(&store, &authority, Some("compute1")).await;
    let node = Node::new(&authority, "compute2");
    let now = Timestamp::now();
    assert!(join(&store, &ticket, &node, "compute2", now).await.is_err());
    assert!(join(&store, &ticket, &node, "compute1", now).await.is_ok());
}

#[tokio::test]
async fn a_ticket_needs_its_secret() {
    let (store, authority) = authority().await;
    let genuine = ticket(&store, &authority, None).await;
    let guessed = JoinTicket { secret: "guessed".into(), ..genuine.clone() };
    let node = Node::new(&authority, "compute1");
    let now = Timestamp::now();
    assert!(join(&store, &guessed, &node, "compute1", now).await.is_err());
    assert!(join(&store, &genuine, &node, "compute1", now).await.is_ok(), "a wrong guess doesn't use it up");
}

#[tokio::test]
async fn a_new_ticket_does_not_take_over_a_known_host() {
    let (store, authority) = authority().await;
    let now = Timestamp::now();
    let (first, second) = (ticket(&store, &authority, None).await, ticket(&store, &authority, None).await);
    let (rightful, other) = (Node::new(&authority, "compute1"), Node::new(&authority, "compute1"));
    join(&store, &first, &rightful, "compute1", now).await.unwrap();
    assert!(join(&store, &second, &other, "compute1", now).await.is_err());
}
