//! A running node: its tasks and their end.
//!
//! | task | does | ends |
//! |---|---|---|
//! | reconcile | the module `reconcile` | when told to, or with the interfaces' announcements |
//! | sync | [`crate::sync`] | with reconcile |
//! | answer, advertise | [`crate::services`] | with the node |
//! | sockets | [`crate::sockets`] | with the node |
//! | probe | [`crate::probe`] | with the node |
//! | packet log | [`crate::packet_log`] | with the node |
//! | sweep | [`crate::connections`] | with the node |
//! | link monitor | [`crate::links::monitor`] | with reconcile |

use crate::applied::Observer;
use crate::apply::Limits;
use crate::cache::Cache;
use crate::connections;
use crate::error::Error;
use crate::identity::Identity;
use crate::leases::Leases;
use crate::links::overlay::OverlayConfig;
use crate::links::{Links, Netlink, monitor};
use crate::packet_log::{self, Names};
use crate::plane::kernel::{self, Kernel};
use crate::plane::{Counted, PathCounters, Plane, PlaneError, PlaneParts, Punts};
use crate::probe::Prober;
use crate::reconcile::{Parts, Reconciler};
use crate::services::{self, Counters, Services};
use crate::sockets::nova::{Nova, NovaConfig};
use crate::sockets::{Keeper, Sockets, Way, dns, http};
use crate::status::{Status, Summary};
use crate::sync::outbox::Outbox;
use crate::sync::{Link, Place, Sync};
use hadron_datapath::{HostConfig, Sizes};
use hadron_responders::dns::FloatingNames;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// How a node is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directory for the identity and the rows; readable by its owner alone.
    pub state: PathBuf,
    /// Directory of this node's own for pinned objects, a BPF file system or below one.
    pub pins: PathBuf,
    /// How large the packet path's tables are.
    pub sizes: Sizes,
    /// The rest.
    pub settings: Settings,
}

impl Config {
    /// The usual places: `/var/lib/hadron/node` and `/sys/fs/bpf/hadron`.
    pub fn usual() -> Self {
        Self {
            state: "/var/lib/hadron/node".into(),
            pins: "/sys/fs/bpf/hadron".into(),
            sizes: Sizes::host(),
            settings: Settings::default(),
        }
    }
}

/// What has a default. A simulated node uses a part of it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The overlay device.
    pub overlay: OverlayConfig,
    /// Largest inner IP packet of the overlay in octets; by default what the underlay's interface leaves.
    pub overlay_mtu: Option<u32>,
    /// Rate limits of each port.
    pub limits: Limits,
    /// Where lines about ports' packets go; by default to standard output.
    pub packet_log: Option<PathBuf>,
    /// The host's availability zone; empty for the default one.
    pub availability_zone: String,
    /// Name of the interface to each physical network, by the network's name.
    pub bridge_mappings: BTreeMap<String, String>,
    /// Nova's metadata service, for instances that nobody has registered; `None` for no Nova.
    pub nova: Option<NovaConfig>,
    /// Name servers that are asked for what no instance of a network has, in their order.
    pub dns_servers: Vec<SocketAddr>,
    /// How floating IPs are called.
    pub floating_names: Vec<FloatingNames>,
    /// Domain that DHCP clients learn and instances' names are in; empty for none.
    pub dns_domain: String,
    /// How long a slot of a shared address stays the host's after its last session: what another host may talk to only then.
    pub slot_idle: Duration,
    /// Whether the kernel's grace periods may be expedited while a program is attached: a port is wired ten times sooner, at
    /// the price of an interrupt on each CPU.
    pub expedites: bool,
    /// Who is told of changes that are applied.
    pub observer: Option<Arc<dyn Observer>>,
}

/// MTU of an underlay whose interface is not known (yet), octets.
pub(crate) const USUAL_MTU: u32 = 1500;

impl Settings {
    /// Largest inner IP packet on an underlay of `mtu` octets, as configured, or what Ethernet (14), VXLAN (8), UDP (8) and IPv4
    /// (20) or IPv6 (40) leave.
    pub(crate) fn overlay_mtu(&self, underlay: IpAddr, mtu: u32) -> u32 {
        let overhead = if underlay.is_ipv4() { 50 } else { 70 };
        self.overlay_mtu.unwrap_or(mtu.saturating_sub(overhead))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            overlay: OverlayConfig::default(),
            overlay_mtu: None,
            limits: Limits::default(),
            packet_log: None,
            availability_zone: String::new(),
            bridge_mappings: BTreeMap::new(),
            nova: None,
            dns_servers: Vec::new(),
            floating_names: Vec::new(),
            dns_domain: "openstacklocal".into(),
            slot_idle: Duration::from_secs(600),
            expedites: true,
            observer: None,
        }
    }
}

