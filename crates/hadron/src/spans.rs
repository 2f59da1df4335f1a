//! OpenTelemetry: what became of each request of the API, from its answer to each host, as spans that are sent to a collector (OTLP over gRPC).
//!
//! A request's trace has the UUID of its `x-openstack-request-id` as its id, and its root span the last 8 octets of it. So whoever knows the request
//! makes spans of the same trace: the server that answered it, and each node whose rows came of it. Nothing more is carried between them.

use anyhow::{Context, Result, ensure};
use clap::Args;
use hadron_api::audit::Asked;
use hadron_node::applied::Applied;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use uuid::Uuid;

/// How long a process that ends waits for the collector.
const SETTLE: Duration = Duration::from_secs(2);
/// Octets of a trace id that are random by the W3C's Trace Context, level 2 (section 3.2.2.5): its last ones.
const RANDOM: u32 = 7;

/// The collector.
#[derive(Args, Debug, Clone)]
pub struct Options {
    /// OpenTelemetry collector that gets a trace of each request of the API, as http://collector:4317 (OTLP, gRPC) [default: none].
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp: Option<String>,
    /// Authorities that the collector's certificate comes from, PEM; for an https URL.
    #[arg(long, value_name = "FILE", requires = "otlp", env = "OTEL_EXPORTER_OTLP_CERTIFICATE")]
    pub otlp_ca: Option<PathBuf>,
    /// Share of the traces that is sent, 0 to 1; servers and nodes choose the same ones.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = share, env = "OTEL_TRACES_SAMPLER_ARG")]
    pub otlp_share: f64,
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "0 to 1".to_owned())
}

/// The spans of a process, from its start to its end; none, if no collector is named.
#[derive(Debug)]
pub struct Spans(Option<Arc<Sender>>);

impl Spans {
    /// Sends in the background. The collector need not be there: what can't be sent is lost, and logged. Must be called within a Tokio
    /// runtime.
    ///
    /// # Errors
    /// The options can't be: no URL, authorities that can't be read.
    pub fn start(options: &Options, service: &'static str, host: String) -> Result<Self> {
        Ok(Self(Sender::start(options, service, host)?))
    }

    /// Has a server tell of each request that it answers.
    pub fn hear_requests(&self, server: &mut hadron_server::Config) {
        let sender = self.0.clone();
        server.observers.extend(sender.map(|sender| sender as Arc<dyn hadron_api::audit::Observer>));
    }

    /// Has a node tell of what is in force of each request.
    pub fn hear_changes(&self, node: &mut hadron_node::Settings) {
        let sender = self.0.clone();
        node.observer = sender.map(|sender| sender as Arc<dyn hadron_node::applied::Observer>);
    }

    /// Sends what is left, for a moment at most.
    pub async fn stop(self) {
        if let Some(sender) = self.0 {
            sender.stop().await;
        }
    }
}

/// A way to a collector.
#[derive(Debug)]
struct Sender {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
    share: f64,
}

impl Sender {
    fn start(options: &Options, service: &'static str, host: String) -> Result<Option<Arc<Self>>> {
        let Some(url) = &options.otlp else { return Ok(None) };
        let is_https = url.starts_with("https://");
        ensure!(is_https || url.starts_with("http://"), "--otlp: not an http or https URL: {url}");
        let mut exporter = SpanExporter::builder().with_tonic().with_endpoint(url);
        if let Some(file) = &options.otlp_ca {
            ensure!(is_https, "--otlp-ca is for an https URL");
            let pem = std::fs::read(file).with_context(|| format!("--otlp-ca {}", file.display()))?;
            exporter =
                exporter.with_tls_config(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)));
        }
        let exporter = exporter.build().context("--otlp")?;
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder().with_service_name(service).with_attribute(version);
        processor.set_resource(&resource.with_attribute(KeyValue::new("host.name", host)).build());
        let scope = InstrumentationScope::builder("hadron").with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Some(Arc::new(Self { processor, scope, share: options.otlp_share })))
    }

    async fn stop(self: Arc<Self>) {
        let stopped = tokio::task::spawn_blocking(move || self.processor.shutdown_with_timeout(SETTLE));
        if let Ok(Err(error)) = stopped.await {
            tracing::warn!(%error, "the last spans did not get to the collector");
        }
    }

    fn end(&self, request_id: &str, make: impl FnOnce(Uuid, &InstrumentationScope) -> SpanData) {
        if let Some(id) = traced(request_id)
            && is_chosen(id, self.share)
        {
            self.processor.on_end(make(id, &self.scope));
        }
    }
}

