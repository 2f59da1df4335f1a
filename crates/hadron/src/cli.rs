//! The command line. One variant per command; the modules beside this one carry them out.

use clap::{Args, Parser, Subcommand};
use hadron_control::VlanRange;
use hadron_control::publication::ReverseZones;
use hadron_node::FloatingNames;
use hadron_node::connections::TIMEOUTS;
use hadron_server::UpdateAlgorithm;
use hadron_store::etcd::EtcdOptions;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// The network of a cloud, from the API call to the packet.
#[derive(Parser, Debug)]
#[command(version, max_term_width = 110)]
pub struct Cli {
    /// What is logged, as `info` or `hadron_node=debug,info`.
    #[arg(long, global = true, default_value = "info", env = "HADRON_LOG")]
    pub log: String,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// One host with API, identity and node in one process.
    Up(Box<Up>),
    /// The control plane: API, identity and the nodes' listener.
    Server(Box<Server>),
    /// The node of a host.
    Agent(Box<Agent>),
    /// Hosts of a running server: tickets to join, list, removal.
    Host(HostCommand),
    /// What instances are told of themselves, without a Nova that tells them.
    Instance(InstanceCommand),
    /// Replaces the keys that sign the identity service's tokens; the old ones verify until their tokens have expired.
    RotateKeys(Admin),
    /// Makes a new certificate authority, which signs from now on; what the old one signed stays good until it ends.
    RotateAuthority(Admin),
    /// Gives the user admin a new random password and its rights back; its tokens end.
    RecoverAdmin(Admin),
    /// Writes a consistent copy of a running server's store.
    Backup(Backup),
    /// Makes a store from a backup, with a history of its own.
    Restore(Restore),
    /// Shows what the packet path of this host's node counts: packets by stage, drops by reason, traffic by port, what rules allowed.
    Counters(Counters),
    /// Hosts and ports of a running server: what is not in force, and why.
    Status(Status),
    /// On which of the hosts that need an object its last change is in force.
    Receipt(crate::receipt::Options),
    /// What this host's packet path does at this moment: talkers, drops, connections.
    Top(Top),
    /// Looks at this host: kernel, limits, interfaces, underlay, clock, certificate, tables, leftovers of other systems; says what is wrong, and what to do.
    Doctor(crate::doctor::Options),
    /// Tells where a packet would go and why, there and back, by the live tables of the hosts; nothing is sent or changed.
    Trace(Box<crate::trace::Options>),
    /// The rules that decide who may do what: shows them, or checks a file before a server reads it.
    Policy(PolicyCommand),
    /// Hosts as network namespaces on this machine.
    Lab(Lab),
}