/// What can be read of a running node at any moment. A clone reads the same node.
#[derive(Clone)]
pub struct Gauges {
    host: String,
    link: Arc<Link>,
    outbox: Arc<Outbox>,
    services: Arc<Services>,
    counters: Arc<Counters>,
    tracked: Arc<connections::Watch>,
    summary: watch::Receiver<Summary>,
    names: Arc<Names>,
    counted: Option<Arc<dyn Counted>>,
}

impl std::fmt::Debug for Gauges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gauges of {}", self.host)
    }
}

impl Gauges {
    /// The node at this moment.
    pub fn status(&self) -> Status {
        let services = self.counters.read();
        Status {
            host: self.host.clone(),
            is_connected: self.link.is_connected(),
            connections: self.link.connections(),
            last_error: self.link.last_error(),
            summary: self.summary.borrow().clone(),
            ports: self.outbox.ports(),
            leases: self.services.leases(),
            services,
            tracked: self.tracked.last(),
        }
    }

    /// What its packet path has counted; none of a simulated one.
    ///
    /// # Errors
    /// The tables can't be read.
    pub fn counters(&self) -> Result<Option<PathCounters>, PlaneError> {
        self.counted.as_ref().map(|counted| counted.counters()).transpose()
    }

    /// The UUID of a port, or its number if it is not known.
    pub fn port_name(&self, number: u32) -> String {
        self.names.port(number).map_or_else(|| number.to_string(), |id| id.to_string())
    }

    /// The UUID of a rule, or its number if it is not known.
    pub fn rule_name(&self, number: u32) -> String {
        self.names.rule(number).map_or_else(|| number.to_string(), |id| id.to_string())
    }
}

/// A running node. Dropping it stops it; ports go on working by the last state.
#[derive(Debug)]
pub struct Node {
    gauges: Gauges,
    stop: Option<oneshot::Sender<()>>,
    reconcile: JoinHandle<Result<(), Error>>,
    others: Vec<JoinHandle<()>>,
}

impl Node {
    /// Starts a node on this host, in the network namespace of the process.
    ///
    /// # Errors
    /// The host hasn't joined; the packet path or netlink can't be used. Nothing that can be repaired later is an error here:
    /// a server that doesn't answer, an overlay that can't be made.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let identity =
            Identity::load(&config.state)?.ok_or_else(|| Error::NotJoined(config.state.clone()))?;
        let monitor = monitor::start()?;
        let datapath = datapath_config(&config, &identity, &monitor.netlink).await?;
        let parts = Kernel::open(datapath, config.settings.expedites)?;
        let nova = config.settings.nova.as_ref().map(Nova::new).transpose()?.map(Arc::new);
        let (keeper, way) = Keeper::new(monitor.netlink.clone(), config.settings.limits);
        let (sessions, upstreams) = (parts.sessions.clone(), config.settings.dns_servers.clone());
        let mut node = Self::assemble(config.state, config.settings, identity, parts, (monitor, way))?;
        let (services, counters) = (node.gauges.services.clone(), node.gauges.counters.clone());
        let names = dns::Context::new(services.clone(), &upstreams, counters.clone());
        let context = http::Context { services, sessions, nova, counters };
        let serve = move |sockets: Sockets| {
            let metadata = http::serve(sockets.http, context.clone());
            let names = dns::serve(sockets.dns, sockets.dns_tcp, names.clone());
            async move {
                futures_util::future::join(metadata, names).await;
            }
        };
        node.others.push(tokio::spawn(keeper.run(serve)));
        Ok(node)
    }

    /// Starts a node on any packet path and interfaces, as a simulated one.
    ///
    /// # Errors
    /// The packet path can't be read.
    pub fn with<P: Plane, Q: Punts, L: Links>(
        state: PathBuf,
        settings: Settings,
        identity: Identity,
        parts: PlaneParts<P, Q>,
        links: L,
    ) -> Result<Self, Error> {
        Self::assemble(state, settings, identity, parts, (links, Way::none()))
    }

    fn assemble<P: Plane, Q: Punts, L: Links>(
        state: PathBuf,
        settings: Settings,
        identity: Identity,
        parts: PlaneParts<P, Q>,
        (links, way): (L, Way),
    ) -> Result<Self, Error> {
        let services = Arc::new(Services::default());
        let counters = Arc::new(Counters::default());
        let outbox = Arc::new(Outbox::default());
        let link = Arc::new(Link::default());
        let (summary, seen) = watch::channel(Summary::default());
        let (news, from_server) = mpsc::channel(16);
        let (stop, stopped) = oneshot::channel();

        let names = Arc::new(Names::default());
        let leases = Arc::new(Leases::new(outbox.clone(), settings.slot_idle));

        // Who uses which slots is known before the first rows are, so that what has left meanwhile leaves its slots.
        if let Ok((_, slots)) = parts.connections.sweep() {
            leases.swept(leases.before_sweep(), &slots);
        }

        let log = packet_log::serve(parts.logs, names.clone(), settings.packet_log.clone());
        let (prober, watch) =
            Prober::new(parts.heard, parts.inject.clone(), identity.underlay, settings.overlay.port);
        let to = Parts {
            plane: parts.plane,
            links,
            way,
            watch,
            services: services.clone(),
            outbox: outbox.clone(),
            leases: leases.clone(),
            names: names.clone(),
            inject: parts.inject.clone(),
            followed: parts.followed,
            summary,
        };
        let cache = Cache::new(&state, identity.host_number);
        let place = Place {
            availability_zone: settings.availability_zone.clone(),
            physical_networks: settings.bridge_mappings.keys().cloned().collect(),
        };
        let reconciler = Reconciler::new(to, settings, &identity, cache)?;
        let host = identity.host_name.clone();
        let renew_after = SystemTime::UNIX_EPOCH;
        // Nodes spread over the servers.
        let first = identity.host_number as usize;
        let sync = Sync {
            identity,
            place,
            state,
            news,
            outbox: outbox.clone(),
            link: link.clone(),
            renew_after,
            first,
        };
        let tracked = Arc::new(connections::Watch::default());
        let sweep = connections::keep(parts.connections, tracked.clone(), leases.clone());
        let advertise = services::advertise(parts.inject.clone(), services.clone(), counters.clone());
        let answer = services::serve(parts.punts, parts.inject, services.clone(), counters.clone(), leases);
        let gauges = Gauges {
            host,
            link,
            outbox,
            services,
            counters,
            tracked,
            summary: seen,
            names,
            counted: parts.counted,
        };
        Ok(Self {
            gauges,
            stop: Some(stop),
            reconcile: tokio::spawn(reconciler.run(from_server, stopped)),
            others: vec![
                tokio::spawn(sync.run()),
                tokio::spawn(answer),
                tokio::spawn(advertise),
                tokio::spawn(sweep),
                tokio::spawn(prober.run()),
                tokio::spawn(log),
            ],
        })
    }

    /// The node at this moment.
    pub fn status(&self) -> Status {
        self.gauges.status()
    }

    /// What can be read of it while it runs.
    pub fn gauges(&self) -> Gauges {
        self.gauges.clone()
    }

    /// Waits until the node ends by itself, which it does only when the kernel's announcements end.
    pub async fn ended(&mut self) -> Error {
        match (&mut self.reconcile).await {
            Ok(Err(error)) => error,
            _ => Error::LinksEnded,
        }
    }

    /// Stops the node and waits until its rows are on disk. Ports go on working by the last state.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let _ = (&mut self.reconcile).await;
        for task in &mut self.others {
            task.abort();
            let _ = task.await;
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.take();
        for task in &self.others {
            task.abort();
        }
    }
}

