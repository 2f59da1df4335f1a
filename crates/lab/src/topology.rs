//! Labs: their description, their making and their end.

use crate::error::Attempt;
use crate::marks::{self, ProcessId};
use crate::netlink::{self, VethEnd};
use crate::stage::Stage;
use crate::warden::Warden;
use crate::{Host, Instance, LabError, Namespace, Result, is_available};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Where labs have their directories.
pub(crate) const ROOT: &str = "/run/hadron-lab";
/// The file that names the process of a lab that is not persistent.
const OWNER: &str = "owner";
/// The bridge that is the underlay, in a namespace of its own.
const BRIDGE: &str = "underlay";
/// A host's interface on the underlay.
pub(crate) const UPLINK: &str = "underlay";
/// The bridge that is the physical network, and a host's interface on it.
const PHYSICAL: &str = "physical";
/// The kernel raises links in its own time, which is less than this.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// Host numbers are the last octet of an IPv4 address.
const MOST_HOSTS: usize = 254;

/// The address family by which hosts reach each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Underlay {
    /// 172.30.0.1, 172.30.0.2, … /24
    #[default]
    V4,
    /// fd00:30::1, fd00:30::2, … /64, and no IPv4
    V6,
}

impl Underlay {
    /// The address of host `number`, counted from 1.
    pub(crate) fn address(self, number: usize) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(172, 30, 0, number as u8).into(),
            Self::V6 => Ipv6Addr::new(0xfd00, 0x30, 0, 0, 0, 0, 0, number as u16).into(),
        }
    }

    /// The length of the underlay's prefix.
    pub fn prefix_len(self) -> u8 {
        match self {
            Self::V4 => 24,
            Self::V6 => 64,
        }
    }
}

/// What a lab shall be.
#[derive(Clone, Debug)]
#[must_use = "it is nothing before `up`"]
pub struct Topology {
    id: String,
    underlay: Underlay,
    mtu: u32,
    physical: usize,
    hosts: Vec<String>,
}

impl Topology {
    /// A lab whose id begins with `prefix` and is unique on this machine.
    pub fn new(prefix: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self::with_id(format!("{prefix}-{}-{number}", std::process::id()))
    }

    pub(crate) fn with_id(id: String) -> Self {
        Self { id, underlay: Underlay::default(), mtu: 1500, physical: 0, hosts: Vec::new() }
    }

    /// Which family the underlay has [default: IPv4].
    pub fn underlay(mut self, underlay: Underlay) -> Self {
        self.underlay = underlay;
        self
    }

    /// Largest IP packet of the underlay, octets [default: 1500].
    pub fn mtu(mut self, mtu: u32) -> Self {
        self.mtu = mtu;
        self
    }

    /// Gives the hosts another network in common, by an interface `physical` without addresses: see [`Lab::outsider`]. Said again, one more,
    /// by `physical2`.
    pub fn physical(mut self) -> Self {
        self.physical += 1;
        self
    }

    /// Adds a host. Names are host names; addresses follow the order.
    pub fn host(mut self, name: &str) -> Self {
        self.hosts.push(name.to_owned());
        self
    }

    /// Adds hosts.
    pub fn hosts(self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        names.into_iter().fold(self, |topology, name| topology.host(name.as_ref()))
    }

    /// Raises the lab: a bridge in a namespace of its own, and each host with one link to it.
    pub fn up(self) -> Result<Lab> {
        self.check()?;
        sweep();
        let dir = Path::new(ROOT).join(&self.id);
        std::fs::create_dir_all(&dir).attempt(format!("make {}", dir.display()))?;
        let owner = ProcessId::of(std::process::id() as i32);
        let owner = serde_json::to_vec(&owner).expect("two numbers as JSON");
        std::fs::write(dir.join(OWNER), owner).attempt("name the lab's process")?;
        let warden = Warden::post(&self.id, &dir)?;
        // From here on the end of `lab` takes everything away that has been made so far.
        let bridge = Namespace::make(&self.id, "underlay", dir.join(".underlay"), Stage::Bare);
        let mut lab = match bridge {
            Ok(bridge) => Lab {
                id: self.id.clone(),
                dir,
                family: self.underlay,
                bridge: Arc::new(bridge),
                hosts: Vec::new(),
                warden: Some(warden),
            },
            Err(error) => {
                let _ = std::fs::remove_dir_all(&dir);
                return Err(error);
            }
        };
        netlink::add_bridge(&lab.bridge, BRIDGE, self.mtu)?;
        for name in self.physical_networks() {
            netlink::add_bridge(&lab.bridge, &name, self.mtu)?;
        }
        for name in &self.hosts {
            let host = self.raise_host(&lab, name)?;
            lab.hosts.push(host);
        }
        for host in &lab.hosts {
            netlink::wait_until_up(host, UPLINK, SOON)?;
            netlink::wait_until_up(&lab.bridge, host.wire_port(), SOON)?;
        }
        Ok(lab)
    }

