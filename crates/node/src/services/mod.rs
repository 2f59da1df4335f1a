//! What the host's own ports ask their network: DHCPv4, DHCPv6, routers, metadata, names.
//!
//! ```text
//! reconcile ── Told ──► Services ─────────┬──────────────┐
//! plane ────── Punt ──► serve() ─ frame ──┼─► Inject     │
//!                       advertise() ──────┘    unasked ──┘
//! ```
//!
//! What a port is told follows from its rows, and is in place before the port's interface is let in. What a guest sends decides
//! only what it is answered, never as whom: the packet path says which port asked.

mod dhcp4;
mod dhcp6;
pub(crate) mod metadata;
mod routers;
mod schedule;

use crate::leases::Leases;
use crate::plane::{Inject, Punt, Punts};
use hadron_pipeline::PuntReason;
use hadron_pipeline::table::nat_slot;
use hadron_responders::dhcp4::{Lease, Refusal};
use hadron_responders::dhcp6::Binding;
use hadron_responders::dns::{Names, PortNames, Zone};
use hadron_responders::router::{Advertisement, State};
use hadron_responders::{dhcp4 as dhcp4_server, dhcp6 as dhcp6_server, dns, router};
use hadron_wire::held::Held;
use hadron_wire::row::{PortRow, RouterInterfaceRow, Row, RowKey, unmapped};
pub use metadata::Metadata;
use schedule::{Heard, Schedule};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tokio::sync::Notify;
use tokio::time::Instant;

/// What a port is told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// A lease for each of its addresses in a subnet with DHCP, in the order of the addresses.
    pub leases: Vec<Lease>,
    /// What DHCPv6 has for it.
    pub binding: Option<Binding>,
    /// The routers of its network that advertise themselves.
    pub routers: Vec<Advertisement>,
    /// Its instance.
    pub metadata: Option<Arc<Metadata>>,
    /// Names of DHCP options of the port that can't be sent, with the reason.
    pub refused: Vec<(String, Refusal)>,
}

/// What a port is told; `routers` are those of its network, by their interfaces there.
pub fn told(rows: &Held, routers: &[&RouterInterfaceRow], port: &PortRow, domain: &str) -> Told {
    let Some(Row::Network(network)) = rows.get(&RowKey::Network(port.network)) else {
        return Told::default();
    };
    let mut extra4 = dhcp4_server::Extra::default();
    let mut extra6 = dhcp6_server::Extra::default();
    let mut refused = Vec::new();
    for option in &port.dhcp_options {
        let (name, value) = (&option.name, &option.value);
        let added = if option.is_ipv6 { extra6.add(name, value) } else { extra4.add(name, value) };
        refused.extend(added.err().map(|reason| (name.clone(), reason)));
    }
    Told {
        leases: dhcp4::leases(rows, network, port, &extra4, domain),
        binding: dhcp6::binding(rows, network, port, extra6, domain)
            .map(|binding| Binding { delegated: dhcp6::delegated(rows, routers, port), ..binding }),
        routers: routers::advertisements(rows, network, routers, domain),
        metadata: metadata::metadata(rows, network, port).map(Arc::new),
        refused,
    }
}

/// The names of a port, on whichever host it is.
pub fn names(rows: &Held, network: u32, port: u32) -> Option<PortNames> {
    let Some(Row::Location(location)) = rows.get(&RowKey::Location { network, port }) else { return None };
    let addresses = location.addresses.iter().copied().map(unmapped).collect();
    let (name, domain) = match rows.get(&RowKey::Name { network, port }) {
        Some(Row::Name(row)) => (row.name.clone(), row.domain.clone()),
        _ => Default::default(),
    };
    Some(PortNames { name, domain, addresses })
}

/// What ports are told, and how they are found.
#[derive(Debug, Default)]
struct Ports {
    told: HashMap<u32, Arc<Told>>,
    by_interface: HashMap<u32, u32>,
    interfaces: HashMap<u32, u32>,
    by_device: HashMap<String, BTreeSet<u32>>,
    networks: HashMap<u32, u32>,
}

impl Ports {
    fn set_interface(&mut self, port: u32, ifindex: Option<u32>) {
        let old = match ifindex {
            Some(ifindex) => self.interfaces.insert(port, ifindex),
            None => self.interfaces.remove(&port),
        };
        if let Some(old) = old.filter(|old| self.by_interface.get(old) == Some(&port)) {
            self.by_interface.remove(&old);
        }
        if let Some(ifindex) = ifindex {
            self.by_interface.insert(ifindex, port);
        }
    }

    fn set_device(&mut self, port: u32, new: Option<&Arc<Metadata>>) {
        let old = self.told.get(&port).and_then(|told| told.metadata.as_ref()).map(|old| old.device.clone());
        if let Some(old) = old {
            crate::apply::calculation::note(&mut self.by_device, &old, port, false);
        }
        if let Some(new) = new {
            crate::apply::calculation::note(&mut self.by_device, &new.device, port, true);
        }
    }
}

