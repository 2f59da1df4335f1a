//! Who is still there: the other hosts that stand for routers, and the next hops outside by which this host's routers send.
//!
//! Each is probed ten times a second. Hosts are asked by the overlay and answered by their packet path, next hops by ARP or neighbour solicitations; the packet
//! path notes both in `HEARD`, where this module looks. No server and no other agent is needed for that.
//!
//! ```text
//! reconcile ── who is to be watched ──► probe ──► other hosts, next hops
//!     ▲                                  │            │
//!     └────── who does not answer ───────┘◄── HEARD ◄─┘ packet path
//! ```

mod frame;
mod verdict;

use crate::apply::{Outages, Provider, Target, Targets};
use crate::error::chain;
use crate::plane::{Heard, Inject};
use hadron_pipeline::Mac;
use hadron_pipeline::table::HeardKey;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use verdict::Verdict;

/// The pause between two probes. With [`verdict::MISSED`] of them, who is gone is known to be within half a second.
const PAUSE: Duration = Duration::from_millis(100);
/// From so many silent probes on a next hop is asked for by broadcast: it may have another MAC now.
const DOUBT: u32 = 2;

/// The end that says who is to be watched, and hears of outages.
#[derive(Debug)]
pub(crate) struct Watch {
    targets: watch::Sender<Targets>,
    outages: watch::Receiver<Outages>,
}

impl Watch {
    /// Says who is to be watched from now on.
    pub(crate) fn set(&self, targets: Targets) {
        self.targets.send_if_modified(|known| {
            let is_new = *known != targets;
            *known = targets;
            is_new
        });
    }

    /// The outages now.
    pub(crate) fn now(&mut self) -> Outages {
        self.outages.borrow_and_update().clone()
    }

    /// Waits until there are others than at the last call of [`Watch::now`]; for ever when nobody probes.
    pub(crate) async fn changed(&mut self) {
        if self.outages.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The end that probes.
pub(crate) struct Prober {
    heard: Option<Arc<dyn Heard>>,
    inject: Arc<dyn Inject>,
    underlay: IpAddr,
    /// UDP port of the overlay.
    port: u16,
    targets: watch::Receiver<Targets>,
    outages: watch::Sender<Outages>,
    socket: Option<UdpSocket>,
    verdicts: BTreeMap<HeardKey, Verdict>,
    is_in_trouble: bool,
}

impl Prober {
    /// Of a host at `underlay`. Without `heard` nobody is probed, and everybody believed to be there.
    pub(crate) fn new(
        heard: Option<Arc<dyn Heard>>,
        inject: Arc<dyn Inject>,
        underlay: IpAddr,
        port: u16,
    ) -> (Self, Watch) {
        let (targets, wanted) = watch::channel(Targets::default());
        let (outages, seen) = watch::channel(Outages::default());
        let prober = Self {
            heard,
            inject,
            underlay,
            port,
            targets: wanted,
            outages,
            socket: None,
            verdicts: BTreeMap::new(),
            is_in_trouble: false,
        };
        (prober, Watch { targets, outages: seen })
    }

    /// Probes for ever.
    pub(crate) async fn run(mut self) {
        let Some(heard) = self.heard.take() else { return };
        let mut clock = tokio::time::interval(PAUSE);
        // A look that comes late finds the answers that came meanwhile, and the next one must not follow at once.
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let targets = self.targets.borrow_and_update().clone();
            self.take(&*heard, &targets);
            if targets.is_empty() {
                if self.targets.changed().await.is_err() {
                    return;
                }
                continue;
            }
            loop {
                clock.tick().await;
                match self.targets.has_changed() {
                    Ok(false) => {}
                    Ok(true) => break,
                    Err(_) => return,
                }
                self.look_and_ask(&*heard, &targets);
            }
        }
    }

    /// Watches these, and forgets the others.
    fn take(&mut self, heard: &dyn Heard, targets: &Targets) {
        let keys: BTreeSet<HeardKey> = targets.keys().copied().collect();
        if let Err(error) = heard.watch(&keys) {
            self.complain(&chain(&error));
        }
        self.verdicts.retain(|key, _| keys.contains(key));
        for key in keys {
            self.verdicts.entry(key).or_insert_with(|| Verdict::begin(heard.at(&key)));
        }
        self.tell(targets);
    }

    fn look_and_ask(&mut self, heard: &dyn Heard, targets: &Targets) {
        for (key, target) in targets {
            let Some(verdict) = self.verdicts.get_mut(key) else { continue };
            verdict.look(heard.at(key));
            let missed = verdict.missed();
            match target {
                Target::Host { vni, .. } => self.ask_host(key, *vni),
                Target::NextHop { provider, vlan } => {
                    let mac = heard.mac(key).filter(|_| missed < DOUBT);
                    self.ask_next_hop(key, provider, *vlan, mac);
                }
            }
        }
        self.tell(targets);
    }

    fn ask_host(&mut self, key: &HeardKey, vni: u32) {
        if self.socket.is_none() {
            let bound = UdpSocket::bind((self.underlay, 0));
            match bound.and_then(|socket| socket.set_nonblocking(true).map(|()| socket)) {
                Ok(socket) => self.socket = Some(socket),
                Err(error) => return self.complain(&chain(&error)),
            }
        }
        let Some(socket) = &self.socket else { return };
        match socket.send_to(&frame::between_hosts(vni), SocketAddr::new(key.address.ip(), self.port)) {
            Ok(_) => self.is_in_trouble = false,
            // Somebody's refusal of an earlier probe, or a full queue: that one is unanswered, which says it all.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::WouldBlock) => {}
            Err(error) => {
                self.socket = None;
                self.complain(&chain(&error));
            }
        }
    }

    fn ask_next_hop(&self, key: &HeardKey, provider: &Provider, vlan: u32, mac: Option<Mac>) {
        let question = frame::to_next_hop(provider.mac, mac, key.address, vlan);
        // An interface that takes nothing is one by which nothing is heard.
        let _ = self.inject.inject(provider.index, &question);
    }

    fn complain(&mut self, error: &str) {
        if !self.is_in_trouble {
            tracing::warn!(error, "hosts that stand for routers can't be probed");
        }
        self.is_in_trouble = true;
    }

    /// Says what does not answer, if that is news.
    fn tell(&self, targets: &Targets) {
        let mut outages = Outages::default();
        let mut heard_of = BTreeSet::new();
        for (key, target) in targets {
            let is_silent = self.verdicts.get(key).is_some_and(Verdict::is_silent);
            if let (Target::Host { number, .. }, true) = (target, is_silent) {
                outages.hosts.insert((key.network, *number));
            } else if let Target::NextHop { .. } = target {
                let set = if is_silent { &mut outages.upstreams } else { &mut heard_of };
                set.insert(key.network);
            }
        }
        outages.upstreams.retain(|network| !heard_of.contains(network));
        let is_news = self.outages.send_if_modified(|known| {
            let is_news = *known != outages;
            known.clone_from(&outages);
            is_news
        });
        if is_news {
            tracing::info!(?outages.hosts, ?outages.upstreams, "who answers for external networks has changed");
        }
    }
}
