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

use crate::announce::{self, Announcement, Announcements};
use crate::applied::Requests;
use crate::apply::{Calculation, HostFacts, Key, PortInterface, Provider, Writer};
use crate::backoff::Retry;
use crate::cache::{Cache, Loaded, Position};
use crate::error::{Error, chain};
use crate::identity::Identity;
use crate::leases::Leases;
use crate::links::table::{LinkNews, LinkTable};
use crate::links::{Links, Raise};
use crate::node::{Settings, USUAL_MTU};
use crate::packet_log::Names;
use crate::plane::{FollowedPacket, Inject, Plane, TableStatus};
use crate::probe::Watch;
use crate::services::{self, Services};
use crate::sockets::Way;
use crate::status::Summary;
use crate::sync::outbox::{Outbox, PortState};
use crate::sync::{Rows, ServerNews};
use crate::trace::{Follows, Place, Traces};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use hadron_pipeline::Mac;
use hadron_pipeline::table::PortKey;
use hadron_responders::dns::Zone;
use hadron_wire::proto::TraceRequest;
use hadron_wire::proto::welcome::Mode;
use hadron_wire::row::{PortRow, Row, RowKey};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// The pause before rows that couldn't be written to disk are written again.
const SAVE_PAUSE: Duration = Duration::from_secs(10);

/// How often it is looked at what nobody announces: programs that were taken off, tables that fill up.
const CHECK: Duration = Duration::from_secs(10);

