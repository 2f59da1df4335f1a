//! The sockets of services: metadata, and names.
//!
//! ```text
//! instance ─► packet path ─► near │ far ─► sockets, in a namespace of their own
//!                                 │
//!                       this node's namespace
//! ```
//!
//! The namespace has no name: it lives as long as a socket in it, which is as long as this process. Nothing but instances' questions
//! gets there, and no address in it can be one of the host's. It is made anew when somebody takes the near end away.

pub mod dns;
pub mod http;
mod namespace;
pub mod nova;
mod places;

use crate::apply::Limits;
use crate::backoff::Backoff;
use crate::error::{Error, chain};
use crate::links::Netlink;
use hadron_pipeline::Mac;
use hadron_pipeline::table::{ServiceLink, service_flag};
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// Name of the near end.
pub const NEAR: &str = "hadron-services";

/// Sockets that are bound and listen, of each family that the kernel has.
#[derive(Debug)]
pub struct Sockets {
    /// TCP port 80.
    pub http: Vec<TcpListener>,
    /// UDP port 53.
    pub dns: Vec<UdpSocket>,
    /// TCP port 53.
    pub dns_tcp: Vec<TcpListener>,
    /// MAC of the far end.
    mac: Mac,
}

/// The way to the sockets, for those who lead packets there.
#[derive(Clone, Debug)]
pub struct Way {
    link: watch::Receiver<Option<ServiceLink>>,
    lost: Arc<Notify>,
}

impl Way {
    /// No way, for ever.
    pub fn none() -> Self {
        Way { link: watch::channel(None).1, lost: Arc::default() }
    }

    /// The way now.
    pub fn now(&mut self) -> Option<ServiceLink> {
        *self.link.borrow_and_update()
    }

    /// Waits until there is another one than at the last call of [`Way::now`].
    pub async fn changed(&mut self) {
        if self.link.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The interface is gone.
    pub fn lost(&self) {
        self.lost.notify_one();
    }
}

/// Keeps sockets, and has them served, for as long as it runs.
#[derive(Debug)]
pub struct Keeper {
    netlink: Netlink,
    link: watch::Sender<Option<ServiceLink>>,
    lost: Arc<Notify>,
    limits: Limits,
}

impl Keeper {
    /// With the way that it will tell of.
    pub fn new(netlink: Netlink, limits: Limits) -> (Self, Way) {
        let (link, seen) = watch::channel(None);
        let lost = Arc::new(Notify::new());
        let way = Way { link: seen, lost: lost.clone() };
        (Keeper { netlink, link, lost, limits }, way)
    }

    /// Makes the sockets, and again whenever they are lost. `serve` answers what comes to them.
    pub async fn run<F: Future<Output = ()>>(self, serve: impl Fn(Sockets) -> F) {
        let mut backoff = Backoff::default();
        loop {
            match self.make().await {
                Ok((sockets, link)) => {
                    backoff.reset();
                    tracing::info!(interface = NEAR, index = link.ifindex, "services have their sockets");
                    self.link.send_replace(Some(link));
                    tokio::select! {
                        () = serve(sockets) => {}
                        () = self.lost.notified() => {}
                    }
                    self.link.send_replace(None);
                    tracing::warn!(
                        interface = NEAR,
                        "the way to the sockets of services is gone; it is made anew"
                    );
                }
                Err(error) => {
                    let error = chain(&error);
                    tracing::error!(error, "instances get neither metadata nor names; will be tried again");
                }
            }
            tokio::time::sleep(backoff.next()).await;
        }
    }

    async fn make(&self) -> Result<(Sockets, ServiceLink), Error> {
        self.netlink.remove(NEAR).await?;
        let sockets = namespace::sockets(NEAR).await?;
        let ifindex = self.netlink.raise_named(NEAR).await?;
        let flags = service_flag::METADATA | service_flag::DNS;
        let link = ServiceLink { ifindex, flags, limit: self.limits.service, mac: sockets.mac, pad: [0; 2] };
        Ok((sockets, link))
    }
}
