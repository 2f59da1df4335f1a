//! One pass: everything that was touched is brought to what it should be.

use super::{Parts, Reconciler};
use crate::announce::{self, Announcement};
use crate::apply::Key;
use crate::error::chain;
use crate::links::{Links, Raise};
use crate::plane::Plane;
use crate::services;
use crate::trace::Place;
use hadron_wire::row::{PortRow, Row, RowKey};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// A device that was made is announced within this time, or made again.
const OVERLAY_GRACE: Duration = Duration::from_secs(1);

impl<P: Plane, L: Links> Reconciler<P, L> {
    /// One pass: brings everything touched to what it should be, and says so.
    pub(super) async fn settle(&mut self) {
        self.touched.extend(self.calculation.take_touched_ports());
        self.settle_names();
        self.lower_abandoned().await;
        let changes = self.calculation.take_changes();
        self.announcements.note(&changes);
        self.parts.leases.note(&changes);
        let needs_ports = |key: &Key| matches!(key, Key::Port(_) | Key::RouterInterface(_) | Key::NatPool(_));
        if changes.iter().any(|(key, _)| needs_ports(key)) {
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
        self.leave_slots();
        let mut has_failed = !failed.is_empty();
        has_failed |= is_complete && !self.commit();
        self.lets_go |= self.writer.take_let_go();
        if self.lets_go {
            self.lets_go = !self.has_let_go(&failed).await;
            has_failed |= self.lets_go;
        }
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
}
