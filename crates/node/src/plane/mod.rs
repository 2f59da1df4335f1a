//! Where entries are written: the kernel's tables and programs, or memory.
//!
//! [`Plane`] is all that the node asks of the packet path. [`kernel::Kernel`] is the one that forwards packets. [`memory::Memory`] keeps the entries in this process: a node with it
//! and without interfaces is a simulated one, as the scale simulation runs them by the hundred.

mod expedite;
pub mod kernel;
pub mod memory;

use crate::apply::{Key, Value};
use crate::connections::Connections;
use futures_util::stream::BoxStream;
use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::Frame;
use hadron_pipeline::host::trace::{Door as TraceDoor, Snapshot, Walk};
use hadron_pipeline::stage::Stage;
pub use hadron_pipeline::table::PortCounters;
use hadron_pipeline::table::{Follow, Followed, HeardKey, LogEvent, PolicyKey, SegmentKey};
use hadron_pipeline::{Address, Mac, PuntReason};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A write or read that the packet path refused.
#[derive(Debug)]
pub struct PlaneError {
    source: Box<dyn std::error::Error + Send + Sync>,
    is_waiting: bool,
}

impl PlaneError {
    /// Wraps what the packet path said.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: source.into(), is_waiting: false }
    }

    /// As [`PlaneError::new`], for what is no fault: an interface that the node has not yet heard to be gone.
    pub fn waiting(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: source.into(), is_waiting: true }
    }

    /// Whether there is nothing to do but wait.
    pub fn is_waiting(&self) -> bool {
        self.is_waiting
    }
}

impl fmt::Display for PlaneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl std::error::Error for PlaneError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.source()
    }
}

/// How full a table of the packet path is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableStatus {
    /// Its name.
    pub name: &'static str,
    /// Rows in it.
    pub rows: u64,
    /// Rows that fit.
    pub capacity: u32,
    /// Rows that were refused because it was full.
    pub refused: u64,
}

impl TableStatus {
    /// Whether nine tenths are taken: rows that don't fit are ports or neighbours that don't work.
    pub fn is_nearly_full(&self) -> bool {
        self.rows * 10 >= u64::from(self.capacity) * 9
    }
}

const NO_TABLES: &str = "this packet path is simulated and has no tables to trace by";

/// The packet path of a host, as something that holds entries.
pub trait Plane: Send + 'static {
    /// Every entry that is there, written by this process or by one before it.
    fn dump(&mut self) -> Result<Vec<(Key, Value)>, PlaneError>;

    /// The programs that are attached: the part of [`Plane::dump`] that others can take away unnoticed.
    fn attached(&mut self) -> Result<Vec<(Key, Value)>, PlaneError>;

    /// Writes an entry, over the one that is there. The variants of `key` and `value` are the same.
    fn put(&mut self, key: &Key, value: &Value) -> Result<(), PlaneError>;

    /// Removes an entry. One that isn't there is no error.
    fn remove(&mut self, key: &Key) -> Result<(), PlaneError>;

    /// Gives a policy a generation that none had before, so that its connections are judged again.
    fn renew(&mut self, policy: &PolicyKey) -> Result<(), PlaneError>;

    /// Forgets where MACs were announced: those of these pairs of a port and a MAC that it may use no more.
    fn forget_announced(&mut self, sources: &BTreeSet<(u32, Mac)>) -> Result<(), PlaneError>;

    /// Every entry that should be there is there: a plane that was filling new tables behind the back of old ones puts the
    /// new ones in force. Does nothing at any other time.
    fn commit(&mut self) -> Result<(), PlaneError>;

    /// A snapshot of the tables for traces, empty as yet.
    fn snapshot(&self) -> Result<Snapshot, PlaneError> {
        Err(PlaneError::new(NO_TABLES))
    }

    /// The interface of a port of this host.
    fn interface_of(&self, _snapshot: &mut Snapshot, _port: u32) -> Result<Option<u32>, PlaneError> {
        Err(PlaneError::new(NO_TABLES))
    }

    /// The port behind an interface of this host.
    fn port_of(&self, _snapshot: &mut Snapshot, _ifindex: u32) -> Result<Option<u32>, PlaneError> {
        Err(PlaneError::new(NO_TABLES))
    }

    /// Tells what would become of a packet. What it would write is written into the snapshot alone.
    fn walk(&self, _snapshot: &mut Snapshot, _door: TraceDoor, _frame: &Frame) -> Result<Walk, PlaneError> {
        Err(PlaneError::new(NO_TABLES))
    }

    /// The network behind a VNI.
    fn network_of_vni(&self, _snapshot: &mut Snapshot, _vni: u32) -> Result<Option<u32>, PlaneError> {
        Err(PlaneError::new(NO_TABLES))
    }

    /// The network of a VLAN on an interface to a physical network.
    fn network_of_vlan(
        &self,
        _snapshot: &mut Snapshot,
        _place: SegmentKey,
    ) -> Result<Option<u32>, PlaneError> {
        Err(PlaneError::new(NO_TABLES))
    }

    /// Where the overlay brings packets from: VNI of a network and VTEP address of a host.
    fn tunnel_of(
        &self,
        _snapshot: &mut Snapshot,
        _network: u32,
        _host: u32,
    ) -> Result<Option<(u32, Address)>, PlaneError> {
        Err(PlaneError::new(NO_TABLES))
    }

    /// Follows the packets that these rows say, and no others. A row in its old place goes on.
    fn follow(&self, _rows: &[Option<Follow>]) -> Result<(), PlaneError> {
        Err(PlaneError::new(NO_TABLES))
    }

    /// A row of what is followed, with its counts.
    fn followed_by(&self, _slot: usize) -> Result<Follow, PlaneError> {
        Err(PlaneError::new(NO_TABLES))
    }

    /// How full the tables are.
    fn status(&self) -> Vec<TableStatus> {
        Vec::new()
    }
}

