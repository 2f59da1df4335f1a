use super::*;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};
use proptest::prelude::*;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn zone() -> Arc<Zone> {
    let floating = vec!["203.0.113.0/24=IP-{address}.cloud.example.".parse().unwrap()];
    Arc::new(Zone::new("OpenStackLocal.", floating))
}

fn names() -> Names {
    let mut names = Names::new(zone());
    let web = PortNames {
        name: "web".into(),
        domain: "example.org".into(),
        addresses: vec![ip("10.0.0.5"), ip("2001:db8::5")],
    };
    names.set(1, Some(web));
    names.set(
        2,
        Some(PortNames { addresses: vec![ip("10.0.0.9"), ip("fd00:10::9")], ..PortNames::default() }),
    );
    names
}

fn message(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(77, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_str(name).unwrap(), kind));
    message
}

fn ask(name: &str, kind: RecordType) -> Message {
    match answer(&message(name, kind).to_vec().unwrap(), &names(), Transport::Udp) {
        Answered::Reply(bytes, _) => Message::from_vec(&bytes).unwrap(),
        other => panic!("{name}: {other:?}"),
    }
}

fn data(reply: &Message) -> Vec<String> {
    reply.answers.iter().map(|record| record.data.to_string()).collect()
}

#[test]
fn a_port_has_its_name_in_every_domain_and_both_families() {
    for name in ["web", "WEB.", "web.openstacklocal.", "Web.Example.ORG."] {
        let reply = ask(name, RecordType::A);
        assert_eq!(data(&reply), ["10.0.0.5"], "{name}");
        assert!(
            reply.metadata.authoritative && reply.metadata.recursion_available && reply.metadata.id == 77
        );
        assert_eq!(data(&ask(name, RecordType::AAAA)), ["2001:db8::5"], "{name}");
        assert_eq!(ask(name, RecordType::ANY).answers.len(), 2);
        let none = ask(name, RecordType::MX);
        assert_eq!((none.metadata.response_code, none.answers.len()), (ResponseCode::NoError, 0));
    }
}

#[test]
fn a_port_without_a_name_has_one_of_its_address() {
    assert_eq!(data(&ask("host-10-0-0-9.openstacklocal.", RecordType::A)), ["10.0.0.9"]);
    assert_eq!(data(&ask("host-fd00-10--9", RecordType::AAAA)), ["fd00:10::9"]);
    assert_eq!(ask("host-10-0-0-9.", RecordType::AAAA).answers.len(), 0);
}

#[test]
fn addresses_have_their_names() {
    assert_eq!(data(&ask("5.0.0.10.in-addr.arpa.", RecordType::PTR)), ["web.example.org."]);
    assert_eq!(data(&ask("9.0.0.10.IN-ADDR.arpa.", RecordType::PTR)), ["host-10-0-0-9.openstacklocal."]);
    let v6 = "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.";
    assert_eq!(data(&ask(v6, RecordType::PTR)), ["web.example.org."]);
}

#[test]
fn floating_ips_are_called_as_the_operator_wants() {
    assert_eq!(data(&ask("ip-203-0-113-9.cloud.example.", RecordType::A)), ["203.0.113.9"]);
    assert_eq!(data(&ask("9.113.0.203.in-addr.arpa.", RecordType::PTR)), ["ip-203-0-113-9.cloud.example."]);
    for name in
        ["ip-203-0-114-9.cloud.example.", "ip-203-0-113-009.cloud.example.", "ip-203.0.113.9.cloud.example."]
    {
        let bytes = message(name, RecordType::A).to_vec().unwrap();
        assert!(matches!(answer(&bytes, &names(), Transport::Udp), Answered::Forward(_)), "{name}");
    }
    for text in [
        "203.0.113.0/24",
        "203.0.113.0/24=ip.example",
        "x=ip-{address}.example",
        "::/0=ip-{address}.example",
        "0.0.0.0/0={address}",
    ] {
        assert!(text.parse::<FloatingNames>().is_err(), "{text}");
    }
}

#[test]
fn what_the_network_alone_can_know_is_not_asked_elsewhere() {
    for name in ["nothing", "nothing.openstacklocal.", "openstacklocal."] {
        assert_eq!(ask(name, RecordType::A).metadata.response_code, ResponseCode::NXDomain, "{name}");
    }
    for name in
        ["www.example.com.", "other.example.org.", "8.8.8.8.in-addr.arpa.", "notopenstacklocal.net.", "."]
    {
        let bytes = message(name, RecordType::A).to_vec().unwrap();
        assert!(matches!(answer(&bytes, &names(), Transport::Udp), Answered::Forward(_)), "{name}");
    }
}

#[test]
fn names_come_and_go_with_their_ports() {
    let mut names = names();
    names.set(
        1,
        Some(PortNames { name: "new".into(), addresses: vec![ip("10.0.0.5")], ..PortNames::default() }),
    );
    assert!(names.addresses("web").is_none() && names.addresses("web.example.org").is_none());
    assert_eq!(names.addresses("new").unwrap().collect::<Vec<_>>(), [ip("10.0.0.5")]);
    assert_eq!(names.names(ip("10.0.0.5")).unwrap().collect::<Vec<_>>(), ["new.openstacklocal"]);
    assert!(names.names(ip("2001:db8::5")).is_none());
    names.set(1, None);
    names.set(2, None);
    assert!(names.is_empty() && names.addresses("new").is_none() && names.names(ip("10.0.0.9")).is_none());
}