/// Runs a node until `shutdown`.
///
/// # Errors
/// As [`Node::start`], and when the node can't go on.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let mut node = Node::start(config).await?;
    tokio::select! {
        () = shutdown => {
            node.stop().await;
            Ok(())
        }
        error = node.ended() => Err(error),
    }
}

/// Takes away everything that a node made on this host: programs, tables, pins, the overlay device, rows and identity. Instances'
/// packets stop. Goes on after an error and answers the first.
///
/// # Errors
/// What could not be taken away.
pub async fn cleanup(config: Config) -> Result<(), Error> {
    let datapath = kernel::remove(&config.pins);
    let device = match monitor::start() {
        Ok(monitor) => {
            let services = monitor.netlink.remove(crate::sockets::NEAR).await;
            monitor.netlink.remove_overlay(&config.settings.overlay).await.and(services)
        }
        Err(error) => Err(error),
    };
    let files = Identity::remove(&config.state).and(Cache::new(&config.state, 0).remove());
    datapath.and(device).and(files)
}

/// What the packet path is to know of its host from the first moment: a restart must not take away what is in force.
async fn datapath_config(
    config: &Config,
    identity: &Identity,
    netlink: &Netlink,
) -> Result<hadron_datapath::Config, Error> {
    let links = netlink.dump().await?;
    let overlay = links.iter().find(|link| link.name == config.settings.overlay.name && link.vxlan.is_some());
    let underlay = netlink.holder_of(identity.underlay).await;
    let underlay = links.iter().find(|link| Some(link.index) == underlay);
    let host = HostConfig {
        host: identity.host_number,
        underlay: identity.underlay,
        overlay_ifindex: overlay.map_or(0, |link| link.index),
        overlay_mtu: config
            .settings
            .overlay_mtu(identity.underlay, underlay.map_or(USUAL_MTU, |link| link.mtu)),
        timeouts: config.settings.limits.timeouts,
    };
    Ok(hadron_datapath::Config { pins: config.pins.clone(), host, sizes: config.sizes.clone() })
}
