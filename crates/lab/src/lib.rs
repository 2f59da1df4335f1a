//! Hosts on one machine: network namespaces with an underlay between them, instances on them, processes in them, and faults.
//!
//! This room owns the stage and not the play: it knows nothing of hadron. [`Topology`] raises a [`Lab`] of [`Host`]s; a host starts
//! programs and takes [`Instance`]s, whose interface `tap…` appears in the host as a hypervisor would make it. [`persistent`] is the same
//! for a lab that outlives the process that made it (`hadron lab`).
//!
//! ```no_run
//! use hadron_lab::{Fault, Topology, Underlay};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), hadron_lab::LabError> {
//! let lab = Topology::new("ping").underlay(Underlay::V6).hosts(["compute1", "compute2"]).up()?;
//! let (one, two) = (lab.host("compute1")?, lab.host("compute2")?);
//! assert_eq!(one.ping(two.address()).count(3).run()?.lost(), 0);
//! two.fault(&Fault::Partition)?;
//! assert_eq!(one.ping(two.address()).count(3).run()?.received, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # What is left behind: nothing
//!
//! | what | goes with |
//! |---|---|
//! | namespaces | anonymous: their last process or descriptor; with them the interfaces, bpf file systems and private directories |
//! | processes | the handle, the lab, or the process that made it (`PR_SET_PDEATHSIG`); strays are found by a mark in their environment |
//! | the lab's directory | the lab; after `SIGKILL` the warden, a shell that waits for the end of a pipe |
//!
//! The machine's own namespaces are entered by nothing here. Everything needs root; [`is_available`] says whether it is there.
//!
//! # Where to look from outside
//!
//! `/run/hadron-lab/<id>/<host>/` holds the host's logs and files, and `…/net` leads to its network namespace while the lab lives:
//! `nsenter --net=/run/hadron-lab/<id>/compute1/net ip address`.
//!
//! Begin reading with [`Topology::up`], then `namespace.rs`.

#![deny(unsafe_op_in_unsafe_fn)]

mod capture;
mod command;
mod deadline;
mod dhclient;
mod error;
mod etcd;
mod fault;
mod frames;
mod host;
mod instance;
mod marks;
mod namespace;
mod netlink;
pub mod persistent;
mod ping;
mod process;
mod stage;
mod topology;
mod traffic;
mod warden;

pub use capture::{Capture, Captured};
pub use command::{Command, Output};
pub use deadline::until;
pub use error::LabError;
pub use etcd::Etcd;
pub use fault::Fault;
pub use frames::FrameSocket;
pub use host::Host;
pub use instance::Instance;
pub use namespace::Namespace;
pub use ping::{Ping, PingReport, RunningPing};
pub use process::Process;
pub use topology::{Lab, Topology, Underlay, sweep};
pub use traffic::{Echo, Flow, FlowReport};

/// The result of everything here.
pub type Result<T> = std::result::Result<T, LabError>;

/// Whether this process may make namespaces. Tests that find it false say so, and count as skipped.
pub fn is_available() -> bool {
    nix::unistd::geteuid().is_root() && std::path::Path::new("/proc/self/ns/net").exists()
}