#[test]
fn many_addresses_come_by_tcp_alone_or_by_a_larger_datagram() {
    let mut names = Names::new(Arc::new(Zone::new("x", vec![])));
    for number in 0..40 {
        let addresses = vec![ip(&format!("10.0.0.{number}"))];
        names.set(number, Some(PortNames { name: "pool".into(), addresses, ..PortNames::default() }));
    }
    let mut plain = message("pool.x.", RecordType::A);
    let ask = |message: &Message, transport| match answer(&message.to_vec().unwrap(), &names, transport) {
        Answered::Reply(bytes, _) => (Message::from_vec(&bytes).unwrap(), bytes.len()),
        other => panic!("{other:?}"),
    };
    let (reply, length) = ask(&plain, Transport::Udp);
    assert!(reply.metadata.truncation && reply.answers.is_empty() && length <= 512);
    assert_eq!(ask(&plain, Transport::Tcp).0.answers.len(), 40);
    let mut edns = Edns::new();
    edns.set_max_payload(4096);
    plain.set_edns(edns);
    let (reply, length) = ask(&plain, Transport::Udp);
    assert_eq!((reply.answers.len(), reply.edns.unwrap().max_payload()), (40, DATAGRAM));
    assert!(length <= DATAGRAM.into());
}

#[test]
fn what_is_no_question_is_refused() {
    let code = |bytes: &[u8]| match answer(bytes, &names(), Transport::Udp) {
        Answered::Reply(bytes, outcome) => Some((bytes[3] & 0xf, outcome)),
        Answered::Silence(outcome) => Some((255, outcome)),
        Answered::Forward(_) => None,
    };
    let plain = message("web.", RecordType::A).to_vec().unwrap();
    assert_eq!(code(&plain[..11]), Some((255, Outcome::Malformed)));
    assert_eq!(code(&plain[..plain.len() - 1]), Some((1, Outcome::Malformed)));
    let mut response = plain.clone();
    response[2] |= 0x80;
    assert_eq!(code(&response), Some((255, Outcome::NoQuestion)));
    // A name that points to itself, and one that points behind the end.
    for target in [12, 200] {
        let looping = [&plain[..12], &[0xc0, target, 0, 1, 0, 1]].concat();
        assert_eq!(code(&looping), Some((1, Outcome::Malformed)), "{target}");
    }
    let mut update = plain.clone();
    update[2] |= 5 << 3;
    assert!(matches!(code(&update), Some((4 | 1, _))));
    let mut none = plain[..12].to_vec();
    none[5] = 0;
    assert_eq!(code(&none), Some((1, Outcome::Questions)));
    let mut two = message("web.", RecordType::A);
    two.add_query(two.queries[0].clone());
    assert_eq!(code(&two.to_vec().unwrap()), Some((1, Outcome::Questions)));
    assert_eq!(code(&message("web.", RecordType::AXFR).to_vec().unwrap()), Some((5, Outcome::Refused)));
    let mut chaos = message("version.bind.", RecordType::TXT);
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert_eq!(code(&chaos.to_vec().unwrap()), Some((5, Outcome::Refused)));
    let mut future = message("web.", RecordType::A);
    let mut edns = Edns::new();
    edns.set_version(1);
    future.set_edns(edns);
    assert_eq!(code(&future.to_vec().unwrap()), Some((0, Outcome::Version)));
}

fn forwarded(message: &Message) -> Question {
    match answer(&message.to_vec().unwrap(), &names(), Transport::Udp) {
        Answered::Forward(question) => question,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_from_elsewhere_is_one_to_the_question() {
    let question = forwarded(&message("www.example.com.", RecordType::A));
    let query = Message::from_vec(&question.query(4711).unwrap()).unwrap();
    assert_eq!((query.metadata.id, query.metadata.recursion_desired), (4711, true));
    let mut reply = Message::response(4711, OpCode::Query);
    reply.add_queries(query.queries.clone());
    let answer = RData::A("192.0.2.1".parse::<std::net::Ipv4Addr>().unwrap().into());
    reply.add_answer(hickory_proto::rr::Record::from_rdata(query.queries[0].name().clone(), 60, answer));
    let bytes = reply.to_vec().unwrap();
    let relayed = Message::from_vec(&question.relayed(4711, &bytes).unwrap()).unwrap();
    assert_eq!((relayed.metadata.id, data(&relayed)), (77, vec!["192.0.2.1".to_owned()]));
    assert_eq!(question.relayed(4712, &bytes), None, "another id");
    assert_eq!(question.relayed(4711, &query.to_vec().unwrap()), None, "no answer");
    reply.queries[0].set_name(Name::from_str("www.example.net.").unwrap());
    assert_eq!(question.relayed(4711, &reply.to_vec().unwrap()), None, "another question");
    let failed = Message::from_vec(&question.failed()).unwrap();
    assert_eq!((failed.metadata.id, failed.metadata.response_code), (77, ResponseCode::ServFail));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..120), flip in any::<prop::sample::Index>(), to: u8) {
        let _ = answer(&bytes, &names(), Transport::Udp);
        let mut bent = message("web.example.org.", RecordType::A).to_vec().unwrap();
        let at = flip.index(bent.len());
        bent[at] = to;
        if let Answered::Reply(reply, _) = answer(&bent, &names(), Transport::Tcp) {
            prop_assert!(reply.len() >= 12 && reply[2] & 0x80 != 0);
        }
    }
}
