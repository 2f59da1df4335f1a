//! The host's network interfaces, over rtnetlink.
//!
//! [`monitor`] follows every interface of the node's namespace and tells the node what changed; [`table`] is what is known,
//! found by name; [`overlay`] keeps the VXLAN device, and `untracked` its packets out of conntrack; [`Netlink`] makes the few
//! changes that the node makes. Interfaces that no port names are looked at and never touched.

pub(crate) mod chains;
pub mod monitor;
pub mod overlay;
pub mod simulated;
pub mod table;
mod untracked;

use crate::error::Error;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use overlay::OverlayConfig;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::AddressAttribute;
use rtnetlink::packet_route::link::{InfoData, InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec};
use std::net::IpAddr;
use std::sync::Arc;
use table::LinkNews;
use tokio::sync::Mutex;
use untracked::Untracked;

/// The interfaces of a host, as far as a node has to do with them.
pub trait Links: Send + 'static {
    /// What happened; the first is [`LinkNews::All`]. `None` when there will be no more.
    fn news(&mut self) -> impl Future<Output = Option<Vec<LinkNews>>> + Send;

    /// Brings interfaces up. Answers those that refused; one that is gone doesn't.
    fn raise(&self, raises: Vec<Raise>) -> impl Future<Output = Vec<(Raise, Error)>> + Send;

    /// Takes interfaces down. One that is gone is no error.
    fn lower(&self, indexes: Vec<u32>) -> impl Future<Output = ()> + Send;

    /// Brings an interface up and has it take in frames for any MAC. One that is gone is no error.
    fn open(&self, index: u32) -> impl Future<Output = Result<(), Error>> + Send;

    /// Makes the overlay device as configured, given what is there now.
    fn settle_overlay(
        &self,
        config: &OverlayConfig,
        present: Option<&Link>,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Keeps packets to the overlay's UDP port out of the host's connection tracking.
    fn settle_untracked(&self, port: u16) -> impl Future<Output = Result<(), Error>> + Send;

    /// The interface that has this address.
    fn holder_of(&self, address: IpAddr) -> impl Future<Output = Option<u32>> + Send;
}

/// What the node knows of an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Index, unique in the namespace while the interface exists.
    pub index: u32,
    /// Name; may change at any moment.
    pub name: String,
    /// Administratively up (`IFF_UP`).
    pub is_up: bool,
    /// Largest IP packet in octets; 0 if the kernel didn't say.
    pub mtu: u32,
    /// Ethernet address; zero for an interface that has none.
    pub mac: [u8; 6],
    /// The VXLAN attributes, if it is a VXLAN device.
    pub vxlan: Option<overlay::Vxlan>,
    /// It is one end of a pair (veth(4)), whose other end is in another network namespace.
    pub is_pair: bool,
}

impl Link {
    /// Reads a `RTM_NEWLINK`; `None` for a notice of another family (a bridge's ports), which speaks of no interface's
    /// own state, and for one without a name.
    pub(crate) fn from_message(message: &LinkMessage) -> Option<Link> {
        if message.header.interface_family != AddressFamily::Unspec {
            return None;
        }
        let mut link = Link {
            index: message.header.index,
            name: String::new(),
            is_up: message.header.flags.contains(LinkFlags::Up),
            mtu: 0,
            mac: [0; 6],
            vxlan: None,
            is_pair: false,
        };
        let (mut has_two_ends, mut is_joined_elsewhere) = (false, false);
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
                LinkAttribute::Address(address) => {
                    link.mac = address.as_slice().try_into().unwrap_or_default();
                }
                LinkAttribute::LinkInfo(infos) => {
                    link.vxlan = vxlan_of(infos);
                    has_two_ends = is_veth(infos);
                }
                LinkAttribute::LinkNetNsId(_) => is_joined_elsewhere = true,
                _ => {}
            }
        }
        link.is_pair = has_two_ends && is_joined_elsewhere;
        (!link.name.is_empty()).then_some(link)
    }
}

fn is_veth(infos: &[LinkInfo]) -> bool {
    infos.iter().any(|info| matches!(info, LinkInfo::Kind(InfoKind::Veth)))
}

