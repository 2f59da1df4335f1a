//! Questions that a node answers by its stream.

use crate::cloud::{Cloud, until};
use crate::test_node::TestNode;
use futures_util::StreamExt;
use hadron_model::{Host, Port};
use hadron_server::nodes::NoAnswer;
use hadron_server::trace::{LiveEvent, LiveQuestion, Question, Report, TraceError, live, trace};
use hadron_wire::proto::follow_news::News;
use hadron_wire::proto::follow_place::Door as PlaceDoor;
use hadron_wire::proto::node_message::Message;
use hadron_wire::proto::server_message::Message as FromServer;
use hadron_wire::proto::trace_output::To;
use hadron_wire::proto::trace_request::Door;
use hadron_wire::proto::{
    FollowEnd, FollowNews, FollowRequest, FollowStarted, FollowedPacket, TraceOutput, TraceReply,
    TraceRequest, TraceTunnel,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;

pub async fn asked(node: &mut TestNode) -> TraceRequest {
    match node.asked().await {
        FromServer::Trace(request) => request,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn answers_come_to_who_has_asked() {
    let cloud = Cloud::start().await;
    let mut node = cloud.node("compute1").await;
    let ask = |vlan| {
        let service = cloud.service.clone();
        tokio::spawn(async move {
            service.trace("compute1", TraceRequest { vlan, ..TraceRequest::default() }).await
        })
    };
    let waiting = [ask(1), ask(2)];
    let questions = [asked(&mut node).await, asked(&mut node).await];
    // An answer to nothing is no breach; the others come in the other order.
    node.send(Message::Traced(TraceReply { id: 4711, ..TraceReply::default() })).await;
    for question in questions.iter().rev() {
        let reply = TraceReply { id: question.id, revision: question.vlan.into(), ..TraceReply::default() };
        node.send(Message::Traced(reply)).await;
    }
    for (vlan, answer) in (1..).zip(waiting) {
        assert_eq!(answer.await.expect("no panic").expect("an answer").revision, vlan);
    }
}

#[tokio::test]
async fn who_can_not_answer_is_said_at_once() {
    let cloud = Cloud::start().await;
    let ask = || cloud.service.trace("compute1", TraceRequest::default());
    assert!(matches!(ask().await, Err(NoAnswer::Unknown(_))));
    cloud.host("compute2").await;
    let away = cloud.service.trace("compute2", TraceRequest::default()).await;
    assert!(matches!(away, Err(NoAnswer::Away { .. })));
    let mut node = cloud.node("compute1").await;
    let service = cloud.service.clone();
    let waiting = tokio::spawn(async move { service.trace("compute1", TraceRequest::default()).await });
    asked(&mut node).await;
    drop(node);
    assert!(matches!(waiting.await.expect("no panic"), Err(NoAnswer::Lost(_))));
}

/// A network with a port on each of two hosts.
struct Pair {
    cloud: Cloud,
    ports: Vec<Port>,
    /// Tunnel addresses of the hosts.
    underlays: [bytes::Bytes; 2],
    /// What the hosts were asked to follow, and what they then were told not to.
    follows: Mutex<Vec<(usize, FollowRequest)>>,
    ends: Mutex<Vec<usize>>,
}

/// What a host does with a packet: from its own port it goes to the other host, from there to its port.
fn carried(pair: &Pair, host: usize, request: &TraceRequest) -> TraceOutput {
    let to = match request.door {
        Some(Door::Port(_)) => To::Overlay(TraceTunnel {
            vni: 7,
            source: pair.underlays[host].clone(),
            destination: pair.underlays[1 - host].clone(),
        }),
        _ => To::Port(pair.ports[host].number.0),
    };
    TraceOutput { to: Some(to), frame: request.frame.clone(), vlan: 0, length: 0 }
}

impl Pair {
    async fn raise() -> (Arc<Self>, [TestNode; 2]) {
        let cloud = Cloud::start().await;
        let nodes = [cloud.node("compute1").await, cloud.node("compute2").await];
        let network = cloud.network().await;
        let ports = cloud.ports(network, &["compute1", "compute2"]).await;
        let underlays = ["compute1", "compute2"].map(|name| {
            let view = cloud.store.snapshot();
            let host = view.get::<Host>(&name.to_owned()).expect("a host");
            hadron_wire::row::address(host.underlay).octets().to_vec().into()
        });
        let (follows, ends) = Default::default();
        (Arc::new(Self { cloud, ports, underlays, follows, ends }), nodes)
    }

    /// A node that answers what `carried` says, at revisions that rise by `step` with each answer; how many it has answered.
    fn answers(
        self: &Arc<Self>,
        host: usize,
        mut node: TestNode,
        step: u64,
    ) -> (JoinHandle<()>, Arc<AtomicU64>) {
        let (pair, count) = (self.clone(), Arc::new(AtomicU64::new(0)));
        let counted = count.clone();
        let task = tokio::spawn(async move {
            loop {
                let request = match node.receive().await.expect("a question") {
                    FromServer::Trace(request) => request,
                    FromServer::Follow(request) => {
                        pair.begin(host, &mut node, request).await;
                        continue;
                    }
                    FromServer::EndFollow(_) => {
                        pair.ends.lock().expect("no panic").push(host);
                        continue;
                    }
                    _ => continue,
                };
                let revision = 100 + step * counted.fetch_add(1, Ordering::Relaxed);
                let outputs = vec![carried(&pair, host, &request)];
                let reply = TraceReply { id: request.id, revision, outputs, ..TraceReply::default() };
                node.send(Message::Traced(reply)).await;
            }
        });
        (task, count)
    }

    /// A host follows packets: of each place one comes at once, which is dropped, and no more of the second host's.
    async fn begin(&self, host: usize, node: &mut TestNode, request: FollowRequest) {
        let id = request.id;
        let say = |news| Message::Followed(FollowNews { id, news: Some(news) });
        node.send(say(News::Started(FollowStarted {}))).await;
        for place in 0..request.places.len() as u32 {
            let frame = vec![2; 20].into();
            let packet =
                FollowedPacket { place, frame, length: 1400, verdict: 1, ..FollowedPacket::default() };
            node.send(say(News::Packet(packet))).await;
        }
        if host == 1 {
            node.send(say(News::End(FollowEnd { lost: 4, ..FollowEnd::default() }))).await;
        }
        self.follows.lock().expect("no panic").push((host, request));
    }

    fn live(&self) -> LiveQuestion {
        LiveQuestion { packets: self.question(), source_port: None, count: 10, seconds: 30 }
    }

    fn question(&self) -> Question {
        Question {
            from: Some(self.ports[0].id.to_string()),
            to: Some(self.ports[1].fixed_ips[0].ip_address),
            protocol: "udp".into(),
            destination_port: 53,
            source_port: 1000,
            hop_limit: 64,
            ..Question::default()
        }
    }

    async fn trace(&self) -> Result<Report, TraceError> {
        trace(&self.cloud.store, &self.cloud.service, &self.question()).await
    }
}

#[tokio::test]
async fn a_packet_is_followed_from_host_to_host_and_its_answer_back() {
    let (pair, [one, two]) = Pair::raise().await;
    let (tasks, counts): (Vec<_>, Vec<_>) =
        [pair.answers(0, one, 0), pair.answers(1, two, 0)].into_iter().unzip();
    let report = pair.trace().await.expect("a report");
    let hosts =
        |legs: &[hadron_server::trace::Leg]| legs.iter().map(|leg| leg.host.clone()).collect::<Vec<_>>();
    assert_eq!(hosts(&report.there), ["compute1", "compute2"]);
    assert_eq!(hosts(&report.back.clone().expect("an answer")), ["compute2", "compute1"]);
    assert!(report.is_delivered && report.is_answered, "{report:#?}");
    assert!(report.verdict.contains(&pair.ports[1].id.to_string()) && report.warnings.is_empty());
    assert_eq!(read(&counts), [2, 2]);
    tasks.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn tables_that_change_are_read_again_and_then_said_to_have() {
    let (pair, [one, two]) = Pair::raise().await;
    let (tasks, counts): (Vec<_>, Vec<_>) =
        [pair.answers(0, one, 1), pair.answers(1, two, 0)].into_iter().unzip();
    let report = pair.trace().await.expect("a report");
    assert_eq!(read(&counts), [6, 6], "three attempts, there and back");
    assert!(report.warnings.iter().any(|warning| warning.contains("rows came")), "{:?}", report.warnings);
    tasks.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn a_host_that_goes_leaves_what_was_known_before() {
    let (pair, [one, two]) = Pair::raise().await;
    let (task, _) = pair.answers(0, one, 0);
    drop(two);
    until("the host is away", || pair.cloud.service.node("compute2").is_none_or(|node| !node.is_connected))
        .await;
    let report = pair.trace().await.expect("the first leg");
    assert_eq!((report.there.len(), report.is_delivered), (1, false));
    assert!(report.warnings.iter().any(|warning| warning.contains("compute2")), "{:?}", report.warnings);
    task.abort();
    let _ = task.await;
    assert!(matches!(pair.trace().await, Err(TraceError::NoAnswer(_))));
}

fn read(counts: &[Arc<AtomicU64>]) -> Vec<u64> {
    counts.iter().map(|count| count.load(Ordering::Relaxed)).collect()
}

#[tokio::test]
async fn real_packets_are_followed_at_each_door_of_the_way_until_nobody_listens() {
    let (pair, [one, two]) = Pair::raise().await;
    let (tasks, _): (Vec<_>, Vec<_>) = [pair.answers(0, one, 0), pair.answers(1, two, 0)].into_iter().unzip();
    let events = live(&pair.cloud.store, &pair.cloud.service, &pair.live()).await.expect("events");
    let mut events = Box::pin(events);
    let Some(LiveEvent::Begun { places, expected, warnings }) = events.next().await else {
        panic!("no begin")
    };
    let said: Vec<_> = places.iter().map(|place| (place.host.as_str(), place.is_answer)).collect();
    assert_eq!(
        said,
        [("compute1", false), ("compute1", true), ("compute2", false), ("compute2", true)],
        "each host there and back"
    );
    assert!(
        expected.contains(&pair.ports[1].id.to_string()) && warnings.is_empty(),
        "{expected} {warnings:?}"
    );
    let (mut packets, mut ended) = (Vec::new(), Vec::new());
    while packets.len() < 4 || ended.is_empty() {
        match events.next().await.expect("an event") {
            LiveEvent::Packet(packet) => packets.push(packet),
            LiveEvent::Ended { host, lost, is_cut_off } => ended.push((host, lost, is_cut_off)),
            begun @ LiveEvent::Begun { .. } => panic!("{begun:?}"),
        }
    }
    assert_eq!(ended, [("compute2".to_owned(), 4, false)]);
    assert!(packets.iter().all(|packet| packet.leg.packet.length == 1400), "the whole frame's length");
    assert!(
        packets.iter().all(|packet| packet.leg.packet.bytes.len() == 40),
        "and the octets that are known"
    );
    assert!(packets.iter().all(|packet| packet.kernel.text == "dropped" && !packet.kernel.agrees));

    let follows = pair.follows.lock().expect("no panic").clone();
    let [(0, first), (1, second)] = &follows[..] else { panic!("{follows:?}") };
    let [sent, back] = &first.places[..] else { panic!("{first:?}") };
    assert_eq!(sent.door, Some(PlaceDoor::Port(pair.ports[0].number.0)));
    assert_eq!((sent.protocol, sent.source_port, sent.destination_port), (17, 0, 53), "from whatever port");
    assert_eq!(
        (back.door.clone(), back.source_port, back.destination_port),
        (Some(PlaceDoor::Vni(7)), 53, 0)
    );
    let [came, answered] = &second.places[..] else { panic!("{second:?}") };
    assert_eq!(came.door, Some(PlaceDoor::Vni(7)));
    assert_eq!(answered.door, Some(PlaceDoor::Port(pair.ports[1].number.0)));
    assert_eq!((&answered.source, &answered.destination), (&came.destination, &came.source));
    assert_eq!((first.most, first.seconds), (10, 30));

    drop(events);
    until("the first host is told", || *pair.ends.lock().expect("no panic") == [0]).await;
    tasks.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn without_an_end_packets_are_followed_where_they_begin() {
    let (pair, [one, two]) = Pair::raise().await;
    let (task, _) = pair.answers(0, one, 0);
    let packets = Question { from: pair.question().from, ..Question::default() };
    let question = LiveQuestion { packets, ..pair.live() };
    let events = live(&pair.cloud.store, &pair.cloud.service, &question).await.expect("events");
    let mut events = Box::pin(events);
    let Some(LiveEvent::Begun { places, warnings, .. }) = events.next().await else { panic!("no begin") };
    assert!(places.len() == 1 && warnings.len() == 1 && warnings[0].contains("--to"), "{warnings:?}");
    assert!(matches!(events.next().await, Some(LiveEvent::Packet(_))));
    task.abort();
    let _ = task.await;
    let Some(LiveEvent::Ended { is_cut_off: true, .. }) = events.next().await else { panic!("no end") };
    assert!(events.next().await.is_none());

    // A host that can't, says why.
    let mut two = two;
    let from = Some(pair.ports[1].id.to_string());
    let question = LiveQuestion { packets: Question { from, ..Question::default() }, ..pair.live() };
    let refused = live(&pair.cloud.store, &pair.cloud.service, &question);
    let answer = async {
        let FromServer::Follow(request) = two.asked().await else { panic!("no request") };
        let end = FollowEnd { error: "no room".into(), ..FollowEnd::default() };
        two.send(Message::Followed(FollowNews { id: request.id, news: Some(News::End(end)) })).await;
    };
    let (refused, ()) = tokio::join!(refused, answer);
    assert!(
        matches!(refused.map(drop), Err(TraceError::NoAnswer(NoAnswer::Refused(_, text))) if text == "no room")
    );
    assert!(live(&pair.cloud.store, &pair.cloud.service, &LiveQuestion::default()).await.is_err());
}
