//! What certificates say.

use super::TrustError;
use hadron_model::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, SerialNumber,
};
use std::time::Duration;

const DAY_MS: i64 = 24 * 3600 * 1000;
pub(super) const AUTHORITY_LIFETIME_MS: i64 = 3650 * DAY_MS;
pub(super) const SERVER_LIFETIME_MS: i64 = 30 * DAY_MS;
pub(super) const NODE_LIFETIME_MS: i64 = 90 * DAY_MS;

/// Certificates begin so long before they are made, because clocks of hosts differ.
const CLOCK_SKEW_MS: i64 = 3600 * 1000;

/// For an authority. Each has another name: verifiers find the issuer by it.
pub(super) fn authority(now: Timestamp) -> Result<CertificateParams, TrustError> {
    let id: String = random::<4>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut params = valid_for(AUTHORITY_LIFETIME_MS, now)?;
    params.distinguished_name = named(&format!("hadron certificate authority {id}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// For a server that is reached under `names`, DNS names and IP addresses.
pub(super) fn server(names: &[String], now: Timestamp) -> Result<CertificateParams, TrustError> {
    let mut params = valid_for(SERVER_LIFETIME_MS, now)?;
    params.subject_alt_names = CertificateParams::new(names)?.subject_alt_names;
    params.distinguished_name = named("hadron server");
    leaf(&mut params, vec![ExtendedKeyUsagePurpose::ServerAuth]);
    Ok(params)
}

/// For a server that asks another one. No node's certificate is good for TLS servers.
pub(super) fn asking_server(now: Timestamp) -> Result<CertificateParams, TrustError> {
    let mut params = valid_for(DAY_MS, now)?;
    params.distinguished_name = named("hadron server");
    leaf(&mut params, vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth]);
    Ok(params)
}

/// For the node of `host`.
pub(super) fn node(host: &str, now: Timestamp) -> Result<CertificateParams, TrustError> {
    let mut params = valid_for(NODE_LIFETIME_MS, now)?;
    params.distinguished_name = named(host);
    leaf(&mut params, vec![ExtendedKeyUsagePurpose::ClientAuth]);
    Ok(params)
}

fn leaf(params: &mut CertificateParams, purposes: Vec<ExtendedKeyUsagePurpose>) {
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = purposes;
    params.use_authority_key_identifier_extension = true;
}

fn valid_for(lifetime_ms: i64, now: Timestamp) -> Result<CertificateParams, TrustError> {
    let mut params = CertificateParams::default();
    let mut serial = random::<16>()?;
    // RFC 5280 §4.1.2.2: positive.
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    let time =
        |ms: i64| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(ms.max(0).unsigned_abs() / 1000);
    params.not_before = time(now.0 - CLOCK_SKEW_MS);
    params.not_after = time(now.0 + lifetime_ms);
    Ok(params)
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], TrustError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| TrustError::Random)?;
    Ok(bytes)
}