#[derive(Args, Debug)]
pub struct Status {
    #[command(flatten)]
    pub admin: Admin,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct Top {
    /// Directory of the node's pinned programs and tables.
    #[arg(long, default_value = "/sys/fs/bpf/hadron")]
    pub pin_dir: PathBuf,
    /// Seconds between two looks.
    #[arg(long, default_value_t = 1.0, value_parser = interval)]
    pub interval: f64,
    /// Ends after so many.
    #[arg(long)]
    pub count: Option<u64>,
    /// Most ports and reasons that are shown.
    #[arg(long, default_value_t = 15)]
    pub lines: usize,
}

/// A tenth of a second to an hour.
fn interval(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds".to_owned())?;
    if (0.1..=3600.0).contains(&seconds) { Ok(seconds) } else { Err("0.1 to 3600 seconds".to_owned()) }
}

#[derive(Args, Debug)]
pub struct Counters {
    /// Directory of the node's pinned programs and tables.
    #[arg(long, default_value = "/sys/fs/bpf/hadron")]
    pub pin_dir: PathBuf,
    /// One JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug, Clone)]
pub struct Server {
    /// Directory of the store, the authority's certificate and the administration socket.
    #[arg(long, default_value = "/var/lib/hadron/server", env = "HADRON_STATE_DIR")]
    pub state_dir: PathBuf,
    #[command(flatten)]
    pub store: Store,
    /// Listener of the Networking API.
    #[arg(long, default_value = "[::]:9696")]
    pub api: SocketAddr,
    /// Listener of the identity service.
    #[arg(long, default_value = "[::]:5000")]
    pub identity: SocketAddr,
    /// Listener for nodes.
    #[arg(long, default_value = "[::]:9697")]
    pub nodes: SocketAddr,
    /// Listener of metrics for Prometheus, without TLS [default: none].
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics: Option<SocketAddr>,
    /// File in which every commit, and every request that would change something, is written down as a line of JSON [default: none].
    #[arg(long, value_name = "FILE")]
    pub audit_log: Option<PathBuf>,
    #[command(flatten)]
    pub spans: crate::spans::Options,
    /// Name or address under which clients and nodes reach this server [default: this machine's host name].
    #[arg(long)]
    pub public_name: Option<String>,
    /// NAME:PORT of every server's listener for nodes, with commas between them: goes into tickets [default: this server's alone].
    #[arg(long, value_delimiter = ',')]
    pub node_servers: Vec<String>,
    /// Region in the service catalogue.
    #[arg(long, default_value = "RegionOne")]
    pub region: String,
    /// First and last VNI for networks of projects.
    #[arg(long, default_value = "1-8000000", value_parser = vni_range)]
    pub vnis: (u32, u32),
    /// VLANs for networks that name none, as `physnet1:100:199`; may be given several times, or several separated by commas.
    #[arg(long, value_name = "NETWORK:FIRST:LAST", value_delimiter = ',', value_parser = vlan_range)]
    pub network_vlan_ranges: Vec<VlanRange>,
    /// Largest IP packet of the underlay, octets.
    #[arg(long, default_value_t = 1500, value_parser = clap::value_parser!(u32).range(1280..=65535))]
    pub underlay_mtu: u32,
    /// Whether hosts reach each other by IPv6.
    #[arg(long)]
    pub underlay_ipv6: bool,
    /// Networks that a project may have, -1 for no limit.
    #[arg(long, default_value_t = 100, allow_hyphen_values = true, value_parser = clap::value_parser!(i64).range(-1..))]
    pub quota_network: i64,
    /// Subnets that a project may have, -1 for no limit.
    #[arg(long, default_value_t = 100, allow_hyphen_values = true, value_parser = clap::value_parser!(i64).range(-1..))]
    pub quota_subnet: i64,
    /// Ports that a project may have, -1 for no limit.
    #[arg(long, default_value_t = 500, allow_hyphen_values = true, value_parser = clap::value_parser!(i64).range(-1..))]
    pub quota_port: i64,
    /// Security groups that a project may have, the default one included, -1 for no limit.
    #[arg(long, default_value_t = 10, allow_hyphen_values = true, value_parser = clap::value_parser!(i64).range(-1..))]
    pub quota_security_group: i64,
    /// Security group rules that a project may have, -1 for no limit.
    #[arg(long, default_value_t = 100, allow_hyphen_values = true, value_parser = clap::value_parser!(i64).range(-1..))]
    pub quota_security_group_rule: i64,
    /// Address groups that a project may have, -1 for no limit.
    #[arg(long, default_value_t = -1, allow_hyphen_values = true, value_parser = clap::value_parser!(i64).range(-1..))]
    pub quota_address_group: i64,
    /// Policies that share objects that a project may have, -1 for no limit.
    #[arg(long, default_value_t = 10, allow_hyphen_values = true, value_parser = clap::value_parser!(i64).range(-1..))]
    pub quota_rbac_policy: i64,
    /// Subnet pools that a project may have, -1 for no limit.
    #[arg(long, default_value_t = -1, allow_hyphen_values = true, value_parser = clap::value_parser!(i64).range(-1..))]
    pub quota_subnetpool: i64,
    /// Routers that a project may have, -1 for no limit.
    #[arg(long, default_value_t = 10, allow_hyphen_values = true, value_parser = clap::value_parser!(i64).range(-1..))]
    pub quota_router: i64,
    /// Extra routes that a router may have, -1 for no limit.
    #[arg(long, default_value_t = 30, allow_hyphen_values = true, value_parser = clap::value_parser!(i64).range(-1..))]
    pub quota_router_route: i64,
    /// Floating IPs that a project may have, -1 for no limit.
    #[arg(long, default_value_t = 50, allow_hyphen_values = true, value_parser = clap::value_parser!(i64).range(-1..))]
    pub quota_floatingip: i64,
    #[command(flatten)]
    pub keystone: Keystone,
    #[command(flatten)]
    pub policy: PolicyFiles,
    #[command(flatten)]
    pub limits: Limits,
    #[command(flatten)]
    pub dns_update: DnsUpdate,
    /// How long a token of the identity service lasts, seconds.
    #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(u64).range(60..))]
    pub token_lifetime: u64,
    /// How long instances may use an address that they got by DHCP, seconds; -1 for ever.
    #[arg(long, default_value_t = 86_400, allow_hyphen_values = true, value_parser = lease_duration)]
    pub dhcp_lease_duration: i64,
}

/// A name server outside that gets the names of ports and floating IPs by dynamic updates (RFC 2136).
#[derive(Args, Debug, Clone)]
pub struct DnsUpdate {
    /// Name server to which names of ports and floating IPs are published, by TCP [default: none].
    #[arg(long, value_name = "ADDRESS:PORT", requires = "dns_update_key", requires = "dns_update_key_file")]
    pub dns_update_server: Option<SocketAddr>,
    /// Zones in which names are published, with commas between them.
    #[arg(long, value_name = "ZONE", value_delimiter = ',', requires = "dns_update_server")]
    pub dns_update_zones: Vec<String>,
    /// Addresses whose reverse names are published: a prefix that is a zone, or PREFIX=LENGTH for zones of that length; with commas.
    #[arg(long, value_name = "PREFIX[=LENGTH]", value_delimiter = ',', requires = "dns_update_server")]
    pub dns_update_reverse: Vec<ReverseZones>,
    /// Name of the key that updates are signed with (TSIG).
    #[arg(long, value_name = "NAME", requires = "dns_update_server")]
    pub dns_update_key: Option<String>,
    /// hmac-sha256, hmac-sha384 or hmac-sha512.
    #[arg(long, default_value = "hmac-sha256")]
    pub dns_update_key_algorithm: UpdateAlgorithm,
    /// File with the key's secret in Base64, which only its owner may read.
    #[arg(long, value_name = "FILE", requires = "dns_update_server")]
    pub dns_update_key_file: Option<PathBuf>,
    /// How long others may keep what is published, seconds.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub dns_update_ttl: u32,
}

/// -1, or as many seconds as fit 32 bits; less than ten would be renewals without end.
fn lease_duration(text: &str) -> Result<i64, String> {
    let seconds: i64 = text.parse().map_err(|_| "a number of seconds, or -1".to_owned())?;
    match seconds {
        -1 | 10..=4_294_967_294 => Ok(seconds),
        _ => Err("10 to 4294967294 seconds, or -1 for ever".to_owned()),
    }
}

/// What clients of the Networking API and of the identity service may cost.
#[derive(Args, Debug, Clone)]
pub struct Limits {
    /// Connections of clients at once, of each of the two listeners; more are closed.
    #[arg(long, default_value_t = 8192, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: u32,
    /// Seconds that a client may take to send the head of a request, and that a connection may be idle.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub head_timeout: u64,
    /// Seconds that a client may take to send a body, and that it may take nothing of its answer.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub body_timeout: u64,
    /// Largest body of a request to the Networking API, octets.
    #[arg(long, default_value_t = 4 << 20, value_parser = clap::value_parser!(u32).range(65536..=1 << 30))]
    pub max_body: u32,
}

/// Where the model is kept.
#[derive(Args, Debug, Clone)]
pub struct Store {
    /// etcd://HOST:PORT[,HOST:PORT …][/PREFIX] for a store that several servers share [default: a file in the state directory].
    #[arg(long, env = "HADRON_STORE")]
    pub store: Option<EtcdOptions>,
    /// Authorities that etcd's certificates come from, PEM; switches TLS on.
    #[arg(long, requires = "store")]
    pub etcd_ca: Option<PathBuf>,
    /// Certificate to show to etcd, PEM.
    #[arg(long, requires = "etcd_ca", requires = "etcd_key")]
    pub etcd_cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, requires = "etcd_cert")]
    pub etcd_key: Option<PathBuf>,
    /// User of etcd.
    #[arg(long, requires = "etcd_password_file")]
    pub etcd_user: Option<String>,
    /// File whose first line is the user's password.
    #[arg(long, requires = "etcd_user")]
    pub etcd_password_file: Option<PathBuf>,
    /// Seconds that one request to etcd may take.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub etcd_timeout: u64,
}

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
pub struct InstanceCommand {
    #[command(flatten)]
    pub admin: Admin,
    #[command(subcommand)]
    pub action: InstanceAction,
}

