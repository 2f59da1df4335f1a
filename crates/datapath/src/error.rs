use std::io;
use std::path::PathBuf;

/// What can go wrong between the agent and the kernel. Sources are in [`std::error::Error::source`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No TCX links before Linux 6.6.
    #[error(
        "the kernel is {release}; the packet path needs Linux 6.6 or newer (TCX links): boot a newer kernel"
    )]
    KernelTooOld {
        /// As `uname -r` says.
        release: String,
    },
    /// Another process has the pin directory open.
    #[error(
        "{path} is in use by another process: stop the other agent of this node, or give this one its own directory"
    )]
    Busy {
        /// The pin directory.
        path: PathBuf,
    },
    /// A file or mount operation.
    #[error("cannot {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The object was refused before its programs were looked at.
    #[error(
        "the kernel refuses the packet path's tables or type information; `dmesg` and the source of this error say why"
    )]
    Object(#[source] Box<aya::EbpfError>),
    /// The verifier refused a program, or the process may not load any.
    #[error(
        "the kernel refuses program {name}; run as root (CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON), else the source is the verifier's log"
    )]
    Program {
        /// Its name.
        name: &'static str,
        /// The kernel's answer.
        source: Box<aya::programs::ProgramError>,
    },
    /// The object lacks something that `pipeline` promises.
    #[error("the object has no {name}: crates/ebpf and crates/pipeline disagree, build both anew")]
    Missing {
        /// A map or program.
        name: &'static str,
    },
    /// A row did not fit.
    #[error(
        "table {table} is full at {capacity} rows: raise its size in the configuration and restart the agent"
    )]
    Full {
        /// Its name.
        table: &'static str,
        /// Its size.
        capacity: u32,
    },
    /// A flood list did not fit.
    #[error(
        "network {network} has more than {limit} ports and hosts to flood to; the rest gets no broadcasts: split the network"
    )]
    FloodListFull {
        /// The network's number.
        network: u32,
        /// Longest list.
        limit: u32,
    },
    /// A table operation.
    #[error("cannot {action} table {table}")]
    Table {
        /// What was tried.
        action: &'static str,
        /// Its name.
        table: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Attaching, replacing or inspecting a program on an interface.
    #[error("cannot {action} interface {ifindex}")]
    Link {
        /// What was tried.
        action: &'static str,
        /// Its index.
        ifindex: u32,
        /// Why not; `ENODEV`: the interface is gone.
        source: io::Error,
    },
    /// The ring buffer of punted frames.
    #[error("cannot read punted frames")]
    Punts(#[source] io::Error),
    /// The ring buffer of followed packets.
    #[error("cannot read the packets that are followed")]
    Followed(#[source] io::Error),
    /// The ring buffer of the ports' logs.
    #[error("cannot read the ports' logs")]
    Logs(#[source] io::Error),
    /// A frame could not be handed to an interface.
    #[error("cannot send a frame out of interface {ifindex}")]
    Inject {
        /// Its index.
        ifindex: u32,
        /// Why not; `ENETDOWN` and `ENXIO`: the interface is down or gone.
        source: io::Error,
    },
}

impl Error {
    /// True when the cause is an interface that has gone or is not up: level-triggered callers just wait for it.
    pub fn is_interface_gone(&self) -> bool {
        let (Error::Link { source, .. } | Error::Inject { source, .. }) = self else { return false };
        matches!(source.raw_os_error(), Some(libc::ENODEV | libc::ENXIO | libc::ENETDOWN))
    }

    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::File { action, path, source }
    }
}

/// Result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
