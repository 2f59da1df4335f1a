//! The server's side of the administration socket.

use super::message::{
    AuthorityReply, BackupRequest, Failure, HostView, InstanceKeyRequest, InstanceRequest, PasswordReply,
    TicketReply, TicketRequest,
};
use crate::gauges::Gauges;
use crate::nodes::NodeService;
use crate::state_dir;
use crate::trace::{LiveQuestion, Question};
use crate::trust::Authority;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use hadron_cloud::identity::{self, Identity};
use hadron_control::instance::InstanceError;
use hadron_control::{Step, host, instance};
use hadron_model::{Host, Instance, InstanceKey};
use hadron_store::{CommitInfo, Store};
use serde::Serialize;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;

/// The longest that a ticket may last.
const LONGEST_TICKET: u64 = 7 * 24 * 3600;

/// What the calls work on.
#[derive(Clone)]
pub(crate) struct AdminState {
    pub store: Store,
    pub authority: Arc<Authority>,
    /// The embedded identity, if it is in use.
    pub identity: Option<Identity>,
    pub nodes: NodeService,
    pub gauges: Gauges,
    pub node_address: String,
    /// Where the authorities' certificates are published.
    pub ca_path: PathBuf,
}

/// Binds the socket, in the place of one that a killed server left behind: the store's lock has told that there is no other server.
pub(crate) fn listen(path: &std::path::Path) -> std::io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves calls until `stopped` resolves.
pub(crate) async fn serve(
    listener: UnixListener,
    state: AdminState,
    stopped: impl Future<Output = ()> + Send + 'static,
) {
    let router = Router::new()
        .route("/hosts", get(hosts))
        .route("/hosts/{name}", delete(remove))
        .route("/instances/{id}", put(register).delete(forget))
        .route("/tickets", post(ticket))
        .route("/trace", post(trace))
        .route("/trace/live", post(live))
        .route("/status", get(status))
        .route("/receipts/{id}", get(receipt))
        .route("/backup", post(backup))
        .route("/token-keys", post(rotate_keys))
        .route("/authority", post(rotate_authority))
        .route("/administrator", post(recover_administrator))
        .with_state(Arc::new(state));
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
        tracing::error!(%error, "the administration socket failed");
    }
}

/// A call that is not carried out, and why.
struct Refusal(StatusCode, String);

impl<E: std::error::Error> From<E> for Refusal {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Self(StatusCode::BAD_REQUEST, text)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, json(&Failure { error: self.1 })).into_response()
    }
}

type Answer = Result<Response, Refusal>;

fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], Body::from(bytes)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn operator() -> CommitInfo {
    CommitInfo { actor: "operator".into(), ..CommitInfo::system() }
}

async fn hosts(State(state): State<Arc<AdminState>>) -> Answer {
    let snapshot = state.store.snapshot();
    let hosts: Vec<HostView> = snapshot
        .iter::<Host>()
        .map(|host| {
            let node = state.nodes.node(&host.name).filter(|node| node.is_connected);
            HostView {
                name: host.name.clone(),
                underlay: host.underlay,
                joined_at: host.joined_at.to_string(),
                ports: snapshot.ports_of_host(&host.name).count(),
                connected: node.is_some(),
                revision: node.map_or(0, |node| node.acknowledged.0),
            }
        })
        .collect();
    Ok(json(&hosts))
}

async fn status(State(state): State<Arc<AdminState>>) -> Answer {
    Ok(json(&state.gauges.status()))
}

async fn receipt(State(state): State<Arc<AdminState>>, Path(id): Path<String>) -> Answer {
    match super::receipt::of(&state.store, &state.nodes, id.parse()?).await {
        Some(receipt) => Ok(json(&receipt)),
        None => Err(Refusal(StatusCode::NOT_FOUND, format!("hosts need no object with the id {id}"))),
    }
}

async fn trace(State(state): State<Arc<AdminState>>, body: Bytes) -> Answer {
    let question: Question = serde_json::from_slice(&body)?;
    Ok(json(&crate::trace::trace(&state.store, &state.nodes, &question).await?))
}

