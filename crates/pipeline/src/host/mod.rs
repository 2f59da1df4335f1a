//! The pipeline on the host: packets as bytes, tables as hash maps, a clock that is set. Tests, the differential test against
//! the kernel, and whoever wants to know what would become of a packet run it.
//!
//! [`Node`] is one host; put a packet in by [`Node::from_port`], [`Node::from_overlay`], [`Node::from_provider`] or [`Node::from_services`], and read the [`Outcome`].
//! [`trace`] tells what a packet meets on the way.

mod env;
mod prefixes;
mod tables;
pub mod trace;

use std::collections::BTreeSet;
use std::vec::Vec;

use crate::address::Address;
use crate::env::Tunnel;
use crate::packet::Packet;
use crate::table::{Counters, Followed, LogEvent, PuntHeader};
use crate::verdict::Verdict;
use env::Run;
pub use prefixes::{PrefixKey, Prefixes};
pub use tables::Tables;

/// A packet as the kernel holds it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Frame {
    /// From the Ethernet header on.
    pub bytes: Vec<u8>,
    /// Payload bytes of each segment of a GSO frame; 0 for an ordinary one.
    pub gso_size: u32,
    /// The VLAN of a tag that stands beside the bytes.
    pub vlan: Option<u16>,
    /// The transport checksum covers the pseudo-header only, for a device to complete (`CHECKSUM_PARTIAL`).
    pub has_partial_checksum: bool,
}

impl From<Vec<u8>> for Frame {
    fn from(bytes: Vec<u8>) -> Self {
        Frame { bytes, ..Frame::default() }
    }
}

/// One way in which a packet, or a copy, left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Out of an interface.
    Deliver {
        /// The interface.
        ifindex: u32,
        /// What leaves.
        frame: Frame,
    },
    /// Into the overlay.
    Tunnel {
        /// VNI, remote and local address.
        tunnel: Tunnel,
        /// What leaves.
        frame: Frame,
    },
    /// To the host's responders.
    Punt {
        /// What precedes the frame in the ring buffer.
        header: PuntHeader,
        /// What follows it, at most [`crate::table::PUNT_SNAPLEN`] bytes.
        bytes: Vec<u8>,
    },
}

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict, as the kernel's programs leave it in `skb->cb`.
    pub verdict: Verdict,
    /// Everything that left, in order.
    pub outputs: Vec<Output>,
    /// What the ports' logs were told.
    pub events: Vec<LogEvent>,
    /// What who follows the packet was told, with the frame, cut at [`crate::table::FOLLOWED_SNAPLEN`] bytes.
    pub followed: Option<(Followed, Vec<u8>)>,
    /// The packet's own bytes at the end, rewritten or not.
    pub bytes: Vec<u8>,
}

/// One host.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its tables; `METERS` and `PORT_COUNTERS` are written by the pipeline.
    pub tables: Tables,
    /// Monotonic clock in nanoseconds.
    pub now: u64,
    /// Counters of stages and drops.
    pub counters: Counters,
    /// Interfaces that refuse copies, as ones that are down do.
    pub down: BTreeSet<u32>,
    /// The ring buffer for punts has no room.
    pub punts_full: bool,
    /// That for followed packets has none.
    pub followed_full: bool,
}

impl Node {
    /// A host with these tables, at time 0.
    pub fn new(tables: Tables) -> Self {
        Node {
            tables,
            now: 0,
            counters: Counters::ZERO,
            down: BTreeSet::new(),
            punts_full: false,
            followed_full: false,
        }
    }

    /// An instance sends a packet by an interface.
    pub fn from_port(&mut self, ifindex: u32, frame: impl Into<Frame>) -> Outcome {
        let mut run = Run::new(self, frame.into(), ifindex, None);
        let verdict = crate::from_port(&mut run, &mut Packet::EMPTY.clone());
        run.finish(verdict)
    }

    /// The overlay brings a packet.
    pub fn from_overlay(&mut self, vni: u32, source: Address, frame: impl Into<Frame>) -> Outcome {
        let ifindex = self.tables.config.overlay_ifindex;
        let tunnel = Tunnel { vni, remote: source, local: Address::UNSPECIFIED };
        let mut run = Run::new(self, frame.into(), ifindex, Some(tunnel));
        let verdict = crate::from_overlay(&mut run, &mut Packet::EMPTY.clone());
        run.finish(verdict)
    }

    /// The sockets of services send a packet by an interface.
    pub fn from_services(&mut self, ifindex: u32, frame: impl Into<Frame>) -> Outcome {
        let mut run = Run::new(self, frame.into(), ifindex, None);
        let verdict = crate::from_services(&mut run, &mut Packet::EMPTY.clone());
        run.finish(verdict)
    }

    /// A physical network brings a packet by an interface.
    pub fn from_provider(&mut self, ifindex: u32, frame: impl Into<Frame>) -> Outcome {
        let mut run = Run::new(self, frame.into(), ifindex, None);
        let verdict = crate::from_provider(&mut run, &mut Packet::EMPTY.clone());
        run.finish(verdict)
    }
}
