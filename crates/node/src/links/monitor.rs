//! Follows the interfaces of the namespace.
//!
//! ```text
//! kernel ── RTNLGRP_LINK ──► connection task ──► follow() ── Vec<LinkNews> ──► node
//!                                    ▲              │ dump at start and after an overrun
//!                                    └──────────────┘
//! ```
//!
//! The subscription is made before the first dump, and what was announced meanwhile is told after it: the last word on an
//! interface is always the newest. When the kernel had to drop announcements (`ENOBUFS`), a new dump replaces everything.

use super::overlay::OverlayConfig;
use super::table::LinkNews;
use super::{Link, Links, Netlink, Raise};
use crate::error::Error;
use futures_util::{FutureExt, Stream, StreamExt};
use nix::sys::socket::{setsockopt, sockopt};
use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::sys::{AsyncSocket, SocketAddr};
use std::net::IpAddr;
use tokio::sync::mpsc;

/// Bytes of announcements that may wait in the kernel: some thousand interfaces at once.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Announcements told together at most.
const BATCH: usize = 1024;

/// A running monitor.
#[derive(Debug)]
pub struct Monitor {
    /// For requests; serves as long as `news` lives.
    pub netlink: Netlink,
    /// What happened; the first item is [`LinkNews::All`]. Closes with the netlink socket. Dropping it ends the monitor.
    pub news: mpsc::Receiver<Vec<LinkNews>>,
}

impl Links for Monitor {
    async fn news(&mut self) -> Option<Vec<LinkNews>> {
        self.news.recv().await
    }

    async fn raise(&self, raises: Vec<Raise>) -> Vec<(Raise, Error)> {
        self.netlink.raise(raises).await
    }

    async fn lower(&self, indexes: Vec<u32>) {
        self.netlink.lower(indexes).await;
    }

    async fn open(&self, index: u32) -> Result<(), Error> {
        self.netlink.open(index).await
    }

    async fn settle_overlay(&self, config: &OverlayConfig, present: Option<&Link>) -> Result<(), Error> {
        self.netlink.settle_overlay(config, present).await
    }

    async fn settle_untracked(&self, port: u16) -> Result<(), Error> {
        self.netlink.settle_untracked(port).await
    }

    async fn holder_of(&self, address: IpAddr) -> Option<u32> {
        self.netlink.holder_of(address).await
    }
}

/// Starts following the interfaces of the calling thread's network namespace.
///
/// # Errors
/// The netlink socket can't be opened.
pub fn start() -> Result<Monitor, Error> {
    let (mut connection, handle, messages) =
        rtnetlink::new_multicast_connection(&[MulticastGroup::Link]).map_err(Error::Netlink)?;
    let socket = connection.socket_mut().socket_ref();
    if let Err(error) = setsockopt(socket, sockopt::RcvBufForce, &RECEIVE_BUFFER) {
        tracing::debug!(%error, "the netlink receive buffer keeps its size");
    }
    let netlink = Netlink::new(handle)?;
    let connection = tokio::spawn(connection);
    let (sender, news) = mpsc::channel(16);
    let follower = netlink.clone();
    tokio::spawn(async move {
        if let Err(error) = follow(follower, messages, sender).await {
            tracing::error!(error = crate::error::chain(&error), "following the interfaces ended");
        }
        connection.abort();
    });
    Ok(Monitor { netlink, news })
}

type Announcement = (NetlinkMessage<RouteNetlinkMessage>, SocketAddr);

async fn follow(
    netlink: Netlink,
    mut messages: impl Stream<Item = Announcement> + Unpin,
    sender: mpsc::Sender<Vec<LinkNews>>,
) -> Result<(), Error> {
    let mut batch = vec![LinkNews::All(netlink.dump().await?)];
    loop {
        if !batch.is_empty() && sender.send(std::mem::take(&mut batch)).await.is_err() {
            return Ok(());
        }
        let mut next = tokio::select! {
            message = messages.next() => message,
            () = sender.closed() => return Ok(()),
        };
        if next.is_none() {
            return Ok(());
        }
        let mut overrun = false;
        while let Some((message, _)) = next {
            match read(message) {
                Reading::News(news) => batch.push(news),
                Reading::Overrun => overrun = true,
                Reading::Nothing => {}
            }
            next = if batch.len() < BATCH { messages.next().now_or_never().flatten() } else { None };
        }
        if overrun {
            tracing::warn!("the kernel dropped interface announcements; reading all interfaces again");
            batch.push(LinkNews::All(netlink.dump().await?));
        }
    }
}

enum Reading {
    News(LinkNews),
    Overrun,
    Nothing,
}

fn read(message: NetlinkMessage<RouteNetlinkMessage>) -> Reading {
    match message.payload {
        NetlinkPayload::Overrun(_) => Reading::Overrun,
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => match Link::from_message(&link) {
            Some(link) => Reading::News(LinkNews::Is(link)),
            None => Reading::Nothing,
        },
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link))
            if link.header.interface_family == AddressFamily::Unspec =>
        {
            Reading::News(LinkNews::Gone(link.header.index))
        }
        _ => Reading::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use rtnetlink::packet_core::NetlinkHeader;
    use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage};

    fn announcement(payload: NetlinkPayload<RouteNetlinkMessage>) -> Announcement {
        (NetlinkMessage::new(NetlinkHeader::default(), payload), SocketAddr::new(0, 0))
    }

    fn link(index: u32, family: AddressFamily) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.interface_family = family;
        message.attributes.push(LinkAttribute::IfName(format!("tap{index}")));
        message
    }

    /// Feeds announcements to a monitor and answers what it tells, the first dump left out.
    async fn told(announcements: Vec<NetlinkPayload<RouteNetlinkMessage>>) -> Vec<LinkNews> {
        let (connection, handle, _) = rtnetlink::new_connection().unwrap();
        tokio::spawn(connection);
        let (sender, mut news) = mpsc::channel(16);
        let messages = stream::iter(announcements.into_iter().map(announcement));
        follow(Netlink::new(handle).unwrap(), messages, sender).await.unwrap();
        let mut told = Vec::new();
        while let Some(batch) = news.recv().await {
            told.extend(batch);
        }
        assert!(matches!(told.remove(0), LinkNews::All(_)));
        told
    }

    #[tokio::test]
    async fn an_overrun_is_followed_by_the_whole_truth() {
        let new =
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link(900, AddressFamily::Unspec)));
        let told = told(vec![new, NetlinkPayload::Overrun(Vec::new())]).await;
        assert!(
            matches!(&told[..], [LinkNews::Is(link), LinkNews::All(_)] if link.name == "tap900"),
            "{told:?}"
        );
    }

    #[tokio::test]
    async fn what_a_bridge_says_of_its_ports_is_no_news_of_interfaces() {
        let left =
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link(900, AddressFamily::Bridge)));
        let joined =
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link(900, AddressFamily::Bridge)));
        assert_eq!(told(vec![joined, left]).await, []);
    }
}
