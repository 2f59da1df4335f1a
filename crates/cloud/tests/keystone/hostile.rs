//! Whatever stands in Keystone's place: nobody is let in that it has not confirmed.

use crate::fake::{self, Answers, Fake, honest, reply, token};
use hadron_api::{AuthError, Authenticate};
use hadron_cloud::keystone::{Keystone, KeystoneConfig, KeystoneError};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

pub type Test = fn() -> Pin<Box<dyn Future<Output = ()>>>;

pub const TESTS: &[(&str, Test)] = &[
    ("no_garbage_lets_anybody_in", || Box::pin(garbage())),
    ("silence_and_absence_are_unavailability", || Box::pin(silence())),
    ("one_question_for_all_who_ask_at_once", || Box::pin(coalesced())),
    ("a_known_token_is_not_asked_about_again", || Box::pin(cached())),
    ("the_service_user_logs_in_once_and_again_when_refused", || Box::pin(service_user())),
    ("a_refused_service_user_is_not_tried_again_at_once", || Box::pin(refused_service_user())),
    ("versions_are_found_and_lead_nowhere_else", || Box::pin(discovery())),
    ("tls_trusts_the_named_authority_only", || Box::pin(tls())),
    ("configurations_that_can_t_be_used_are_refused", || Box::pin(configurations())),
];

