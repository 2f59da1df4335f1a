//! Metadata from Nova, played by a small program of Python's own HTTP server behind TLS, which checks the signature as Nova does.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Instance, Process, Underlay, until};
use hadron_tests::cloud::{CONTROLLER, Cloud, PATIENCE};
use hadron_tests::debian::Debian;
use hadron_tests::metadata::ask;
use serde_json::json;

const SECRET: &str = "between-the-two";
const PATH: &str = "/openstack/latest/meta_data.json";

/// Answers with what it was told about who asks, or 403.
const NOVA: &str = r#"
import hashlib, hmac, http.server, json, ssl, sys
class Nova(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        device = self.headers["X-Instance-ID"]
        expected = hmac.new(b"between-the-two", device.encode(), hashlib.sha256).hexdigest()
        told = {name.lower(): value for name, value in self.headers.items()}
        status = 200 if hmac.compare_digest(expected, told["x-instance-id-signature"]) else 403
        body = json.dumps({"path": self.path, "told": told}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8775), Nova)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/nova.pem", "/nova.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"#;

fn nova(debian: &Debian<'_>, cloud: &Cloud) -> Result<Process> {
    let nova = debian.command("python3").args(["-c", NOVA]).log_name("nova").spawn()?;
    let address = (cloud.host(CONTROLLER)?.address(), 8775).into();
    cloud.host(CONTROLLER)?.wait_for_tcp(address, PATIENCE).with_context(|| nova.log())?;
    Ok(nova)
}

/// Waits until the instance is answered with this status; the answer.
fn wait_for(cloud: &Cloud, instance: &Instance, status: u16) -> Result<String> {
    let mut last = None;
    until(PATIENCE, &format!("status {status}"), || {
        last = ask(instance, false, PATH, "X-Instance-ID: other\r\nX-Secret: mine\r\n").ok().flatten();
        last.as_ref().is_some_and(|(is, _)| *is == status)
    })
    .with_context(|| format!("{last:?}\n{}", cloud.logs()))?;
    Ok(last.context("an answer")?.1)
}

#[test]
fn nova_is_asked_over_tls_and_only_where_its_certificate_is_trusted() -> Result<()> {
    let mut cloud = Cloud::up("nova", Underlay::V4, &["compute1"])?;
    let address = cloud.host(CONTROLLER)?.address();
    let (own, other) = (cloud.lab.dir().join("nova.pem"), cloud.lab.dir().join("other.pem"));
    let secret = cloud.lab.dir().join("secret");
    std::fs::write(&secret, format!("{SECRET}\n"))?;
    let network = cloud.network("net")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    let port = cloud.port_with(&network, "compute1", json!({"device_id": "server-1"}))?;
    let instance = cloud.host("compute1")?.instance("server", &port.id, &port.mac)?;
    let _client = instance.dhcp_lease(PATIENCE)?;

    // An authority, Nova's certificate from it, and another authority.
    let debian = Debian::of(cloud.host(CONTROLLER)?)?;
    let make = |name: &str, more: &[&str]| -> Result<String> {
        let request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let subject = format!("/CN={name}");
        let files = ["-keyout", &format!("/{name}.key"), "-out", &format!("/{name}.pem"), "-subj", &subject];
        debian.command("openssl").args(request).args(files).args(more).succeed(PATIENCE)?;
        debian.read(&format!("/{name}.pem"))
    };
    std::fs::write(&own, make("authority", &[])?)?;
    std::fs::write(&other, make("other", &[])?)?;
    let names = format!("subjectAltName=IP:{address}");
    let by = [
        "-CA",
        "/authority.pem",
        "-CAkey",
        "/authority.key",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ];
    make("nova", &[&by[..], &["-addext", &names]].concat())?;
    let url = format!("--nova-metadata-url=https://{address}:8775");
    let secret = format!("--metadata-secret=@{}", secret.display());
    let restart = |cloud: &mut Cloud, ca: &std::path::Path| {
        cloud.kill_agent("compute1");
        let ca = format!("--nova-metadata-ca={}", ca.display());
        cloud.start_agent("compute1", &[&url, &secret, &ca, "--nova-metadata-timeout=2"])
    };

    restart(&mut cloud, &own)?;
    // Nobody listens yet.
    wait_for(&cloud, &instance, 503)?;
    let debian = Debian::of(cloud.host(CONTROLLER)?)?;
    let running = nova(&debian, &cloud)?;
    let told: serde_json::Value = serde_json::from_str(&wait_for(&cloud, &instance, 200)?)?;
    let is = |name: &str, expected: &str| told["told"][name].as_str() == Some(expected);
    ensure!(
        is("x-instance-id", "server-1") && is("x-forwarded-for", &port.address(false)?.to_string()),
        "{told}"
    );
    ensure!(told["path"] == PATH && told["told"]["x-secret"].is_null(), "{told}");
    // It goes away in the middle, and comes back.
    running.pause();
    wait_for(&cloud, &instance, 503)?;
    running.resume();
    wait_for(&cloud, &instance, 200)?;

    restart(&mut cloud, &other)?;
    wait_for(&cloud, &instance, 503)?;
    Ok(())
}
