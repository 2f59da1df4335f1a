//! The node's certificate: whether it counts, for whom, and from whom it is.

use super::Finding;
use crate::Identity;
use rcgen::{KeyPair, PublicKeyData};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;

const CHECK: &str = "certificate";
/// A renewal is tried every ten minutes; one that is due for so long has failed.
const OVERDUE: Duration = Duration::from_secs(24 * 3600);
const JOIN_AGAIN: &str =
    "get a ticket (hadron host ticket), move identity.json away, and start the agent with --join";

pub(super) fn examine(identity: &Identity, state: &Path) -> Vec<Finding> {
    let mut findings = judge(identity, SystemTime::now());
    if let Ok(metadata) = std::fs::metadata(state.join("identity.json")) {
        findings.extend(permissions(metadata.permissions().mode()));
    }
    findings
}

fn permissions(mode: u32) -> Option<Finding> {
    (mode & 0o077 != 0).then(|| {
        let text = format!("identity.json, with the node's key, has mode {:o}", mode & 0o777);
        Finding::error(CHECK, text, "chmod 600 it, and join again if others could have read it")
    })
}

fn judge(identity: &Identity, now: SystemTime) -> Vec<Finding> {
    let Some(leaf) = pems(&identity.certificate_pem).into_iter().next() else {
        return vec![Finding::error(CHECK, "identity.json has no certificate", JOIN_AGAIN)];
    };
    let (Ok((_, certificate)), Ok(validity)) =
        (X509Certificate::from_der(&leaf.contents), identity.validity())
    else {
        return vec![Finding::error(CHECK, "the certificate can't be read", JOIN_AGAIN)];
    };
    let mut findings = Vec::new();
    if now > validity.to {
        let text = format!("the certificate has ended {} ago", days(now, validity.to));
        findings.push(Finding::error(CHECK, text, JOIN_AGAIN));
    } else if now < validity.from {
        let text = format!("the certificate begins only in {}", days(validity.from, now));
        findings.push(Finding::error(CHECK, text, "set this host's clock"));
    } else if now > validity.renewal() + OVERDUE {
        let text = format!(
            "the certificate was not renewed when it should have been, and ends in {}",
            days(validity.to, now)
        );
        findings.push(Finding::warning(CHECK, text, "see the agent's log for why renewals fail"));
    }
    let names: Vec<&str> =
        certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok()).collect();
    if names != [identity.host_name.as_str()] {
        let text = format!("the certificate is of {names:?}, the host is {}", identity.host_name);
        findings.push(Finding::error(CHECK, text, JOIN_AGAIN));
    }
    let key = KeyPair::from_pem(&identity.key_pem).map(|key| key.subject_public_key_info());
    if key.ok().as_deref() != Some(certificate.public_key().raw) {
        findings.push(Finding::error(CHECK, "the key is not the certificate's", JOIN_AGAIN));
    }
    findings.extend(authority(&certificate, &identity.ca_pem, now));
    if findings.is_empty() {
        let text =
            format!("the certificate of {} counts for {} more", identity.host_name, days(validity.to, now));
        findings.push(Finding::fine(CHECK, text));
    }
    findings
}

/// Whether one of the authorities that the host knows has signed, and still counts.
fn authority(certificate: &X509Certificate<'_>, ca_pem: &str, now: SystemTime) -> Option<Finding> {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    let known = pems(ca_pem);
    let authorities = known.iter().filter_map(|pem| Some(X509Certificate::from_der(&pem.contents).ok()?.1));
    let mut signers = authorities.filter(|authority| authority.subject() == certificate.issuer()).peekable();
    if signers.peek().is_none() {
        let text = format!("none of the authorities that the host knows is {}", certificate.issuer());
        return Some(Finding::error(CHECK, text, JOIN_AGAIN));
    }
    let is_over = signers.all(|authority| authority.validity().not_after.timestamp() < now);
    is_over.then(|| {
        Finding::error(
            CHECK,
            "the authority that signed the certificate has ended",
            "hadron rotate-authority on the controller, and join again",
        )
    })
}

fn pems(text: &str) -> Vec<Pem> {
    Pem::iter_from_buffer(text.as_bytes()).filter_map(Result::ok).collect()
}

fn days(later: SystemTime, earlier: SystemTime) -> String {
    let hours = later.duration_since(earlier).unwrap_or_default().as_secs() / 3600;
    if hours < 48 { format!("{hours} hours") } else { format!("{} days", hours / 24) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Level, worst};
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer};

    fn named(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    /// A certificate of `host` that ends so many days from now, after 30 days in all.
    fn identity(host: &str, days_left: i64) -> Identity {
        let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut authority = named("hadron");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = authority.self_signed(&authority_key).unwrap().pem();
        let mut params = named(host);
        let day = rcgen::date_time_ymd(2026, 1, 1) - rcgen::date_time_ymd(2025, 12, 31);
        let end = SystemTime::now() + Duration::from_secs(365 * 24 * 3600);
        let end = end - Duration::from_secs(((365 - days_left) * 24 * 3600) as u64);
        params.not_after = end.into();
        params.not_before = params.not_after - day * 30;
        let certificate = params.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
        Identity {
            server: "127.0.0.1:9697".into(),
            host_name: "compute1".into(),
            host_number: 1,
            underlay: "192.0.2.1".parse().unwrap(),
            key_pem: key.serialize_pem(),
            certificate_pem: certificate.pem(),
            ca_pem,
        }
    }

    fn told(identity: &Identity) -> (Level, String) {
        let findings = judge(identity, SystemTime::now());
        (
            worst(&findings),
            findings.iter().map(|finding| finding.text.as_str()).collect::<Vec<_>>().join("; "),
        )
    }

    #[test]
    fn a_certificate_counts_for_its_time_its_host_and_its_key() {
        for (days_left, level, text) in [
            (20, Level::Fine, "counts for"),
            (3, Level::Warning, "not renewed"),
            (-2, Level::Error, "has ended"),
            (40, Level::Error, "begins only"),
        ] {
            let (is, said) = told(&identity("compute1", days_left));
            assert!(is == level && said.contains(text), "{days_left}: {said}");
        }
        assert!(told(&identity("compute2", 20)).1.contains("compute2"));
        let other = identity("compute1", 20);
        let stolen = Identity { key_pem: identity("compute1", 20).key_pem, ..other.clone() };
        assert!(told(&stolen).1.contains("not the certificate's"));
        let strange = named("other").self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
        assert!(told(&Identity { ca_pem: strange, ..other.clone() }).1.contains("none of the authorities"));
        assert_eq!(told(&Identity { certificate_pem: "x".into(), ..other }).0, Level::Error);
    }

    #[test]
    fn a_key_that_others_can_read_is_told() {
        assert!(permissions(0o100_600).is_none());
        assert!(permissions(0o100_640).is_some());
    }
}
