//! Questions to a host that is connected to another server.

use crate::cloud::{Cloud, until};
use crate::test_node::{TestNode, channel};
use crate::traces::asked;
use futures_util::StreamExt;
use hadron_server::nodes::{Authority, Following, NoAnswer, NodeConfig};
use hadron_wire::proto::follow_news::News;
use hadron_wire::proto::goodbye::Reason;
use hadron_wire::proto::node_message::Message;
use hadron_wire::proto::server_message::Message as FromServer;
use hadron_wire::proto::servers_client::ServersClient;
use hadron_wire::proto::{
    FollowEnd, FollowNews, FollowRequest, FollowStarted, FollowedPacket, HostFollow, HostTrace, TraceReply,
    TraceRequest,
};
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::Code;
use tonic::service::Routes;
use tonic::transport::{Identity, Server, ServerTlsConfig};

const HOST: &str = "compute1";
/// What a host has of places to follow packets, and a server of questions to it at a time.
const MOST: usize = 16;

type Asked<T> = JoinHandle<Result<T, NoAnswer>>;

fn trace(server: &Cloud) -> Asked<TraceReply> {
    let service = server.service.clone();
    tokio::spawn(async move { service.trace(HOST, TraceRequest::default()).await })
}

fn follow(server: &Cloud) -> Asked<Following> {
    let (service, request) = (server.service.clone(), FollowRequest { most: 10, ..FollowRequest::default() });
    tokio::spawn(async move { service.follow(HOST, request).await })
}

/// Why there is no answer.
async fn refusal<T>(asked: Asked<T>) -> NoAnswer {
    asked.await.expect("no panic").map(drop).expect_err("an answer")
}

/// The id of what the node is to follow.
async fn asked_to_follow(node: &mut TestNode) -> u64 {
    match node.asked().await {
        FromServer::Follow(request) => request.id,
        other => panic!("{other:?}"),
    }
}

/// Requires that the node is told to follow packets no longer.
async fn is_told_the_end(node: &mut TestNode, id: u64) {
    match node.asked().await {
        FromServer::EndFollow(end) => assert_eq!(end.id, id),
        other => panic!("{other:?}"),
    }
}

async fn say(node: &TestNode, id: u64, news: News) {
    node.send(Message::Followed(FollowNews { id, news: Some(news) })).await;
}

/// A cloud of two servers with the node at the first one, whose packets the second one follows, and by which id.
async fn followed() -> (Cloud, Cloud, TestNode, Following, u64) {
    let here = Cloud::start().await;
    let mut node = here.node(HOST).await;
    let there = here.beside().await;
    let (following, id) = begun(&there, &mut node).await;
    (here, there, node, following, id)
}

/// Has the node follow packets by a server that it is not connected to.
async fn begun(there: &Cloud, node: &mut TestNode) -> (Following, u64) {
    let asked = follow(there);
    let id = asked_to_follow(node).await;
    say(node, id, News::Started(FollowStarted {})).await;
    (asked.await.expect("no panic").expect("an answer"), id)
}

#[tokio::test]
async fn a_server_asks_the_one_that_a_host_is_connected_to() {
    let here = Cloud::start().await;
    let mut node = here.node(HOST).await;
    let there = here.beside().await;
    let waiting = trace(&there);
    let question = asked(&mut node).await;
    node.send(Message::Traced(TraceReply { id: question.id, revision: 7, ..TraceReply::default() })).await;
    assert_eq!(waiting.await.expect("no panic").expect("an answer").revision, 7);

    // What the other server has to say is said, and a host that nobody has is away.
    let waiting = [trace(&there)];
    asked(&mut node).await;
    let following = follow(&there);
    asked_to_follow(&mut node).await;
    drop(node);
    for lost in waiting.map(refusal) {
        let lost = lost.await;
        assert!(matches!(&lost, NoAnswer::Elsewhere(text) if text.contains("lost its connection")), "{lost}");
    }
    let lost = refusal(following).await;
    assert!(matches!(&lost, NoAnswer::Elsewhere(text) if text.contains("lost its connection")), "{lost}");
    until("it is gone", || here.service.node(HOST).is_some_and(|node| !node.is_connected)).await;
    for away in [refusal(trace(&there)).await, refusal(follow(&there)).await] {
        let text = away.to_string();
        assert!(matches!(away, NoAnswer::Away { .. }), "{text}");
        assert!(text.contains("localhost:1, which can't be reached"), "{text}");
        assert!(!text.contains(&here.node_address()), "that one was asked: {text}");
    }
}

#[tokio::test]
async fn nobody_but_a_server_may_ask_about_hosts() {
    let cloud = Cloud::start().await;
    let credentials = cloud.host(HOST).await;
    for (credentials, code) in [(Some(&credentials), Code::PermissionDenied), (None, Code::Unauthenticated)] {
        let mut client = ServersClient::new(channel(&cloud, credentials).await.unwrap());
        let trace = client.trace(HostTrace { host: HOST.into(), request: None }).await;
        let follow = client.follow(HostFollow { host: HOST.into(), request: None }).await;
        for refused in [trace.unwrap_err(), follow.map(drop).unwrap_err()] {
            assert_eq!(refused.code(), code, "{refused}");
        }
    }
}

