//! A server in the place of Keystone whose answers a test chooses, also over TLS.

use hadron_cloud::keystone::{Keystone, KeystoneConfig};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The answer to a request's first line; nothing closes the connection.
pub type Answers = Arc<dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync>;

pub struct Fake {
    pub port: u16,
    pub validations: Arc<AtomicUsize>,
    pub logins: Arc<AtomicUsize>,
    /// The requests, head and body.
    pub seen: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub fn start(answers: Answers) -> Self {
        Self::start_with(answers, None)
    }

    /// Serves until the test's process ends; a thread for each connection.
    pub fn start_with(answers: Answers, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fake = Self {
            port: listener.local_addr().unwrap().port(),
            validations: Arc::default(),
            logins: Arc::default(),
            seen: Arc::default(),
        };
        let (validations, logins, seen) = (fake.validations.clone(), fake.logins.clone(), fake.seen.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answers, tls) = (answers.clone(), tls.clone());
                let (validations, logins, seen) = (validations.clone(), logins.clone(), seen.clone());
                std::thread::spawn(move || {
                    let answer = |request: &str| {
                        if request.starts_with("GET") && request.contains("/auth/tokens") {
                            validations.fetch_add(1, Ordering::SeqCst);
                        }
                        if request.starts_with("POST") {
                            logins.fetch_add(1, Ordering::SeqCst);
                        }
                        seen.lock().unwrap().push(request.to_owned());
                        answers(request)
                    };
                    match tls {
                        None => converse(stream, answer),
                        Some(tls) => {
                            let session = rustls::ServerConnection::new(tls).unwrap();
                            converse(rustls::StreamOwned::new(session, stream), answer);
                        }
                    }
                });
            }
        });
        fake
    }

    pub fn config(&self) -> KeystoneConfig {
        KeystoneConfig {
            timeout: Duration::from_secs(60),
            ..KeystoneConfig::new(&format!("http://127.0.0.1:{}/v3", self.port), "secret")
        }
    }

    pub fn keystone(&self) -> Keystone {
        Keystone::new(self.config()).unwrap()
    }
}

fn converse(mut stream: impl Read + Write, answer: impl Fn(&str) -> Option<Vec<u8>>) {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    loop {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return,
            Ok(length) => request.extend_from_slice(&part[..length]),
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            if let Some(answer) = answer(&text) {
                let _ = stream.write_all(&answer);
                let _ = stream.flush();
            }
            return;
        }
    }
}

/// A whole answer.
pub fn reply(status: &str, headers: &str, body: &str) -> Option<Vec<u8>> {
    let length = body.len();
    let text =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}");
    Some(text.into_bytes())
}

/// The body about a token of a member.
pub fn token() -> String {
    let domain = r#"{"id":"default","name":"Default"}"#;
    format!(
        r#"{{"token":{{"user":{{"id":"u","name":"alice","domain":{domain}}},"expires_at":"2999-01-01T00:00:00.000000Z",
        "project":{{"id":"p","name":"demo","domain":{domain}}},"roles":[{{"id":"1","name":"member"}}]}}}}"#
    )
}

/// What a whole Keystone answers.
pub fn honest(request: &str) -> Option<Vec<u8>> {
    if request.starts_with("POST") {
        return reply("201 Created", "X-Subject-Token: of-the-service\r\n", &token());
    }
    reply("200 OK", "", &token())
}

/// An authority and a server's configuration with a certificate of it.
pub fn tls() -> (String, Arc<rustls::ServerConfig>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec![]).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = parameters.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(parameters, key);
    let own_key = rcgen::KeyPair::generate().unwrap();
    let own = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let own = own.signed_by(&own_key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![own.der().clone()],
            rustls_pki_types::PrivateKeyDer::try_from(own_key.serialize_der()).unwrap(),
        )
        .unwrap();
    (authority.pem(), Arc::new(config))
}

/// Nobody listens here any more.
pub fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    port
}
