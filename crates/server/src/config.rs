//! What an operator can set on a server.

use hadron_api::audit::Observer;
use hadron_store::etcd::EtcdOptions;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A server's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directory of the store, the authority's certificate and the administration socket; made with mode 0700.
    pub state_dir: PathBuf,
    /// The etcd that has the model, for several servers; without, it is in a file of the state directory, for one.
    pub etcd: Option<EtcdOptions>,
    /// Listener of the Networking API.
    pub api: SocketAddr,
    /// Listener of the embedded identity service; unused with a Keystone.
    pub identity: SocketAddr,
    /// Listener for nodes.
    pub nodes: SocketAddr,
    /// Name or address under which clients and nodes reach this server.
    pub public_name: String,
    /// `name:port` of every server's listener for nodes, this one's as well; empty for this one's alone.
    pub node_servers: Vec<String>,
    /// The region's name in the service catalogue.
    pub region: String,
    /// How long a token of the identity service lasts.
    pub token_lifetime: Duration,
    /// What clients may cost.
    pub limits: Limits,
    /// The Keystone that validates tokens; without one the embedded identity does.
    pub keystone: Option<hadron_cloud::keystone::KeystoneConfig>,
    /// Who may do what.
    pub policy: hadron_api::policy::PolicyConfig,
    /// Seconds that instances may use an address that they got by DHCP; `u32::MAX` means for ever.
    pub lease_seconds: u32,
    /// File in which every commit and every request that would change something is written down, if one is.
    pub audit_log: Option<PathBuf>,
    /// Who else is told of every request.
    pub observers: Vec<Arc<dyn Observer>>,
    /// The name server outside that gets the names of ports and floating IPs, if one does.
    pub publisher: Option<crate::PublisherConfig>,
    /// What the operations on objects depend on.
    pub control: hadron_control::Config,
}

/// What clients may cost, at the listeners of the Networking API and of the identity service.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once, of each listener; more are closed.
    pub connections: usize,
    /// How long a client may take to send the head of a request, and how long a connection may be idle.
    pub head_timeout: Duration,
    /// How long a client may take to send a body, and how long it may take nothing of its answer.
    pub body_timeout: Duration,
    /// Largest body of a request to the Networking API, in octets.
    pub max_body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8192,
            head_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(60),
            max_body: 4 << 20,
        }
    }
}

impl Config {
    /// The store's file.
    pub fn store_path(&self) -> PathBuf {
        self.state_dir.join("store.redb")
    }

    /// The authority's certificate, for clients (`cacert` of `clouds.yaml`).
    pub fn ca_path(&self) -> PathBuf {
        self.state_dir.join("ca.pem")
    }

    /// The file in which a server on etcd keeps how far it has seen the store.
    pub fn seen_path(&self) -> PathBuf {
        self.state_dir.join("etcd-seen")
    }

    /// Where nodes reach the cloud's servers, as a ticket names them.
    pub fn node_addresses(&self) -> String {
        if self.node_servers.is_empty() {
            self.public_authority(self.nodes)
        } else {
            self.node_servers.join(",")
        }
    }

    /// The names and addresses under which this server may be reached, for its certificate.
    pub fn names(&self) -> Vec<String> {
        let of_nodes = self.node_servers.iter().filter_map(|server| server.rsplit_once(':'));
        let of_nodes = of_nodes.map(|(name, _)| name.trim_matches(['[', ']']).to_owned());
        let own = [self.public_name.clone(), "localhost".into(), "127.0.0.1".into(), "::1".into()];
        let mut names: Vec<String> = own.into_iter().chain(of_nodes).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The administration socket, which only the owner of the state directory can reach.
    pub fn admin_socket(&self) -> PathBuf {
        self.state_dir.join("admin.sock")
    }

    /// `https://` address of `listener` as others reach it.
    pub fn public_url(&self, listener: SocketAddr) -> String {
        format!("https://{}", self.public_authority(listener))
    }

    /// `name:port` of `listener` as others reach it.
    pub fn public_authority(&self, listener: SocketAddr) -> String {
        match self.public_name.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => format!("[{address}]:{}", listener.port()),
            _ => format!("{}:{}", self.public_name, listener.port()),
        }
    }

    /// The entry of a client's `clouds.yaml` for the administrator.
    pub fn clouds_yaml(&self, password: &str) -> String {
        format!(
            "clouds:\n  hadron:\n    auth:\n      auth_url: {}/v3\n      username: admin\n      password: {password}\n      \
             project_name: admin\n      user_domain_id: default\n      project_domain_id: default\n    \
             region_name: {}\n    identity_api_version: 3\n    cacert: {}\n",
            self.public_url(self.identity),
            self.region,
            self.ca_path().display(),
        )
    }
}
