//! A real Keystone: the package from PyPI on SQLite, in a process and a directory of its own that end with the value.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How long its tokens last, seconds.
pub const LIFETIME: u64 = 12;
pub const PASSWORD: &str = "secret of the first administrator";
pub const SERVICE_PASSWORD: &str = "secret of the network service";

/// Where `cargo xtask setup` installs it.
fn environment() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    Some(program.ancestors().nth(3)?.join("tools/keystone")).filter(|path| path.join("installed").exists())
}

pub fn is_installed() -> bool {
    environment().is_some()
}

pub struct Server {
    directory: tempfile::TempDir,
    process: Option<Child>,
    /// Where it speaks plainly, and then, if it has a certificate, where it speaks TLS.
    pub ports: Vec<u16>,
    /// A token of the administrator for the project `admin`.
    pub admin: String,
    pub project: String,
    roles: Value,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub token: String,
    pub body: Value,
}

impl Server {
    /// Starts one with the projects `admin` and `service`, the administrator, and the user `neutron` with the role service.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts one that also speaks TLS, with a certificate and its key, if it is given them.
    pub fn start_with(certificate: Option<&str>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        for keys in ["fernet", "receipts", "credential"] {
            std::fs::create_dir(path.join(keys)).unwrap();
        }
        let at = path.display();
        let configuration = format!(
            "[database]\nconnection=sqlite:///{at}/keystone.db\n[fernet_tokens]\nkey_repository={at}/fernet\n\
             [fernet_receipts]\nkey_repository={at}/receipts\n[credential]\nkey_repository={at}/credential\n\
             [identity]\npassword_hash_algorithm=bcrypt\npassword_hash_rounds=4\n[token]\nexpiration={LIFETIME}\n\
             [DEFAULT]\nlog_file={at}/log\n"
        );
        std::fs::write(path.join("keystone.conf"), configuration).unwrap();
        manage(path, &["db_sync"]);
        // Its own user runs it, whoever that is.
        manage(path, &["fernet_setup", "--keystone-user", &id("-un"), "--keystone-group", &id("-gn")]);
        manage(
            path,
            &["bootstrap", "--bootstrap-password", PASSWORD, "--bootstrap-public-url", "http://127.0.0.1/v3"],
        );
        if let Some(pem) = certificate {
            std::fs::write(path.join("tls.pem"), pem).unwrap();
        }
        let (process, ports) = serve(path);
        let mut server = Self {
            directory,
            process: Some(process),
            ports,
            admin: String::new(),
            project: String::new(),
            roles: Value::Null,
        };
        server.renew_admin();
        server.roles = server.admin_call("GET", "/v3/roles", None).body["roles"].take();
        let service = server.make("project", json!({"name": "service"}));
        server.user("neutron", SERVICE_PASSWORD, &service, "service");
        server
    }

    /// A new token of the administrator: they don't last long here.
    pub fn renew_admin(&mut self) {
        let answer = self.log_in(
            "admin",
            PASSWORD,
            json!({"project": {"name": "admin", "domain": {"id": "default"}}}),
        );
        self.admin = answer.token;
        answer.body["token"]["project"]["id"].as_str().unwrap().clone_into(&mut self.project);
    }

    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let process = self.process.as_ref().unwrap();
        let id = nix::unistd::Pid::from_raw(i32::try_from(process.id()).unwrap());
        nix::sys::signal::kill(id, signal).unwrap();
    }

    /// Makes an object; returns its id.
    pub fn make(&mut self, kind: &str, object: Value) -> String {
        self.renew_admin();
        let answer = self.admin_call("POST", &format!("/v3/{kind}s"), Some(json!({ kind: object })));
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body[kind]["id"].as_str().unwrap().to_owned()
    }

    /// Makes a user with a role in a project; returns its id.
    pub fn user(&mut self, name: &str, password: &str, project: &str, role: &str) -> String {
        let user = self.make("user", json!({"name": name, "password": password}));
        let path = format!("/v3/projects/{project}/users/{user}/roles/{}", self.role(role));
        assert_eq!(self.admin_call("PUT", &path, None).status, 204);
        user
    }

    pub fn role(&self, name: &str) -> String {
        let roles = self.roles.as_array().unwrap();
        roles.iter().find(|role| role["name"] == name).unwrap()["id"].as_str().unwrap().to_owned()
    }

    pub fn log_in(&self, user: &str, password: &str, scope: Value) -> Answer {
        let user = json!({"name": user, "domain": {"id": "default"}, "password": password});
        let identity = json!({"methods": ["password"], "password": {"user": user}});
        let body = json!({"auth": {"identity": identity, "scope": scope}});
        self.call("POST", "/v3/auth/tokens", None, &[], Some(body))
    }

    /// A token of a user for a project.
    pub fn token(&self, user: &str, password: &str, project: &str) -> String {
        let answer = self.log_in(user, password, json!({"project": {"id": project}}));
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.token
    }

    pub fn admin_call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call(method, path, Some(&self.admin), &[], body)
    }

    pub fn revoke(&self, token: &str) {
        let header = ("X-Subject-Token", token);
        let answer = self.call("DELETE", "/v3/auth/tokens", Some(&self.admin), &[header], None);
        assert_eq!(answer.status, 204, "{}", answer.body);
    }

    pub fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let mut request = format!(
            "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in token.map(|token| ("X-Auth-Token", token)).iter().chain(headers) {
            request += &format!("{name}: {value}\r\n");
        }
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports[0])).unwrap();
        stream.write_all(format!("{request}\r\n{body}").as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let token = head.lines().find_map(|line| line.strip_prefix("X-Subject-Token: ")).unwrap_or_default();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            token: token.to_owned(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            let from = log.len().saturating_sub(2000);
            eprintln!("{}", log.get(from..).unwrap_or_default());
        }
    }
}

fn program(name: &str) -> Command {
    Command::new(environment().unwrap().join("bin").join(name))
}

fn manage(path: &Path, arguments: &[&str]) {
    let mut command = program("keystone-manage");
    let output =
        command.arg("--config-file").arg(path.join("keystone.conf")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn serve(path: &Path) -> (Child, Vec<u16>) {
    let script = path.join("serve.py");
    std::fs::write(&script, include_str!("serve.py")).unwrap();
    let mut command = program("python");
    command.arg(script).arg(path).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ports: Vec<u16> = line.split_whitespace().filter_map(|port| port.parse().ok()).collect();
    if ports.is_empty() {
        let _ = process.kill();
        let _ = process.wait();
        panic!("Keystone does not start");
    }
    (process, ports)
}

fn id(option: &str) -> String {
    let output = Command::new("id").arg(option).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
