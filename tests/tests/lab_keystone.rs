//! A server whose tokens a real Keystone validates, by TLS: what its users may, and that nobody comes in when Keystone revokes a
//! token, is slow, is away or is another one. Keystone is the package from PyPI.

use anyhow::{Context, Result, ensure};
use hadron_tests::client::{Answer, Client};
use hadron_tests::openstack;
use hadron_tests::process::Server;
use hyper::Method;
use libtest_mimic::{Arguments, Trial};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

#[allow(dead_code)]
#[path = "../../crates/cloud/tests/keystone/real.rs"]
mod real;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let is_away = !real::is_installed();
    let trial = |name: &str, test: fn() -> Result<()>| {
        let run = move || test().map_err(|error| libtest_mimic::Failed::from(format!("{error:#}")));
        Trial::test(name, run).with_ignored_flag(is_away)
    };
    let trials = vec![
        trial("its_users_are_served", its_users_are_served),
        trial("what_it_revokes_ends_and_without_it_nobody_comes_in", what_it_revokes_ends),
        trial("another_keystone_lets_nobody_in", another_keystone),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A Keystone with TLS, and a server that trusts it.
struct Clouds {
    keystone: real::Server,
    server: Server,
    runtime: tokio::runtime::Runtime,
    /// The authority of Keystone's certificate, and the service user's password.
    files: tempfile::TempDir,
}

impl Clouds {
    /// `options` are further ones of the server.
    fn start(options: &[&str]) -> Result<Self> {
        let files = tempfile::tempdir()?;
        let runtime = tokio::runtime::Runtime::new()?;
        let (authority, certificate) = certificate()?;
        std::fs::write(files.path().join("keystone.pem"), authority)?;
        std::fs::write(files.path().join("password"), real::SERVICE_PASSWORD)?;
        let keystone = real::Server::start_with(Some(&certificate));
        let url = format!("https://127.0.0.1:{}/v3", keystone.ports.get(1).context("no TLS")?);
        let server = start_server(&runtime, &files, &url, "keystone.pem", options)?;
        Ok(Self { keystone, server, runtime, files })
    }

    /// What the server answers to somebody's request; `None` shows no token.
    fn ask(&self, token: Option<&str>, method: Method, path: &str, body: Option<Value>) -> Result<Answer> {
        ask(&self.runtime, &self.server, token, method, path, body)
    }

    fn status(&self, token: &str) -> Result<u16> {
        Ok(self.ask(Some(token), Method::GET, "/v2.0/networks", None)?.status.as_u16())
    }

    /// The official client's answer, as the administrator, who finds the server in Keystone's catalogue.
    fn openstack(&self, words: &str) -> Result<Value> {
        let output = Command::new(openstack::program()?)
            .args(words.split_whitespace())
            .args(["-f", "json"])
            .env("OS_AUTH_URL", format!("http://127.0.0.1:{}/v3", self.keystone.ports[0]))
            .env("OS_IDENTITY_API_VERSION", "3")
            .env("OS_USERNAME", "admin")
            .env("OS_PASSWORD", real::PASSWORD)
            .env("OS_PROJECT_NAME", "admin")
            .env("OS_USER_DOMAIN_ID", "default")
            .env("OS_PROJECT_DOMAIN_ID", "default")
            .env("OS_CACERT", self.server.ca_path())
            .output()?;
        ensure!(output.status.success(), "openstack {words}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

fn start_server(
    runtime: &tokio::runtime::Runtime,
    files: &tempfile::TempDir,
    url: &str,
    authority: &str,
    options: &[&str],
) -> Result<Server> {
    let path = |name: &str| -> Result<String> {
        let path: PathBuf = files.path().join(name);
        Ok(path.to_str().context("no text")?.to_owned())
    };
    let (authority, password) = (path(authority)?, path("password")?);
    let keystone =
        ["--keystone-url", url, "--keystone-ca", &authority, "--keystone-password-file", &password];
    runtime.block_on(Server::start_for_keystone(&[&keystone, options].concat()))
}

fn ask(
    runtime: &tokio::runtime::Runtime,
    server: &Server,
    token: Option<&str>,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Result<Answer> {
    runtime.block_on(async {
        let client: Client = server.network_api().await?;
        let mut client = match token {
            Some(token) => client.with_token(token),
            None => client,
        };
        client.request(method, path, body.as_ref()).await
    })
}

/// An authority, and a certificate of it for 127.0.0.1 with its key, as PEM.
fn certificate() -> Result<(String, String)> {
    let key = rcgen::KeyPair::generate()?;
    let mut parameters = rcgen::CertificateParams::new(vec![])?;
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = parameters.self_signed(&key)?;
    let issuer = rcgen::Issuer::new(parameters, key);
    let own_key = rcgen::KeyPair::generate()?;
    let own = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&own_key, &issuer)?;
    Ok((authority.pem(), own.pem() + &own_key.serialize_pem()))
}

fn error_of(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.body["NeutronError"]["type"].as_str().unwrap_or_default())
}

fn its_users_are_served() -> Result<()> {
    let mut clouds = Clouds::start(&[])?;
    let keystone = &mut clouds.keystone;
    let project = keystone.make("project", json!({"name": "demo"}));
    let other = keystone.make("project", json!({"name": "other"}));
    for (name, of, role) in [
        ("alice", &project, "member"),
        ("rita", &project, "reader"),
        ("mona", &project, "manager"),
        ("bob", &other, "member"),
    ] {
        keystone.user(name, "secret of a user", of, role);
    }
    keystone.renew_admin();
    let service =
        keystone.admin_call("GET", "/v3/projects?name=service", None).body["projects"][0]["id"].take();

    let open = clouds.ask(None, Method::GET, "/", None)?;
    ensure!(open.status == 200, "{open:?}");
    let refused = clouds.ask(None, Method::GET, "/v2.0/networks", None)?;
    let challenge = refused.headers.get("WWW-Authenticate").and_then(|value| value.to_str().ok());
    let url = format!("Keystone uri=\"https://127.0.0.1:{}", clouds.keystone.ports.get(1).context("no TLS")?);
    ensure!(refused.status == 401 && challenge.is_some_and(|value| value.starts_with(&url)), "{refused:?}");

    let network =
        create(&clouds, &token(&clouds, "alice", &project), json!({"name": "blue"}))?.ok()?["network"].take();
    ensure!(network["project_id"] == project, "{network}");
    let id = network["id"].as_str().context("no id")?;
    let path = format!("/v2.0/networks/{id}");
    ensure!(clouds.ask(Some(&token(&clouds, "rita", &project)), Method::GET, &path, None)?.status == 200);
    let refused = create(&clouds, &token(&clouds, "rita", &project), json!({}))?;
    ensure!(error_of(&refused) == (403, "PolicyNotAuthorized"), "{refused:?}");
    let unseen = clouds.ask(Some(&token(&clouds, "bob", &other)), Method::GET, &path, None)?;
    ensure!(error_of(&unseen) == (404, "NetworkNotFound"), "{unseen:?}");
    let refused = create(&clouds, &token(&clouds, "alice", &project), json!({"shared": true}))?;
    ensure!(error_of(&refused) == (403, "PolicyNotAuthorized"), "{refused:?}");

    // What a manager may that a member may not, and what only services may.
    let port = json!({"port": {"network_id": id}});
    let made = clouds
        .ask(Some(&token(&clouds, "alice", &project)), Method::POST, "/v2.0/ports", Some(port))?
        .ok()?;
    let port = format!("/v2.0/ports/{}", made["port"]["id"].as_str().context("no id")?);
    let mac = json!({"port": {"mac_address": "fa:16:3e:12:34:56"}});
    for (user, expected) in [("alice", 403), ("mona", 200)] {
        let answer =
            clouds.ask(Some(&token(&clouds, user, &project)), Method::PUT, &port, Some(mac.clone()))?;
        ensure!(answer.status == expected, "{user}: {answer:?}");
    }
    let service =
        clouds.keystone.token("neutron", real::SERVICE_PASSWORD, service.as_str().context("no id")?);
    let profile = json!({"port": {"binding:profile": {"a": 1}}});
    clouds.ask(Some(&service), Method::PUT, &port, Some(profile))?.ok()?;

    // The scopes that are not a project's see nothing and may nothing.
    clouds.keystone.renew_admin();
    let answer = clouds.ask(Some(&clouds.keystone.admin), Method::GET, &path, None)?;
    ensure!(answer.status == 200, "{answer:?}");
    grant_domain(&clouds.keystone);
    for scope in [json!({"system": {"all": true}}), json!({"domain": {"id": "default"}})] {
        let scoped = clouds.keystone.log_in("admin", real::PASSWORD, scope.clone());
        ensure!(scoped.status == 201, "{scope}: {}", scoped.body);
        let answer = clouds.ask(Some(&scoped.token), Method::GET, &path, None)?;
        ensure!(answer.status == 404, "{scope}: {answer:?}");
        let listed = clouds.ask(Some(&scoped.token), Method::GET, "/v2.0/networks", None)?.ok()?;
        ensure!(listed == json!({"networks": []}), "{scope}: {listed}");
        let answer = create(&clouds, &scoped.token, json!({"project_id": project}))?;
        ensure!(error_of(&answer) == (403, "InvalidScope"), "{scope}: {answer:?}");
    }

    // The official client finds the server in Keystone's catalogue.
    clouds.keystone.renew_admin();
    let made = json!({"name": "hadron", "type": "network"});
    let service = clouds.keystone.make("service", made);
    let endpoint = json!({"service_id": service, "interface": "public",
        "url": clouds.server.network_url()});
    clouds.keystone.make("endpoint", endpoint);
    // Its tokens last seconds here, and the client takes some to start.
    let listed = clouds.openstack("network list --name blue")?;
    ensure!(listed[0]["Name"] == "blue", "{listed}");
    Ok(())
}

fn token(clouds: &Clouds, user: &str, project: &str) -> String {
    clouds.keystone.token(user, "secret of a user", project)
}

fn create(clouds: &Clouds, token: &str, more: Value) -> Result<Answer> {
    clouds.ask(Some(token), Method::POST, "/v2.0/networks", Some(json!({"network": more})))
}

/// Makes the administrator one of its domain too.
fn grant_domain(keystone: &real::Server) {
    let users = keystone.admin_call("GET", "/v3/users?name=admin", None);
    let user = users.body["users"][0]["id"].as_str().unwrap_or_default().to_owned();
    let path = format!("/v3/domains/default/users/{user}/roles/{}", keystone.role("admin"));
    keystone.admin_call("PUT", &path, None);
}

fn what_it_revokes_ends() -> Result<()> {
    let mut clouds = Clouds::start(&["--keystone-cache-time", "0", "--keystone-timeout", "2"])?;
    let project = clouds.keystone.make("project", json!({"name": "demo"}));
    clouds.keystone.user("alice", "secret of alice", &project, "member");
    clouds.keystone.renew_admin();
    let fresh = |clouds: &Clouds| clouds.keystone.token("alice", "secret of alice", &project);
    let token = fresh(&clouds);
    ensure!(clouds.status(&token)? == 200);
    clouds.keystone.revoke(&token);
    ensure!(clouds.status(&token)? == 401, "revoked");
    ensure!(clouds.status("gAAAAABrAW-gqbAh_ZkwxmzmHEvV508kBfdy")? == 401, "never given out");

    // It is paused: no answer in time, and then it goes on.
    let token = fresh(&clouds);
    clouds.keystone.signal(Signal::SIGSTOP);
    let slow = clouds.ask(Some(&token), Method::GET, "/v2.0/networks", None)?;
    ensure!(slow.status == 503, "{slow:?}");
    ensure!(
        clouds.ask(None, Method::GET, "/v2.0/networks", None)?.status == 401,
        "no token needs no Keystone"
    );
    clouds.keystone.signal(Signal::SIGCONT);
    clouds.keystone.renew_admin();
    let token = fresh(&clouds);
    let answer = clouds.ask(Some(&token), Method::GET, "/v2.0/networks", None)?;
    ensure!(answer.status == 200, "{answer:?}");

    // It is away.
    clouds.keystone.stop();
    for token in [token.as_str(), "another"] {
        let answer = clouds.ask(Some(token), Method::GET, "/v2.0/networks", None)?;
        ensure!(answer.status == 503, "{token}: {answer:?}");
    }
    Ok(())
}

/// One whose certificate is of another authority is not asked, and the service user's password not told to it.
fn another_keystone() -> Result<()> {
    let clouds = Clouds::start(&[])?;
    std::fs::write(clouds.files.path().join("other.pem"), certificate()?.0)?;
    let url = format!("https://127.0.0.1:{}/v3", clouds.keystone.ports.get(1).context("no TLS")?);
    let server = start_server(&clouds.runtime, &clouds.files, &url, "other.pem", &[])?;
    let token = clouds.keystone.admin.clone();
    ensure!(clouds.status(&token)? == 200);
    let answer = ask(&clouds.runtime, &server, Some(&token), Method::GET, "/v2.0/networks", None)?;
    ensure!(answer.status == 503, "{answer:?}");
    ensure!(!answer.body.to_string().contains(real::SERVICE_PASSWORD));
    Ok(())
}