#[tokio::test]
async fn packets_are_followed_by_way_of_the_server_that_a_host_is_connected_to() {
    let (_here, there, mut node, mut following, id) = followed().await;
    for length in [60, 61] {
        say(&node, id, News::Packet(FollowedPacket { length, ..FollowedPacket::default() })).await;
        let Some(News::Packet(packet)) = following.next().await else { panic!("no packet") };
        assert_eq!(packet.length, length);
    }
    // Its last word is the last one here too.
    say(&node, id, News::End(FollowEnd { lost: 4, ..FollowEnd::default() })).await;
    assert!(matches!(following.next().await, Some(News::End(FollowEnd { lost: 4, .. }))));
    assert_eq!(following.next().await, None);

    let (following, id) = begun(&there, &mut node).await;
    drop(following);
    is_told_the_end(&mut node, id).await;
    // Likewise while the first word is waited for.
    let asked = follow(&there);
    let id = asked_to_follow(&mut node).await;
    asked.abort();
    is_told_the_end(&mut node, id).await;
}

#[tokio::test]
async fn why_a_host_of_another_server_follows_nothing_is_said() {
    let (_here, there, mut node, first, _) = followed().await;
    let asked = follow(&there);
    let id = asked_to_follow(&mut node).await;
    say(&node, id, News::End(FollowEnd { error: "no room".into(), ..FollowEnd::default() })).await;
    assert_eq!(refusal(asked).await.to_string(), format!("host {HOST}: no room"));

    let mut all = vec![first];
    while all.len() < MOST {
        all.push(begun(&there, &mut node).await.0);
    }
    let busy = refusal(follow(&there)).await;
    assert!(matches!(&busy, NoAnswer::Elsewhere(text) if text.contains("too many at once")), "{busy}");
    let none = there.service.follow("nobody", FollowRequest::default()).await;
    assert!(matches!(none.map(drop), Err(NoAnswer::Unknown(_))));
}

#[tokio::test]
async fn what_is_followed_ends_with_the_node_and_with_either_server() {
    let (here, there, node, mut following, _) = followed().await;
    drop(node);
    assert_eq!(following.next().await, None, "the node is gone");
    drop((here, there));

    let (mut here, there, mut node, mut following, _) = followed().await;
    let (ended, goodbye, ()) = tokio::join!(following.next(), node.goodbye(), here.stop());
    assert_eq!((ended, goodbye.0), (None, Reason::Shutdown), "the node's server stops");
    drop(there);

    let (_here, mut there, mut node, mut following, id) = followed().await;
    there.stop().await;
    assert_eq!(following.next().await, None, "the asking server stops");
    drop(following);
    is_told_the_end(&mut node, id).await;
}

/// A way to a server that can fall silent: then nothing passes any more, and nobody is told.
struct Way {
    address: String,
    is_silent: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Way {
    async fn to(server: &Cloud) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("localhost:{}", listener.local_addr().unwrap().port());
        let (is_silent, to) = (watch::Sender::new(false), server.address);
        let silence = is_silent.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut silence = silence.subscribe();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(to).await.unwrap();
                    let silent = async { drop(silence.wait_for(|is_silent| *is_silent).await) };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => return,
                        () = silent => {}
                    }
                    // Both connections stay.
                    std::future::pending().await
                });
            }
        });
        Self { address, is_silent, task }
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_leaves_nothing_that_is_followed() {
    let keep_alive = Duration::from_millis(500);
    let here = Cloud::start_with(NodeConfig { keep_alive, ..NodeConfig::default() }).await;
    let mut node = here.node(HOST).await;
    let way = Way::to(&here).await;
    let servers = vec![way.address.clone()];
    let there = here.beside_with(NodeConfig { servers, keep_alive, ..NodeConfig::default() }).await;
    let (mut following, id) = begun(&there, &mut node).await;
    way.is_silent.send_replace(true);
    // Each side notices by itself.
    is_told_the_end(&mut node, id).await;
    assert_eq!(following.next().await, None);
    way.task.abort();
}

#[tokio::test]
async fn a_server_of_a_release_that_does_not_know_the_question_is_named() {
    let here = Cloud::start().await;
    here.host(HOST).await;
    let identity = here.authority.server_identity().unwrap();
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(identity.certificate, identity.key));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let old = format!("localhost:{}", listener.local_addr().unwrap().port());
    let server = Server::builder().tls_config(tls).unwrap().add_routes(Routes::default());
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = tokio::spawn(server.serve_with_incoming(incoming));
    let servers = vec![here.node_address(), old.clone()];
    let there = here.beside_with(NodeConfig { servers, ..NodeConfig::default() }).await;
    for refused in [refusal(trace(&there)).await, refusal(follow(&there)).await] {
        let text = refused.to_string();
        assert!(
            text.contains(&format!("(not asked: {old}, whose release does not know such questions)")),
            "{text}"
        );
    }
    server.abort();
}
