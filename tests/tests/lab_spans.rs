//! OpenTelemetry: a collector on the controller gets one trace of a request from the server and from the hosts that it reaches.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Host, Underlay, until};
use hadron_tests::cloud::{CONTROLLER, Cloud, Options, PATIENCE};
use hadron_tests::guest::Guest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

const HOSTS: [&str; 2] = ["compute1", "compute2"];
const PORT: u16 = 4317;

/// A span with the attributes of the service that sent it.
type Sent = (Vec<KeyValue>, Span);

/// What came.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Sent>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for sent in request.into_inner().resource_spans {
            let service = sent.resource.unwrap_or_default().attributes;
            let spans = sent.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.0.lock().unwrap().extend(spans.map(|span| (service.clone(), span)));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Listens on all addresses of the host, until the runtime ends.
    fn start(runtime: &tokio::runtime::Runtime, host: &Host) -> Result<Self> {
        let listener = host.run(|| std::net::TcpListener::bind(("::", PORT)))??;
        listener.set_nonblocking(true)?;
        let collector = Self::default();
        let server = Server::builder().add_service(TraceServiceServer::new(collector.clone()));
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            server.serve_with_incoming(TcpListenerStream::new(listener)).await
        });
        Ok(collector)
    }

    /// Spans, with the name of the service that sent each and its host's.
    fn find(&self, is_it: impl Fn(&Span) -> bool) -> Vec<(String, String, Span)> {
        let all = self.0.lock().unwrap();
        let found = all.iter().filter(|(_, span)| is_it(span));
        found
            .map(|(service, span)| (text(service, "service.name"), text(service, "host.name"), span.clone()))
            .collect()
    }
}

fn text(attributes: &[KeyValue], name: &str) -> String {
    let value = attributes.iter().find(|it| it.key == name).and_then(|it| it.value.clone()?.value);
    match value {
        Some(Value::StringValue(text)) => text,
        _ => String::new(),
    }
}

#[test]
fn a_request_and_the_hosts_that_it_reaches_are_one_trace() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // The server starts before the collector does, and waits for nothing.
    let server = vec!["--otlp".into(), format!("http://localhost:{PORT}")];
    let options = Options { server, ..Options::default() };
    let mut cloud = Cloud::up_with("spans", Underlay::V4, &HOSTS, options)?;
    let controller = cloud.host(CONTROLLER)?;
    let url = format!("http://{}:{PORT}", controller.address());
    let collector = Collector::start(&runtime, controller)?;
    for host in HOSTS {
        cloud.kill_agent(host);
        cloud.start_agent(host, &["--otlp", &url])?;
    }

    let network = cloud.network("blue")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    let one = Guest::start(&cloud, &network, HOSTS[0], "one")?;
    let two = Guest::start(&cloud, &network, HOSTS[1], "two")?;
    one.reaches(&two)?;
    // Whoever was told of the second port's making has it: its own host, and that of its neighbour.
    let made = || {
        let made = collector.find(|span| span.name == "POST /v2.0/ports");
        made.into_iter().max_by_key(|(.., span)| span.start_time_unix_nano)
    };
    until(PATIENCE, "the request's span", || made().is_some())?;
    let of_request = |request: &Span| {
        let trace = request.trace_id.clone();
        collector.find(|span| span.trace_id == trace && span.name == "apply")
    };
    let hosts =
        |request: &Span| of_request(request).into_iter().map(|(_, host, _)| host).collect::<BTreeSet<_>>();
    let is_everywhere =
        || made().is_some_and(|(.., request)| hosts(&request) == HOSTS.map(String::from).into());
    until(PATIENCE, "the hosts' spans", is_everywhere)
        .with_context(|| format!("{:#?}", collector.find(|_| true)))?;

    let (service, _, request) = made().context("no request")?;
    ensure!(service == "hadron-server" && request.parent_span_id.is_empty(), "{service}: {request:#?}");
    let id = text(&request.attributes, "openstack.request_id").replace("req-", "").replace('-', "");
    let trace: String = request.trace_id.iter().map(|octet| format!("{octet:02x}")).collect();
    ensure!(id == trace, "request {id}, trace {trace}");
    for (service, _, applied) in of_request(&request) {
        ensure!(service == "hadron-agent" && applied.parent_span_id == request.span_id, "{applied:#?}");
    }
    Ok(())
}
