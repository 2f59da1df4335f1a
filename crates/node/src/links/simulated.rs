//! Interfaces that exist only on paper, for simulated nodes.

use super::overlay::{OverlayConfig, Vxlan};
use super::table::LinkNews;
use super::{Link, Links, Raise};
use crate::error::Error;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// The interfaces of a host. Clones share them, so that they outlive a node as the kernel's do.
#[derive(Clone, Debug, Default)]
pub struct Paper {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    links: BTreeMap<u32, Link>,
    follower: Option<mpsc::UnboundedSender<LinkNews>>,
}

/// What one node sees of them. A later one takes its place.
#[derive(Debug)]
pub struct Simulated {
    paper: Paper,
    news: mpsc::UnboundedReceiver<LinkNews>,
}

/// Index of the overlay device of every simulated host.
const OVERLAY: u32 = 1;

impl Paper {
    /// The node's view of the interfaces.
    pub fn links(&self) -> Simulated {
        let (sender, news) = mpsc::unbounded_channel();
        let mut shared = self.lock();
        let _ = sender.send(LinkNews::All(shared.links.values().cloned().collect()));
        shared.follower = Some(sender);
        Simulated { paper: self.clone(), news }
    }

    /// An interface appears, down, or changes its name.
    pub fn plug(&self, index: u32, name: &str) {
        self.set(Link {
            index,
            name: name.into(),
            is_up: false,
            mtu: 1500,
            mac: [0; 6],
            vxlan: None,
            is_pair: false,
        });
    }

    /// An interface disappears.
    pub fn unplug(&self, index: u32) {
        let mut shared = self.lock();
        shared.links.remove(&index);
        shared.tell(LinkNews::Gone(index));
    }

    /// The interface of this index.
    pub fn link(&self, index: u32) -> Option<Link> {
        self.lock().links.get(&index).cloned()
    }

    fn set(&self, link: Link) {
        let mut shared = self.lock();
        shared.links.insert(link.index, link.clone());
        shared.tell(LinkNews::Is(link));
    }

    fn change(&self, index: u32, change: impl FnOnce(&mut Link)) {
        if let Some(mut link) = self.link(index) {
            change(&mut link);
            self.set(link);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Without a node there is nobody to tell.
    fn tell(&self, news: LinkNews) {
        let _ = self.follower.as_ref().map(|follower| follower.send(news));
    }
}

impl Links for Simulated {
    async fn news(&mut self) -> Option<Vec<LinkNews>> {
        let mut news = Vec::new();
        (self.news.recv_many(&mut news, 64).await > 0).then_some(news)
    }

    async fn raise(&self, raises: Vec<Raise>) -> Vec<(Raise, Error)> {
        for raise in raises {
            self.paper.change(raise.index, |link| {
                link.is_up = true;
                link.mtu = raise.mtu.unwrap_or(link.mtu);
            });
        }
        Vec::new()
    }

    async fn lower(&self, indexes: Vec<u32>) {
        for index in indexes {
            self.paper.change(index, |link| link.is_up = false);
        }
    }

    async fn open(&self, index: u32) -> Result<(), Error> {
        self.paper.change(index, |link| link.is_up = true);
        Ok(())
    }

    async fn settle_untracked(&self, _: u16) -> Result<(), Error> {
        Ok(())
    }

    async fn settle_overlay(&self, config: &OverlayConfig, _: Option<&Link>) -> Result<(), Error> {
        let vxlan = Vxlan { port: config.port, is_external: true, is_learning: false };
        let link = Link {
            index: OVERLAY,
            name: config.name.clone(),
            is_up: true,
            mtu: config.mtu,
            mac: [0; 6],
            vxlan: Some(vxlan),
            is_pair: false,
        };
        self.paper.set(link);
        Ok(())
    }

    async fn holder_of(&self, _: IpAddr) -> Option<u32> {
        None
    }
}