/// A line of JSON for each event, until the caller goes away.
async fn live(State(state): State<Arc<AdminState>>, body: Bytes) -> Answer {
    let question: LiveQuestion = serde_json::from_slice(&body)?;
    let events = crate::trace::live(&state.store, &state.nodes, &question).await?;
    let lines = events.map(|event| {
        let mut line = serde_json::to_vec(&event)?;
        line.push(b'\n');
        Ok::<_, serde_json::Error>(line)
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

async fn ticket(State(state): State<Arc<AdminState>>, body: Bytes) -> Answer {
    let request: TicketRequest = serde_json::from_slice(&body)?;
    let lifetime = Duration::from_secs(request.lifetime.clamp(1, LONGEST_TICKET));
    let address = state.node_address.clone();
    let ticket = state.authority.ticket(&state.store, address, request.name, lifetime).await?;
    Ok(json(&TicketReply { ticket }))
}

async fn remove(
    State(state): State<Arc<AdminState>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let force = query.as_deref() == Some("force=true");
    while let Step::More = state.store.write(operator(), |tx| host::remove(tx, &name, force)).await?.value {}
    Ok(json(&()))
}

async fn register(State(state): State<Arc<AdminState>>, Path(id): Path<String>, body: Bytes) -> Answer {
    let request: InstanceRequest = serde_json::from_slice(&body)?;
    let object = |map: serde_json::Map<String, serde_json::Value>| {
        if map.is_empty() { String::new() } else { serde_json::Value::Object(map).to_string() }
    };
    let key = |InstanceKeyRequest { name, kind, data }| InstanceKey { name, kind, data };
    let hostname = if request.hostname.is_empty() { request.name.clone() } else { request.hostname };
    let instance = Instance {
        id,
        name: request.name,
        hostname,
        user_data: STANDARD.decode(request.user_data)?,
        meta: request.meta,
        keys: request.keys.into_iter().map(key).collect(),
        availability_zone: request.availability_zone,
        launch_index: request.launch_index,
        instance_type: request.instance_type,
        image_id: request.image_id,
        security_groups: request.security_groups,
        vendor_data: object(request.vendor_data),
        vendor_data2: object(request.vendor_data2),
    };
    state.store.write(operator(), |tx| instance::register(tx, instance.clone())).await?;
    Ok(json(&()))
}

async fn forget(State(state): State<Arc<AdminState>>, Path(id): Path<String>) -> Answer {
    let write = state.store.write(operator(), |tx| Ok::<_, InstanceError>(instance::forget(tx, &id)));
    if write.await?.value {
        Ok(json(&()))
    } else {
        Err(Refusal(StatusCode::NOT_FOUND, format!("no instance {id} is registered")))
    }
}

async fn backup(State(state): State<Arc<AdminState>>, body: Bytes) -> Answer {
    let request: BackupRequest = serde_json::from_slice(&body)?;
    state.store.backup(&request.path).await?;
    Ok(json(&()))
}

fn no_identity() -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, "this server has a Keystone and no identity of its own".to_owned())
}

async fn rotate_keys(State(state): State<Arc<AdminState>>) -> Answer {
    let Some(identity) = &state.identity else { return Err(no_identity()) };
    identity.rotate_token_keys().await?;
    Ok(json(&()))
}

async fn rotate_authority(State(state): State<Arc<AdminState>>) -> Answer {
    state.authority.rotate().await?;
    state_dir::publish(&state.ca_path, &state.authority.ca_pem())?;
    Ok(json(&AuthorityReply {
        ca_file: state.ca_path.clone(),
        ends_at: state.authority.ends_at().to_string(),
    }))
}

async fn recover_administrator(State(state): State<Arc<AdminState>>) -> Answer {
    if state.identity.is_none() {
        return Err(no_identity());
    }
    let password = identity::recover_administrator(&state.store).await?.to_string();
    Ok(json(&PasswordReply { password }))
}
