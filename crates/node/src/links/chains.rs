//! The chains of nf_tables in this network namespace, of every family and whoever made them.

use netlink_packet_netfilter::nftables::{ChainAttribute, ChainMessage, NfTablesMessage};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
};
use rtnetlink::packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use std::io;

/// Octets of the largest answer.
const ANSWER: usize = 64 << 10;

/// A chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Chain {
    /// The table that it is in.
    pub table: String,
    /// Its name.
    pub name: String,
}

/// Every chain.
pub(crate) fn list() -> io::Result<Vec<Chain>> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let header = NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, 0);
    let question = NfTablesMessage::GetChain(ChainMessage { attributes: Vec::new() });
    let mut message = NetlinkMessage::from(NetfilterMessage::new(header, question));
    message.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.finalize();
    let mut octets = vec![0; message.buffer_len()];
    message.serialize(&mut octets);
    socket.send(&octets, 0)?;
    let mut chains = Vec::new();
    loop {
        let mut octets = Vec::with_capacity(ANSWER);
        socket.recv(&mut octets, 0)?;
        while !octets.is_empty() {
            let answer =
                NetlinkMessage::<NetfilterMessage>::deserialize(&octets).map_err(io::Error::other)?;
            octets.drain(..(answer.header.length as usize).next_multiple_of(4).min(octets.len()));
            match answer.payload {
                NetlinkPayload::Done(_) => return Ok(chains),
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(NetfilterMessage {
                    inner: NetfilterMessageInner::NfTables(NfTablesMessage::NewChain(chain)),
                    ..
                }) => chains.push(read(&chain.attributes)),
                _ => {}
            }
        }
    }
}

fn read(attributes: &[ChainAttribute]) -> Chain {
    let mut chain = Chain { table: String::new(), name: String::new() };
    for attribute in attributes {
        match attribute {
            ChainAttribute::Table(table) => chain.table.clone_from(table),
            ChainAttribute::Name(name) => chain.name.clone_from(name),
            _ => {}
        }
    }
    chain
}
