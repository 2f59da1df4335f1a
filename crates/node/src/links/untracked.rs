//! Keeps the overlay's outer packets out of the host's connection tracking, by one small nf_tables table of the node's own.
//!
//! ```text
//! table inet hadron {
//!     chain prerouting { type filter hook prerouting priority raw; meta l4proto udp th dport PORT notrack }
//!     chain output     { type filter hook output     priority raw; meta l4proto udp th dport PORT notrack }
//! }
//! ```
//! Without it, on a host where anything uses conntrack, each pair of hosts and each source port of the tunnel would be an
//! entry there, and a full table would drop instances' packets. The table's user data say the port that it is for.

use crate::error::Error;
use netlink_packet_netfilter::nftables::{
    ChainAttribute, ChainMessage, Cmp, DataAttribute, ExpressionAttribute, Expressions, Hook, InetHookNumber,
    ListAttribute, Meta, MetaKey, NfTablesMessage, Operator, Payload, Register, RuleAttribute, RuleMessage,
    TableAttribute, TableMessage,
};
use netlink_packet_netfilter::none::ControlMessage;
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
};
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use std::io;
use std::sync::Arc;

const TABLE: &str = "hadron";
/// `NF_IP_PRI_RAW`: before connection tracking, which is at -200.
const RAW: i32 = -300;
/// `NFNL_SUBSYS_NFTABLES`, the resource that a batch is about.
const NFTABLES: u16 = 10;
/// `NFT_PAYLOAD_TRANSPORT_HEADER`
const TRANSPORT: u32 = 2;
/// Octets of the largest answer.
const ANSWER: usize = 32 << 10;

/// A socket to nf_tables, in the namespace of the thread that opened it.
#[derive(Clone, Debug)]
pub(crate) struct Untracked {
    socket: Arc<Socket>,
}

impl Untracked {
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket: Arc::new(socket) })
    }

    /// Sees to it that packets to this UDP port are not tracked. Does nothing when the table is there.
    pub async fn settle(&self, port: u16) -> Result<(), Error> {
        self.blocking(move |one| if one.present()? == Some(port) { Ok(()) } else { one.make(port) }).await
    }

    /// Removes the table, if it is there.
    pub async fn remove(&self) -> Result<(), Error> {
        self.blocking(|one| if one.table()?.is_some() { one.batch(vec![delete_table()]) } else { Ok(()) })
            .await
    }

    /// A commit of nf_tables waits for a grace period of the kernel.
    async fn blocking(
        &self,
        work: impl FnOnce(Self) -> io::Result<()> + Send + 'static,
    ) -> Result<(), Error> {
        let one = self.clone();
        match tokio::task::spawn_blocking(move || work(one)).await {
            Ok(done) => done.map_err(Error::Untracked),
            // Only the end of the runtime keeps the task from its end.
            Err(_) => Ok(()),
        }
    }

    /// The port that the table is for.
    fn present(&self) -> io::Result<Option<u16>> {
        let attributes = self.table()?.unwrap_or_default();
        Ok(attributes.iter().find_map(|attribute| match attribute {
            TableAttribute::UserData(data) => Some(u16::from_be_bytes(data.as_slice().try_into().ok()?)),
            _ => None,
        }))
    }

    fn table(&self) -> io::Result<Option<Vec<TableAttribute>>> {
        let name = TableAttribute::Name(TABLE.into());
        self.send(vec![message(NfTablesMessage::GetTable(TableMessage { attributes: vec![name] }), 0)])?;
        match self.answers()?.pop() {
            Some(Ok(NetfilterMessage {
                inner: NetfilterMessageInner::NfTables(NfTablesMessage::NewTable(table)),
                ..
            })) => Ok(Some(table.attributes)),
            Some(Err(error)) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Some(Err(error)) => Err(error),
            other => Err(io::Error::other(format!("nf_tables answered {other:?}"))),
        }
    }

    /// Makes the table in the place of what has its name, in one transaction.
    fn make(&self, port: u16) -> io::Result<()> {
        let mut steps = vec![new_table(port), delete_table(), new_table(port)];
        for (chain, hook) in
            [("prerouting", InetHookNumber::PreRouting), ("output", InetHookNumber::LocalOut)]
        {
            steps.extend([new_chain(chain, hook), new_rule(chain, port)]);
        }
        self.batch(steps)
    }

    fn batch(&self, steps: Vec<NetlinkMessage<NetfilterMessage>>) -> io::Result<()> {
        let mut batch = vec![control(ControlMessage::BatchBegin)];
        batch.extend(steps);
        batch.push(control(ControlMessage::BatchEnd));
        self.send(batch)?;
        self.answers()?.into_iter().find_map(Result::err).map_or(Ok(()), Err)
    }

    fn send(&self, messages: Vec<NetlinkMessage<NetfilterMessage>>) -> io::Result<()> {
        let mut octets = Vec::new();
        for (number, mut message) in messages.into_iter().enumerate() {
            message.header.sequence_number = number as u32;
            message.finalize();
            let start = octets.len();
            octets.resize(start + message.buffer_len(), 0);
            message.serialize(&mut octets[start..]);
        }
        self.socket.send(&octets, 0).map(drop)
    }

    /// What the kernel has answered: it does so before the request's system call returns. Acknowledgements are left out.
    fn answers(&self) -> io::Result<Vec<io::Result<NetfilterMessage>>> {
        let mut answers = Vec::new();
        loop {
            let mut octets = Vec::with_capacity(ANSWER);
            match self.socket.recv(&mut octets, libc::MSG_DONTWAIT) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(answers),
                received => received?,
            };
            while !octets.is_empty() {
                let answer =
                    NetlinkMessage::<NetfilterMessage>::deserialize(&octets).map_err(io::Error::other)?;
                octets.drain(..(answer.header.length as usize).next_multiple_of(4).min(octets.len()));
                match answer.payload {
                    NetlinkPayload::InnerMessage(message) => answers.push(Ok(message)),
                    NetlinkPayload::Error(error) if error.code.is_some() => answers.push(Err(error.to_io())),
                    _ => {}
                }
            }
        }
    }
}

