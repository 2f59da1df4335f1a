//! Reading the rows of routers.

use super::{MalformedRow, Reader};
use crate::proto;
use crate::row::{
    FIRST_SLOT, FloatingIpRow, FloatingRelayRow, ForwardingRow, Gateway, InterfaceAddress, PORT_BLOCK,
    PortLeaseRow, RoutePath, RouteRow, RouterInterfaceRow,
};
use std::net::Ipv6Addr;

impl Reader {
    pub(super) fn router_interface(
        self,
        row: proto::RouterInterfaceRow,
    ) -> Result<RouterInterfaceRow, MalformedRow> {
        Ok(RouterInterfaceRow {
            router: row.router,
            port: row.port,
            network: row.network,
            mac: self.octets("mac", &row.mac)?,
            addresses: row
                .addresses
                .into_iter()
                .map(|address| self.interface_address(address))
                .collect::<Result<_, _>>()?,
            gateway: row.gateway.map(|gateway| Gateway {
                snat: gateway.snat,
                hosts: gateway.hosts,
                is_one_of_several: gateway.one_of_several,
            }),
            scopes: [self.scope("scope_v4", &row.scope_v4)?, self.scope("scope_v6", &row.scope_v6)?],
        })
    }

    fn scope(self, field: &'static str, bytes: &[u8]) -> Result<Option<[u8; 16]>, MalformedRow> {
        if bytes.is_empty() { Ok(None) } else { self.octets(field, bytes).map(Some) }
    }

    pub(super) fn floating_ip(self, row: proto::FloatingIpRow) -> Result<FloatingIpRow, MalformedRow> {
        Ok(FloatingIpRow {
            number: row.number,
            network: row.network,
            address: self.address("address", &row.address)?,
            router: row.router,
            interface: row.interface,
            port: row.port,
            inside: self.address("inside", &row.inside)?,
        })
    }

    pub(super) fn floating_relay(
        self,
        row: proto::FloatingRelayRow,
    ) -> Result<FloatingRelayRow, MalformedRow> {
        Ok(FloatingRelayRow {
            router: row.router,
            floating_ip: row.floating_ip,
            network: row.network,
            address: self.address("address", &row.address)?,
            interface: row.interface,
            host: row.host,
        })
    }

    pub(super) fn forwarding(self, row: proto::ForwardingRow) -> Result<ForwardingRow, MalformedRow> {
        let first = self.small("first", row.first)?;
        let last: u16 = self.small("last", row.last)?;
        let inside_port: u16 = self.small("inside_port", row.inside_port)?;
        if last < first {
            return Err(self.bad("last"));
        }
        if !row.single && inside_port.checked_add(last - first).is_none() {
            return Err(self.bad("inside_port"));
        }
        Ok(ForwardingRow {
            router: row.router,
            floating_ip: row.floating_ip,
            protocol: self.small("protocol", row.protocol)?,
            network: row.network,
            address: self.address("address", &row.address)?,
            interface: row.interface,
            first,
            last,
            host: row.host,
            port: row.port,
            inside: self.address("inside", &row.inside)?,
            inside_port,
            single: row.single,
        })
    }

    pub(super) fn port_lease(self, row: proto::PortLeaseRow) -> Result<PortLeaseRow, MalformedRow> {
        let blocks = row.blocks.into_iter().map(|block| match u16::try_from(block) {
            Ok(block) if block <= u16::MAX / PORT_BLOCK => Ok(block),
            _ => Err(self.bad("blocks")),
        });
        let slots = row.slots.into_iter().map(|slot| match u16::try_from(slot) {
            Ok(slot) if slot >= FIRST_SLOT => Ok(slot),
            _ => Err(self.bad("slots")),
        });
        Ok(PortLeaseRow {
            router: row.router,
            interface: row.interface,
            host: row.host,
            network: row.network,
            address: self.address("address", &row.address)?,
            blocks: blocks.collect::<Result<_, _>>()?,
            slots: slots.collect::<Result<_, _>>()?,
        })
    }

    fn interface_address(self, row: proto::InterfaceAddress) -> Result<InterfaceAddress, MalformedRow> {
        let address: Ipv6Addr = self.address("addresses", &row.address)?;
        let least = if address.to_ipv4_mapped().is_some() { 96 } else { 0 };
        match u8::try_from(row.length) {
            Ok(length) if (least..=128).contains(&length) => Ok(InterfaceAddress { address, length }),
            _ => Err(self.bad("addresses")),
        }
    }

    pub(super) fn route(self, row: proto::RouteRow) -> Result<RouteRow, MalformedRow> {
        let paths = |paths: Vec<proto::RoutePath>| -> Result<Vec<RoutePath>, MalformedRow> {
            paths.into_iter().map(|path| self.path(path)).collect()
        };
        let (paths, others) = (paths(row.paths)?, paths(row.others)?);
        if paths.is_empty() {
            return Err(self.bad("paths"));
        }
        let destination = self.prefix("destination", row.destination)?;
        Ok(RouteRow { router: row.router, destination, paths, others, is_watched: row.watched })
    }

    fn path(self, path: proto::RoutePath) -> Result<RoutePath, MalformedRow> {
        Ok(RoutePath { port: path.port, gateway: self.address("paths", &path.gateway)? })
    }
}
