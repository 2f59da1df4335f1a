//! The packet path in the kernel: loads and pins its programs and tables, writes rows, reads counters and punted frames.
//!
//! It owns everything that is spoken to the kernel about BPF: the object embedded at build time, the pin directory, TCX links,
//! rows as the programs read them. It does not decide what a row should say (`project` and `node` do) nor what happens to a
//! packet (`hadron_pipeline` does). Begin reading at [`Datapath::open`].
//!
//! # Survival
//!
//! Tables and links are pinned, so packets flow on by the last state while no agent runs. [`Datapath::open`] takes over what
//! is pinned:
//!
//! - **Same tables** ([`Start::Reused`]): the rows are there, to be compared with what should be. Each link's program is
//!   replaced by this build's, atomically.
//! - **Other table sizes**: a new set of tables is made, all rows are copied, programs are replaced ([`Start::Reused`]).
//! - **Another layout** ([`Start::Rebuilding`]): the old programs go on upon the old tables, while the caller fills the new
//!   ones. [`Datapath::commit`] replaces the programs and drops the old tables.
//!
//! ```no_run
//! # use hadron_datapath::{Config, Datapath, HostConfig, Sizes, table};
//! # fn main() -> hadron_datapath::Result<()> {
//! let host = HostConfig { host: 1, underlay: "192.0.2.1".parse().unwrap(), overlay_ifindex: 9, overlay_mtu: 1450,
//!     timeouts: table::timeout::DEFAULTS };
//! let datapath = Datapath::open(Config { pins: "/sys/fs/bpf/hadron/node1".into(), host, sizes: Sizes::host() })?;
//! datapath.attach_overlay(9)?;
//! // … write the rows of all ports, then attach:
//! datapath.attach_port(12, 7)?;
//! datapath.commit()
//! # }
//! ```
#![deny(unsafe_code)]

mod bpffs;
mod connection;
mod counter;
mod error;
mod followed;
mod inject;
mod kernel;
mod link;
mod map;
mod nat;
mod network;
mod object;
mod observe;
mod punt;
mod records;
mod row;
mod set;
mod size;
mod sys;
mod tables;
mod trace;

pub use connection::Sweep;
pub use counter::Totals;
pub use error::{Error, Result};
pub use followed::FollowedPacket;
pub use hadron_pipeline::{Address, Mac, PuntReason, drop, stage, table};
pub use link::{Attachment, Door};
pub use map::{Map, MapStatus};
pub use nat::Slot;
pub use network::{NetworkState, Networks};
pub use object::OBJECT;
pub use observe::observe;
pub use punt::Punt;
pub use records::Records;
pub use size::Sizes;
pub use tables::Tables;

use hadron_pipeline::program;
use hadron_pipeline::table::LogEvent;
use inject::Injector;
use link::Links;
use nix::fcntl::Flock;
use object::Programs;
use set::Fit;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The programs that are attached to interfaces.
const ATTACHED: &[&str] =
    &[program::FROM_PORT, program::FROM_OVERLAY, program::FROM_PROVIDER, program::FROM_SERVICES];

/// What the packet path must know about its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// The host's number.
    pub host: u32,
    /// The address from which this host's tunnel packets come; its family is that of all tunnel packets.
    pub underlay: IpAddr,
    /// Interface index of the collect-metadata VXLAN device; 0 while there is none.
    pub overlay_ifindex: u32,
    /// Largest inner IP packet of the overlay in bytes: 1450 on a 1500-byte IPv4 underlay, 1430 on IPv6.
    pub overlay_mtu: u32,
    /// Seconds without a packet after which connections are forgotten, by [`table::timeout`].
    pub timeouts: [u32; table::timeout::SLOTS],
}

impl HostConfig {
    fn row(&self) -> table::Config {
        let layout_version = table::LAYOUT_VERSION;
        let underlay = match self.underlay {
            IpAddr::V4(address) => Address::v4(address.octets()),
            IpAddr::V6(address) => Address(address.octets()),
        };
        let HostConfig { host, overlay_ifindex, overlay_mtu, timeouts, .. } = *self;
        table::Config { layout_version, host, overlay_ifindex, overlay_mtu, underlay, timeouts, following: 0 }
    }
}

