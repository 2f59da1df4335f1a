//! `/v3/services`, `/v3/endpoints`, `/v3/regions`: the catalogue in its parts. They come from the configuration and can't
//! be changed here.

use super::query::Query;
use super::request::{Answer, Params};
use super::session::{Rule, Session};
use super::{Reply, view};
use crate::identity::catalog::{CatalogService, Endpoint, services};
use crate::identity::{Identity, IdentityError};
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde_json::{Value, json};

pub(crate) fn routes() -> Router<Identity> {
    Router::new()
        .route("/v3/services", get(list_services))
        .route("/v3/services/{id}", get(show_service))
        .route("/v3/endpoints", get(list_endpoints))
        .route("/v3/endpoints/{id}", get(show_endpoint))
        .route("/v3/regions", get(list_regions))
        .route("/v3/regions/{id}", get(show_region))
}

async fn list_services(State(identity): State<Identity>, session: Session, query: Query) -> Reply {
    session.require(Rule::SystemReader, "list_services")?;
    let found = services(identity.config()).into_iter();
    let found = found.filter(|it| query.is_match("type", &it.kind) && query.is_match("name", &it.name));
    let views = found.map(|service| service_view(&identity, &service));
    Ok(Answer::ok(query.page(&view::url(&identity, "services"), "services", in_order(views))?))
}

async fn show_service(State(identity): State<Identity>, session: Session, params: Params) -> Reply {
    session.require(Rule::SystemReader, "get_service")?;
    let id = params.get("id");
    let service = services(identity.config()).into_iter().find(|service| service.id == id);
    let service = service.ok_or_else(|| IdentityError::not_found("service", id))?;
    Ok(Answer::ok(json!({"service": service_view(&identity, &service)})))
}

async fn list_endpoints(State(identity): State<Identity>, session: Session, query: Query) -> Reply {
    session.require(Rule::SystemReader, "list_endpoints")?;
    let found = endpoints(&identity).into_iter().filter(|endpoint| {
        query.is_match("interface", endpoint.interface)
            && query.is_match("service_id", &endpoint.service_id)
            && query.is_match("region_id", &identity.config().region)
    });
    let views = found.map(|endpoint| endpoint_view(&identity, &endpoint));
    Ok(Answer::ok(query.page(&view::url(&identity, "endpoints"), "endpoints", in_order(views))?))
}

async fn show_endpoint(State(identity): State<Identity>, session: Session, params: Params) -> Reply {
    session.require(Rule::SystemReader, "get_endpoint")?;
    let id = params.get("id");
    let endpoint = endpoints(&identity).into_iter().find(|endpoint| endpoint.id == id);
    let endpoint = endpoint.ok_or_else(|| IdentityError::not_found("endpoint", id))?;
    Ok(Answer::ok(json!({"endpoint": endpoint_view(&identity, &endpoint)})))
}

async fn list_regions(State(identity): State<Identity>, _session: Session, query: Query) -> Reply {
    let views = std::iter::once(region_view(&identity));
    Ok(Answer::ok(query.page(&view::url(&identity, "regions"), "regions", views)?))
}

async fn show_region(State(identity): State<Identity>, _session: Session, params: Params) -> Reply {
    let id = params.get("id");
    if id != identity.config().region {
        return Err(IdentityError::not_found("region", id));
    }
    Ok(Answer::ok(json!({"region": region_view(&identity)})))
}

fn endpoints(identity: &Identity) -> Vec<Endpoint> {
    services(identity.config()).iter().flat_map(|service| service.endpoints().collect::<Vec<_>>()).collect()
}

/// Pages need their items in the order of the ids.
fn in_order(views: impl Iterator<Item = Value>) -> impl Iterator<Item = Value> {
    let mut views: Vec<_> = views.collect();
    views.sort_by(|one, two| one["id"].as_str().cmp(&two["id"].as_str()));
    views.into_iter()
}

fn service_view(identity: &Identity, service: &CatalogService) -> Value {
    json!({
        "id": service.id,
        "type": service.kind,
        "name": service.name,
        "enabled": true,
        "links": {"self": view::url(identity, &format!("services/{}", service.id))},
    })
}

fn endpoint_view(identity: &Identity, endpoint: &Endpoint) -> Value {
    let region = &identity.config().region;
    json!({
        "id": endpoint.id,
        "interface": endpoint.interface,
        "service_id": endpoint.service_id,
        "region": region,
        "region_id": region,
        "url": endpoint.url,
        "enabled": true,
        "links": {"self": view::url(identity, &format!("endpoints/{}", endpoint.id))},
    })
}

fn region_view(identity: &Identity) -> Value {
    let region = &identity.config().region;
    json!({
        "id": region,
        "description": "",
        "parent_region_id": null,
        "links": {"self": view::url(identity, &format!("regions/{region}"))},
    })
}
