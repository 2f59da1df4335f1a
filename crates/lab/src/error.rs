//! What can go wrong with a lab.

use std::path::PathBuf;
use std::time::Duration;

/// Why a lab did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A system call or file operation failed.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was attempted.
        doing: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The kernel refused a request about links or addresses.
    #[error("cannot {doing}: {source}")]
    Netlink {
        /// What was attempted.
        doing: String,
        /// Why it failed.
        source: rtnetlink::Error,
    },
    /// The process is not root.
    #[error("a lab needs root for its network namespaces; run this as root")]
    NotRoot,
    /// A host of this name is not part of the lab.
    #[error("the lab has no host {0:?}")]
    NoHost(String),
    /// A topology that can't be.
    #[error("{0}")]
    Topology(String),
    /// There is no persistent lab of this name.
    #[error("there is no lab {0:?}; make it with `hadron lab up`")]
    NoLab(String),
    /// A persistent lab of this name is there already.
    #[error("there is a lab {0:?} already; take it away with `hadron lab down`")]
    Taken(String),
    /// Something did not come about in time.
    #[error("{what}: not within {within:?}")]
    Deadline {
        /// What was waited for.
        what: String,
        /// How long.
        within: Duration,
    },
    /// A program ended with a failure.
    #[error("`{command}` in {namespace}: {status}\n{stderr}")]
    Failed {
        /// Program and arguments.
        command: String,
        /// Name of the host or instance.
        namespace: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it wrote to standard error.
        stderr: String,
    },
    /// A program wrote what was not expected.
    #[error("cannot make sense of {what}: {text:?}")]
    Unintelligible {
        /// Of which program.
        what: &'static str,
        /// What it wrote.
        text: String,
    },
    /// More passed an interface than was asked for in time.
    #[error("{frames} frames at {interface} were not captured: the room for them was full")]
    Lost {
        /// The interface.
        interface: String,
        /// How many.
        frames: u32,
    },
    /// The machine lacks something.
    #[error("{0}")]
    Unsupported(String),
    /// The file that describes a persistent lab can't be read.
    #[error("{}: {source}; take the lab away with `hadron lab down`", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A fault that is not known.
    #[error(
        "no fault {0:?}; there are partition, link-down, delay=<n>ms, loss=<percent>, heal, kill, pause and resume"
    )]
    NoFault(String),
}

/// Says what was attempted when a system call fails.
pub(crate) trait Attempt<T> {
    fn attempt(self, doing: impl Into<String>) -> Result<T, LabError>;
}

impl<T, E: Into<std::io::Error>> Attempt<T> for Result<T, E> {
    fn attempt(self, doing: impl Into<String>) -> Result<T, LabError> {
        self.map_err(|error| LabError::Io { doing: doing.into(), source: error.into() })
    }
}
