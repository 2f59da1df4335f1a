//! Labs that outlive the process that makes them: `hadron lab up|exec|fault|down`.
//!
//! Each namespace is held by a process that only waits; `/run/hadron-lab/<name>/state.json` says which. Names are those of [`crate::Topology`],
//! but the lab's id is its name.

use crate::error::Attempt;
use crate::fault::{Wire, happen};
use crate::marks::{self, ProcessId};
use crate::topology::{ROOT, Topology, Underlay};
use crate::{Fault, LabError, Namespace, Result};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

const STATE: &str = "state.json";

#[derive(Serialize, Deserialize)]
struct State {
    wire: ProcessId,
    hosts: Vec<HostState>,
}

#[derive(Serialize, Deserialize)]
struct HostState {
    name: String,
    address: IpAddr,
    port: String,
    holder: ProcessId,
}

/// Makes a lab that stays. Names and underlay addresses of its hosts.
pub fn up(name: &str, hosts: &[String], underlay: Underlay, mtu: u32) -> Result<Vec<(String, IpAddr)>> {
    let dir = directory(name)?;
    if dir.exists() && is_alive(name) {
        return Err(LabError::Taken(name.to_owned()));
    }
    clear(name, &dir)?;
    let lab = Topology::with_id(name.to_owned()).underlay(underlay).mtu(mtu).hosts(hosts).up()?;
    let hold = |namespace: &Namespace| {
        let pid = namespace.command("sleep").arg("infinity").detach()?;
        ProcessId::of(pid).ok_or_else(|| LabError::Unsupported("`sleep infinity` ended at once".into()))
    };
    let hosts = lab.hosts().iter().map(|host| {
        Ok(HostState {
            name: host.name().to_owned(),
            address: host.address(),
            port: host.wire_port().to_owned(),
            holder: hold(host)?,
        })
    });
    let state = State { hosts: hosts.collect::<Result<_>>()?, wire: hold(lab.wire())? };
    for (dir, holder) in state.hosts.iter().map(|host| (lab.dir().join(&host.name), &host.holder)) {
        let link = dir.join("net");
        std::fs::remove_file(&link)
            .and_then(|()| std::os::unix::fs::symlink(format!("/proc/{}/ns/net", holder.pid), &link))
            .attempt(format!("make {}", link.display()))?;
    }
    let json = serde_json::to_vec_pretty(&state).expect("names and numbers as JSON");
    std::fs::write(dir.join(STATE), json).attempt("describe the lab")?;
    lab.persist()?;
    Ok(state.hosts.into_iter().map(|host| (host.name, host.address)).collect())
}

/// Runs a program in a host on this process's terminal. Its exit code; 128 and the signal's number if a signal ended it.
pub fn exec(name: &str, host: &str, command: &[String]) -> Result<i32> {
    let Some((program, args)) = command.split_first() else {
        return Err(LabError::Topology("which program?".into()));
    };
    let state = State::read(name)?;
    let namespace = state.host(host)?.enter(name)?;
    let status = namespace.command(program).args(args).foreground()?;
    Ok(status.code().unwrap_or(128 + status.signal().unwrap_or_default()))
}

/// Lets a fault happen to a host; see [`Fault::from_str`](std::str::FromStr::from_str) for its names.
pub fn fault(name: &str, host: &str, kind: &str) -> Result<()> {
    let fault: Fault = kind.parse()?;
    let state = State::read(name)?;
    let host = state.host(host)?;
    let namespace = Namespace::of_process(name, "underlay", directory(name)?, state.wire.pid)?;
    let wire = Wire { namespace: &namespace, port: &host.port };
    happen(&fault, &host.enter(name)?, &wire, Some(host.holder.pid))
}

/// Takes a lab away with all that runs in it.
pub fn down(name: &str) -> Result<()> {
    let dir = directory(name)?;
    if !dir.join(STATE).exists() {
        return Err(LabError::NoLab(name.to_owned()));
    }
    clear(name, &dir)
}

fn clear(name: &str, dir: &Path) -> Result<()> {
    marks::kill_all(name);
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).attempt(format!("remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

/// The directory of a lab; a name must not lead elsewhere.
fn directory(name: &str) -> Result<PathBuf> {
    if name.is_empty() || name.contains(['/', '.']) {
        return Err(LabError::NoLab(name.to_owned()));
    }
    Ok(Path::new(ROOT).join(name))
}

/// Whether a lab is still held. After a restart of the machine its directory may be there without it.
fn is_alive(name: &str) -> bool {
    State::read(name).is_ok_and(|state| state.wire.is_alive())
}

impl State {
    fn read(name: &str) -> Result<Self> {
        let path = directory(name)?.join(STATE);
        let json = std::fs::read(&path).map_err(|_| LabError::NoLab(name.to_owned()))?;
        serde_json::from_slice(&json).map_err(|source| LabError::State { path, source })
    }

    fn host(&self, name: &str) -> Result<&HostState> {
        let host = self.hosts.iter().find(|host| host.name == name && host.holder.is_alive());
        host.ok_or_else(|| LabError::NoHost(name.to_owned()))
    }
}

impl HostState {
    fn enter(&self, lab: &str) -> Result<Namespace> {
        Namespace::of_process(lab, &self.name, directory(lab)?.join(&self.name), self.holder.pid)
    }
}
