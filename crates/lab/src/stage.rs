//! The files that a host or an instance sees differently from the machine.
//!
//! `/sys` is left alone: a new one would hide the bpf file system. It therefore shows the machine's interfaces; `ip` and netlink show
//! the right ones.

use crate::Result;
use crate::error::Attempt;
use nix::mount::{MsFlags, mount};
use std::path::Path;

/// What is set up.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// Nothing but the network.
    Bare,
    /// `/var/lib` empty and `/sys/fs/bpf` of its own, both surviving the host's processes; `/etc/hosts` as given.
    Host {
        /// The content of `/etc/hosts`.
        hosts: String,
    },
    /// `/var/lib` empty, `/etc/resolv.conf` an empty file of its own.
    Guest,
}

/// Sets up the calling thread's mount namespace and the kernel's settings of its network namespace.
pub(crate) fn set(stage: Stage, dir: &Path) -> Result<()> {
    // What the machine mounts later is seen here too; what is mounted here is not seen there.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SLAVE, None::<&str>)
        .attempt("part from the machine's mounts")?;
    sysctl("net/ipv6/conf/all/disable_ipv6", "0")?;
    sysctl("net/ipv6/conf/default/disable_ipv6", "0")?;
    // Addresses are given by hand and are usable at once.
    sysctl("net/ipv6/conf/default/accept_dad", "0")?;
    sysctl("net/ipv6/conf/default/dad_transmits", "0")?;
    match stage {
        Stage::Bare => Ok(()),
        Stage::Host { hosts } => {
            file_system("tmpfs", "/var/lib")?;
            file_system("bpf", "/sys/fs/bpf")?;
            // A router solicitation of the host's own has no business on the underlay.
            sysctl("net/ipv6/conf/default/accept_ra", "0")?;
            own_file(dir, "hosts", &hosts, "/etc/hosts")
        }
        Stage::Guest => {
            file_system("tmpfs", "/var/lib")?;
            own_file(dir, "resolv.conf", "", "/etc/resolv.conf")
        }
    }
}

fn sysctl(name: &str, value: &str) -> Result<()> {
    std::fs::write(format!("/proc/sys/{name}"), value).attempt(format!("set {name}"))
}

fn file_system(kind: &str, target: &str) -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some(kind), target, Some(kind), flags, None::<&str>).attempt(format!("mount {kind} on {target}"))
}

fn own_file(dir: &Path, name: &str, content: &str, target: &str) -> Result<()> {
    let source = dir.join(name);
    std::fs::write(&source, content).attempt(format!("write {}", source.display()))?;
    if !Path::new(target).exists() {
        return Ok(());
    }
    mount(Some(&source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .attempt(format!("mount {} on {target}", source.display()))
}
