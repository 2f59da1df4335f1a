//! Links, addresses and routes of a namespace.

use crate::error::Attempt;
use crate::topology::SOON;
use crate::{LabError, Namespace, Result, until};
use futures_util::TryStreamExt;
use rtnetlink::packet_core::DefaultNla;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{AddressAttribute, AddressHeaderFlags};
use rtnetlink::packet_route::link::{
    BridgePortState, InfoData, InfoVeth, LinkAttribute, LinkMessage, LinkProtoInfoBridge, State,
};
use rtnetlink::{Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// The groups of solicited nodes begin so.
const SOLICITED_NODE: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0);

type Answer<T> = std::result::Result<T, rtnetlink::Error>;

/// One end of a veth pair.
pub(crate) struct VethEnd<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) name: &'a str,
    pub(crate) mac: Option<[u8; 6]>,
    pub(crate) mtu: Option<u32>,
    pub(crate) is_up: bool,
}

impl VethEnd<'_> {
    fn message<T>(&self, builder: LinkMessageBuilder<T>) -> LinkMessageBuilder<T> {
        let mut builder = builder.name(self.name);
        if let Some(mac) = self.mac {
            builder = builder.address(mac.to_vec());
        }
        if let Some(mtu) = self.mtu {
            builder = builder.mtu(mtu);
        }
        builder
    }
}

/// Runs requests inside `namespace`.
fn request<T: Send>(
    namespace: &Namespace,
    doing: String,
    requests: impl AsyncFnOnce(Handle) -> Answer<T> + Send,
) -> Result<T> {
    namespace.run(|| {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().build().attempt("start a runtime")?;
        runtime.block_on(async {
            let (connection, handle, _) = rtnetlink::new_connection().attempt("open a netlink socket")?;
            tokio::spawn(connection);
            requests(handle).await.map_err(|source| LabError::Netlink { doing, source })
        })
    })?
}

async fn find(handle: &Handle, name: &str) -> Answer<LinkMessage> {
    let mut links = handle.link().get().match_name(name).execute();
    links.try_next().await?.ok_or(rtnetlink::Error::RequestFailed)
}

async fn index(handle: &Handle, name: &str) -> Answer<u32> {
    Ok(find(handle, name).await?.header.index)
}

async fn raise(handle: &Handle, index: u32) -> Answer<()> {
    handle.link().set(LinkUnspec::new_with_index(index).up().build()).execute().await
}

/// Raises the loopback interface.
pub(crate) fn raise_loopback(namespace: &Namespace) -> Result<()> {
    request(namespace, format!("raise lo in {}", namespace.name()), async |handle| {
        raise(&handle, index(&handle, "lo").await?).await
    })
}

/// Makes a bridge that forwards from the first moment and floods multicast.
pub(crate) fn add_bridge(namespace: &Namespace, name: &str, mtu: u32) -> Result<()> {
    request(namespace, format!("make bridge {name}"), async |handle| {
        let bridge = LinkBridge::new(name).mcast_snooping(false).forward_delay(0).mtu(mtu).up();
        handle.link().add(bridge.build()).execute().await
    })
}

/// Makes a veth pair.
pub(crate) fn add_veth(near: &VethEnd<'_>, far: &VethEnd<'_>) -> Result<()> {
    let doing = format!(
        "make veth {} in {} and {} in {}",
        near.name,
        near.namespace.name(),
        far.name,
        far.namespace.name()
    );
    let peer = far.message(LinkMessageBuilder::<LinkUnspec>::new());
    let peer = peer.setns_by_fd(far.namespace.net().as_raw_fd()).build();
    let pair =
        near.message(LinkVeth::new(near.name, far.name)).set_info_data(InfoData::Veth(InfoVeth::Peer(peer)));
    request(near.namespace, doing, async |handle| handle.link().add(pair.build()).execute().await)?;
    // An end can't be made up: it does not know the other yet.
    for end in [near, far].into_iter().filter(|end| end.is_up) {
        set_up(end.namespace, end.name, true)?;
    }
    Ok(())
}

/// Makes `port` a port of `bridge`.
pub(crate) fn join_bridge(namespace: &Namespace, bridge: &str, port: &str) -> Result<()> {
    request(namespace, format!("put {port} into {bridge}"), async |handle| {
        let bridge = index(&handle, bridge).await?;
        let port = LinkUnspec::new_with_index(index(&handle, port).await?).controller(bridge);
        handle.link().set(port.build()).execute().await
    })
}

