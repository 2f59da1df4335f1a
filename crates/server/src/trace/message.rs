//! What is asked of a trace, and what it tells: the JSON of `hadron trace --json`.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A packet, and where it comes from.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Question {
    /// A port, by UUID or name, whose instance sends it.
    pub from: Option<String>,
    /// Or an external network, by UUID or name: it comes from outside the cloud.
    pub from_outside: Option<String>,
    /// Its bytes from the Ethernet header on, in hexadecimal; then nothing below but `one_way` counts.
    pub frame: Option<String>,
    /// Destination address.
    pub to: Option<IpAddr>,
    /// Source address; by default the port's first one of the family.
    pub source: Option<IpAddr>,
    /// Destination MAC; by default that of who has the destination, or of the gateway to it.
    pub destination_mac: Option<String>,
    /// `tcp`, `udp`, `icmp`, or the number of a protocol.
    pub protocol: String,
    /// Destination port.
    pub destination_port: u16,
    /// Source port, or the identifier of an echo request.
    pub source_port: u16,
    /// Flags of TCP: letters of `SAFRPU`.
    pub tcp_flags: String,
    /// Octets of payload.
    pub size: u16,
    /// Time to live or hop limit.
    pub hop_limit: u8,
    /// `first` or `later`: it is such a fragment of a larger IPv4 packet.
    pub fragment: Option<String>,
    /// No answer is traced.
    pub one_way: bool,
}

/// What became of it, and of its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The packet's way, host by host.
    pub there: Vec<Leg>,
    /// In a sentence.
    pub verdict: String,
    /// Whether the packet itself reached an instance, a service of the host, or the physical network.
    pub is_delivered: bool,
    /// The answer's way, if there was one to trace.
    pub back: Option<Vec<Leg>>,
    /// In a sentence, of the answer; why there is none, if there is none.
    pub back_verdict: String,
    /// Whether the answer came back.
    pub is_answered: bool,
    /// What may make this less than the truth.
    pub warnings: Vec<String>,
}

/// A packet's way through one host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Leg {
    /// The host.
    pub host: String,
    /// How the packet came in, in words.
    pub entrance: String,
    /// As it came in.
    pub packet: PacketView,
    /// The revision up to which the host's rows were in force.
    pub revision: u64,
    /// The stages that it met, in order.
    pub stages: Vec<StageView>,
    /// How it, or its copies, left.
    pub ends: Vec<End>,
    /// Events and ends that are left out, of a flood to very many.
    pub left_out: u32,
}

impl Leg {
    /// Shows no more than the first octets of its packets: those that are known.
    pub(super) fn show_bytes(&mut self, octets: usize) {
        let ends = self.ends.iter_mut().filter_map(|end| match end {
            End::Port { packet, .. } | End::Host { packet, .. } | End::PhysicalNetwork { packet, .. } => {
                Some(packet)
            }
            End::Service { .. } | End::Other { .. } | End::Dropped { .. } => None,
        });
        std::iter::once(&mut self.packet).chain(ends).for_each(|packet| packet.bytes.truncate(2 * octets));
    }
}

/// A stage and what happened there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StageView {
    /// Its name.
    pub stage: String,
    /// In order.
    pub notes: Vec<Note>,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Note {
    /// A table was asked; without `row` it had none.
    LookUp {
        /// Name of the table.
        table: String,
        /// What for; of a trie with a row the prefix that was found.
        key: Vec<Field>,
        /// What it has.
        row: Option<Vec<Field>>,
    },
    /// A real packet would have written this; the trace did so for itself alone. Without `row` it was removed.
    Write {
        /// Name of the table.
        table: String,
        /// Its key.
        key: Vec<Field>,
        /// What it becomes.
        row: Option<Vec<Field>>,
    },
    /// The path of the route that is taken.
    Path {
        /// Its fields.
        path: Vec<Field>,
    },
    /// A port's rules and connections decided.
    Judged {
        /// Whose.
        port: Named,
        /// `egress` or `ingress`, as the instance sees it.
        direction: String,
        /// The rule that allows it; absent where a connection does, or nothing has to.
        rule: Option<RuleView>,
        /// Why it may not pass.
        reason: Option<Reason>,
    },
    /// A router passed it on, or not.
    Routed {
        /// Its port by which it came.
        entered: Option<Named>,
        /// Its port by which it leaves.
        exit: Option<Named>,
        /// Whose MAC it goes to.
        next_hop: String,
        /// Its ends before, `address:port`.
        before: [String; 2],
        /// Its ends after.
        after: [String; 2],
        /// Floating IPs and shared addresses that came into it.
        translations: Vec<Named>,
        /// Time to live after.
        hop_limit: u32,
    },
    /// A router told the sender why it does not go on.
    Complained {
        /// Why.
        reason: Reason,
    },
    /// It, or a copy, was dropped.
    Dropped {
        /// Why.
        reason: Reason,
    },
}

/// A field of a row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Field {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
    /// The object that the number stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Named>,
}

/// An object of the API, or a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// `port`, `network`, `router`, `floating IP`, `security group` …
    pub kind: String,
    /// UUID; of a host its name.
    pub id: String,
    /// Name, or address of a floating IP; may be empty.
    pub name: String,
}

/// A security group's rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RuleView {
    /// The rule.
    pub rule: Named,
    /// Its group.
    pub group: Option<Named>,
    /// What it allows, in words.
    pub text: String,
}

/// Why a packet was dropped.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reason {
    /// The label that metrics have.
    pub label: String,
    /// What is the matter.
    pub text: String,
    /// The stage that dropped it.
    pub stage: String,
    /// What would let it pass.
    pub remedy: String,
}

/// How a packet, or a copy, left a host.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum End {
    /// To an instance here.
    Port {
        /// Its port.
        port: Named,
        /// Whether it goes back to who sent the packet: an answer in its place, or an error about it.
        is_return: bool,
        /// As it leaves.
        packet: PacketView,
    },
    /// To another host.
    Host {
        /// Which, if it is known by this address.
        host: Option<String>,
        /// The tunnel's far end.
        address: String,
        /// VNI.
        vni: u32,
        /// As it leaves.
        packet: PacketView,
    },
    /// To a physical network.
    PhysicalNetwork {
        /// Its name.
        network: String,
        /// The host behind which it goes on to an instance of this cloud, if it does.
        host: Option<String>,
        /// As of a port.
        is_return: bool,
        /// As it leaves.
        packet: PacketView,
    },
    /// To the host's own responders or sockets.
    Service {
        /// What it asks.
        what: String,
    },
    /// To the host's own network stack, or nowhere that is known.
    Other {
        /// Where.
        what: String,
    },
    /// Nowhere.
    Dropped {
        /// Why.
        reason: Reason,
    },
}

/// A packet's headers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketView {
    /// Source MAC.
    pub source_mac: String,
    /// Destination MAC.
    pub destination_mac: String,
    /// VLAN; 0 for none.
    pub vlan: u32,
    /// `TCP`, `UDP`, `ICMP`, `ARP` …
    pub protocol: String,
    /// Source address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// Destination address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<IpAddr>,
    /// Source port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
    /// Destination port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<u16>,
    /// Flags of TCP, or type and code of ICMP, in words.
    pub details: String,
    /// Time to live or hop limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hop_limit: Option<u8>,
    /// Octets of the frame.
    pub length: usize,
    /// The frame in hexadecimal.
    pub bytes: String,
}