fn message(inner: NfTablesMessage, flags: u16) -> NetlinkMessage<NetfilterMessage> {
    let header = NetfilterHeader::new(NetfilterProtoFamily::Inet, 0, 0);
    let mut message = NetlinkMessage::from(NetfilterMessage::new(header, inner));
    message.header.flags = NLM_F_REQUEST | flags;
    message
}

fn control(inner: ControlMessage) -> NetlinkMessage<NetfilterMessage> {
    let header = NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, NFTABLES);
    let mut message = NetlinkMessage::from(NetfilterMessage::new(header, inner));
    message.header.flags = NLM_F_REQUEST;
    message
}

fn create(inner: NfTablesMessage) -> NetlinkMessage<NetfilterMessage> {
    message(inner, NLM_F_CREATE | NLM_F_ACK)
}

fn new_table(port: u16) -> NetlinkMessage<NetfilterMessage> {
    let user_data = TableAttribute::UserData(port.to_be_bytes().to_vec());
    let attributes = vec![TableAttribute::Name(TABLE.into()), user_data];
    create(NfTablesMessage::NewTable(TableMessage { attributes }))
}

fn delete_table() -> NetlinkMessage<NetfilterMessage> {
    let attributes = vec![TableAttribute::Name(TABLE.into())];
    message(NfTablesMessage::DeleteTable(TableMessage { attributes }), NLM_F_ACK)
}

fn new_chain(name: &str, hook: InetHookNumber) -> NetlinkMessage<NetfilterMessage> {
    let hook = vec![Hook::Number(hook.into()), Hook::Priority(RAW as u32)];
    let attributes = vec![
        ChainAttribute::Table(TABLE.into()),
        ChainAttribute::Name(name.into()),
        ChainAttribute::Hook(hook),
        ChainAttribute::Type("filter".into()),
    ];
    create(NfTablesMessage::NewChain(ChainMessage { attributes }))
}

fn new_rule(chain: &str, port: u16) -> NetlinkMessage<NetfilterMessage> {
    let protocol = Meta::Key(MetaKey::L4Proto);
    let destination_port = [Payload::Base(TRANSPORT), Payload::Offset(2), Payload::Len(2)];
    let notrack = Expressions::Other { expression_type: "notrack".into(), attributes: Vec::new() };
    let expressions = [
        Expressions::Meta(vec![protocol, Meta::DestinationRegister(Register::Reg1)]),
        equals(vec![libc::IPPROTO_UDP as u8]),
        Expressions::Payload(
            destination_port.into_iter().chain([Payload::DestinationRegister(Register::Reg1)]).collect(),
        ),
        equals(port.to_be_bytes().to_vec()),
        notrack,
    ];
    let expressions: Vec<ListAttribute<ExpressionAttribute>> =
        expressions.into_iter().map(Into::into).collect();
    let attributes = vec![
        RuleAttribute::Table(TABLE.into()),
        RuleAttribute::Chain(chain.into()),
        RuleAttribute::Expressions(expressions),
    ];
    create(NfTablesMessage::NewRule(RuleMessage { attributes }))
}

/// The first register has this value.
fn equals(value: Vec<u8>) -> Expressions {
    let data = Cmp::Data(DataAttribute::Value(value));
    Expressions::Cmp(vec![Cmp::SourceRegister(Register::Reg1), Cmp::Op(Operator::Equal), data])
}