/// Lets a bridge's port forward, or drop everything while its link stays up. By `RTM_SETLINK` of the family bridge: the same as an
/// attribute of the port is undone by the bridge, which enables a port that has carrier whenever anything else of it changes.
pub(crate) fn set_forwarding(namespace: &Namespace, port: &str, is_forwarding: bool) -> Result<()> {
    const IFLA_BRPORT_STATE: u16 = 1;
    request(namespace, format!("set the state of {port}"), async |handle| {
        let state = if is_forwarding { BridgePortState::Forwarding } else { BridgePortState::Disabled };
        let state = DefaultNla::new(IFLA_BRPORT_STATE, vec![state.into()]);
        let state = LinkAttribute::ProtoInfoBridge(vec![LinkProtoInfoBridge::Other(state)]);
        let port =
            LinkUnspec::new_with_index(index(&handle, port).await?).interface_family(AddressFamily::Bridge);
        handle.link().set(port.append_extra_attribute(state).build()).execute().await
    })
}

/// Sets a link up or down.
pub(crate) fn set_up(namespace: &Namespace, link: &str, is_up: bool) -> Result<()> {
    request(namespace, format!("set the state of {link}"), async |handle| {
        let link = LinkUnspec::new_with_index(index(&handle, link).await?);
        let link = if is_up { link.up() } else { link.down() };
        handle.link().set(link.build()).execute().await
    })
}

/// Deletes a link.
pub(crate) fn delete(namespace: &Namespace, link: &str) -> Result<()> {
    request(namespace, format!("delete {link} in {}", namespace.name()), async |handle| {
        let index = index(&handle, link).await?;
        handle.link().del(index).execute().await
    })
}

/// Gives a link an address that is usable at once.
pub(crate) fn add_address(namespace: &Namespace, link: &str, address: IpAddr, prefix_len: u8) -> Result<()> {
    let doing = format!("give {link} in {} the address {address}/{prefix_len}", namespace.name());
    request(namespace, doing, async |handle| {
        let mut request = handle.address().add(index(&handle, link).await?, address, prefix_len);
        if address.is_ipv6() {
            request.message_mut().header.flags = AddressHeaderFlags::Nodad;
        }
        request.execute().await
    })?;
    match address {
        IpAddr::V4(_) => Ok(()),
        IpAddr::V6(address) => wait_until_heard(namespace, link, address),
    }
}

/// Waits until neighbour solicitations for an address are heard. The kernel joins the address's group (RFC 4291 §2.7.1) in its own time.
fn wait_until_heard(namespace: &Namespace, link: &str, address: Ipv6Addr) -> Result<()> {
    let group = Ipv6Addr::from_bits(SOLICITED_NODE.to_bits() | address.to_bits() & 0xff_ffff);
    let group = format!("{:032x}", group.to_bits());
    until(SOON, &format!("{address} is heard on {link} of {}", namespace.name()), || {
        let groups = namespace.run(|| std::fs::read_to_string("/proc/thread-self/net/igmp6"));
        groups.is_ok_and(|groups| {
            groups.is_ok_and(|groups| groups.lines().any(|line| line.contains(&group) && line.contains(link)))
        })
    })
}

/// Adds a route.
pub(crate) fn add_route(
    namespace: &Namespace,
    network: IpAddr,
    prefix_len: u8,
    next_hop: IpAddr,
) -> Result<()> {
    let doing = format!("add a route to {network}/{prefix_len} by {next_hop} in {}", namespace.name());
    let route = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(network, prefix_len)
        .and_then(|route| route.gateway(next_hop))
        .map_err(|error| {
            LabError::Topology(format!("no route to {network}/{prefix_len} by {next_hop}: {error}"))
        })?;
    request(namespace, doing, async |handle| handle.route().add(route.build()).replace().execute().await)
}

/// The addresses of a link, link-local ones included.
pub(crate) fn addresses(namespace: &Namespace, link: &str) -> Result<Vec<IpAddr>> {
    request(namespace, format!("list the addresses of {link} in {}", namespace.name()), async |handle| {
        let index = index(&handle, link).await?;
        let messages = handle.address().get().set_link_index_filter(index).execute();
        let messages: Vec<_> = messages.try_collect().await?;
        let attributes = messages.into_iter().flat_map(|message| message.attributes);
        Ok(attributes
            .filter_map(|attribute| match attribute {
                AddressAttribute::Address(address) => Some(address),
                _ => None,
            })
            .collect())
    })
}

/// The largest IP packet of a link.
pub(crate) fn mtu(namespace: &Namespace, link: &str) -> Result<u32> {
    request(namespace, format!("look at {link} in {}", namespace.name()), async |handle| {
        let attributes = find(&handle, link).await?.attributes;
        let mtu = attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::Mtu(mtu) => Some(*mtu),
            _ => None,
        });
        Ok(mtu.unwrap_or_default())
    })
}

/// Waits until a link carries packets. Carrier alone does not say so: the kernel notices it in its own time, and until then it drops
/// what is sent.
pub(crate) fn wait_until_up(namespace: &Namespace, link: &str, within: Duration) -> Result<()> {
    let what = format!("{link} of {} is up", namespace.name());
    until(within, &what, || {
        let found = request(namespace, what.clone(), async |handle| find(&handle, link).await);
        found.is_ok_and(|found| found.attributes.contains(&LinkAttribute::OperState(State::Up)))
    })
}