#[derive(Subcommand, Debug)]
pub enum InstanceAction {
    /// Registers an instance, in place of what was registered before; see docs/instance-services.md for the JSON object.
    Register {
        /// `device_id` of its ports.
        id: String,
        /// File with the JSON object, - for standard input.
        #[arg(default_value = "-")]
        file: PathBuf,
    },
    /// Forgets an instance.
    Forget {
        /// `device_id` of its ports.
        id: String,
    },
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

#[derive(Args, Debug)]
pub struct Up {
    #[command(flatten)]
    pub server: Server,
    #[command(flatten)]
    pub node: Node,
}

/// The Keystone that validates tokens in place of the embedded identity. Its service user's password is in the environment variable
/// `HADRON_KEYSTONE_PASSWORD` or in a file.
#[derive(Args, Debug, Clone)]
pub struct Keystone {
    /// Address of Keystone, as https://keystone.example:5000; without it the embedded identity is used.
    #[arg(long, env = "HADRON_KEYSTONE_URL")]
    pub keystone_url: Option<String>,
    /// Address of Keystone that clients are told, if it is another.
    #[arg(long, env = "HADRON_KEYSTONE_PUBLIC_URL")]
    pub keystone_public_url: Option<String>,
    /// Service user as which Keystone is asked.
    #[arg(long, default_value = "neutron", env = "HADRON_KEYSTONE_USER")]
    pub keystone_user: String,
    /// Domain of the service user, by name.
    #[arg(long, default_value = "Default", env = "HADRON_KEYSTONE_USER_DOMAIN")]
    pub keystone_user_domain: String,
    /// Project of the service user, by name.
    #[arg(long, default_value = "service", env = "HADRON_KEYSTONE_PROJECT")]
    pub keystone_project: String,
    /// Domain of the service user's project, by name.
    #[arg(long, default_value = "Default", env = "HADRON_KEYSTONE_PROJECT_DOMAIN")]
    pub keystone_project_domain: String,
    /// File with the service user's password.
    #[arg(long, env = "HADRON_KEYSTONE_PASSWORD_FILE")]
    pub keystone_password_file: Option<PathBuf>,
    /// File of the certificate authorities of Keystone, PEM [default: those of this machine].
    #[arg(long, env = "HADRON_KEYSTONE_CA")]
    pub keystone_ca: Option<PathBuf>,
    /// How long Keystone may take to validate a token, seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub keystone_timeout: u64,
    /// How long Keystone's answer about a token is used again, seconds; what is revoked ends no later. 0 asks on every request.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub keystone_cache_time: u64,
    /// Most tokens that are remembered.
    #[arg(long, default_value_t = 32768, value_parser = clap::value_parser!(u32).range(32..))]
    pub keystone_cache_tokens: u32,
}

/// Where rules come from.
#[derive(Args, Debug, Clone)]
pub struct PolicyFiles {
    /// File with rules in oslo.policy's language that override the defaults, YAML or JSON; may be given several times, later ones
    /// override earlier ones. Read again when it changes and at SIGHUP.
    #[arg(long = "policy-file", env = "HADRON_POLICY_FILE", value_delimiter = ':')]
    pub files: Vec<PathBuf>,
    /// Whether only today's default rules count; `false` lets pass what their deprecated forms let pass, too.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    pub enforce_new_defaults: bool,
}

#[derive(Args, Debug)]
pub struct PolicyCommand {
    #[command(subcommand)]
    pub action: PolicyAction,
}

#[derive(Subcommand, Debug)]
pub enum PolicyAction {
    /// Prints every rule in force as a policy file.
    Show {
        #[command(flatten)]
        policy: PolicyFiles,
        /// Only rules that are not the defaults.
        #[arg(long)]
        changed: bool,
    },
    /// Checks files: exit status 1 if a server would refuse them; warnings go to standard error.
    Check {
        #[command(flatten)]
        policy: PolicyFiles,
    },
    /// Tells which rules a caller passes: exit status 1 if it fails one.
    Ask {
        #[command(flatten)]
        policy: PolicyFiles,
        /// Names of rules, as `create_network`; all if none is given.
        rules: Vec<String>,
        /// A role of the caller, with what it implies; may be given several times.
        #[arg(long = "role")]
        roles: Vec<String>,
        /// Project of the caller's token.
        #[arg(long)]
        project: Option<String>,
        /// User of the caller's token.
        #[arg(long, default_value = "user")]
        user: String,
        /// An attribute of the object, as `project_id=demo`; may be given several times. Without any, the object is the caller's.
        #[arg(long = "target", value_name = "NAME=VALUE", value_parser = name_and_value)]
        target: Vec<(String, String)>,
    },
}

/// How to reach a running server as its administrator.
#[derive(Args, Debug)]
pub struct Admin {
    /// State directory of the server; its socket is in it.
    #[arg(long, default_value = "/var/lib/hadron/server", env = "HADRON_STATE_DIR")]
    pub state_dir: PathBuf,
}

#[derive(Args, Debug)]
pub struct HostCommand {
    #[command(flatten)]
    pub admin: Admin,
    #[command(subcommand)]
    pub action: HostAction,
}

#[derive(Subcommand, Debug)]
pub enum HostAction {
    /// Prints a ticket that lets one node join.
    Ticket {
        /// The host name that it is limited to.
        #[arg(long)]
        name: Option<String>,
        /// Seconds until it ends.
        #[arg(long, default_value_t = 3600)]
        lifetime: u64,
    },
    /// Lists hosts, their addresses and whether their node is connected.
    List,
    /// Removes a host: its certificate is refused from now on.
    Remove {
        /// Host name.
        name: String,
        /// Also when ports are bound to it.
        #[arg(long)]
        force: bool,
    },
}

#[derive(Args, Debug)]
pub struct Backup {
    #[command(flatten)]
    pub admin: Admin,
    /// File to write; must not exist.
    pub file: PathBuf,
}

#[derive(Args, Debug)]
pub struct Restore {
    #[command(flatten)]
    pub admin: Admin,
    /// File that `hadron backup` wrote.
    pub file: PathBuf,
}

#[derive(Args, Debug)]
pub struct Lab {
    /// Name of the lab.
    #[arg(long, default_value = "lab")]
    pub name: String,
    #[command(subcommand)]
    pub action: LabAction,
}

#[derive(Subcommand, Debug)]
pub enum LabAction {
    /// Makes hosts and an underlay between them.
    Up {
        /// Host names.
        #[arg(default_values_t = ["controller".to_owned(), "compute1".to_owned(), "compute2".to_owned()])]
        hosts: Vec<String>,
        /// Whether the underlay is IPv6.
        #[arg(long)]
        ipv6: bool,
    },
    /// Runs a program in a host.
    Exec {
        /// Host name.
        host: String,
        /// Program and arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Breaks or mends a host.
    Fault {
        /// Host name.
        host: String,
        /// What happens to it.
        kind: String,
    },
    /// Takes a lab away.
    Down,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// A physical network and the interface to it.
fn name_server(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
    address
        .or_else(|_| text.parse())
        .map_err(|_| "expected an address, as 192.0.2.53 or [2001:db8::53]:53".to_owned())
}

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

/// A physical network and VLANs of it.
fn vlan_range(text: &str) -> Result<VlanRange, String> {
    let form = || "a physical network and its VLANs are written as physnet1:100:199".to_owned();
    let (rest, last) = text.rsplit_once(':').ok_or_else(form)?;
    let (network, first) =
        rest.rsplit_once(':').filter(|(network, _)| !network.is_empty()).ok_or_else(form)?;
    let vlan = |text: &str| text.parse().ok().filter(|vlan| (1..=4094).contains(vlan)).ok_or_else(form);
    let vlans = vlan(first)?..=vlan(last)?;
    if vlans.is_empty() {
        return Err(form());
    }
    Ok(VlanRange { physical_network: network.to_owned(), vlans })
}

fn vni_range(text: &str) -> Result<(u32, u32), String> {
    let (first, last) = text.split_once('-').ok_or("expected FIRST-LAST")?;
    let number = |text: &str| text.trim().parse::<u32>().map_err(|error| format!("{text:?}: {error}"));
    let range = (number(first)?, number(last)?);
    if range.0 == 0 || range.0 > range.1 || range.1 >= 1 << 24 {
        return Err("VNIs are 1 to 16777215, first not above last".into());
    }
    Ok(range)
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
