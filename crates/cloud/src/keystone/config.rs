//! What an operator sets about a Keystone.

use std::path::PathBuf;
use std::time::Duration;

/// A password. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Where Keystone is and as whom it is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeystoneConfig {
    /// Its address, as `https://keystone.example:5000` or with `/v3`.
    pub url: String,
    /// The address that clients are told (`WWW-Authenticate`), if it is another.
    pub public_url: Option<String>,
    /// Name of the service user.
    pub user: String,
    /// Name of the user's domain.
    pub user_domain: String,
    /// Its password.
    pub password: Password,
    /// Name of the project in which the user has a role that may validate tokens (`service` or `admin`).
    pub project: String,
    /// Name of the project's domain.
    pub project_domain: String,
    /// File of the certificate authorities that Keystone's certificate may be of, PEM; without it those of this machine.
    pub ca_file: Option<PathBuf>,
    /// How long a validation may take, all in all.
    pub timeout: Duration,
    /// How long an answer about a token is used again.
    pub cache_time: Duration,
    /// Most tokens that are remembered.
    pub cache_tokens: usize,
}

impl KeystoneConfig {
    /// The usual names: user `neutron` in project `service`, both of the domain `Default`.
    pub fn new(url: &str, password: &str) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            public_url: None,
            user: "neutron".to_owned(),
            user_domain: "Default".to_owned(),
            password: Password(password.to_owned()),
            project: "service".to_owned(),
            project_domain: "Default".to_owned(),
            ca_file: None,
            timeout: Duration::from_secs(10),
            cache_time: Duration::from_secs(300),
            cache_tokens: 32 * 1024,
        }
    }

    /// Whether secrets leave this machine without TLS.
    pub fn is_in_the_clear(&self) -> bool {
        let host =
            self.url.strip_prefix("http://").map(|rest| rest.split(['/', ':']).next().unwrap_or_default());
        host.is_some_and(|host| host != "localhost" && !host.starts_with("127.") && !host.starts_with('['))
            || self.url.starts_with("http://[") && !self.url.starts_with("http://[::1]")
    }
}
