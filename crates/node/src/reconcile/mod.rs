//! The node's loop: takes in what changed, compares, acts, and says what is in force.
//!
//! ```text
//!  Links::news ──┐                       ┌─► Plane (tables, programs)
//!                ├─► take ─► settle() ───┼─► Links (up, overlay device)
//!  ServerNews ───┘    ▲          │       ├─► Services ─► answers
//!                     │ retry    │       ├─► Outbox ─► sync ─► server
//!                     └──────────┘       └─► Cache (first of all)
//! ```
//!
//! There is no memory of events. Each pass compares all that should be with all that is, for what was touched; what failed stays
//! touched. Entries are removed only once the rows are complete: from the disk or from a server.

mod house;
mod pass;
mod slots;
mod tell;

use crate::announce::Announcements;
use crate::applied::Requests;
use crate::apply::{Calculation, HostFacts, Key, PortInterface, Provider, Writer};
use crate::backoff::Retry;
use crate::cache::{Cache, Loaded, Position};
use crate::error::{Error, chain};
use crate::identity::Identity;
use crate::leases::Leases;
use crate::links::Links;
use crate::links::table::{LinkNews, LinkTable};
use crate::node::{Settings, USUAL_MTU};
use crate::packet_log::Names;
use crate::plane::{FollowedPacket, Inject, Plane, TableStatus};
use crate::probe::Watch;
use crate::services::Services;
use crate::sockets::Way;
use crate::status::Summary;
use crate::sync::outbox::Outbox;
use crate::sync::{Rows, ServerNews};
use crate::trace::{Follows, Traces};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use hadron_pipeline::Mac;
use hadron_pipeline::table::PortKey;
use hadron_responders::dns::Zone;
use hadron_wire::proto::TraceRequest;
use hadron_wire::proto::welcome::Mode;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// Pieces of news that are taken in before the next pass.
const BURST: usize = 256;

/// Everything that the loop speaks to.
pub(crate) struct Parts<P, L> {
    pub plane: P,
    pub links: L,
    pub way: Way,
    pub watch: Watch,
    pub services: Arc<Services>,
    pub outbox: Arc<Outbox>,
    pub leases: Arc<Leases>,
    pub names: Arc<Names>,
    pub inject: Arc<dyn Inject>,
    pub followed: BoxStream<'static, FollowedPacket>,
    pub summary: watch::Sender<Summary>,
}

/// The loop and what it knows.
pub(crate) struct Reconciler<P, L> {
    parts: Parts<P, L>,
    settings: Settings,
    cache: Cache,
    calculation: Calculation,
    writer: Writer,
    interfaces: LinkTable,
    /// Index of the interface that has the tunnel's address.
    underlay: Option<u32>,
    position: Option<Position>,
    /// Revision to be acknowledged by the next pass, and whether it is the stream's first.
    due: Option<(u64, bool)>,
    /// Whose rows came since the last pass.
    requests: Requests,
    is_committed: bool,
    /// What another host may have has gone from the rows, and nothing is acknowledged before it has gone from here.
    lets_go: bool,
    /// Ports to look at in the next pass.
    touched: BTreeSet<u32>,
    /// Index and name of the interface of each port that has one, to take it down when the port goes.
    attached: HashMap<u32, (u32, String)>,
    refused_raises: HashMap<u32, String>,
    /// Interfaces to physical networks that take in frames for any MAC.
    open_providers: BTreeSet<u32>,
    announcements: Announcements,
    overlay_error: Option<String>,
    /// The last trouble with keeping the overlay's packets untracked, to tell it once.
    untracked_error: Option<String>,
    overlay: Retry,
    retry: Retry,
    /// Who asked for the position; answered after the next pass.
    asked: Vec<oneshot::Sender<Option<Position>>>,
    /// Traces that wait for the end of the pass.
    to_trace: Vec<TraceRequest>,
    traces: Traces,
    follows: Follows,
    save_at: Option<Instant>,
    check_at: Instant,
    nearly_full: BTreeSet<&'static str>,
    /// How full the tables were at the last look.
    tables: Vec<TableStatus>,
    /// What all networks' names have in common.
    zone: Arc<Zone>,
}
impl<P: Plane, L: Links> Reconciler<P, L> {
    /// Begins with what the plane holds and what the disk remembers.
    pub(crate) fn new(
        mut parts: Parts<P, L>,
        settings: Settings,
        identity: &Identity,
        cache: Cache,
    ) -> Result<Self, Error> {
        let host = HostFacts {
            number: identity.host_number,
            underlay: identity.underlay,
            overlay: None,
            overlay_mtu: settings.overlay_mtu(identity.underlay, USUAL_MTU),
            limits: settings.limits,
            providers: settings.bridge_mappings.keys().map(|network| (network.clone(), None)).collect(),
            services: None,
        };
        let zone = Arc::new(Zone::new(&settings.dns_domain, settings.floating_names.clone()));
        let mut writer = Writer::default();
        writer.observe(parts.plane.dump().map_err(Error::Plane)?);
        let observer = settings.observer.clone();
        let mut reconciler = Self {
            parts,
            settings,
            calculation: Calculation::new(host),
            writer,
            cache,
            interfaces: LinkTable::default(),
            underlay: None,
            position: None,
            due: None,
            requests: Requests::new(observer),
            is_committed: false,
            lets_go: false,
            touched: BTreeSet::new(),
            attached: HashMap::new(),
            refused_raises: HashMap::new(),
            open_providers: BTreeSet::new(),
            announcements: Announcements::default(),
            overlay_error: None,
            untracked_error: None,
            overlay: Retry::default(),
            retry: Retry::default(),
            asked: Vec::new(),
            to_trace: Vec::new(),
            traces: Traces::default(),
            follows: Follows::default(),
            save_at: None,
            check_at: Instant::now(),
            nearly_full: BTreeSet::new(),
            tables: Vec::new(),
            zone,
        };
        reconciler.restore();
        Ok(reconciler)
    }