/// A frame that the packet path handed to the responders.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Punt {
    /// Number of the port that sent it.
    pub port: u32,
    /// Index of the interface that it came from, for the answer.
    pub ifindex: u32,
    /// What it is; `None` for what this release doesn't answer.
    pub reason: Option<PuntReason>,
    /// The Ethernet frame; its checksums may be partial.
    pub frame: Vec<u8>,
}

/// A packet that is followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FollowedPacket {
    /// What is known of it, and what became of it.
    pub header: Followed,
    /// As it came in, cut at 256 octets.
    pub frame: Vec<u8>,
}

/// A way to send a frame to an instance, as if it came out of the packet path.
pub trait Inject: Send + Sync + 'static {
    /// Sends an Ethernet frame out of the interface of this index, towards the instance.
    fn inject(&self, ifindex: u32, frame: &[u8]) -> std::io::Result<()>;
}

/// Punted frames, one after the other.
pub trait Punts: Send + 'static {
    /// The next one; waits for it. `None` when there will be no more.
    fn next(&mut self) -> impl Future<Output = Option<Punt>> + Send;
}

impl Punts for mpsc::Receiver<Punt> {
    fn next(&mut self) -> impl Future<Output = Option<Punt>> + Send {
        self.recv()
    }
}

/// Who asks services, as the packet path remembers it.
pub trait Sessions: Send + Sync + 'static {
    /// The address from which an instance asks, by what stands for it: address, source port, protocol.
    fn guest(&self, address: IpAddr, port: u16, protocol: u8) -> Option<IpAddr>;
}

/// When something was last heard of whom the node watches.
pub trait Heard: Send + Sync + 'static {
    /// Watches these, and nobody else. Who was watched before keeps what is known of it.
    fn watch(&self, keys: &BTreeSet<HeardKey>) -> Result<(), PlaneError>;
    /// Nanoseconds of the monotonic clock; 0 for never.
    fn at(&self, key: &HeardKey) -> u64;
    /// The MAC that a next hop outside has told.
    fn mac(&self, key: &HeardKey) -> Option<Mac>;
}

/// What the packet path has counted since its tables were made.
#[derive(Clone, Debug, Default)]
pub struct PathCounters {
    /// Packets by stage.
    pub stages: Vec<(Stage, u64)>,
    /// Drops by reason.
    pub drops: Vec<(DropReason, u64)>,
    /// By port's number.
    pub ports: Vec<(u32, PortCounters)>,
    /// What rules allowed, by their numbers.
    pub rules: Vec<(u32, u64)>,
}

/// A packet path that counts.
pub trait Counted: Send + Sync + 'static {
    /// Its counters at this moment.
    fn counters(&self) -> Result<PathCounters, PlaneError>;
}

/// A plane with its way for frames to and from the responders.
pub struct PlaneParts<P, Q> {
    /// The entries.
    pub plane: P,
    /// Frames for the responders.
    pub punts: Q,
    /// Their answers.
    pub inject: Arc<dyn Inject>,
    /// What is logged of ports' packets.
    pub logs: BoxStream<'static, LogEvent>,
    /// Packets that are followed.
    pub followed: BoxStream<'static, FollowedPacket>,
    /// The connections that are kept.
    pub connections: Arc<dyn Connections>,
    /// Who asks services.
    pub sessions: Arc<dyn Sessions>,
    /// Who is still there; `None` where nobody can be asked.
    pub heard: Option<Arc<dyn Heard>>,
    /// What is counted; `None` where nothing is.
    pub counted: Option<Arc<dyn Counted>>,
}