/// What each port of the host is told, by port number.
#[derive(Debug, Default)]
pub struct Services {
    ports: RwLock<Ports>,
    /// By network.
    names: RwLock<HashMap<u32, Names>>,
    schedule: Mutex<Schedule>,
    /// The schedule changed.
    changed: Notify,
}

impl Services {
    /// Sets what a port is told, and the index of its interface if it has one that is in use. Options that can't be sent are
    /// logged once.
    pub fn set(&self, port: u32, row: Option<&PortRow>, ifindex: Option<u32>, told: Told) {
        let addresses = row.map(|row| row.addresses.iter().map(|held| held.address).collect());
        let heard = ifindex.map(|ifindex| Heard {
            ifindex,
            routers: told.routers.clone(),
            addresses: addresses.unwrap_or_default(),
        });
        self.schedule().set(port, heard, Instant::now());
        self.changed.notify_one();
        let mut all = self.ports.write().unwrap_or_else(PoisonError::into_inner);
        all.set_interface(port, ifindex);
        match row {
            Some(row) => drop(all.networks.insert(port, row.network)),
            None => drop(all.networks.remove(&port)),
        }
        all.set_device(port, told.metadata.as_ref());
        let known = all.told.get(&port).map(|old| &old.refused[..]).unwrap_or_default();
        for (option, reason) in told.refused.iter().filter(|refused| !known.contains(refused)) {
            tracing::warn!(port, option, "a DHCP option of a port is not sent: {reason}");
        }
        if told == Told::default() {
            all.told.remove(&port);
        } else {
            all.told.insert(port, Arc::new(told));
        }
    }

    /// What a port is told, if it is told anything.
    pub fn get(&self, port: u32) -> Option<Arc<Told>> {
        self.ports.read().unwrap_or_else(PoisonError::into_inner).told.get(&port).cloned()
    }

    /// The port that is at an interface now.
    pub fn at_interface(&self, ifindex: u32) -> Option<u32> {
        self.ports.read().unwrap_or_else(PoisonError::into_inner).by_interface.get(&ifindex).copied()
    }

    /// Sets the names of a port of a network, or takes them away. The ports of all hosts have names.
    pub fn set_names(&self, network: u32, port: u32, names: Option<PortNames>, zone: &Arc<Zone>) {
        let mut all = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let of_network = all.entry(network).or_insert_with(|| Names::new(zone.clone()));
        of_network.set(port, names);
        if of_network.is_empty() {
            all.remove(&network);
        }
    }

    /// Looks at the names of the network that a port of this host is in.
    pub fn with_names<R>(&self, port: u32, look: impl FnOnce(&Names) -> R) -> Option<R> {
        let network =
            self.ports.read().unwrap_or_else(PoisonError::into_inner).networks.get(&port).copied()?;
        let all = self.names.read().unwrap_or_else(PoisonError::into_inner);
        Some(look(all.get(&network)?))
    }

    /// The ports of an instance on this host, in the order of their numbers.
    pub fn of_device(&self, device: &str) -> Vec<Arc<Metadata>> {
        let all = self.ports.read().unwrap_or_else(PoisonError::into_inner);
        let ports = all.by_device.get(device).into_iter().flatten();
        ports.filter_map(|port| all.told.get(port)?.metadata.clone()).collect()
    }