impl hadron_api::audit::Observer for Sender {
    fn answered(&self, asked: &Asked) {
        self.end(&asked.request_id, |id, scope| of_request(asked, id, SystemTime::now(), scope));
    }
}

impl hadron_node::applied::Observer for Sender {
    fn applied(&self, applied: &Applied) {
        self.end(&applied.request_id, |id, scope| of_change(applied, id, SystemTime::now(), scope));
    }
}

/// A request to the API.
fn of_request(asked: &Asked, id: Uuid, until: SystemTime, scope: &InstrumentationScope) -> SpanData {
    let route = route(&asked.path);
    let mut attributes = vec![
        KeyValue::new("http.request.method", asked.method.to_string()),
        KeyValue::new("url.path", asked.path.clone()),
        KeyValue::new("http.route", route.clone()),
        KeyValue::new("openstack.request_id", asked.request_id.clone()),
    ];
    attributes.extend(asked.client.map(|client| KeyValue::new("client.address", client.to_string())));
    attributes
        .extend(asked.status.map(|status| KeyValue::new("http.response.status_code", i64::from(status))));
    if let Some(caller) = &asked.caller {
        attributes.push(KeyValue::new("user.id", caller.user_id.clone()));
        let project = caller.project_id.clone();
        attributes.extend(project.map(|project| KeyValue::new("openstack.project_id", project)));
    }
    let status = match asked.status {
        Some(..500) => Status::Unset,
        Some(status) => Status::error(format!("answered with {status}")),
        None => Status::error("no answer: the client went away, or the request failed"),
    };
    let mut links = SpanLinks::default();
    links.links.extend(asked.traceparent.as_deref().and_then(caller_of));
    SpanData {
        span_context: context(id, root(id)),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Server,
        name: format!("{} {route}", asked.method).into(),
        start_time: asked.since,
        end_time: until,
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links,
        status,
        instrumentation_scope: scope.clone(),
    }
}

/// Rows of a request that are in force on a host.
fn of_change(applied: &Applied, id: Uuid, until: SystemTime, scope: &InstrumentationScope) -> SpanData {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    SpanData {
        span_context: context(id, root(Uuid::new_v4())),
        parent_span_id: root(id),
        parent_span_is_remote: true,
        span_kind: SpanKind::Consumer,
        name: "apply".into(),
        start_time: applied.since,
        end_time: until,
        attributes: vec![
            KeyValue::new("openstack.request_id", applied.request_id.clone()),
            KeyValue::new("hadron.revision", number(applied.revision)),
            KeyValue::new("hadron.pending", number(applied.pending as u64)),
        ],
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: scope.clone(),
    }
}

/// The UUID in `req-UUID`.
fn traced(request_id: &str) -> Option<Uuid> {
    request_id.strip_prefix("req-")?.parse().ok()
}

fn context(trace: Uuid, span: SpanId) -> SpanContext {
    let trace = TraceId::from_bytes(*trace.as_bytes());
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE)
}

/// The last 8 octets; the first of them has the variant's bits (RFC 9562, section 4.1), so they are never all zero.
fn root(id: Uuid) -> SpanId {
    SpanId::from(id.as_u64_pair().1)
}

/// Whether the trace is among the share that is sent, by its random octets.
fn is_chosen(id: Uuid, share: f64) -> bool {
    let most = f64::from(8 * RANDOM).exp2();
    let random = (id.as_u64_pair().1 << (64 - 8 * RANDOM)) >> (64 - 8 * RANDOM);
    random as f64 >= (1.0 - share) * most
}

/// The path with `{id}` where it names an object.
fn route(path: &str) -> String {
    let part = |part: &str| if part.parse::<Uuid>().is_ok() { "{id}".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// The span of the caller's, if the header can be read.
fn caller_of(traceparent: &str) -> Option<Link> {
    let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract(&carrier);
    let span = context.span().span_context().clone();
    span.is_valid().then(|| Link::with_context(span))
}

#[cfg(test)]
mod tests;