    fn restore(&mut self) {
        let Some(Loaded { position, batches }) = self.cache.load() else { return };
        self.calculation.begin(Mode::Snapshot);
        for batch in batches {
            let applied = self.calculation.apply(batch);
            if !applied.malformed.is_empty() || applied.unknown > 0 {
                tracing::warn!(
                    "the rows of the last run are of another release; the server is asked for all of them"
                );
                return;
            }
        }
        tracing::info!(
            rows = self.calculation.rows().len(),
            revision = position.revision,
            "rows of the last run loaded"
        );
        self.position = Some(position);
    }

    /// Runs until `stop`, then leaves everything as it is. The interfaces must be known before the first pass: until then a
    /// port whose rows are there looks as if its interface had gone.
    pub(crate) async fn run(
        mut self,
        mut news: mpsc::Receiver<ServerNews>,
        mut stop: oneshot::Receiver<()>,
    ) -> Result<(), Error> {
        let Some(first) = self.parts.links.news().await else { return Err(Error::LinksEnded) };
        self.take_links(first).await;
        self.settle().await;
        loop {
            let wake = [
                self.retry.at(),
                self.overlay.at(),
                self.save_at,
                self.announcements.at(),
                self.follows.due(),
            ]
            .into_iter()
            .flatten()
            .min();
            tokio::select! {
                biased;
                _ = &mut stop => break,
                links = self.parts.links.news() => match links {
                    Some(links) => self.take_links(links).await,
                    None => return Err(Error::LinksEnded),
                },
                Some(server) = news.recv() => self.take_server(server),
                Some(packet) = self.parts.followed.next() => self.follows.came(packet),
                () = self.parts.way.changed() => self.look_at_host(),
                () = self.parts.watch.changed() => self.look_at_outages(),
                () = tokio::time::sleep_until(wake.map_or(self.check_at, |wake| wake.min(self.check_at))) => {}
            }
            for _ in 0..BURST {
                match news.try_recv() {
                    Ok(server) => self.take_server(server),
                    Err(_) => break,
                }
            }
            self.settle().await;
            self.keep_house().await;
        }
        self.save().await;
        Ok(())
    }

    fn take_server(&mut self, news: ServerNews) {
        match news {
            ServerNews::Position(answer) => self.asked.push(answer),
            ServerNews::Trace(request) => self.to_trace.push(request),
            ServerNews::Follow(wish) => self.follows.wish(wish),
            ServerNews::Rows(rows) => self.take_rows(rows),
        }
    }