fn vxlan_of(infos: &[LinkInfo]) -> Option<overlay::Vxlan> {
    let is_vxlan = infos.iter().any(|info| matches!(info, LinkInfo::Kind(InfoKind::Vxlan)));
    is_vxlan.then(|| {
        infos
            .iter()
            .find_map(|info| match info {
                LinkInfo::Data(InfoData::Vxlan(data)) => Some(overlay::Vxlan::from_attributes(data)),
                _ => None,
            })
            .unwrap_or_default()
    })
}

/// A change to an interface that a port names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Raise {
    /// The interface.
    pub index: u32,
    /// Its name, for the error's text.
    pub name: String,
    /// MTU to set in octets, if the present one is too small.
    pub mtu: Option<u32>,
}

/// Requests to the kernel's rtnetlink.
#[derive(Clone, Debug)]
pub struct Netlink {
    handle: Handle,
    /// The kernel refuses a second dump on a socket while one is under way (`EBUSY`).
    dump: Arc<Mutex<()>>,
    untracked: Untracked,
}

/// Requests under way at once; more would only queue in the socket's buffer.
const IN_FLIGHT: usize = 64;

impl Netlink {
    pub(crate) fn new(handle: Handle) -> Result<Self, Error> {
        let untracked = Untracked::open().map_err(Error::Netlink)?;
        Ok(Self { handle, dump: Arc::default(), untracked })
    }

    /// Keeps packets to this UDP port out of the host's connection tracking. It lasts, and replaces what an earlier call made.
    ///
    /// # Errors
    /// The kernel has no nf_tables, or refuses.
    pub async fn settle_untracked(&self, port: u16) -> Result<(), Error> {
        self.untracked.settle(port).await
    }

    /// Brings interfaces up, all requests in flight together. Answers the failures; an interface that is gone is none,
    /// since its disappearance is reported by the monitor.
    pub async fn raise(&self, raises: Vec<Raise>) -> Vec<(Raise, Error)> {
        stream::iter(raises)
            .map(|raise| async {
                let result = self.raise_one(&raise).await;
                result.err().map(|error| (raise, error))
            })
            .buffer_unordered(IN_FLIGHT)
            .filter_map(|failure| async { failure })
            .collect()
            .await
    }

    async fn raise_one(&self, raise: &Raise) -> Result<(), Error> {
        if let Err(error) = silence_host_ipv6(&raise.name) {
            tracing::debug!(interface = raise.name, %error, "the host's IPv6 stays enabled on the interface");
        }
        let mut message = LinkUnspec::new_with_index(raise.index).up();
        if let Some(mtu) = raise.mtu {
            message = message.mtu(mtu);
        }
        match self.handle.link().set(message.build()).execute().await {
            Err(error) if errno(&error) == Some(libc::ENODEV) => Ok(()),
            Err(error) => Err(Error::Link { name: raise.name.clone(), action: "bring up", source: error }),
            Ok(()) => Ok(()),
        }
    }

    /// Takes interfaces down.
    pub async fn lower(&self, indexes: Vec<u32>) {
        stream::iter(indexes)
            .for_each_concurrent(IN_FLIGHT, |index| async move {
                let down = LinkUnspec::new_with_index(index).down().build();
                if let Err(error) = self.handle.link().set(down).execute().await
                    && errno(&error) != Some(libc::ENODEV)
                {
                    tracing::warn!(index, %error, "an interface without a port can't be taken down");
                }
            })
            .await;
    }

    /// Brings an interface up and has it take in frames for any MAC.
    ///
    /// # Errors
    /// The kernel refuses.
    pub async fn open(&self, index: u32) -> Result<(), Error> {
        let message = LinkUnspec::new_with_index(index).up().promiscuous(true).build();
        match self.handle.link().set(message).execute().await {
            Err(error) if errno(&error) != Some(libc::ENODEV) => {
                Err(Error::Link { name: format!("index {index}"), action: "open", source: error })
            }
            _ => Ok(()),
        }
    }

