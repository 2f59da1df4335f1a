//! Options of `hadron agent`.

use clap::Args;
use hadron_node::FloatingNames;
use hadron_node::connections::TIMEOUTS;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

#[derive(Args, Debug, Clone)]
pub struct Node {
    /// Listener of the node's metrics for Prometheus, without TLS [default: none].
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub node_metrics: Option<SocketAddr>,
    /// Name of this host, the value of a port's `binding:host_id` [default: this machine's host name].
    #[arg(long)]
    pub host: Option<String>,
    /// Address at which other hosts reach this one (its VTEP).
    #[arg(long)]
    pub underlay: Option<IpAddr>,
    /// Availability zone of this host, which the API shows [default: nova].
    #[arg(long, default_value = "", hide_default_value = true)]
    pub availability_zone: String,
    /// Interface to a physical network, as `physnet1:eth1`; may be given several times, or several separated by commas.
    #[arg(long, value_name = "NETWORK:INTERFACE", value_delimiter = ',', value_parser = bridge_mapping)]
    pub bridge_mappings: Vec<(String, String)>,
    /// UDP port of the tunnel.
    #[arg(long, default_value_t = 4789)]
    pub vxlan_port: u16,
    /// Directory for pinned programs and tables, on a bpf file system.
    #[arg(long, default_value = "/sys/fs/bpf/hadron")]
    pub pin_dir: PathBuf,
    /// Sizes of the kernel's tables.
    #[arg(long, default_value = "default", value_parser = ["default", "small"])]
    pub tables: String,
    /// Most connections that are kept for a port at a time [default: an eighth of their table].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub connection_limit: Option<u32>,
    /// Seconds without a packet after which a connection is forgotten, as `udp-established=180`; may be given several times.
    #[arg(long, value_name = "NAME=SECONDS", value_parser = connection_timeout)]
    pub connection_timeout: Vec<(usize, u32)>,
    /// Seconds after its last packet's connection was forgotten for which a remote end of a protocol without ports, as GRE or ESP, stays
    /// this host's towards a router's address; then another host may talk to it.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..))]
    pub remote_end_idle: u32,
    /// File for the lines of ports whose packets are logged [default: standard output].
    #[arg(long)]
    pub packet_log: Option<PathBuf>,
    /// Lines a second that a port's log may have; what is beyond is not counted.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub packet_log_rate: u32,
    /// Address of Nova's metadata service, as http://controller:8775, for instances that aren't registered here.
    #[arg(long, env = "HADRON_NOVA_METADATA_URL", requires = "metadata_secret")]
    pub nova_metadata_url: Option<String>,
    /// The secret that Nova has as metadata_proxy_shared_secret, or @FILE whose first line it is.
    #[arg(long, env = "HADRON_METADATA_SECRET", hide_env_values = true)]
    pub metadata_secret: Option<String>,
    /// Authorities that Nova's certificate comes from, PEM [default: those of the system].
    #[arg(long, requires = "nova_metadata_url")]
    pub nova_metadata_ca: Option<PathBuf>,
    /// Seconds that an answer of Nova's may take; then instances hear that there is none now.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub nova_metadata_timeout: u64,
    /// Name server that instances' questions go to, as 192.0.2.53 or [2001:db8::53]:53; may be given several times, or several separated by
    /// commas. Without one their own network's names are all that there are.
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', value_parser = name_server)]
    pub dns_servers: Vec<SocketAddr>,
    /// How floating IPs of a prefix are called, as 203.0.113.0/24=ip-{address}.cloud.example; may be given several times.
    #[arg(long, value_name = "PREFIX=NAME")]
    pub floating_names: Vec<FloatingNames>,
    /// Domain that instances' names are in, and that they learn by DHCP; empty for none.
    #[arg(long, default_value = "openstacklocal")]
    pub dns_domain: String,
    /// Connections to the metadata address, and questions for names, that a port may begin in a second; 0 for no limit.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub service_rate: u32,
    /// Lines that a port's log may have at once.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(25..))]
    pub packet_log_burst: u32,
}

#[derive(Args, Debug)]
pub struct Agent {
    /// Directory of this node's key, certificate and rows.
    #[arg(long, default_value = "/var/lib/hadron/node", env = "HADRON_NODE_STATE_DIR")]
    pub state_dir: PathBuf,
    /// Ticket of `hadron host ticket`; needed once.
    #[arg(long)]
    pub join: Option<String>,
    /// Takes away everything that this node put into the kernel, and ends.
    #[arg(long)]
    pub cleanup: bool,
    #[command(flatten)]
    pub spans: crate::spans::Options,
    #[command(flatten)]
    pub node: Node,
}

/// A name server; its port is 53 if none is said.
fn name_server(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
    address
        .or_else(|_| text.parse())
        .map_err(|_| "expected an address, as 192.0.2.53 or [2001:db8::53]:53".to_owned())
}

/// A physical network and the interface to it.
pub fn bridge_mapping(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((network, interface)) if !network.is_empty() && (1..=15).contains(&interface.len()) => {
            Ok((network.to_owned(), interface.to_owned()))
        }
        _ => Err("a physical network and an interface are written as physnet1:eth1".to_owned()),
    }
}

/// A place in the table of timeouts, and seconds.
fn connection_timeout(text: &str) -> Result<(usize, u32), String> {
    let (name, seconds) = text.split_once('=').ok_or("expected NAME=SECONDS")?;
    let Some((_, place)) = TIMEOUTS.iter().find(|(known, _)| *known == name) else {
        return Err(format!("there is one of {}", TIMEOUTS.map(|(known, _)| known).join(", ")));
    };
    match seconds.parse() {
        Ok(seconds @ 1..=31_536_000) => Ok((*place, seconds)),
        Ok(_) => Err("seconds are 1 to 31536000, a year".into()),
        Err(error) => Err(format!("{seconds:?}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_named_and_bounded() {
        let places: Vec<_> =
            TIMEOUTS.iter().map(|(name, _)| connection_timeout(&format!("{name}=7"))).collect();
        assert_eq!(places, (0..TIMEOUTS.len()).map(|place| Ok((place, 7))).collect::<Vec<_>>());
        for text in ["udp", "udp=1", "icmp=", "icmp=0", "icmp=-1", "icmp=31536001"] {
            assert!(connection_timeout(text).is_err(), "{text}");
        }
    }
}
