//! Spans against a collector that listens on loopback.

use super::*;
use axum::http::Method;
use hadron_api::Caller;
use hadron_api::audit::Observer as _;
use hadron_node::applied::Observer as _;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue as Said, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use std::sync::Mutex;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, transport};

const ID: &str = "6b1f7c1e-0e5a-4a54-9a4b-3f1d2c4b5a69";

#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, tonic::Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn start() -> (Self, Options) {
        let collector = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = to(&format!("http://{}", listener.local_addr().unwrap()));
        let service = TraceServiceServer::new(collector.clone());
        let server = transport::Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        (collector, options)
    }

    /// What came, with the attributes of its resource.
    fn spans(&self) -> Vec<(Vec<Said>, Span)> {
        let requests = self.0.lock().unwrap().clone();
        let resources = requests.into_iter().flat_map(|request| request.resource_spans);
        resources
            .flat_map(|of| {
                let resource = of.resource.unwrap().attributes;
                let spans = of.scope_spans.into_iter().flat_map(|scope| scope.spans);
                spans.map(move |span| (resource.clone(), span)).collect::<Vec<_>>()
            })
            .collect()
    }
}

fn to(url: &str) -> Options {
    Options { otlp: Some(url.to_owned()), otlp_ca: None, otlp_share: 1.0 }
}

fn start(options: &Options, service: &'static str) -> Arc<Sender> {
    Sender::start(options, service, "host1".into()).unwrap().unwrap()
}

fn asked(request_id: &str) -> Asked {
    let caller =
        Caller { user_id: "user-1".into(), project_id: Some("project-1".into()), ..Caller::default() };
    Asked {
        request_id: request_id.into(),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        since: SystemTime::now() - Duration::from_millis(5),
        method: Method::PUT,
        path: format!("/v2.0/ports/{ID}"),
        client: Some([192, 0, 2, 7].into()),
        caller: Some(Arc::new(caller)),
        status: Some(200),
    }
}

fn said(attributes: &[Said], name: &str) -> Option<Value> {
    attributes.iter().find(|said| said.key == name)?.value.clone()?.value
}

fn text(text: &str) -> Option<Value> {
    Some(Value::StringValue(text.into()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_and_what_hosts_apply_of_it_are_one_trace() {
    let (collector, options) = Collector::start().await;
    let request_id = format!("req-{ID}");
    let (server, node) = (start(&options, "hadron-server"), start(&options, "hadron-agent"));
    server.answered(&asked(&request_id));
    node.applied(&Applied { request_id, revision: 7, since: SystemTime::now(), pending: 0 });
    server.stop().await;
    node.stop().await;

    let spans = collector.spans();
    let [(server, request), (agent, applied)] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(said(server, "service.name"), text("hadron-server"));
    assert_eq!(
        (said(agent, "service.name"), said(agent, "host.name")),
        (text("hadron-agent"), text("host1"))
    );
    let trace = ID.parse::<Uuid>().unwrap();
    assert_eq!(
        (&request.trace_id[..], &applied.trace_id[..]),
        (&trace.as_bytes()[..], &trace.as_bytes()[..])
    );
    assert_eq!((&request.parent_span_id[..], &applied.parent_span_id), (&[][..], &request.span_id));
    assert_ne!(applied.span_id, request.span_id);
    assert_eq!(request.name, "PUT /v2.0/ports/{id}");
    assert_eq!(said(&request.attributes, "http.response.status_code"), Some(Value::IntValue(200)));
    assert_eq!(said(&request.attributes, "openstack.project_id"), text("project-1"));
    assert_eq!(said(&applied.attributes, "hadron.revision"), Some(Value::IntValue(7)));
    let took = Duration::from_nanos(request.end_time_unix_nano - request.start_time_unix_nano);
    assert!(took >= Duration::from_millis(5), "{took:?}");
    let caller: Vec<u8> = (0..16)
        .map(|n| u8::from_str_radix(&"0af7651916cd43dd8448eb211c80319c"[2 * n..2 * n + 2], 16).unwrap())
        .collect();
    assert_eq!(request.links.iter().map(|link| &link.trace_id).collect::<Vec<_>>(), [&caller]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_failed_is_an_error() {
    let (collector, options) = Collector::start().await;
    let spans = start(&options, "hadron-server");
    for status in [Some(201), Some(404), Some(503), None] {
        let traceparent = Some("nonsense".into());
        spans.answered(&Asked { status, traceparent, ..asked(&format!("req-{}", Uuid::new_v4())) });
    }
    spans.stop().await;
    let codes = collector
        .spans()
        .iter()
        .map(|(_, span)| span.status.clone().unwrap_or_default().code)
        .collect::<Vec<_>>();
    let (unset, error) = (StatusCode::Unset as i32, StatusCode::Error as i32);
    assert_eq!(codes, [unset, unset, error, error]);
    assert!(collector.spans().iter().all(|(_, span)| span.links.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_holds_nobody_up() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let spans = start(&to(&format!("http://{free}")), "hadron-server");
    let begun = std::time::Instant::now();
    for _ in 0..10_000 {
        spans.answered(&asked(&format!("req-{}", Uuid::new_v4())));
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    spans.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_can_be_no_collector_is_refused() {
    let start = |options: Options| Sender::start(&options, "hadron-server", "host1".into());
    assert!(start(Options { otlp: None, otlp_ca: None, otlp_share: 1.0 }).unwrap().is_none());
    for (url, ca) in [
        ("collector:4317", None),
        ("http://[", None),
        ("http://c:1", Some("/etc/passwd")),
        ("https://c:1", Some("/none")),
    ] {
        let refused = start(Options { otlp_ca: ca.map(PathBuf::from), ..to(url) });
        assert!(refused.is_err(), "{url} {ca:?}");
    }
}

#[test]
fn servers_and_nodes_choose_the_same_share_of_traces() {
    let ids: Vec<Uuid> = (0..10_000).map(|_| Uuid::new_v4()).collect();
    for share in [0.0, 0.1, 0.5, 1.0] {
        let chosen = ids.iter().filter(|id| is_chosen(**id, share)).count() as f64;
        assert!((chosen / 10_000.0 - share).abs() < 0.03, "{chosen} of {share}");
        assert!(ids.iter().all(|id| !is_chosen(*id, share) || is_chosen(*id, 1.0)));
    }
    assert!(!ids.iter().any(|id| is_chosen(*id, 0.0)) && ids.iter().all(|id| is_chosen(*id, 1.0)));
}

#[test]
fn ids_of_objects_are_not_in_a_route() {
    assert_eq!(
        route(&format!("/v2.0/routers/{ID}/add_router_interface")),
        "/v2.0/routers/{id}/add_router_interface"
    );
    assert_eq!(route("/v2.0/quotas/demo"), "/v2.0/quotas/demo");
}