    /// The interface that has this address.
    pub async fn holder_of(&self, address: IpAddr) -> Option<u32> {
        let _one = self.dump.lock().await;
        let found =
            self.handle.address().get().set_address_filter(address).execute().try_collect::<Vec<_>>().await;
        let has_it = |attribute: &AddressAttribute| match attribute {
            AddressAttribute::Address(found) | AddressAttribute::Local(found) => *found == address,
            _ => false,
        };
        found
            .ok()?
            .iter()
            .find(|message| message.attributes.iter().any(has_it))
            .map(|message| message.header.index)
    }

    /// Every interface of the namespace.
    pub async fn dump(&self) -> Result<Vec<Link>, Error> {
        let _one = self.dump.lock().await;
        let messages: Vec<LinkMessage> =
            self.handle.link().get().execute().try_collect().await.map_err(Error::LinkDump)?;
        Ok(messages.iter().filter_map(Link::from_message).collect())
    }

    async fn add(&self, name: &str, message: LinkMessage) -> Result<(), Error> {
        self.handle.link().add(message).execute().await.map_err(|source| Error::Link {
            name: name.into(),
            action: "create",
            source,
        })
    }

    /// Deletes an interface. One that is gone already is no error.
    pub async fn delete(&self, index: u32, name: &str) -> Result<(), Error> {
        match self.handle.link().del(index).execute().await {
            Err(error) if errno(&error) == Some(libc::ENODEV) => Ok(()),
            Err(source) => Err(Error::Link { name: name.into(), action: "delete", source }),
            Ok(()) => Ok(()),
        }
    }

    /// Deletes the interface of this name, if there is one.
    ///
    /// # Errors
    /// The kernel refuses.
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        match self.dump().await?.into_iter().find(|link| link.name == name) {
            Some(link) => self.delete(link.index, name).await,
            None => Ok(()),
        }
    }

    /// Brings the interface of this name up, without IPv6 of the host's own. Answers its index.
    ///
    /// # Errors
    /// The kernel refuses, or there is none.
    pub async fn raise_named(&self, name: &str) -> Result<u32, Error> {
        let found = self.dump().await?.into_iter().find(|link| link.name == name);
        let gone = || Error::Namespace(std::io::Error::other(format!("interface {name} is not there")));
        let index = found.ok_or_else(gone)?.index;
        if let Err(error) = silence_host_ipv6(name) {
            tracing::warn!(interface = name, %error, "the host's IPv6 stays enabled on the interface");
        }
        self.change(name, LinkUnspec::new_with_index(index).arp(false).up()).await?;
        Ok(index)
    }

    async fn change(&self, name: &str, message: LinkMessageBuilder<LinkUnspec>) -> Result<(), Error> {
        self.handle.link().set(message.build()).execute().await.map_err(|source| Error::Link {
            name: name.into(),
            action: "change",
            source,
        })
    }
}

/// Keeps the host's own IPv6 (link-local address, router solicitations, MLD reports) off an interface that belongs to a
/// guest or to the overlay. The interface may be gone or renamed meanwhile, and a kernel without IPv6 has no such file:
/// neither is an error.
pub fn silence_host_ipv6(name: &str) -> std::io::Result<()> {
    match std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1") {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The kernel's error number of a refused request, positive.
pub(crate) fn errno(error: &rtnetlink::Error) -> Option<i32> {
    match error {
        rtnetlink::Error::NetlinkError(message) => Some(-message.raw_code()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_one_whose_other_end_is_elsewhere() {
        let read = |kind: InfoKind, elsewhere: bool| {
            let mut message = LinkMessage::default();
            message.attributes.push(LinkAttribute::IfName("tap1".into()));
            message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind)]));
            message.attributes.extend(elsewhere.then_some(LinkAttribute::LinkNetNsId(0)));
            Link::from_message(&message).unwrap().is_pair
        };
        assert!(read(InfoKind::Veth, true));
        assert!(!read(InfoKind::Veth, false));
        assert!(!read(InfoKind::Tun, true));
        assert!(!read(InfoKind::MacVlan, true));
    }
}
