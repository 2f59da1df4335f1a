//! Keys that a name server shares with who may change its zones.

use super::NameServerError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::rr::rdata::tsig::TsigAlgorithm;
use hickory_proto::rr::{Name, TSigner};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::str::FromStr;

/// Seconds by which the clocks may differ (RFC 8945 §10).
const FUDGE: u16 = 300;

/// What messages are signed with. MD5 and SHA-1 are not offered (RFC 8945 §6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Sha256,
    /// HMAC with SHA-384.
    Sha384,
    /// HMAC with SHA-512.
    Sha512,
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "hmac-sha256" => Ok(Self::Sha256),
            "hmac-sha384" => Ok(Self::Sha384),
            "hmac-sha512" => Ok(Self::Sha512),
            _ => Err("hmac-sha256, hmac-sha384 or hmac-sha512".to_owned()),
        }
    }
}

/// A name server's key. It is never shown.
#[derive(Clone)]
pub struct UpdateKey(TSigner);

impl UpdateKey {
    /// The key of this name whose secret is in a file, in Base64 on one line. Nobody but the file's owner may read it.
    ///
    /// # Errors
    /// [`NameServerError::Key`] says what is wrong with the file or the name.
    pub fn read(name: &str, algorithm: Algorithm, file: &Path) -> Result<Self, NameServerError> {
        let refused = |reason: String| NameServerError::Key(format!("{}: {reason}", file.display()));
        let mode = std::fs::metadata(file).map_err(|error| refused(error.to_string()))?.mode();
        if mode & 0o077 != 0 {
            let reason =
                format!("others than its owner may use it (mode {:04o}); chmod 600 it", mode & 0o7777);
            return Err(refused(reason));
        }
        let text = std::fs::read_to_string(file).map_err(|error| refused(error.to_string()))?;
        let secret =
            STANDARD.decode(text.trim()).map_err(|_| refused("it is not one line of Base64".to_owned()))?;
        if secret.is_empty() {
            return Err(refused("it is empty".to_owned()));
        }
        Self::new(name, algorithm, secret)
    }

    /// The key of this name and secret.
    ///
    /// # Errors
    /// The name is none.
    pub fn new(name: &str, algorithm: Algorithm, secret: Vec<u8>) -> Result<Self, NameServerError> {
        let unusable = |error: String| NameServerError::Key(format!("{name:?}: {error}"));
        let owner =
            Name::from_ascii(name.to_ascii_lowercase()).map_err(|error| unusable(error.to_string()))?;
        let algorithm = match algorithm {
            Algorithm::Sha256 => TsigAlgorithm::HmacSha256,
            Algorithm::Sha384 => TsigAlgorithm::HmacSha384,
            Algorithm::Sha512 => TsigAlgorithm::HmacSha512,
        };
        TSigner::new(secret, algorithm, owner, FUDGE).map(Self).map_err(|error| unusable(error.to_string()))
    }

    pub(super) fn signer(&self) -> &TSigner {
        &self.0
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.0.signer_name().to_ascii()
    }
}

impl std::fmt::Debug for UpdateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UpdateKey {}", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_that_others_may_read_or_that_is_none_is_refused_and_is_never_shown() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secret");
        let read = |text: &str, mode: u32| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            UpdateKey::read("hadron.", Algorithm::Sha256, &file)
        };
        for (text, mode, word) in [
            ("c2VjcmV0", 0o640, "chmod 600"),
            ("c2VjcmV0", 0o604, "0604"),
            ("?", 0o600, "Base64"),
            ("\n", 0o600, "empty"),
        ] {
            let error = read(text, mode).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        let key = read("c2VjcmV0\n", 0o600).unwrap();
        assert_eq!(format!("{key:?}"), "UpdateKey hadron.");
        assert_eq!(key.signer().key(), b"secret");
        let missing = UpdateKey::read("k", Algorithm::Sha256, &directory.path().join("none"));
        assert!(missing.unwrap_err().to_string().contains("No such file"));
    }
}