/// How to open a node's packet path.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directory of this node's own for pinned objects. Below `/sys/fs/bpf` that file system is mounted when it is not;
    /// elsewhere the directory itself becomes a mount point of bpffs.
    pub pins: PathBuf,
    /// The host.
    pub host: HostConfig,
    /// How large the tables are.
    pub sizes: Sizes,
}

/// What was found in the pin directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nothing of use: the tables are empty, and nothing is attached.
    Fresh,
    /// Tables with their rows, in force.
    Reused,
    /// Tables of another layout, in force until [`Datapath::commit`]; those of this build are empty.
    Rebuilding,
}

/// A node's packet path. One process has it open at a time; when it is dropped, or the process dies, everything goes on.
pub struct Datapath {
    pins: PathBuf,
    tables: Tables,
    start: Start,
    state: Mutex<State>,
    programs: Programs,
    injector: Injector,
    sizes: Sizes,
    _claim: Flock<OwnedFd>,
}

struct State {
    links: Links,
    /// Where the tables are pinned.
    directory: PathBuf,
    /// They are not in force yet: links lead to older ones.
    rebuilding: bool,
}

impl Datapath {
    /// Takes over what is pinned, or begins anew; see the head of this crate. Interfaces are those of the calling thread's
    /// network namespace.
    ///
    /// # Errors
    ///
    /// [`Error::KernelTooOld`]; [`Error::Busy`] when another process has the directory open; [`Error::Program`] without
    /// privileges; [`Error::Full`] when pinned rows don't fit the wanted sizes.
    pub fn open(config: Config) -> Result<Datapath> {
        kernel::check()?;
        let Config { pins, host, sizes } = config;
        bpffs::provide(&pins)?;
        let claim = bpffs::claim(&pins)?;
        let mut links = Links::open(&pins)?;
        set::abandon(&pins)?;
        let finished = set::finished(&pins)?;
        let usable = match finished[..] {
            [only] if only.layout == table::LAYOUT_VERSION => Some(only.path(&pins)),
            _ => None,
        };
        let fit = usable.as_ref().map_or(Fit::Incompatible, |path| set::fit(path, &sizes));
        let (mut directory, start) = match (&usable, fit) {
            (Some(path), Fit::Same) => (path.clone(), Start::Reused),
            (Some(_), Fit::OtherSizes) => (set::begin(&pins)?, Start::Reused),
            _ if links.list()?.is_empty() => (set::begin(&pins)?, Start::Fresh),
            _ => (set::begin(&pins)?, Start::Rebuilding),
        };
        let programs = Programs::load(ATTACHED, &directory, &sizes)?;
        if let (Some(old), Fit::OtherSizes) = (&usable, fit) {
            set::copy(old, &directory)?;
        }
        let tables = Tables::open(&directory)?;
        // What a process before this one followed, nobody waits for.
        tables.put_config(&host.row())?;
        tables.follow(&[])?;
        if start == Start::Reused {
            links.replace_programs(&programs)?;
        }
        if start != Start::Rebuilding && fit != Fit::Same {
            directory = set::finish(&pins, table::LAYOUT_VERSION)?;
        }
        tracing::info!(?start, tables = %directory.display(), "packet path opened");
        let state = Mutex::new(State { links, directory, rebuilding: start == Start::Rebuilding });
        let injector = Injector::new()?;
        Ok(Datapath { pins, tables, start, state, programs, injector, sizes, _claim: claim })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What [`Datapath::open`] found.
    pub fn start(&self) -> Start {
        self.start
    }

    /// The tables to write; while rebuilding they are in force for what was attached since, and for nothing else yet.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Ends rebuilding: to be called once every row that should be in the tables is there. Every link gets this build's
    /// program, one after the other and each atomically, then the old tables are dropped. Does nothing at any other time.
    pub fn commit(&self) -> Result<()> {
        let mut state = self.state();
        if state.rebuilding {
            state.links.replace_programs(&self.programs)?;
            state.directory = set::finish(&self.pins, table::LAYOUT_VERSION)?;
            state.rebuilding = false;
            tracing::info!("packet path switched to its new tables");
        }
        Ok(())
    }

    /// Changes what the packet path knows about its host. In force at once.
    pub fn configure(&self, host: &HostConfig) -> Result<()> {
        self.tables.put_config(&host.row())
    }

    /// Attaches the packet path to an instance's interface; again is no error. Packets pass once the rows of the port are
    /// there too, in any order. [`Error::is_interface_gone`] tells that the interface has to be waited for.
    pub fn attach_port(&self, ifindex: u32, port: u32) -> Result<()> {
        self.state().links.attach(Attachment { door: Door::Port(port), ifindex }, &self.programs)
    }

    /// Detaches a port from its interface; false when it was on none. What the instance sends then reaches the host's own
    /// stack: as long as the interface is there, removing the port's rows is the way to silence it, and this is for after.
    pub fn detach_port(&self, port: u32) -> Result<bool> {
        self.state().links.detach(Door::Port(port))
    }

    /// Attaches the packet path to the VXLAN device, which must be `external` and must not learn. Another device that it
    /// was attached to is let go.
    pub fn attach_overlay(&self, ifindex: u32) -> Result<()> {
        self.state().links.attach(Attachment { door: Door::Overlay, ifindex }, &self.programs)
    }

    /// Attaches the packet path to an interface to a physical network; again is no error.
    pub fn attach_provider(&self, ifindex: u32) -> Result<()> {
        self.state().links.attach(Attachment { door: Door::Provider(ifindex), ifindex }, &self.programs)
    }

    /// Detaches an interface to a physical network; false when it was not attached. Its frames are then the host's own again.
    pub fn detach_provider(&self, ifindex: u32) -> Result<bool> {
        self.state().links.detach(Door::Provider(ifindex))
    }

    /// Attaches the packet path to the near end of the pair of interfaces to the sockets of services. Another one that it was
    /// attached to is let go.
    pub fn attach_services(&self, ifindex: u32) -> Result<()> {
        self.state().links.attach(Attachment { door: Door::Services, ifindex }, &self.programs)
    }

    /// Everything that is attached. Links to interfaces that have gone are removed on the way.
    pub fn attachments(&self) -> Result<Vec<Attachment>> {
        self.state().links.list()
    }

    /// The reader of punted frames; one at a time. Must be called, and read, within a tokio runtime. Beyond a limit per port, and beyond
    /// what the ring buffer holds, the packet path drops and counts them.
    pub fn punts(&self) -> Result<Records<Punt>> {
        Records::new(self.tables.punts().fd(), Punt::parse, Error::Punts)
    }

    /// The reader of the ports' logs, likewise. Beyond a limit per port, and beyond what the ring buffer holds, events are lost.
    pub fn logs(&self) -> Result<Records<LogEvent>> {
        Records::new(self.tables.logs().fd(), records::header, Error::Logs)
    }

    /// The reader of packets that are followed, likewise. What the ring buffer has no room for is counted in its row of `FOLLOWS`.
    pub fn followed(&self) -> Result<Records<FollowedPacket>> {
        Records::new(self.tables.followed().fd(), FollowedPacket::parse, Error::Followed)
    }

    /// Sends an Ethernet frame out of an interface of this process's network namespace, to the instance behind it. It must
    /// be whole: checksums filled in, at most the interface's MTU.
    pub fn inject(&self, ifindex: u32, frame: &[u8]) -> Result<()> {
        self.injector.send(ifindex, frame)
    }

    /// Loads one more copy of a program of [`OBJECT`] upon this node's tables, attached to nothing: for `BPF_PROG_TEST_RUN`.
    pub fn load_program(&self, name: &'static str) -> Result<OwnedFd> {
        let directory = self.state().directory.clone();
        Programs::load(&[name], &directory, &self.sizes)?.take(name)
    }

    /// Takes everything away, as [`remove`] does.
    pub fn unload(self) -> Result<()> {
        let Datapath { pins, state, _claim: claim, .. } = self;
        let State { links, .. } = state.into_inner().unwrap_or_else(PoisonError::into_inner);
        clear(links, &pins)?;
        drop(claim);
        Ok(())
    }
}

/// Takes away what a node left in its pin directory: programs off their interfaces, tables, the directory. Instances' packets
/// stop. Needs no program to be loaded, so it also cleans up after a release that this kernel or build can't take over.
///
/// # Errors
///
/// [`Error::Busy`] while an agent has the directory open. A directory that isn't there is no error.
pub fn remove(pins: &Path) -> Result<()> {
    if !pins.exists() {
        return Ok(());
    }
    let _claim = bpffs::claim(pins)?;
    clear(Links::open(pins)?, pins)
}

fn clear(mut links: Links, pins: &Path) -> Result<()> {
    links.clear()?;
    set::remove_all(pins)?;
    bpffs::withdraw(pins)
}
