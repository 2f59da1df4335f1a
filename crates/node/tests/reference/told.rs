//! What ports' logs are told: the reference's list of it, and the packet path's events beside it.

use crate::model::Denial;
use crate::packet::Packet;
use hadron_pipeline::Address;
use hadron_pipeline::drop::DropReason;
use hadron_pipeline::table::{LogEvent, direction};
use hadron_wire::row::Direction;

/// What became of a packet at a port whose log is to know.
#[derive(Debug)]
pub struct Told {
    pub port: u32,
    pub way: Direction,
    /// Why it was dropped, or the rules of which one is named as having allowed it.
    pub what: Result<Vec<u32>, Denial>,
}

impl Told {
    fn is(&self, event: &LogEvent, packet: &Packet) -> bool {
        let way = if self.way == Direction::Egress { direction::EGRESS } else { direction::INGRESS };
        let is_what = match &self.what {
            Ok(rules) => event.reason == 0 && rules.contains(&event.rule),
            Err(denial) => event.rule == 0 && event.reason == reason(self.way, *denial) as u8,
        };
        (event.port, u32::from(event.direction)) == (self.port, way)
            && is_what
            && event.source == Address::from(packet.source)
            && event.destination == Address::from(packet.destination)
            && event.protocol == packet.protocol()
    }
}

/// Whether the packet path has told just that; copies in any order.
pub fn is_all(told: &[Told], events: &[LogEvent], packet: &Packet) -> bool {
    told.len() == events.len()
        && told.iter().all(|told| events.iter().filter(|event| told.is(event, packet)).count() == 1)
}

/// The packet path's name for it.
pub fn reason(way: Direction, denial: Denial) -> DropReason {
    match (way, denial) {
        (Direction::Egress, Denial::Rules) => DropReason::EgressDenied,
        (Direction::Egress, Denial::Fragment) => DropReason::EgressFragment,
        (Direction::Egress, Denial::Connections) => DropReason::EgressConnections,
        (Direction::Ingress, Denial::Rules) => DropReason::IngressDenied,
        (Direction::Ingress, Denial::Fragment) => DropReason::IngressFragment,
        (Direction::Ingress, Denial::Connections) => DropReason::IngressConnections,
    }
}
