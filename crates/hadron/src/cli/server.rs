//! Options of `hadron server`.

use clap::Args;
use hadron_control::VlanRange;
use hadron_control::publication::ReverseZones;
use hadron_server::UpdateAlgorithm;
use hadron_store::etcd::EtcdOptions;
use std::net::SocketAddr;
use std::path::PathBuf;

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
