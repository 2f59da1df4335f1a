//! What there is to say of ports, to the server and to who asks on this host.

use super::Reconciler;
use crate::links::Links;
use crate::plane::Plane;
use crate::status::Summary;
use crate::sync::outbox::PortState;
use hadron_wire::row::{PortRow, Row, RowKey};

impl<P: Plane, L: Links> Reconciler<P, L> {
    /// Puts into the outbox what there is to say about the touched ports, and what is acknowledged: nothing while it
    /// lets go of what may be another host's with that word.
    pub(super) fn tell(&mut self) {
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
        match self.due.take_if(|_| !self.lets_go) {
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

    /// Whether the port's network is enabled, and its MTU.
    pub(super) fn network_of(&self, port: &PortRow) -> Option<(bool, u32)> {
        match self.calculation.rows().get(&RowKey::Network(port.network))? {
            Row::Network(row) => Some((row.admin_up, row.mtu)),
            _ => None,
        }
    }

    /// Whether every entry of the port's wiring is written.
    pub(super) fn is_in_force(&self, port: u32) -> bool {
        let entries = self.calculation.entries_of_port(port);
        !entries.is_empty() && entries.iter().all(|key| self.writer.is_settled(key))
    }
}