    fn take_rows(&mut self, rows: Rows) {
        let is_first = rows.mode.is_some() || self.due.is_some_and(|(_, is_first)| is_first);
        let position = Position { history: rows.history, revision: rows.revision };
        self.keep(position, &rows);
        if let Some(mode) = rows.mode {
            self.calculation.begin(mode);
        }
        for mut batch in rows.batches {
            self.requests.come(std::mem::take(&mut batch.request_id));
            let applied = self.calculation.apply(batch);
            for malformed in applied.malformed {
                tracing::error!(
                    error = chain(&malformed),
                    "a row of the server can't be read and is left out"
                );
            }
            if applied.unknown > 0 {
                tracing::warn!(
                    rows = applied.unknown,
                    "rows of kinds that this release doesn't know are left out"
                );
            }
        }
        let host = self.calculation.host();
        if host.number != rows.host_number && rows.host_number != 0 {
            let host = HostFacts { number: rows.host_number, ..host.clone() };
            self.calculation.set_host(host);
        }
        self.position = Some(position);
        self.due = Some((rows.revision, is_first));
    }

    /// Adds rows to those on disk, before they are in force; or has all written after the pass.
    fn keep(&mut self, position: Position, rows: &Rows) {
        let follows = rows.mode != Some(Mode::Snapshot) && self.save_at.is_none();
        if !follows || !self.cache.append(position, &rows.batches) {
            self.save_at.get_or_insert_with(Instant::now);
        }
    }

    async fn take_links(&mut self, all: Vec<LinkNews>) {
        let mut gone = Vec::new();
        for news in all {
            if let LinkNews::Gone(index) = news {
                gone.push(index);
            }
            let is_complete = matches!(news, LinkNews::All(_));
            for name in self.interfaces.take(news) {
                self.look_at(&name);
            }
            if is_complete {
                self.underlay = self.parts.links.holder_of(self.calculation.host().underlay).await;
            }
        }
        for index in gone {
            self.forget_program(index);
            if self.calculation.host().services.is_some_and(|services| services.ifindex == index) {
                self.writer.vanished(&Key::ServiceProgram(()));
                self.parts.way.lost();
            }
        }
        self.look_at_host();
    }

    /// A program goes with its interface. One of the same index that is back already has none.
    fn forget_program(&mut self, index: u32) {
        let Some(link) = self.interfaces.indexed(index) else { return };
        for port in self.calculation.ports_named(&link.name) {
            self.writer.vanished(&Key::PortProgram(PortKey { port }));
        }
        self.writer.vanished(&Key::ProviderProgram(index));
        if link.name == self.settings.overlay.name {
            self.writer.vanished(&Key::OverlayProgram(()));
        }
    }

    fn look_at(&mut self, name: &str) {
        let interface = self
            .interfaces
            .named(name)
            .map(|link| PortInterface { index: link.index, is_pair: link.is_pair });
        self.calculation.set_interface(name, interface);
        self.touched.extend(self.calculation.ports_named(name));
    }

    /// The interface to each physical network.
    fn providers(&self) -> BTreeMap<String, Option<Provider>> {
        let provider = |name: &String| {
            self.interfaces.named(name).map(|link| Provider { index: link.index, mac: Mac(link.mac) })
        };
        let mappings = self.settings.bridge_mappings.iter();
        mappings.map(|(network, interface)| (network.clone(), provider(interface))).collect()
    }

    fn look_at_host(&mut self) {
        let providers = self.providers();
        if self.calculation.host().providers != providers {
            self.touched.extend(self.calculation.ports());
        }
        let host = self.calculation.host().clone();
        let overlay = self.interfaces.named(&self.settings.overlay.name).filter(|link| link.vxlan.is_some());
        let mtu =
            self.underlay.and_then(|index| self.interfaces.indexed(index)).map_or(USUAL_MTU, |link| link.mtu);
        let services = self.parts.way.now();
        self.calculation.set_host(HostFacts {
            services,
            overlay: overlay.map(|link| link.index),
            overlay_mtu: self.settings.overlay_mtu(host.underlay, mtu),
            providers,
            ..host
        });
    }

    /// Who was cut off and is back may have stood for a router all the while, and so has another host: switches hear where it is now.
    fn look_at_outages(&mut self) {
        let changed = self.calculation.set_outages(self.parts.watch.now());
        self.announcements.repeat(&changed);
    }
}
