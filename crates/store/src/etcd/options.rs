//! How to reach an etcd.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Where the store is in an etcd when nothing else is said.
pub const DEFAULT_PREFIX: &str = "/hadron/";

/// How to reach an etcd, and where in it the store is.
#[derive(Clone)]
pub struct EtcdOptions {
    /// `host:port` of the members, in order of preference.
    pub endpoints: Vec<String>,
    /// What all keys of the store begin with. Several clouds can share an etcd by prefixes none of which begins with another.
    pub prefix: String,
    /// TLS, if etcd has it.
    pub tls: Option<EtcdTls>,
    /// User and password, if etcd asks for them.
    pub credentials: Option<(String, String)>,
    /// How long one request may take.
    pub timeout: Duration,
    /// A file of this server's own in which it keeps how far it has seen the store, so that it recognises a restored backup even
    /// if it was not running then.
    pub seen_file: Option<PathBuf>,
}

/// What TLS to an etcd needs, PEM.
#[derive(Clone)]
pub struct EtcdTls {
    /// The authorities that sign the members' certificates.
    pub ca_pem: Vec<u8>,
    /// This client's certificate and key, if etcd asks for one.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// Why a text does not name an etcd.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not of the form etcd://HOST:PORT[,HOST:PORT …][/PREFIX]")]
pub struct NotAnEtcd(String);

impl FromStr for EtcdOptions {
    type Err = NotAnEtcd;

    /// Reads `etcd://HOST:PORT[,HOST:PORT …][/PREFIX]`; addresses of IPv6 in brackets.
    fn from_str(text: &str) -> Result<Self, NotAnEtcd> {
        let bad = || NotAnEtcd(text.to_owned());
        let rest = text.strip_prefix("etcd://").ok_or_else(bad)?;
        let (members, prefix) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let endpoints: Vec<String> = members.split(',').map(str::to_owned).collect();
        if !endpoints.iter().all(|endpoint| is_endpoint(endpoint)) {
            return Err(bad());
        }
        let prefix = match prefix.trim_end_matches('/') {
            "" => DEFAULT_PREFIX.to_owned(),
            prefix => format!("{prefix}/"),
        };
        let timeout = Duration::from_secs(5);
        Ok(Self { endpoints, prefix, tls: None, credentials: None, timeout, seen_file: None })
    }
}

fn is_endpoint(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    !host.is_empty() && (is_bracketed || !host.contains([':', '@', '/'])) && port.parse::<u16>().is_ok()
}

impl std::fmt::Debug for EtcdOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "etcd://{}{}", self.endpoints.join(","), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let options: EtcdOptions =
            "etcd://10.0.0.1:2379,[2001:db8::2]:2379,three:2379/cloud/one/".parse().unwrap();
        assert_eq!(options.endpoints, ["10.0.0.1:2379", "[2001:db8::2]:2379", "three:2379"]);
        assert_eq!(options.prefix, "/cloud/one/");
        assert_eq!("etcd://a:1".parse::<EtcdOptions>().unwrap().prefix, "/hadron/");
        for text in [
            "a:1",
            "etcd://",
            "etcd://a",
            "etcd://a:x",
            "etcd://2001:db8::1:2379",
            "etcd://a:1,",
            "http://a:1",
        ] {
            assert!(text.parse::<EtcdOptions>().is_err(), "{text}");
        }
    }
}
