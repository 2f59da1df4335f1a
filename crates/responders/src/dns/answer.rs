use super::{DATAGRAM, Names, Outcome};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, PTR};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use std::net::IpAddr;

/// Seconds that an answer may be kept: addresses move with their instances.
const TTL: u32 = 30;
/// Octets of a header.
const HEADER: usize = 12;
/// Largest message without EDNS (RFC 1035 §4.2.1).
const PLAIN: u16 = 512;

/// How a question came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// As a datagram.
    Udp,
    /// In a stream.
    Tcp,
}

/// What is to be done with a message.
#[derive(Clone, Debug)]
pub enum Answered {
    /// This is the answer.
    Reply(Vec<u8>, Outcome),
    /// Somebody else has to be asked.
    Forward(Question),
    /// Nothing.
    Silence(Outcome),
}

/// A question for somebody else.
#[derive(Clone, Debug)]
pub struct Question {
    asked: Message,
    transport: Transport,
}

/// Answers a message as far as a network's names go.
pub fn answer(bytes: &[u8], names: &Names, transport: Transport) -> Answered {
    // A message that can't be read may still have a header to answer to.
    let Some(head) = bytes.first_chunk::<HEADER>() else { return Answered::Silence(Outcome::Malformed) };
    if head[2] & 0x80 != 0 {
        return Answered::Silence(Outcome::NoQuestion);
    }
    let Ok(asked) = Message::from_vec(bytes) else {
        return Answered::Reply(bare(head, ResponseCode::FormErr), Outcome::Malformed);
    };
    let question = Question { asked, transport };
    let asked = &question.asked;
    if asked.metadata.op_code != OpCode::Query {
        return Answered::Reply(bare(head, ResponseCode::NotImp), Outcome::Operation);
    }
    let [query] = &asked.queries[..] else {
        return Answered::Reply(bare(head, ResponseCode::FormErr), Outcome::Questions);
    };
    if asked.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
        return question.code(ResponseCode::BADVERS, Outcome::Version);
    }
    let is_transfer = matches!(query.query_type(), RecordType::AXFR | RecordType::IXFR);
    if query.query_class() != DNSClass::IN || is_transfer || asked.signature.is_some() {
        return question.code(ResponseCode::Refused, Outcome::Refused);
    }
    match find(query, names) {
        Found::Here(records) => question.records(records),
        Found::Nowhere => question.code(ResponseCode::NXDomain, Outcome::Unknown),
        Found::Elsewhere => Answered::Forward(question),
    }
}

enum Found {
    Here(Vec<RData>),
    Nowhere,
    Elsewhere,
}

fn find(query: &Query, names: &Names) -> Found {
    let kind = query.query_type();
    if let Some(address) = address_of(query.name()) {
        let own = names.names(address).map(|all| all.map(str::to_owned).collect::<Vec<_>>());
        let floating = || names.zone().floating_name(address).map(|name| vec![name]);
        let Some(found) = own.or_else(floating) else { return Found::Elsewhere };
        let wanted = matches!(kind, RecordType::PTR | RecordType::ANY);
        let found = found.into_iter().filter(|_| wanted);
        let found = found.filter_map(|name| Name::from_ascii(format!("{name}.")).ok());
        return Found::Here(found.map(|name| RData::PTR(PTR(name))).collect());
    }
    let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
    let own = names.addresses(&name).map(Iterator::collect::<Vec<_>>);
    match own.or_else(|| names.zone().floating_ip(&name).map(|address| vec![address])) {
        Some(addresses) => {
            Found::Here(addresses.into_iter().filter_map(|address| record(address, kind)).collect())
        }
        None if names.is_own(&name) && !name.is_empty() => Found::Nowhere,
        None => Found::Elsewhere,
    }
}

fn record(address: IpAddr, kind: RecordType) -> Option<RData> {
    match (address, kind) {
        (IpAddr::V4(address), RecordType::A | RecordType::ANY) => Some(RData::A(A(address))),
        (IpAddr::V6(address), RecordType::AAAA | RecordType::ANY) => Some(RData::AAAA(AAAA(address))),
        _ => None,
    }
}

/// The address whose name is asked for.
fn address_of(name: &Name) -> Option<IpAddr> {
    let mut absolute = name.clone();
    absolute.set_fqdn(true);
    let net = absolute.parse_arpa_name().ok()?;
    let width = if net.addr().is_ipv4() { 32 } else { 128 };
    (net.prefix_len() == width).then(|| net.addr())
}

