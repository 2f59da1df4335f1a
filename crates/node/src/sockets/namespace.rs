//! The namespace of the sockets. A thread of its own enters it, makes the pair of interfaces, binds, and ends; the sockets stay there.

use super::Sockets;
use crate::error::Error;
use futures_util::TryStreamExt;
use hadron_pipeline::Mac;
use hadron_pipeline::table::{SOCKET_V4, SOCKET_V6};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket, sockopt,
};
use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage};
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder};
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use tokio::sync::oneshot;

/// Name of the far end.
const FAR: &str = "services";
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
const HTTP: u16 = 80;
const DNS: u16 = 53;

/// Makes a namespace with sockets and a pair of interfaces, whose other end comes into the calling thread's namespace as `near`.
pub(super) async fn sockets(near: &'static str) -> Result<Sockets, Error> {
    let home = File::open("/proc/thread-self/ns/net").map_err(Error::Namespace)?;
    let (sender, made) = oneshot::channel();
    let thread = std::thread::Builder::new().name("sockets".into());
    thread.spawn(move || drop(sender.send(inside(&home, near)))).map_err(Error::Namespace)?;
    made.await.map_err(|_| Error::Namespace(io::Error::other("the thread in the namespace ended")))?
}

fn inside(home: &File, near: &str) -> Result<Sockets, Error> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|error| Error::Namespace(error.into()))?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Namespace)?;
    let mac = runtime.block_on(pair(home, near))?;
    let bound = || -> io::Result<Sockets> {
        let tcp = |port| each(move |address| tcp(SocketAddr::new(address, port)));
        Ok(Sockets {
            http: tcp(HTTP)?,
            dns: each(|address| udp(SocketAddr::new(address, DNS)))?,
            dns_tcp: tcp(DNS)?,
            mac,
        })
    };
    bound().map_err(Error::Namespace)
}

/// Both ends, the far one with addresses, and with routes to whoever asks. Neither asks for neighbours: the packet path is the only
/// one, whatever MAC it is sent to.
async fn pair(home: &File, near: &str) -> Result<Mac, Error> {
    let (connection, handle, _) = rtnetlink::new_connection().map_err(Error::Netlink)?;
    let connection = tokio::spawn(connection);
    let failed = |action, name: &str| {
        let name = name.to_owned();
        move |source| Error::Link { name, action, source }
    };
    handle.link().add(LinkVeth::new(FAR, near).build()).execute().await.map_err(failed("create", FAR))?;
    let (far, mac) = find(&handle, FAR).await?;
    let up = LinkUnspec::new_with_index(far).arp(false).up().build();
    handle.link().set(up).execute().await.map_err(failed("change", FAR))?;
    let (index, _) = find(&handle, near).await?;
    let away = LinkUnspec::new_with_index(index).setns_by_fd(home.as_raw_fd()).build();
    handle.link().set(away).execute().await.map_err(failed("move", near))?;
    addresses(&handle, far).await.map_err(failed("give addresses to", FAR))?;
    connection.abort();
    Ok(mac)
}

async fn addresses(handle: &Handle, far: u32) -> Result<(), rtnetlink::Error> {
    handle.address().add(far, SOCKET_V4.ip(), 32).execute().await?;
    let everywhere = RouteMessageBuilder::<Ipv4Addr>::new().output_interface(far).build();
    handle.route().add(everywhere).execute().await?;
    // A kernel without IPv6 has no instances that ask by it either.
    if let Err(error) = handle.address().add(far, SOCKET_V6.ip(), 128).execute().await {
        tracing::warn!(%error, "services answer by IPv4 only");
        return Ok(());
    }
    let everywhere = RouteMessageBuilder::<Ipv6Addr>::new().output_interface(far).build();
    handle.route().add(everywhere).execute().await
}

async fn find(handle: &Handle, name: &str) -> Result<(u32, Mac), Error> {
    let links: Vec<LinkMessage> = handle
        .link()
        .get()
        .match_name(name.to_owned())
        .execute()
        .try_collect()
        .await
        .map_err(Error::LinkDump)?;
    let found = links.first().map(|link| {
        let mac = link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::Address(bytes) => bytes.as_slice().try_into().ok().map(Mac),
            _ => None,
        });
        (link.header.index, mac.unwrap_or_default())
    });
    found.ok_or_else(|| Error::Namespace(io::Error::other(format!("interface {name} is not there"))))
}

/// One socket of each family. Without IPv6 there is none for it.
fn each<T>(make: impl Fn(IpAddr) -> io::Result<T>) -> io::Result<Vec<T>> {
    let mut made = vec![make(SOCKET_V4.ip())?];
    match make(SOCKET_V6.ip()) {
        Ok(socket) => made.push(socket),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::AddrNotAvailable) => {}
        Err(error) => return Err(error),
    }
    Ok(made)
}

fn tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = bound(address, SockType::Stream)?;
    listen(&socket, Backlog::new(BACKLOG)?)?;
    Ok(socket.into())
}

fn udp(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    Ok(bound(address, SockType::Datagram)?.into())
}

fn bound(address: SocketAddr, kind: SockType) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket(family, kind, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)?;
    if address.is_ipv6() {
        // The address may still be looked for on the link.
        setsockopt(&socket, sockopt::IpFreebind, &true)
            .or_else(|_| setsockopt(&socket, sockopt::Ipv6V6Only, &true))?;
    }
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(socket)
}
