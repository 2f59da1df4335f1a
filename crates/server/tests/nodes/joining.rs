//! Tokens into hosts.

use crate::authority::{from_reply, request};
use crate::cloud::Cloud;
use crate::test_node::{TestNode, channel};
use hadron_model::{Host, JoinToken};
use hadron_server::nodes::Counter;
use hadron_wire::proto::nodes_client::NodesClient;
use hadron_wire::proto::{JoinReply, JoinRequest, RenewRequest, VersionRange};
use hadron_wire::version;
use tonic::{Code, Status};

fn asking(host: &str, csr: Vec<u8>) -> JoinRequest {
    JoinRequest {
        versions: Some(version::offered()),
        token_id: "t".into(),
        token_secret: "secret".into(),
        host_name: host.into(),
        underlay: "2001:db8::5".parse::<std::net::Ipv6Addr>().unwrap().octets().to_vec().into(),
        csr: csr.into(),
    }
}

async fn join(cloud: &Cloud, request: JoinRequest) -> Result<JoinReply, Status> {
    let channel = channel(cloud, None).await.unwrap();
    Ok(NodesClient::new(channel).join(request).await?.into_inner())
}

#[tokio::test]
async fn a_token_makes_a_host_once() {
    let cloud = Cloud::start().await;
    cloud.token("t", "secret", None, true).await;
    let (key, csr) = request();
    let reply = join(&cloud, asking("compute1", csr.clone())).await.unwrap();

    let model = cloud.store.snapshot();
    let host = model.get::<Host>(&"compute1".to_owned()).unwrap();
    assert_eq!((host.number.0, host.underlay.to_string()), (reply.host_number, "2001:db8::5".to_owned()));
    assert!(!model.has::<JoinToken>(&"t".to_owned()), "the token is used up");
    let node = TestNode::connect(&cloud, "compute1", &from_reply(&key, &reply.certificate_chain)).await;
    assert_eq!(node.welcome.host_number, reply.host_number);

    let again = join(&cloud, asking("compute2", csr)).await.unwrap_err();
    assert_eq!(again.code(), Code::PermissionDenied, "{again}");
    assert_eq!((cloud.count(Counter::Joined), cloud.count(Counter::JoinsRefused)), (1, 1));
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_and_leaves_the_token() {
    let cloud = Cloud::start().await;
    cloud.token("t", "secret", Some("compute1"), true).await;
    let (_, csr) = request();
    let good = || asking("compute1", csr.clone());
    let mut damaged = csr.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let cases = [
        (JoinRequest { token_secret: "guess".into(), ..good() }, Code::PermissionDenied),
        (JoinRequest { token_id: "other".into(), ..good() }, Code::PermissionDenied),
        (JoinRequest { host_name: "compute2".into(), ..good() }, Code::PermissionDenied),
        (JoinRequest { csr: b"no request"[..].into(), ..good() }, Code::InvalidArgument),
        (JoinRequest { csr: damaged.into(), ..good() }, Code::InvalidArgument),
        (JoinRequest { csr: bytes::Bytes::new(), ..good() }, Code::InvalidArgument),
        (JoinRequest { underlay: vec![10, 0, 0, 1].into(), ..good() }, Code::InvalidArgument),
        (JoinRequest { underlay: vec![0; 16].into(), ..good() }, Code::InvalidArgument),
        (
            JoinRequest { versions: Some(VersionRange { min: 90, max: 91 }), ..good() },
            Code::FailedPrecondition,
        ),
        (JoinRequest { versions: None, ..good() }, Code::FailedPrecondition),
    ];
    for (request, code) in cases {
        let status = join(&cloud, request.clone()).await.unwrap_err();
        assert_eq!(status.code(), code, "{request:?}: {status}");
        assert!(!status.message().is_empty());
    }
    join(&cloud, good()).await.unwrap();
}

#[tokio::test]
async fn a_token_that_ended_lets_nobody_in() {
    let cloud = Cloud::start().await;
    cloud.token("t", "secret", None, false).await;
    let (_, csr) = request();
    assert_eq!(join(&cloud, asking("compute1", csr)).await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_name_or_an_underlay_address_belongs_to_the_first() {
    let cloud = Cloud::start().await;
    let (key, csr) = request();
    for id in ["t", "t2", "t3", "t4"] {
        cloud.token(id, "secret", None, true).await;
    }
    join(&cloud, asking("compute1", csr.clone())).await.unwrap();
    let (_, other) = request();
    let impostor = JoinRequest { token_id: "t2".into(), ..asking("compute1", other.clone()) };
    assert_eq!(join(&cloud, impostor).await.unwrap_err().code(), Code::AlreadyExists);
    let same_address = JoinRequest { token_id: "t3".into(), ..asking("compute2", other) };
    assert_eq!(join(&cloud, same_address).await.unwrap_err().code(), Code::AlreadyExists);
    // The same machine may join again: it lost its certificate, or moved.
    let again = JoinRequest { token_id: "t4".into(), ..asking("compute1", csr) };
    let reply = join(&cloud, again).await.unwrap();
    TestNode::connect(&cloud, "compute1", &from_reply(&key, &reply.certificate_chain)).await;
}

#[tokio::test]
async fn a_certificate_is_renewed_by_its_holder_alone() {
    let cloud = Cloud::start().await;
    let old = cloud.host("compute1").await;
    let (key, csr) = request();
    let renewal = || RenewRequest { csr: csr.clone().into() };

    let mut stranger = NodesClient::new(channel(&cloud, None).await.unwrap());
    assert_eq!(stranger.renew(renewal()).await.unwrap_err().code(), Code::Unauthenticated);

    let mut holder = NodesClient::new(channel(&cloud, Some(&old)).await.unwrap());
    let reply = holder.renew(renewal()).await.unwrap().into_inner();
    let new = from_reply(&key, &reply.certificate_chain);
    TestNode::connect(&cloud, "compute1", &new).await;

    let status = holder.renew(renewal()).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "the old key is no longer the host's: {status}");
    cloud.remove_host("compute1").await;
    let mut removed = NodesClient::new(channel(&cloud, Some(&new)).await.unwrap());
    assert_eq!(removed.renew(renewal()).await.unwrap_err().code(), Code::PermissionDenied);
}
