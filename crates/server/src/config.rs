//! What an operator can set on a server.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// A server's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directory of the store, the authority's certificate and the administration socket; made with mode 0700.
    pub state_dir: PathBuf,
    /// Listener of the Networking API.
    pub api: SocketAddr,
    /// Listener of the embedded identity service; unused with a Keystone.
    pub identity: SocketAddr,
    /// Listener for nodes.
    pub nodes: SocketAddr,
    /// Name or address under which clients and nodes reach this server.
    pub public_name: String,
    /// The region's name in the service catalogue.
    pub region: String,
    /// How long a token of the identity service lasts.
    pub token_lifetime: std::time::Duration,
    /// The Keystone that validates tokens; without one the embedded identity does.
    pub keystone: Option<hadron_cloud::keystone::KeystoneConfig>,
    /// Who may do what.
    pub policy: hadron_api::policy::PolicyConfig,
    /// What the operations on objects depend on.
    pub control: hadron_control::Config,
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
