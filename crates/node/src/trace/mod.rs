//! Traces: what would become of a packet on this host, told to the server that asks; and what becomes of real ones ([`follow`]).
//!
//! A trace is several walks, there and back, on one snapshot of the live tables; it is kept for a minute, and a few at a time.

mod follow;
mod told;

use crate::apply::Provider;
use crate::error::chain;
use crate::plane::Plane;
pub(crate) use follow::Follows;
pub use follow::Wish;
use hadron_pipeline::host::Frame;
use hadron_pipeline::host::trace::{Door, Snapshot, Walk};
use hadron_pipeline::{Address, host::Output};
use hadron_wire::proto::{TraceReply, TraceRequest, TraceTunnel, trace_request};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use told::Names;

/// Traces that are kept at a time.
const MOST: usize = 8;
/// How long one is kept.
const LIFETIME: Duration = Duration::from_secs(60);
/// Longest frame that is traced, octets.
const LONGEST_FRAME: usize = 9216;

/// What an answer says of the host.
pub(crate) struct Place<'a> {
    /// Up to which revision its rows are in force.
    pub revision: u64,
    /// Rows of its tables that are not as they should be.
    pub pending: usize,
    /// Its interfaces to physical networks.
    pub providers: &'a BTreeMap<String, Option<Provider>>,
}

/// The snapshots of the traces under way.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    kept: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    trace: Vec<u8>,
    snapshot: Snapshot,
    since: Instant,
}

impl Traces {
    /// Walks, and tells of it; an error is told too.
    pub(crate) fn answer(
        &mut self,
        plane: &impl Plane,
        place: &Place<'_>,
        request: &TraceRequest,
    ) -> TraceReply {
        let reply = self
            .walk(plane, place, request)
            .unwrap_or_else(|error| TraceReply { error, ..TraceReply::default() });
        let (revision, pending) = (place.revision, place.pending as u64);
        TraceReply { id: request.id, revision, pending, ..reply }
    }

    fn walk(
        &mut self,
        plane: &impl Plane,
        place: &Place<'_>,
        request: &TraceRequest,
    ) -> Result<TraceReply, String> {
        if request.frame.len() > LONGEST_FRAME {
            return Err(format!(
                "a frame of {} bytes; at most {LONGEST_FRAME} are traced",
                request.frame.len()
            ));
        }
        let snapshot = self.snapshot(plane, &request.trace)?;
        let door = door(plane, snapshot, place, request)?;
        let vlan = u16::try_from(request.vlan).map_err(|_| "a VLAN is 0 to 4094".to_owned())?;
        let vlan = (vlan != 0).then_some(vlan);
        let mut bytes = request.frame.to_vec();
        if let (Some(trace_request::Door::PhysicalNetwork(name)), Some([0, 0, 0, 0, 0, 0])) =
            (&request.door, bytes.first_chunk::<6>())
            && let Some(Some(provider)) = place.providers.get(name)
        {
            bytes[..6].copy_from_slice(&provider.mac.0);
        }
        let frame = Frame { bytes, vlan, ..Frame::default() };
        let walk = plane.walk(snapshot, door, &frame).map_err(|error| chain(&error))?;
        let names = names_of(plane, snapshot, place, &walk)?;
        Ok(told::told(walk, &names))
    }

    /// That of the trace; a new one if it is new.
    fn snapshot(&mut self, plane: &impl Plane, trace: &[u8]) -> Result<&mut Snapshot, String> {
        let now = Instant::now();
        self.kept.retain(|kept| now - kept.since < LIFETIME);
        let place = match self.kept.iter().position(|kept| kept.trace == trace) {
            Some(place) => place,
            None => {
                let snapshot = plane.snapshot().map_err(|error| chain(&error))?;
                if self.kept.len() == MOST {
                    self.kept.pop_front();
                }
                self.kept.push_back(Kept { trace: trace.to_vec(), snapshot, since: now });
                self.kept.len() - 1
            }
        };
        Ok(&mut self.kept[place].snapshot)
    }
}

/// What the interfaces that a packet left by lead to.
fn names_of(
    plane: &impl Plane,
    snapshot: &mut Snapshot,
    place: &Place<'_>,
    walk: &Walk,
) -> Result<Names, String> {
    let mut names = Names::default();
    for output in &walk.outcome.outputs {
        if let Output::Deliver { ifindex, .. } = output {
            let port = plane.port_of(snapshot, *ifindex).map_err(|error| chain(&error))?;
            names.note(*ifindex, port, place.providers, snapshot.service_interface());
        }
    }
    Ok(names)
}

/// Why a port has no door.
const NOT_WIRED: &str =
    "the port is not wired on this host: its interface has not appeared, or its rows are not in force";

fn door(
    plane: &impl Plane,
    snapshot: &mut Snapshot,
    place: &Place<'_>,
    request: &TraceRequest,
) -> Result<Door, String> {
    match &request.door {
        Some(trace_request::Door::Port(port)) => {
            let ifindex = plane.interface_of(snapshot, *port).map_err(|error| chain(&error))?;
            Ok(Door::Port { ifindex: ifindex.ok_or(NOT_WIRED)? })
        }
        Some(trace_request::Door::Overlay(TraceTunnel { vni, source, .. })) => {
            let source =
                <[u8; 16]>::try_from(&source[..]).map_err(|_| "an address is 16 bytes".to_owned())?;
            Ok(Door::Overlay { vni: *vni, source: Address(source) })
        }
        Some(trace_request::Door::PhysicalNetwork(name)) => match place.providers.get(name) {
            Some(Some(provider)) => Ok(Door::Provider { ifindex: provider.index }),
            _ => Err(format!("this host has no interface to physical network {name}")),
        },
        None => Err("a door that this release doesn't know; upgrade the agent".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plane::memory::Memory;

    #[test]
    fn a_simulated_host_says_that_it_has_no_tables() {
        let providers = BTreeMap::new();
        let place = Place { revision: 7, pending: 2, providers: &providers };
        let request = TraceRequest { id: 9, ..TraceRequest::default() };
        let reply = Traces::default().answer(&Memory::default(), &place, &request);
        assert_eq!((reply.id, reply.revision, reply.pending), (9, 7, 2));
        assert!(reply.error.contains("simulated"), "{}", reply.error);
    }
}
