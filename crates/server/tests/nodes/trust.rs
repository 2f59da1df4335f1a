//! Who is let in, and who is sent away.

use crate::authority::{TestAuthority, from_reply, request};
use crate::cloud::{Cloud, until};
use crate::test_node::{TestNode, channel, hello, open, refusal};
use hadron_server::nodes::Counter;
use hadron_wire::proto::goodbye::Reason;
use hadron_wire::proto::nodes_client::NodesClient;
use hadron_wire::proto::{Hello, RenewRequest, VersionRange};
use hadron_wire::version::VERSIONS;
use tonic::Code;

#[tokio::test]
async fn without_a_certificate_there_are_no_rows() {
    let cloud = Cloud::start().await;
    let status = open(&cloud, None, hello("compute1")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("join"), "{status}");
}

#[tokio::test]
async fn a_foreign_or_ended_certificate_does_not_pass_the_handshake() {
    let cloud = Cloud::start().await;
    cloud.host("compute1").await;
    let (foreign, _) = TestAuthority::new().credentials("compute1", 4096);
    let (ended, _) = cloud.authority.credentials("compute1", 2001);
    for (index, credentials) in [foreign, ended].iter().enumerate() {
        assert!(open(&cloud, Some(credentials), hello("compute1")).await.is_err());
        until("the handshake failed", || cloud.count(Counter::HandshakesFailed) == index as u64 + 1).await;
    }
    assert_eq!(cloud.count(Counter::Streams), 0);
}

#[tokio::test]
async fn another_key_under_a_hosts_name_is_refused_and_the_host_stays() {
    let cloud = Cloud::start().await;
    let rightful = cloud.host("compute1").await;
    let mut node = TestNode::connect(&cloud, "compute1", &rightful).await;
    node.take().await;
    // Signed by the right authority, but not the key on record: a certificate of before the host was replaced.
    let (other, _) = cloud.authority.credentials("compute1", 4096);
    let goodbye = refusal(&cloud, &other, hello("compute1")).await;
    assert_eq!(goodbye.reason(), Reason::Removed);
    assert!(goodbye.text.contains("not the one on record"), "{}", goodbye.text);

    let network = cloud.network().await;
    let port = cloud.port(network, "compute1").await;
    node.until_port(port.number.0).await;
}

#[tokio::test]
async fn a_host_speaks_for_itself_only() {
    let cloud = Cloud::start().await;
    let credentials = cloud.host("compute1").await;
    cloud.host("compute2").await;
    let goodbye = refusal(&cloud, &credentials, hello("compute2")).await;
    assert_eq!(goodbye.reason(), Reason::Protocol);
    assert!(goodbye.text.contains("compute1") && goodbye.text.contains("compute2"), "{}", goodbye.text);
}

#[tokio::test]
async fn a_removed_host_is_cut_off_at_once_and_for_good() {
    let cloud = Cloud::start().await;
    let credentials = cloud.host("compute1").await;
    let mut node = TestNode::connect(&cloud, "compute1", &credentials).await;
    node.take().await;
    cloud.remove_host("compute1").await;
    let (reason, text) = node.goodbye().await;
    assert_eq!(reason, Reason::Removed);
    assert!(text.contains("join again"), "{text}");
    assert_eq!(refusal(&cloud, &credentials, hello("compute1")).await.reason(), Reason::Removed);
    assert_eq!(cloud.service.node("compute1"), None);
}

#[tokio::test]
async fn a_replaced_key_ends_the_stream_that_began_with_the_old_one() {
    let cloud = Cloud::start().await;
    let old = cloud.host("compute1").await;
    let mut node = TestNode::connect(&cloud, "compute1", &old).await;
    let (key, csr) = request();
    let mut client = NodesClient::new(channel(&cloud, Some(&old)).await.unwrap());
    let reply = client.renew(RenewRequest { csr: csr.into() }).await.unwrap().into_inner();
    assert_eq!(node.goodbye().await.0, Reason::Certificate);
    TestNode::connect(&cloud, "compute1", &from_reply(&key, &reply.certificate_chain)).await;
    assert_eq!(refusal(&cloud, &old, hello("compute1")).await.reason(), Reason::Removed);
}

#[tokio::test]
async fn the_newer_of_two_agents_with_one_key_takes_over() {
    let cloud = Cloud::start().await;
    let credentials = cloud.host("compute1").await;
    let mut older = TestNode::connect(&cloud, "compute1", &credentials).await;
    older.take().await;
    let copy = Hello { instance_id: vec![8; 16].into(), ..hello("compute1") };
    let mut newer = TestNode::connect_with(&cloud, &credentials, copy, Default::default()).await;
    let (reason, text) = older.goodbye().await;
    assert_eq!(reason, Reason::Replaced);
    assert!(text.contains("another agent"), "{text}");

    let network = cloud.network().await;
    let port = cloud.port(network, "compute1").await;
    newer.until_port(port.number.0).await;
    assert!(cloud.service.node("compute1").unwrap().is_connected);
}

#[tokio::test]
async fn a_peer_of_another_age_is_told_so() {
    let cloud = Cloud::start().await;
    let credentials = cloud.host("compute1").await;
    for versions in [Some(VersionRange { min: 7, max: 9 }), None] {
        let goodbye = refusal(&cloud, &credentials, Hello { versions, ..hello("compute1") }).await;
        assert_eq!(goodbye.reason(), Reason::Version);
        assert!(goodbye.text.contains("upgrade"), "{}", goodbye.text);
    }
    let newer = Hello {
        versions: Some(VersionRange { min: *VERSIONS.start(), max: *VERSIONS.end() + 1 }),
        ..hello("compute1")
    };
    let node = TestNode::connect_with(&cloud, &credentials, newer, Default::default()).await;
    assert_eq!(node.welcome.version, *VERSIONS.end());
}

#[tokio::test]
async fn an_underlay_address_follows_its_host_unless_another_has_it() {
    let cloud = Cloud::start().await;
    let one = cloud.host("compute1").await;
    let other = cloud.host("compute2").await;
    let at = |host: &str| Hello {
        underlay: "2001:db8::77".parse::<std::net::Ipv6Addr>().unwrap().octets().to_vec().into(),
        ..hello(host)
    };
    TestNode::connect_with(&cloud, &one, at("compute1"), Default::default()).await;
    let model = cloud.store.snapshot();
    let host = model.get::<hadron_model::Host>(&"compute1".to_owned()).unwrap();
    assert_eq!(host.underlay.to_string(), "2001:db8::77");
    let goodbye = refusal(&cloud, &other, at("compute2")).await;
    assert!(goodbye.text.contains("2001:db8::77"), "{}", goodbye.text);
}
