//! The service catalogue: regions, services and endpoints, all from the configuration.

use super::IdentityConfig;
use super::config::Service;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

/// The interfaces of every service; all have the same URL.
const INTERFACES: [&str; 3] = ["public", "internal", "admin"];

/// A service of the catalogue with its id.
pub(crate) struct CatalogService {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    url: String,
}

/// An endpoint of a service.
pub(crate) struct Endpoint {
    pub(crate) id: String,
    pub(crate) interface: &'static str,
    pub(crate) service_id: String,
    pub(crate) url: String,
}

/// The services, the identity first.
pub(crate) fn services(config: &IdentityConfig) -> Vec<CatalogService> {
    let identity =
        Service { kind: "identity".into(), name: "keystone".into(), url: config.identity_url.clone() };
    let all = std::iter::once(&identity).chain(&config.services);
    let with_id = |service: &Service| CatalogService {
        id: stable_id(&["service", &config.region, &service.kind, &service.name]),
        kind: service.kind.clone(),
        name: service.name.clone(),
        url: service.url.clone(),
    };
    all.map(with_id).collect()
}

impl CatalogService {
    /// Its endpoints.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = Endpoint> {
        INTERFACES.into_iter().map(|interface| Endpoint {
            id: stable_id(&["endpoint", &self.id, interface]),
            interface,
            service_id: self.id.clone(),
            url: self.url.clone(),
        })
    }
}

/// The catalogue as a token shows it.
pub(crate) fn catalog(config: &IdentityConfig) -> Value {
    let region = &config.region;
    let endpoint = |endpoint: Endpoint| {
        json!({
            "id": endpoint.id,
            "interface": endpoint.interface,
            "region_id": region,
            "region": region,
            "url": endpoint.url,
        })
    };
    let service = |service: &CatalogService| {
        json!({
            "id": service.id,
            "type": service.kind,
            "name": service.name,
            "endpoints": service.endpoints().map(endpoint).collect::<Vec<_>>(),
        })
    };
    services(config).iter().map(service).collect()
}

/// An id that is the same on every server and after every start: 32 hexadecimal digits of a digest.
fn stable_id(parts: &[&str]) -> String {
    let digest = digest(&SHA256, parts.join("\0").as_bytes());
    digest.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
