//! What an instance reads about itself: the trees of EC2 and of OpenStack, as Nova has them, from facts that hadron holds itself.
//!
//! Who asks is settled before: a [`Subject`] is one instance, and nothing in a request can lead to another. Begin at [`answer`].

mod ec2;
mod network_data;
mod nocloud;
mod openstack;
mod tree;

use hadron_model::instance::Instance;
use hadron_model::{Ipv6Mode, Mac};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use uuid::Uuid;

/// Octets of a random seed, before Base64.
pub const SEED: usize = 512;

/// The instance that asks.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// What its compute service has told.
    pub instance: Arc<Instance>,
    /// Its project.
    pub project: String,
    /// Its interfaces, in the order of their ports.
    pub links: Vec<Link>,
    /// The floating IP that leads to it.
    pub public_v4: Option<Ipv4Addr>,
}

/// An interface of the instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// The host's interface.
    pub name: String,
    /// The port.
    pub port: Uuid,
    /// Its MAC.
    pub mac: Mac,
    /// Largest IP packet of the network, octets.
    pub mtu: u32,
    /// The port's network.
    pub network: Uuid,
    /// Its addresses, in their order.
    pub addresses: Vec<LinkAddress>,
}

/// An address, with what its subnet says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkAddress {
    /// The address.
    pub address: IpAddr,
    /// Length of the subnet's prefix.
    pub prefix_len: u8,
    /// The router.
    pub gateway: Option<IpAddr>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// Destination, length of its prefix, next hop.
    pub routes: Vec<(IpAddr, u8, IpAddr)>,
    /// Whether it is told by DHCP or advertisements, so that the instance is to ask for it.
    pub is_dynamic: bool,
    /// How, for IPv6.
    pub mode: Option<Ipv6Mode>,
}

/// What is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Media type.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// The media type of nearly everything.
pub const TEXT: &str = "text/plain; charset=UTF-8";
const JSON: &str = "application/json";

impl Answer {
    fn ok(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Answer { status: 200, content_type, body: body.into() }
    }

    /// An answer that says what is wrong.
    pub fn refusal(status: u16, text: &str) -> Self {
        Answer { status, content_type: TEXT, body: format!("{status} {text}\n").into_bytes() }
    }

    fn not_found() -> Self {
        Answer::refusal(404, "Not Found")
    }
}

/// Answers a request for a path, which is decoded. `seed` are fresh random octets.
pub fn answer(method: &str, path: &str, subject: &Subject, seed: &[u8; SEED]) -> Answer {
    let parts = normalised(path);
    let tokens: Vec<&str> = parts.iter().map(String::as_str).collect();
    let is_password = tokens.first() == Some(&"openstack") && tokens.last() == Some(&"password");
    match method {
        "GET" | "HEAD" => {}
        "POST" if is_password => return Answer::refusal(403, "Nobody keeps the password of this instance"),
        _ => return Answer::refusal(405, "Method Not Allowed"),
    }
    match tokens[..] {
        [] => ec2::answer(&[], subject),
        ["openstack", ref rest @ ..] => openstack::answer(rest, subject, seed),
        ["nocloud", ref rest @ ..] => nocloud::answer(rest, subject),
        ["ec2", ref rest @ ..] => ec2::answer(rest, subject),
        ref all => ec2::answer(all, subject),
    }
}

/// The names of a path, without empty ones and `.`, and with those taken back that are followed by `..`.
fn normalised(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part.to_owned()),
        }
    }
    parts
}