    fn check(&self) -> Result<()> {
        if !is_available() {
            return Err(LabError::NotRoot);
        }
        let is_name = |name: &str| {
            (1..=63).contains(&name.len())
                && !name.starts_with('-')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        let mut seen = std::collections::BTreeSet::new();
        for name in self.hosts.iter().chain([&self.id]) {
            if !is_name(name) {
                return Err(LabError::Topology(format!(
                    "{name:?} is no name: letters, digits and hyphens, at most 63"
                )));
            }
            if name == "underlay" || !seen.insert(name) {
                return Err(LabError::Topology(format!("the name {name:?} is taken")));
            }
        }
        if self.hosts.len() > MOST_HOSTS {
            return Err(LabError::Topology(format!("a lab has at most {MOST_HOSTS} hosts")));
        }
        Ok(())
    }

    fn raise_host(&self, lab: &Lab, name: &str) -> Result<Host> {
        let number = lab.hosts.len() + 1;
        let stage = Stage::Host { hosts: self.names() };
        let namespace = Namespace::make(&self.id, name, lab.dir.join(name), stage)?;
        netlink::raise_loopback(&namespace)?;
        let port = format!("to-{number}");
        let mtu = Some(self.mtu);
        netlink::add_veth(
            &VethEnd { namespace: &lab.bridge, name: &port, mac: None, mtu, is_up: true },
            &VethEnd { namespace: &namespace, name: UPLINK, mac: None, mtu, is_up: true },
        )?;
        netlink::join_bridge(&lab.bridge, BRIDGE, &port)?;
        for physical in self.physical_networks() {
            let port = format!("{physical}-{number}");
            netlink::add_veth(
                &VethEnd { namespace: &lab.bridge, name: &port, mac: None, mtu, is_up: true },
                &VethEnd { namespace: &namespace, name: &physical, mac: None, mtu, is_up: true },
            )?;
            netlink::join_bridge(&lab.bridge, &physical, &port)?;
        }
        let physical_port = (self.physical > 0).then(|| format!("{PHYSICAL}-{number}"));
        let address = self.underlay.address(number);
        netlink::add_address(&namespace, UPLINK, address, self.underlay.prefix_len())?;
        let prefix_len = self.underlay.prefix_len();
        Ok(Host::new(namespace, address, prefix_len, Arc::clone(&lab.bridge), port, physical_port))
    }

    /// Names of the physical networks: of their bridge, and of each host's interface.
    fn physical_networks(&self) -> impl Iterator<Item = String> {
        (1..=self.physical).map(|number| match number {
            1 => PHYSICAL.to_owned(),
            _ => format!("{PHYSICAL}{number}"),
        })
    }

    /// The content of `/etc/hosts`.
    fn names(&self) -> String {
        let local = "127.0.0.1 localhost\n::1 localhost\n".to_owned();
        let hosts = self.hosts.iter().enumerate();
        local
            + &hosts.map(|(i, name)| format!("{} {name}\n", self.underlay.address(i + 1))).collect::<String>()
    }
}

/// Hosts that are up. Dropped, it takes everything away.
#[derive(Debug)]
pub struct Lab {
    id: String,
    dir: PathBuf,
    family: Underlay,
    bridge: Arc<Namespace>,
    hosts: Vec<Host>,
    /// `None` once the lab has been made persistent.
    warden: Option<Warden>,
}

impl Lab {
    /// The id, unique on this machine.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The lab's directory; the hosts' are in it.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The family of the underlay.
    pub fn underlay(&self) -> Underlay {
        self.family
    }

    /// The hosts, in the order of their addresses.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// A host by its name.
    pub fn host(&self, name: &str) -> Result<&Host> {
        self.hosts.iter().find(|host| host.name() == name).ok_or_else(|| LabError::NoHost(name.to_owned()))
    }

    /// A machine on the hosts' physical network, which is no host: `eth0` with `mac`, up.
    pub fn outsider(&self, name: &str, mac: &str) -> Result<Instance> {
        self.outsider_on(PHYSICAL, name, mac)
    }

    /// The same on one of several physical networks, by the name of the hosts' interfaces.
    pub fn outsider_on(&self, physical: &str, name: &str, mac: &str) -> Result<Instance> {
        let instance = Instance::boot(&self.bridge, name, &format!("{name:-<11}"), mac)?;
        netlink::join_bridge(&self.bridge, physical, instance.interface_name())?;
        netlink::set_up(&self.bridge, instance.interface_name(), true)?;
        instance.wait_for_link(SOON)?;
        Ok(instance)
    }

    /// The namespace of the bridge between the hosts: a place to capture or to drop what goes over the underlay. The port to the
    /// first host is `to-1`.
    pub fn wire(&self) -> &Namespace {
        &self.bridge
    }

    /// Leaves everything to processes that stay; the caller has written down who they are.
    pub(crate) fn persist(mut self) -> Result<()> {
        std::fs::remove_file(self.dir.join(OWNER)).attempt("make the lab persistent")?;
        if let Some(warden) = self.warden.take() {
            warden.dismiss();
        }
        Ok(())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.warden.is_some() {
            marks::kill_all(&self.id);
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// Takes away what is left of labs whose process is gone without a trace, as after the loss of its warden too. How many there were.
pub fn sweep() -> usize {
    let Ok(entries) = std::fs::read_dir(ROOT) else { return 0 };
    let abandoned = entries.flatten().filter(|entry| is_abandoned(&entry.path()));
    let swept = abandoned.map(|entry| {
        marks::kill_all(&entry.file_name().to_string_lossy());
        std::fs::remove_dir_all(entry.path())
    });
    swept.filter(|result| result.is_ok()).count()
}

/// Whether a lab's directory names a process that is no more. A directory that names none is persistent or just being made.
fn is_abandoned(dir: &Path) -> bool {
    let owner = std::fs::read(dir.join(OWNER)).ok();
    let owner = owner.and_then(|json| serde_json::from_slice::<ProcessId>(&json).ok());
    owner.is_some_and(|owner| !owner.is_alive())
}