fn answers(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Answers {
    Arc::new(answer)
}

fn is_unavailable(answer: &Result<Arc<hadron_api::Caller>, AuthError>) -> bool {
    matches!(answer, Err(AuthError::Unavailable { reason }) if !reason.contains("secret") && !reason.contains("127.0.0.1"))
}

async fn garbage() {
    let endless = || {
        let mut answer = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{\"token\": \"".to_vec();
        answer.resize(3 * 1024 * 1024, b'x');
        Some(answer)
    };
    let wrong: Vec<Answers> = vec![
        answers(|_| None),
        answers(|_| Some(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())),
        answers(|_| reply("200 OK", "", "")),
        answers(|_| reply("200 OK", "", "{}")),
        answers(|_| reply("200 OK", "", "{\"token\": {}}")),
        answers(|_| reply("200 OK", "", "<html>welcome</html>")),
        answers(|_| reply("200 OK", "", &"[".repeat(100_000))),
        answers(|_| reply("204 No Content", "", "")),
        answers(|_| reply("302 Found", "Location: /elsewhere\r\n", "")),
        answers(|_| reply("300 Multiple Choices", "", &token())),
        answers(|_| reply("401 Unauthorized", "", "")),
        answers(|_| reply("403 Forbidden", "", "")),
        answers(|_| reply("429 Too Many Requests", "", "")),
        answers(|_| reply("500 Internal Server Error", "", &token())),
        answers(|_| reply("503 Service Unavailable", "", &token())),
        answers(move |_| endless()),
        answers(|_| reply("200 OK", "", &token().replace("2999-01-01", "never"))),
        answers(|_| reply("200 OK", "", &token().replace("\"id\":\"u\"", "\"id\":\"\""))),
        answers(|_| Some(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{\"token\": {\"user\"".to_vec())),
    ];
    for (number, answer) in wrong.into_iter().enumerate() {
        // Once from the login on, once in the answer about the token alone.
        for from_login in [true, false] {
            let answer = answer.clone();
            let fake = Fake::start(answers(move |request| {
                if request.starts_with("POST") && !from_login { honest(request) } else { answer(request) }
            }));
            let given = fake.keystone().authenticate("anything").await;
            assert!(is_unavailable(&given), "{number} {from_login}: {given:?}");
        }
    }
    // One that has ended, by our clock.
    let fake = Fake::start(answers(|request| match request.starts_with("POST") {
        true => honest(request),
        false => reply("200 OK", "", &token().replace("2999", "2001")),
    }));
    assert_eq!(fake.keystone().authenticate("old").await, Err(AuthError::Invalid));
    assert!(fake.keystone().authenticate_even_expired("old").await.is_ok());
    let fake = Fake::start(answers(|request| match request.starts_with("POST") {
        true => honest(request),
        false => reply("404 Not Found", "", "{}"),
    }));
    for token in ["unknown", "é", "\n", "a b", &"x".repeat(100_000)] {
        let given = fake.keystone().authenticate(token).await;
        assert!(given.is_err(), "{token:?}: {given:?}");
    }
    assert_eq!(fake.keystone().authenticate("unknown").await, Err(AuthError::Invalid));
}

async fn silence() {
    let away = KeystoneConfig::new(&format!("http://127.0.0.1:{}", fake::closed_port()), "secret");
    assert!(is_unavailable(&Keystone::new(away).unwrap().authenticate("t").await));
    let silent = Fake::start(answers(|_| {
        std::thread::park_timeout(Duration::from_secs(3600));
        None
    }));
    let config = KeystoneConfig { timeout: Duration::from_millis(200), ..silent.config() };
    let keystone = Keystone::new(config).unwrap();
    let all = futures_util::future::join_all((0..50).map(|n| {
        let keystone = keystone.clone();
        async move { keystone.authenticate(&format!("t{n}")).await }
    }));
    assert!(all.await.iter().all(is_unavailable));
    assert!(matches!(keystone.probe().await, Err(KeystoneError::Slow)));
}

async fn coalesced() {
    let gate = Arc::new(AtomicBool::new(false));
    let open = gate.clone();
    let fake = Fake::start(answers(move |request| {
        while request.starts_with("GET") && !open.load(Ordering::SeqCst) {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        honest(request)
    }));
    let keystone = fake.keystone();
    let ask = |token: String| {
        let keystone = keystone.clone();
        tokio::spawn(async move { keystone.authenticate(&token).await })
    };
    let same: Vec<_> = (0..100).map(|_| ask("t".to_owned())).collect();
    while fake.validations.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Whoever asked first may leave; the others get their answer.
    same[0].abort();
    gate.store(true, Ordering::SeqCst);
    for one in same.into_iter().skip(1) {
        assert_eq!(one.await.unwrap().unwrap().project(), "p");
    }
    assert_eq!(fake.validations.load(Ordering::SeqCst), 1);
    assert_eq!(fake.logins.load(Ordering::SeqCst), 1);
    assert!(ask("other".to_owned()).await.unwrap().is_ok());
    assert_eq!(fake.validations.load(Ordering::SeqCst), 2);
}

async fn cached() {
    let fake = Fake::start(answers(honest));
    let keystone = fake.keystone();
    for _ in 0..10 {
        assert!(keystone.authenticate("t").await.is_ok());
    }
    assert_eq!(fake.validations.load(Ordering::SeqCst), 1);
    // More tokens than are remembered: the first is asked about again, and nothing grows.
    let small = Keystone::new(KeystoneConfig { cache_tokens: 32, ..fake.config() }).unwrap();
    for round in 0..2 {
        for n in 0..200 {
            assert!(small.authenticate(&format!("t{n}")).await.is_ok(), "{round}");
        }
    }
    assert!(fake.validations.load(Ordering::SeqCst) > 300);
    let never = Keystone::new(KeystoneConfig { cache_time: Duration::ZERO, ..fake.config() }).unwrap();
    let before = fake.validations.load(Ordering::SeqCst);
    for _ in 0..3 {
        assert!(never.authenticate("t").await.is_ok());
    }
    assert_eq!(fake.validations.load(Ordering::SeqCst), before + 3);
}

async fn service_user() {
    // Each token of the service is good for three questions.
    let left = Arc::new(AtomicUsize::new(0));
    let fake = Fake::start(answers(move |request| {
        if request.starts_with("POST") {
            left.store(3, Ordering::SeqCst);
            return honest(request);
        }
        match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => honest(request),
            Err(_) => reply("401 Unauthorized", "", "{}"),
        }
    }));
    let keystone = fake.keystone();
    for n in 0..10 {
        assert!(keystone.authenticate(&format!("t{n}")).await.is_ok(), "{n}");
    }
    assert_eq!(fake.logins.load(Ordering::SeqCst), 4);
    let seen = fake.seen.lock().unwrap().clone();
    let asks = seen.iter().filter(|request| request.starts_with("GET"));
    for ask in asks {
        let head = ask.to_lowercase();
        assert!(
            head.contains("x-auth-token: of-the-service") && head.contains("x-subject-token: t"),
            "{ask}"
        );
        assert!(head.contains("openstack-identity-access-rules: 1") && !head.contains("secret"), "{ask}");
    }
}

async fn refused_service_user() {
    let fake = Fake::start(answers(|_| reply("401 Unauthorized", "", "{}")));
    let keystone = fake.keystone();
    for n in 0..20 {
        assert!(is_unavailable(&keystone.authenticate(&format!("t{n}")).await));
    }
    assert_eq!(fake.logins.load(Ordering::SeqCst), 1, "each attempt counts towards locking the user out");
}

async fn discovery() {
    let versions = |id: &str, href: &str| {
        let links = format!(r#"[{{"rel": "self", "href": "{href}"}}]"#);
        format!(r#"{{"versions": {{"values": [{{"id": "v2.0"}}, {{"id": "{id}", "links": {links}}}]}}}}"#)
    };
    let start = |body: String| {
        Fake::start(answers(move |request| {
            match request.starts_with("GET / ") || request.starts_with("GET /identity/ ") {
                true => reply("300 Multiple Choices", "", &body),
                false => honest(request),
            }
        }))
    };
    let elsewhere = format!("http://elsewhere.invalid:{}/identity/v3/", fake::closed_port());
    let fake = start(versions("v3.14", &elsewhere));
    let url = format!("http://127.0.0.1:{}/identity/", fake.port);
    let keystone = Keystone::new(KeystoneConfig::new(&url, "secret")).unwrap();
    assert!(keystone.authenticate("t").await.is_ok());
    assert!(
        fake.seen.lock().unwrap().iter().any(|request| request.starts_with("POST /identity/v3/auth/tokens"))
    );
    assert_eq!(keystone.identity_uri(), url.trim_end_matches('/'));
    let none = start(versions("v4.0", "/v4/"));
    let keystone =
        Keystone::new(KeystoneConfig::new(&format!("http://127.0.0.1:{}", none.port), "secret")).unwrap();
    assert!(matches!(keystone.probe().await, Err(KeystoneError::NoVersion)));
    assert!(is_unavailable(&keystone.authenticate("t").await));
}

async fn tls() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (authority, server) = fake::tls();
    let (other, _) = fake::tls();
    let fake = Fake::start_with(answers(honest), Some(server));
    let with = |ca_file, url: &str| KeystoneConfig { ca_file, ..KeystoneConfig::new(url, "secret") };
    let url = format!("https://127.0.0.1:{}/v3", fake.port);
    let trusting = Keystone::new(with(Some(write("ours", &authority)), &url)).unwrap();
    assert!(trusting.authenticate("t").await.is_ok());
    for config in [
        with(Some(write("other", &other)), &url),
        with(Some(write("ours", &authority)), &url.replace("127.0.0.1", "localhost")),
        with(None, &url.replace("https", "http")),
    ] {
        let given = Keystone::new(config).unwrap().authenticate("t").await;
        assert!(is_unavailable(&given), "{given:?}");
    }
    assert_eq!(fake.logins.load(Ordering::SeqCst), 1, "the password went to whom it is for, only");
    let path = write("none", "no certificate");
    assert!(matches!(Keystone::new(with(Some(path), &url)), Err(KeystoneError::Authorities { .. })));
}

async fn configurations() {
    for url in [
        "",
        "keystone",
        "ftp://keystone",
        "http://",
        "https://user:password@keystone",
        "http://k/?x=1",
        "http://[::1",
    ] {
        let made = Keystone::new(KeystoneConfig::new(url, "secret"));
        assert!(matches!(made, Err(KeystoneError::Url { .. })), "{url}");
    }
    assert!(!format!("{:?}", KeystoneConfig::new("http://k", "secret")).contains("secret"));
    for (url, expected) in [
        ("http://keystone:5000", true),
        ("https://keystone:5000", false),
        ("http://127.0.0.1:5000", false),
        ("http://[::1]:5000", false),
        ("http://[2001:db8::1]:5000", true),
    ] {
        assert_eq!(KeystoneConfig::new(url, "secret").is_in_the_clear(), expected, "{url}");
    }
}
