//! Who this node is: its name and number, its key and certificate, its server.
//!
//! All of it is one file, `identity.json`, so that key and certificate always fit each other. It comes from joining
//! ([`mod@crate::join`]) and changes only with a renewed certificate.

use crate::error::Error;
use crate::file;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_parser::pem::Pem;

/// The identity that a join gave.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The servers' node listeners, `host:port` with commas between them; IPv6 addresses in brackets.
    pub server: String,
    /// The host's name, as in `binding:host_id`.
    pub host_name: String,
    /// The host's number in the packet path.
    pub host_number: u32,
    /// The host's tunnel address.
    pub underlay: IpAddr,
    /// Private key, PKCS #8 in PEM.
    pub key_pem: String,
    /// Certificate chain, the leaf first, PEM.
    pub certificate_pem: String,
    /// The authorities that the server's certificate may come from, PEM.
    pub ca_pem: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, host_name, host_number, underlay, .. } = self;
        write!(f, "Identity({host_name}, number {host_number}, underlay {underlay}, server {server})")
    }
}

/// From when to when a certificate counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Validity {
    /// First moment.
    pub from: SystemTime,
    /// Last moment.
    pub to: SystemTime,
}

impl Validity {
    /// When it is time to ask for a new one: after two thirds.
    pub fn renewal(&self) -> SystemTime {
        self.from + self.to.duration_since(self.from).unwrap_or(Duration::ZERO) * 2 / 3
    }
}

impl Identity {
    /// The identity in the state directory; `None` before the first join.
    ///
    /// # Errors
    /// The file can't be read, or is no identity.
    pub fn load(state: &Path) -> Result<Option<Self>, Error> {
        let path = path(state);
        let Some(contents) = file::read(&path)? else { return Ok(None) };
        serde_json::from_slice(&contents).map(Some).map_err(|source| Error::Identity { path, source })
    }

    /// Writes it into the state directory, which is created.
    pub fn save(&self, state: &Path) -> Result<(), Error> {
        let path = path(state);
        file::create_directory(state)?;
        let contents = serde_json::to_vec_pretty(self)
            .map_err(|source| Error::Identity { path: path.clone(), source })?;
        file::replace(&path, &contents)
    }

    /// Removes the file: the host is no node any more.
    pub fn remove(state: &Path) -> Result<(), Error> {
        file::remove(&path(state))
    }

    /// From when to when the certificate counts.
    ///
    /// # Errors
    /// The file has been tampered with: there is no readable certificate in it.
    pub fn validity(&self) -> Result<Validity, Error> {
        let pem = Pem::iter_from_buffer(self.certificate_pem.as_bytes()).next();
        let pem = pem.and_then(Result::ok).ok_or(Error::Certificate)?;
        let certificate = pem.parse_x509().map_err(|_| Error::Certificate)?;
        let at = |seconds: i64| UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        let validity = certificate.validity();
        Ok(Validity { from: at(validity.not_before.timestamp()), to: at(validity.not_after.timestamp()) })
    }
}

fn path(state: &Path) -> PathBuf {
    state.join("identity.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_kept_and_its_key_never_shown() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Identity::load(directory.path()).unwrap(), None);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let identity = Identity {
            server: "[2001:db8::1]:9797".into(),
            host_name: "compute1".into(),
            host_number: 3,
            underlay: "192.0.2.3".parse().unwrap(),
            key_pem: key.serialize_pem(),
            certificate_pem: certificate.pem(),
            ca_pem: certificate.pem(),
        };
        identity.save(directory.path()).unwrap();
        assert_eq!(Identity::load(directory.path()).unwrap().as_ref(), Some(&identity));
        assert!(!format!("{identity:?}").contains("PRIVATE"));
        let validity = identity.validity().unwrap();
        assert!(validity.from < validity.renewal() && validity.renewal() < validity.to);
        let broken = Identity { certificate_pem: "x".into(), ..identity };
        assert!(matches!(broken.validity(), Err(Error::Certificate)));
        std::fs::write(path(directory.path()), "{").unwrap();
        assert!(matches!(Identity::load(directory.path()), Err(Error::Identity { .. })));
    }
}