/// A device that was made is announced within this time, or made again.
const OVERLAY_GRACE: Duration = Duration::from_secs(1);

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

    /// Has the interfaces to physical networks take in frames for any MAC: instances have their own.
    async fn open_providers(&mut self) {
        let wanted = self.calculation.host().providers.values().flatten();
        let wanted: BTreeSet<u32> = wanted.map(|provider| provider.index).collect();
        for index in wanted.difference(&self.open_providers).copied().collect::<Vec<_>>() {
            match self.parts.links.open(index).await {
                Ok(()) => drop(self.open_providers.insert(index)),
                Err(error) => {
                    tracing::warn!(
                        index,
                        error = chain(&error),
                        "an interface to a physical network is not usable"
                    );
                }
            }
        }
        self.open_providers.retain(|index| wanted.contains(index));
    }

    /// Tells the external networks of addresses that have come here.
    fn announce(&mut self) {
        let writer = &self.writer;
        for Announcement { key, interface } in
            self.announcements.take_due(|key| writer.is_settled(&Key::FloatingIp(*key)))
        {
            let Some(Row::Network(network)) = self.calculation.rows().get(&RowKey::Network(key.network))
            else {
                continue;
            };
            let Some((provider, vlan)) = self.calculation.host().segment_of(network) else { continue };
            let own_mac = interface.and_then(|interface| self.calculation.own_mac(interface));
            let frame = announce::frame(&key, own_mac.unwrap_or(provider.mac), vlan);
            if let Err(error) = self.parts.inject.inject(provider.index, &frame) {
                let (error, address) = (chain(&error), key.address.to_string());
                tracing::warn!(error, address, "an address outside can't be announced");
            }
        }
    }

    /// Why frames of the port's network don't come to this host, if they don't.
    fn physical_problem(&self, port: &PortRow) -> Option<String> {
        let Row::Network(network) = self.calculation.rows().get(&RowKey::Network(port.network))? else {
            return None;
        };
        let physical = &network.physical.as_ref()?.network;
        match (self.settings.bridge_mappings.get(physical), self.calculation.host().providers.get(physical)) {
            (Some(_), Some(Some(_))) => None,
            (Some(interface), _) => {
                Some(format!("interface {interface} to physical network {physical} is missing"))
            }
            (None, _) => Some(format!(
                "this host has no interface to physical network {physical}; see --bridge-mappings"
            )),
        }
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

    /// One pass: brings everything touched to what it should be, and says so.
    async fn settle(&mut self) {
        self.touched.extend(self.calculation.take_touched_ports());
        self.settle_names();
        self.lower_abandoned().await;
        let changes = self.calculation.take_changes();
        self.announcements.note(&changes);
        self.parts.leases.note(&changes);
        if changes.iter().any(|(key, _)| matches!(key, Key::Port(_) | Key::RouterInterface(_))) {
            let interfaces = self.calculation.shared_gateways();
            interfaces.into_iter().for_each(|interface| self.parts.leases.need(interface));
        }
        let decides = |key: &Key| {
            matches!(key, Key::RouterInterface(_) | Key::Route(_) | Key::Host(_) | Key::Network(_))
        };
        if changes.iter().any(|(key, _)| decides(key)) {
            self.parts.watch.set(self.calculation.targets());
        }
        self.writer.desire(changes);
        let is_complete = self.position.is_some();
        let failed = self.writer.write(&mut self.parts.plane, is_complete);
        self.touched.extend(self.calculation.ports_of_entries(&failed));
        let mut has_failed = !failed.is_empty();
        has_failed |= is_complete && !self.commit();
        has_failed |= !self.raise().await;
        self.settle_overlay().await;
        self.open_providers().await;
        self.announce();
        self.tell();
        if has_failed {
            self.retry.failed();
        } else {
            self.retry.settled();
            self.writer.forget_settled_errors();
        }
        self.trace();
        for answer in self.asked.drain(..) {
            let _ = answer.send(self.position);
        }
    }

    /// Traces see the tables between two passes, when nobody but the programs writes to them.
    fn trace(&mut self) {
        let place = Place {
            revision: self.position.map_or(0, |position| position.revision),
            pending: self.writer.pending(),
            providers: &self.calculation.host().providers,
        };
        let Parts { plane, outbox, .. } = &self.parts;
        for request in std::mem::take(&mut self.to_trace) {
            outbox.traced(self.traces.answer(plane, &place, &request));
        }
        self.follows.settle(plane, &place, |news| outbox.followed(news));
    }

    /// A port is told what it asks, and its packets are named, from the moment that it is let in.
    fn settle_names(&mut self) {
        let rows = self.calculation.rows();
        for port in &self.touched {
            let row = self.calculation.port(*port);
            let told = row.map(|row| {
                let routers: Vec<_> = self.calculation.routers_of(row.network).collect();
                services::told(rows, &routers, row, &self.settings.dns_domain)
            });
            let ifindex = row.and_then(|row| self.interface_in_use(row));
            self.parts.services.set(*port, row, ifindex, told.unwrap_or_default());
            self.parts.names.set_port(*port, self.calculation.port(*port));
        }
        for (network, port) in self.calculation.take_touched_names() {
            let names = services::names(self.calculation.rows(), network, port);
            self.parts.services.set_names(network, port, names, &self.zone);
        }
        for (rule, row) in self.calculation.take_touched_rules() {
            self.parts.names.set_rule(rule, row);
        }
    }

    /// The index of the interface by which a port hears; `None` while it has none of its own or is down.
    fn interface_in_use(&self, row: &PortRow) -> Option<u32> {
        let link = self.interfaces.named(&row.interface_name)?;
        let is_holder = self.calculation.holder(&row.interface_name) == Some(row.number);
        let is_enabled = row.admin_up && self.network_of(row).is_some_and(|(is_enabled, _)| is_enabled);
        (is_holder && is_enabled).then_some(link.index)
    }

    /// Takes down the interfaces whose port went, before its program is detached: what their guests go on sending must not
    /// meet the host's own stack.
    async fn lower_abandoned(&mut self) {
        let mut abandoned = Vec::new();
        for port in &self.touched {
            if self.calculation.port(*port).is_none()
                && let Some((index, name)) = self.attached.remove(port)
                && self.interfaces.named(&name).is_some_and(|link| link.index == index)
                && self.calculation.holder(&name).is_none()
            {
                abandoned.push(index);
            }
        }
        if !abandoned.is_empty() && self.position.is_some() {
            self.parts.links.lower(abandoned).await;
        }
    }

    fn commit(&mut self) -> bool {
        if !self.is_committed {
            match self.parts.plane.commit() {
                Ok(()) => self.is_committed = true,
                Err(error) => tracing::error!(
                    error = chain(&error),
                    "the packet path's new tables can't be put in force"
                ),
            }
        }
        self.is_committed
    }

    /// Brings up the interfaces of touched ports that are in force. Answers whether all did.
    async fn raise(&mut self) -> bool {
        let mut raises = Vec::new();
        let mut ports = HashMap::new();
        for port in self.touched.clone() {
            self.refused_raises.remove(&port);
            let Some(raise) = self.take_into_use(port) else { continue };
            ports.insert(raise.index, port);
            raises.push(raise);
        }
        if raises.is_empty() {
            return true;
        }
        let refused = self.parts.links.raise(raises.clone()).await;
        for raise in raises.iter().filter(|raise| !refused.iter().any(|(other, _)| other == *raise)) {
            self.interfaces.raised(raise.index, raise.mtu);
        }
        for (raise, error) in &refused {
            let port = ports.get(&raise.index).copied();
            self.refused_raises.extend(port.map(|port| (port, chain(error))));
        }
        refused.is_empty()
    }

    /// Notes the interface of a port that is in force, and answers what it lacks.
    fn take_into_use(&mut self, port: u32) -> Option<Raise> {
        let row = self.calculation.port(port)?;
        let link = self.interfaces.named(&row.interface_name)?;
        if !self.is_in_force(port) {
            return None;
        }
        self.attached.insert(port, (link.index, link.name.clone()));
        let (is_enabled, mtu) = self.network_of(row)?;
        let mtu = (link.mtu < mtu).then_some(mtu);
        let is_wanted = row.admin_up && is_enabled && (!link.is_up || mtu.is_some());
        is_wanted.then(|| Raise { index: link.index, name: link.name.clone(), mtu })
    }

    /// Whether the port's network is enabled, and its MTU.
    fn network_of(&self, port: &PortRow) -> Option<(bool, u32)> {
        match self.calculation.rows().get(&RowKey::Network(port.network))? {
            Row::Network(row) => Some((row.admin_up, row.mtu)),
            _ => None,
        }
    }

    /// Whether every entry of the port's wiring is written.
    fn is_in_force(&self, port: u32) -> bool {
        let entries = self.calculation.entries_of_port(port);
        !entries.is_empty() && entries.iter().all(|key| self.writer.is_settled(key))
    }

    /// Makes the overlay device anew whenever it isn't as it should be.
    async fn settle_overlay(&mut self) {
        let config = &self.settings.overlay;
        let present = self.interfaces.named(&config.name);
        if config.is_met_by(present) {
            self.overlay_error = None;
            return self.overlay.settled();
        }
        if self.overlay.is_pausing() {
            return;
        }
        match self.parts.links.settle_overlay(config, present).await {
            Ok(()) => {
                tracing::info!(device = config.name, port = config.port, "overlay device made");
                self.overlay_error = None;
                self.overlay.expects(OVERLAY_GRACE);
            }
            Err(error) => {
                let text = chain(&error);
                if self.overlay_error.as_ref() != Some(&text) {
                    tracing::error!(error = text, "instances reach only this host; will be tried again");
                }
                self.overlay_error = Some(text);
                self.overlay.failed();
            }
        }
    }

    /// Puts into the outbox what there is to say about the touched ports, and what is acknowledged.
    fn tell(&mut self) {
        for port in std::mem::take(&mut self.touched) {
            let state = self.state_of(port);
            if state.as_ref().is_some_and(|state| !state.error.is_empty()) {
                self.touched.insert(port);
            }
            self.parts.outbox.set(port, state);
        }
        if let Some((revision, _)) = self.due {
            self.requests.applied(revision, self.writer.pending());
        }
        match self.due.take() {
            Some((revision, true)) => self.parts.outbox.open(revision),
            Some((revision, false)) => self.parts.outbox.in_force(revision),
            None => self.parts.outbox.flush(),
        }
        self.parts.summary.send_replace(Summary {
            rows: self.calculation.rows().len(),
            position: self.position,
            pending: if self.position.is_some() { self.writer.pending() } else { 0 },
            overlay_error: self.overlay_error.clone(),
            nearly_full: self.nearly_full.iter().copied().collect(),
            tables: self.tables.clone(),
        });
    }

    fn state_of(&self, port: u32) -> Option<PortState> {
        let row = self.calculation.port(port)?;
        let link = self.interfaces.named(&row.interface_name);
        let is_enabled = row.admin_up && self.network_of(row).is_some_and(|(is_enabled, _)| is_enabled);
        let is_up = link.is_some_and(|link| link.is_up);
        let error = self.trouble(port, row).unwrap_or_default();
        let wired = is_up && is_enabled && error.is_empty() && self.is_in_force(port);
        Some(PortState { wired, revision: row.revision, error })
    }

    fn trouble(&self, port: u32, row: &PortRow) -> Option<String> {
        if let Some(holder) = self.calculation.holder(&row.interface_name).filter(|holder| *holder != port) {
            return Some(format!(
                "interface {} belongs to a newer port, number {holder}",
                row.interface_name
            ));
        }
        let entries = self.calculation.entries_of_port(port);
        let unwritten = entries.iter().find_map(|key| self.writer.error(key));
        let unwritten = unwritten.or_else(|| self.writer.blamed_error(self.calculation.blames(row)));
        let unwritten = unwritten.map(str::to_owned);
        unwritten
            .or_else(|| self.physical_problem(row))
            .or_else(|| self.calculation.policy_problem(row))
            .or_else(|| self.refused_raises.get(&port).cloned())
    }

    async fn keep_house(&mut self) {
        let now = Instant::now();
        if self.save_at.is_some_and(|at| at <= now) {
            self.save().await;
        }
        if self.check_at <= now {
            self.check_at = now + CHECK;
            self.check_fill();
            self.check_attached();
            self.settle_untracked().await;
        }
    }

    /// Writes all rows to disk, if the journal doesn't have them.
    async fn save(&mut self) {
        let (Some(_), Some(position)) = (self.save_at.take(), self.position) else { return };
        if let Err(error) = self.cache.store(position, self.calculation.rows()).await {
            let error = chain(&error);
            tracing::warn!(
                error,
                "rows can't be kept on disk; a restart without a server would find old ones"
            );
            self.save_at = Some(Instant::now() + SAVE_PAUSE);
        }
    }

    /// An operator's firewall, when it is loaded anew, takes away every table that isn't its own.
    async fn settle_untracked(&mut self) {
        let settled = self.parts.links.settle_untracked(self.settings.overlay.port).await;
        let error = settled.err().map(|error| chain(&error));
        if let Some(text) = error.as_ref().filter(|text| self.untracked_error.as_ref() != Some(text)) {
            tracing::warn!(error = text, "the host's connection tracking sees the overlay's packets");
        }
        self.untracked_error = error;
    }

    /// A program that somebody took off leaves its guest in front of the host's own stack: it is put back with the next pass.
    fn check_attached(&mut self) {
        match self.parts.plane.attached() {
            Ok(attached) => {
                let missing = self.writer.check_attached(&attached);
                if missing > 0 {
                    tracing::warn!(
                        programs = missing,
                        "programs were taken off their interfaces by somebody; put back"
                    );
                    self.retry.expects(Duration::ZERO);
                }
            }
            Err(error) => tracing::warn!(error = chain(&error), "the attached programs can't be listed"),
        }
    }

    fn check_fill(&mut self) {
        self.tables = self.parts.plane.status();
        for table in &self.tables {
            if !table.is_nearly_full() {
                self.nearly_full.remove(table.name);
            } else if self.nearly_full.insert(table.name) {
                tracing::warn!(
                    table = table.name,
                    rows = table.rows,
                    capacity = table.capacity,
                    "a table of the packet path is nearly full; raise its size in the configuration"
                );
            }
        }
    }
}