/// A header alone.
fn bare(head: &[u8; HEADER], code: ResponseCode) -> Vec<u8> {
    let [high, low, flags, ..] = *head;
    let mut reply = vec![high, low, flags & 0x79 | 0x80, code.low()];
    reply.resize(HEADER, 0);
    reply
}

impl Question {
    /// Octets that the answer may have.
    fn limit(&self) -> usize {
        match self.transport {
            Transport::Tcp => usize::from(u16::MAX),
            Transport::Udp => {
                let announced = self.asked.edns.as_ref().map_or(PLAIN, Edns::max_payload);
                announced.clamp(PLAIN, DATAGRAM).into()
            }
        }
    }

    fn response(&self) -> Message {
        let mut reply = Message::response(self.asked.metadata.id, OpCode::Query);
        reply.metadata.recursion_desired = self.asked.metadata.recursion_desired;
        reply.metadata.recursion_available = true;
        reply.add_queries(self.asked.queries.iter().cloned());
        if self.asked.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(DATAGRAM);
            reply.set_edns(edns);
        }
        reply
    }

    fn code(&self, code: ResponseCode, outcome: Outcome) -> Answered {
        let mut reply = self.response();
        reply.metadata.response_code = code;
        if let Some(edns) = &mut reply.edns {
            edns.set_rcode_high(code.high());
        }
        self.encoded(&reply, outcome)
    }

    fn records(&self, records: Vec<RData>) -> Answered {
        let mut reply = self.response();
        reply.metadata.authoritative = true;
        for query in &self.asked.queries {
            let all = records.iter().cloned();
            reply.add_answers(all.map(|data| Record::from_rdata(query.name().clone(), TTL, data)));
        }
        self.encoded(&reply, Outcome::Answered)
    }

    fn encoded(&self, reply: &Message, outcome: Outcome) -> Answered {
        let bytes = match reply.to_vec() {
            Ok(bytes) if bytes.len() > self.limit() => reply.truncate().to_vec(),
            other => other,
        };
        match bytes {
            Ok(bytes) => Answered::Reply(bytes, outcome),
            Err(_) => Answered::Silence(Outcome::Failed),
        }
    }

    /// The answer that nobody could be asked.
    pub fn failed(&self) -> Vec<u8> {
        match self.code(ResponseCode::ServFail, Outcome::Failed) {
            Answered::Reply(bytes, _) => bytes,
            Answered::Forward(_) | Answered::Silence(_) => Vec::new(),
        }
    }

    /// How it is asked elsewhere, by an id of one's own. Of what the instance has sent the question goes on, and whether it wants
    /// recursion, checks and signatures.
    pub fn query(&self, id: u16) -> Option<Vec<u8>> {
        let mut query = Message::new(id, MessageType::Query, OpCode::Query);
        let asked = &self.asked.metadata;
        query.metadata.recursion_desired = asked.recursion_desired;
        query.metadata.checking_disabled = asked.checking_disabled;
        query.metadata.authentic_data = asked.authentic_data;
        query.add_queries(self.asked.queries.iter().cloned());
        if let Some(theirs) = &self.asked.edns {
            let mut edns = Edns::new();
            edns.set_max_payload(theirs.max_payload().clamp(PLAIN, DATAGRAM));
            edns.set_dnssec_ok(theirs.flags().dnssec_ok);
            query.set_edns(edns);
        }
        query.to_vec().ok()
    }

    /// The answer for the instance, from one to [`Question::query`]; `None` if this is none.
    pub fn relayed(&self, id: u16, bytes: &[u8]) -> Option<Vec<u8>> {
        let reply = self.checked(id, bytes)?;
        let mut bytes =
            if bytes.len() > self.limit() { reply.truncate().to_vec().ok()? } else { bytes.to_vec() };
        bytes[..2].copy_from_slice(&self.asked.metadata.id.to_be_bytes());
        Some(bytes)
    }

    /// Whether an answer says that the whole of it comes by TCP alone.
    pub fn is_truncated(&self, id: u16, bytes: &[u8]) -> bool {
        self.checked(id, bytes).is_some_and(|reply| reply.metadata.truncation)
    }

    fn checked(&self, id: u16, bytes: &[u8]) -> Option<Message> {
        let reply = Message::from_vec(bytes).ok()?;
        let is_answer = reply.metadata.message_type == MessageType::Response && reply.metadata.id == id;
        let same = |a: &Query, b: &Query| {
            a.name().to_lowercase() == b.name().to_lowercase()
                && (a.query_type(), a.query_class()) == (b.query_type(), b.query_class())
        };
        let is_same = matches!((&reply.queries[..], &self.asked.queries[..]), ([a], [b]) if same(a, b));
        (is_answer && is_same).then_some(reply)
    }
}
