//! Three instances on a cloud: two on one host, one on another.

use super::peers::{MTU, ip, without_bridge_filter};
use super::{HERE, THERE};
use crate::course::Course;
use crate::traffic::Pair;
use anyhow::{Context, Result};
use hadron_lab::{Instance, Process, Underlay, until};
use hadron_tests::cloud::{Cloud, PATIENCE, Port};

const HOSTS: [&str; 2] = ["compute1", "compute2"];

/// The cloud and its instances.
pub struct Instances {
    guests: [(Instance, Port); 3],
    cloud: Cloud,
}

impl Instances {
    /// Raises the cloud and waits until every port is wired.
    pub fn up() -> Result<Self> {
        let cloud = Cloud::up("path", Underlay::V4, &HOSTS)?;
        without_bridge_filter(cloud.lab.wire())?;
        let network = cloud.network("path")?;
        cloud.subnet(&network, "10.9.0.0/24")?;
        cloud.subnet(&network, "fd09::/64")?;
        let [one, two] = HOSTS;
        let guests = [
            guest(&cloud, &network, "guest1", one)?,
            guest(&cloud, &network, "guest2", one)?,
            guest(&cloud, &network, "guest3", two)?,
        ];
        for (_, port) in &guests {
            cloud.wait_for_status(&port.id, "ACTIVE")?;
        }
        Ok(Self { guests, cloud })
    }

    /// The path within a host, and that between two.
    pub fn courses(&self) -> Result<[Course<'_>; 2]> {
        let [(near, _), here, there] = &self.guests;
        Ok([course(HERE, near, here)?, course(THERE, near, there)?])
    }

    /// The two on one host, by IPv4.
    pub fn within_a_host(&self) -> Result<Pair<'_>> {
        let [(near, _), (far, port), _] = &self.guests;
        Ok(Pair { near, far, address: port.address(false)? })
    }

    /// Follows what the first instance sends, under a name for the log, from when this returns on.
    pub fn follow(&self, name: &str) -> Result<Live> {
        let [(_, from), ..] = &self.guests;
        let arguments = ["trace", "--live", "--json", "--from", &from.id, "--count", "1000", "--for", "60"];
        let live = self.cloud.admin_in_background(name, &arguments)?;
        live.wait_for_log("\"begun\"", PATIENCE)?;
        Ok(Live(live))
    }
}

/// A live trace.
pub struct Live(Process);

impl Live {
    /// Ends it as Ctrl-C does, and waits until it has.
    pub fn end(self) -> Result<()> {
        self.0.interrupt();
        until(PATIENCE, "the live trace ends", || !self.0.is_running()).with_context(|| self.0.log())
    }
}

fn course<'a>(
    name: &'static str,
    near: &'a Instance,
    (far, port): &'a (Instance, Port),
) -> Result<Course<'a>> {
    Ok(Course { name, near, far, addresses: [Some(port.address(false)?), Some(port.address(true)?)] })
}

fn guest(cloud: &Cloud, network: &str, name: &str, host: &str) -> Result<(Instance, Port)> {
    let port = cloud.port(network, host)?;
    let guest = cloud.host(host)?.instance(name, &port.id, &port.mac)?;
    ip(&guest, &["link", "set", "eth0", "mtu", MTU])?;
    guest.add_address(&format!("{}/24", port.address(false)?))?;
    guest.add_address(&format!("{}/64", port.address(true)?))?;
    Ok((guest, port))
}