    /// How many ports have a lease, of either version.
    pub fn leases(&self) -> usize {
        let all = self.ports.read().unwrap_or_else(PoisonError::into_inner);
        let has_lease = |told: &&Arc<Told>| !told.leases.is_empty() || told.binding.is_some();
        all.told.values().filter(has_lease).count()
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was answered, since the process began.
#[derive(Debug, Default)]
pub struct Counters {
    /// DHCPv4 by answer and by reason for silence.
    pub dhcp4: dhcp4_server::Counters,
    /// DHCPv6, likewise.
    pub dhcp6: dhcp6_server::Counters,
    /// Router solicitations that were answered.
    pub solicited: AtomicU64,
    /// Those that were not.
    pub refused: AtomicU64,
    /// Advertisements that were sent unasked.
    pub periodic: AtomicU64,
    /// Metadata.
    pub metadata: crate::sockets::http::Counters,
    /// Names.
    pub dns: dns::Counters,
    /// Frames that could not be sent, as when the interface is gone.
    pub not_sent: AtomicU64,
}

impl Counters {
    /// Protocol, outcome and how often.
    pub fn read(&self) -> Vec<(&'static str, &'static str, u64)> {
        let single = |name, counter: &AtomicU64| ("router", name, counter.load(Ordering::Relaxed));
        let dhcp4 = self.dhcp4.read().map(|(name, count)| ("dhcp4", name, count));
        let dhcp6 = self.dhcp6.read().map(|(name, count)| ("dhcp6", name, count));
        let routers = [
            single("solicited", &self.solicited),
            single("refused", &self.refused),
            single("periodic", &self.periodic),
        ];
        let not_sent = ("any", "not_sent", self.not_sent.load(Ordering::Relaxed));
        let metadata = self.metadata.read().map(|(name, count)| ("metadata", name, count));
        let dns = self.dns.read().map(|(name, count)| ("dns", name, count));
        dhcp4.chain(dhcp6).chain(routers).chain(metadata).chain(dns).chain([not_sent]).collect()
    }
}

/// Answers punted frames until there are no more. Where they come from bounds what waits, after a limit per port.
pub async fn serve(
    mut punts: impl Punts,
    inject: Arc<dyn Inject>,
    services: Arc<Services>,
    counters: Arc<Counters>,
    leases: Arc<Leases>,
) {
    while let Some(punt) = punts.next().await {
        if punt.reason == Some(PuntReason::OutsidePorts) {
            leases.more(punt.ifindex);
            continue;
        }
        if punt.reason == Some(PuntReason::OutsideSlot) {
            if let Some(slot) = slot_of(&punt.frame) {
                leases.slot(punt.ifindex, slot, punt.port);
            }
            continue;
        }
        let told = services.get(punt.port).unwrap_or_default();
        for frame in answer(&punt, &told, &counters) {
            send(punt.ifindex, &frame, &*inject, &counters);
        }
    }
}

/// The slot by which a frame's packet can leave by a shared address.
fn slot_of(frame: &[u8]) -> Option<u16> {
    let packet = etherparse::LaxSlicedPacket::from_ethernet(frame).ok()?;
    let Some(etherparse::LaxNetSlice::Ipv4(packet)) = packet.net else { return None };
    let header = packet.header();
    Some(nat_slot(header.protocol().0, header.destination()))
}

/// Advertises routers unasked, for as long as it runs.
pub async fn advertise(inject: Arc<dyn Inject>, services: Arc<Services>, counters: Arc<Counters>) {
    loop {
        let next = services.schedule().next();
        let wait = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wait => {}
            () = services.changed.notified() => {}
        }
        let due = services.schedule().due(Instant::now(), crate::backoff::random);
        for (ifindex, frame) in due {
            counters.periodic.fetch_add(1, Ordering::Relaxed);
            send(ifindex, &frame, &*inject, &counters);
        }
    }
}

fn answer(punt: &Punt, told: &Told, counters: &Counters) -> Vec<Vec<u8>> {
    match punt.reason {
        Some(PuntReason::Dhcp4) => dhcp4_answer(punt, told, counters).into_iter().collect(),
        Some(PuntReason::Dhcp6) => dhcp6_answer(punt, told, counters).into_iter().collect(),
        Some(PuntReason::RouterSolicitation) => solicited(punt, told, counters),
        Some(PuntReason::OutsidePorts | PuntReason::OutsideSlot) | None => Vec::new(),
    }
}

fn dhcp4_answer(punt: &Punt, told: &Told, counters: &Counters) -> Option<Vec<u8>> {
    let result = dhcp4_server::answer(&punt.frame, &told.leases);
    counters.dhcp4.record(&result);
    match result {
        Ok(reply) => return Some(reply.frame),
        Err(dhcp4_server::Silence::Declined) => {
            let addresses: Vec<_> = told.leases.iter().map(|lease| lease.address).collect();
            tracing::warn!(port = punt.port, ?addresses, "a DHCP client found its address in use by another");
        }
        Err(silence) => {
            tracing::debug!(port = punt.port, reason = silence.name(), "a DHCP message gets no answer")
        }
    }
    None
}

fn dhcp6_answer(punt: &Punt, told: &Told, counters: &Counters) -> Option<Vec<u8>> {
    let result = dhcp6_server::answer(&punt.frame, told.binding.as_ref());
    counters.dhcp6.record(&result);
    match result {
        Ok(reply) => {
            if reply.is_declined {
                let addresses =
                    told.binding.iter().flat_map(|binding| &binding.addresses).collect::<Vec<_>>();
                tracing::warn!(
                    port = punt.port,
                    ?addresses,
                    "a DHCPv6 client found its address in use by another"
                );
            }
            Some(reply.frame)
        }
        Err(silence) => {
            tracing::debug!(port = punt.port, reason = silence.name(), "a DHCPv6 message gets no answer");
            None
        }
    }
}

fn solicited(punt: &Punt, told: &Told, counters: &Counters) -> Vec<Vec<u8>> {
    let asker = router::asker(&punt.frame).and_then(|asker| {
        if told.routers.is_empty() { Err(router::Silence::WithoutRouter) } else { Ok(asker) }
    });
    match asker {
        Ok(asker) => {
            counters.solicited.fetch_add(1, Ordering::Relaxed);
            told.routers.iter().flat_map(|router| router.to(asker, State::Routes)).collect()
        }
        Err(silence) => {
            counters.refused.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(
                port = punt.port,
                reason = silence.name(),
                "a router solicitation gets no answer"
            );
            Vec::new()
        }
    }
}

fn send(ifindex: u32, frame: &[u8], inject: &dyn Inject, counters: &Counters) {
    if let Err(error) = inject.inject(ifindex, frame) {
        counters.not_sent.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(ifindex, %error, "an answer to an instance could not be sent");
    }
}

#[cfg(test)]
mod tests;
