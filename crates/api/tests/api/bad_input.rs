//! Values that fit nowhere, at every attribute of every collection; bodies and addresses without measure; and what a project that
//! sends them costs the others.

use crate::support::consistency;
use crate::support::recipes::{Made, make};
use crate::support::*;
use axum::body::{Body, Bytes};
use futures_util::future::join_all;
use futures_util::stream::{self, Stream, StreamExt};
use hadron_api::{ApiConfig, BodyShares, Description, OperationKind, Shares, descriptions};
use hadron_control::{Config, Quotas};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// JSON, or what is nearly that.
fn absurd() -> Vec<String> {
    let texts = [
        "0",
        "-0",
        "-0.0",
        "-1",
        "1.5",
        "1e2",
        "1e308",
        "1e400",
        "-1e400",
        "1e-400",
        "2147483648",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "99999999999999999999999999999999999999999999",
        "true",
        "null",
        "NaN",
        "Infinity",
        "0x10",
        "01",
        "\"\"",
        r#""\u0000""#,
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#"" 1""#,
        r#""1e3""#,
        r#""1_000""#,
        r#""-0""#,
        "\"٣\"",
        "\"ＦＥ80::1\"",
        "\"10.0.0.0/33\"",
        "\"10.0.0.0/-1\"",
        "\"::/129\"",
        "\"255.255.255.255/32\"",
        "\"0.0.0.0/0\"",
        "[]",
        "{}",
        "[[]]",
        "[{}]",
        "[null]",
        "[1]",
        r#"[""]"#,
        r#"{"":null}"#,
        r#"[{"":{}}]"#,
        r#"[{"subnet_id":[]}]"#,
        r#"[{"start":"::","end":"10.0.0.1"}]"#,
        r#"["10.0.0.1:0"]"#,
    ];
    let mut all: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    all.push(format!("\"{}\"", "9".repeat(5_000)));
    all.push("9".repeat(5_000));
    all.push(format!("\"{}\"", "é".repeat(100_000)));
    all.push(format!("[{}1]", "1,".repeat(20_000)));
    all.push(format!("{}{}", "[".repeat(100), "]".repeat(100)));
    all.push(format!("{}1{}", r#"{"a":"#.repeat(100), "}".repeat(100)));
    all
}

/// A cloud without quotas: they would answer before the values do.
async fn boundless() -> Cloud {
    let quotas = Quotas {
        network: None,
        subnet: None,
        port: None,
        security_group: None,
        security_group_rule: None,
        rbac_policy: None,
        router: None,
        floating_ip: None,
        ..Quotas::default()
    };
    let control = Config { quotas, ..Config::default() };
    Cloud::with(ApiConfig { control, ..ApiConfig::default() }).await
}

#[track_caller]
fn is_no_fault(answer: &Answer, what: &str) {
    let what = &what[..what.floor_char_boundary(300)];
    let text = &answer.text[..answer.text.floor_char_boundary(300)];
    // A host that can't be had is told so, as Neutron does.
    let is_told = answer.error() == (500, "PortBindingError");
    assert!(answer.status < 500 || is_told, "{what}: {} {text}", answer.status);
    assert!(answer.text.is_empty() || answer.body != Value::Null, "{what}: not JSON: {text}");
    assert!(answer.status < 400 || answer.error().1 != "none", "{what}: {text}");
}

/// `{MEMBER: {what is given, NAME: VALUE}}` with a value that need not be JSON.
fn with(member: &str, given: &Value, name: &str, value: &str) -> String {
    let mut given = given.as_object().cloned().unwrap_or_default();
    given.remove(name);
    let rest: String = given
        .iter()
        .map(|(name, value)| format!("{},", json!(name).to_string() + ":" + &value.to_string()))
        .collect();
    format!("{{\"{member}\":{{{rest}\"{name}\":{value}}}}}")
}

async fn try_values(cloud: &Cloud, description: &Description, made: &Made, name: &str, values: &[String]) {
    let member = description.member;
    let collection = made.shown_at.rsplit_once('/').unwrap().0;
    let creates = description.operations.iter().any(|operation| operation.kind == OperationKind::Create);
    let lists = description.operations.iter().any(|operation| operation.kind == OperationKind::List);
    for value in values {
        let body = with(member, &json!({}), name, value);
        let answer = cloud.raw(ADMIN, "PUT", &made.shown_at, body.clone()).await;
        is_no_fault(&answer, &format!("PUT {} {body}", made.shown_at));
        if lists {
            let text = value.trim_matches('"').bytes().take(200);
            let text: String = text.map(|byte| format!("%{byte:02X}")).collect();
            let query = format!("{collection}?{name}={text}&sort_key={name}&fields={name}");
            is_no_fault(&cloud.get(ADMIN, &query).await, &query);
        }
        if !creates {
            continue;
        }
        let body = with(member, &made.body, name, value);
        let answer = cloud.raw(ADMIN, "POST", collection, body.clone()).await;
        is_no_fault(&answer, &format!("POST {collection} {body}"));
        if answer.status == 201 {
            let made = format!("{collection}/{}", id(&answer.expect(201)));
            is_no_fault(&cloud.call(ADMIN, "DELETE", &made, None).await, &made);
        }
    }
}

/// Every attribute of what is served, whether a request may give it or not.
#[tokio::test]
async fn no_value_of_an_attribute_is_the_server_s_fault() {
    let values = absurd();
    for description in descriptions() {
        let Some(columns) = &description.attributes else { continue };
        let cloud = boundless().await;
        let Some(mut made) = make(&cloud, description.collection).await else { continue };
        for column in columns {
            if cloud.get(ADMIN, &made.shown_at).await.status != 200 {
                made = make(&cloud, description.collection).await.unwrap();
            }
            try_values(&cloud, &description, &made, column.name, &values).await;
        }
        consistency::check(&cloud.store.snapshot());
    }
}

#[tokio::test]
async fn bodies_that_are_no_json_are_refused() {
    let cloud = Cloud::new().await;
    let deep = |open: &str, inner: &str, close: &str| open.repeat(10_000) + inner + &close.repeat(10_000);
    let profile = format!(r#"{{"port":{{"binding:profile":{}}}}}"#, deep(r#"{"a":"#, "1", "}"));
    let bodies: Vec<Vec<u8>> = vec![
        deep("[", "", "]").into(),
        deep(r#"{"network":"#, "{}", "}").into(),
        deep("[", "", "").into(),
        profile.into(),
        format!(r#"{{"network":{{"name":{}}}}}"#, deep("[", "", "]")).into(),
        b"{\"network\":{\"name\":\"\xff\xfe\"}}".to_vec(),
        b"{\"network\":{\"name\":\"\xc0\x80\"}}".to_vec(),
        b"{\"network\":{\"name\":\"\xed\xa0\x80\"}}".to_vec(),
        b"\xef\xbb\xbf{\"network\":{}}".to_vec(),
        "{\"network\":{}}".encode_utf16().flat_map(u16::to_le_bytes).collect(),
        b"{\"network\":{}} x".to_vec(),
        b"{\"network\":{}}{\"network\":{}}".to_vec(),
        b"{\"network\":{\"mtu\":NaN}}".to_vec(),
        b"{\"network\":{\"mtu\":1e400}}".to_vec(),
        b"{'network':{}}".to_vec(),
        b"{\"network\":{\"name\":\"a\tb\"}}".to_vec(),
        b"\0".to_vec(),
        vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3],
    ];
    for collection in ["networks", "ports", "routers", "quotas/p", "networks/x/tags"] {
        let (method, path) =
            if collection.contains('/') { ("PUT", collection) } else { ("POST", collection) };
        for body in &bodies {
            let answer = cloud.raw(ADMIN, method, &format!("/v2.0/{path}"), body.clone()).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            let is_refused = answer.status == 400 || (path.ends_with("tags") && answer.status == 404);
            assert!(is_refused, "{path} {shown}: {} {}", answer.status, answer.text);
        }
    }
    assert_eq!(cloud.get(ADMIN, "/v2.0/networks").await.expect(200), json!([]));
}

/// As Python's parser has it: the last one counts (RFC 8259 §4 leaves it open).
#[tokio::test]
async fn of_duplicate_names_the_last_counts() {
    let cloud = Cloud::new().await;
    let body = r#"{"network":{"name":"x"},"network":{"name":"a","mtu":1400,"name":"b","mtu":1300}}"#;
    let network = cloud.raw(MEMBER, "POST", "/v2.0/networks", body).await.expect(201);
    assert_eq!((&network["name"], &network["mtu"]), (&json!("b"), &json!(1300)));
    let body = format!(r#"{{"network":{{"tenant_id":"{PROJECT}","tenant_id":"{OTHER_PROJECT}"}}}}"#);
    let answer = cloud.raw(MEMBER, "POST", "/v2.0/networks", body).await;
    assert!(answer.status == 403 || answer.status == 400, "{}", answer.text);
}

/// A body in parts, and how many octets of it were asked for.
fn counted(parts: usize, size: usize) -> (impl Stream<Item = Result<Bytes, Infallible>>, Arc<AtomicUsize>) {
    let read = Arc::new(AtomicUsize::new(0));
    let count = read.clone();
    let part = Bytes::from(vec![b' '; size]);
    let parts = stream::iter(0..parts).map(move |_| {
        count.fetch_add(size, Ordering::Relaxed);
        Ok(part.clone())
    });
    (parts, read)
}

#[tokio::test]
async fn a_body_without_measure_is_refused_before_it_is_read() {
    let cloud = Cloud::new().await;
    let limit = ApiConfig::default().max_body;
    let (body, read) = counted(100, 1 << 20);
    let length = (100 << 20).to_string();
    let request = axum::http::Request::post("/v2.0/networks").header("X-Auth-Token", MEMBER);
    let request = request.header("Content-Length", length).body(Body::from_stream(body)).unwrap();
    let answer = cloud.send(request).await;
    assert_eq!(answer.error(), (413, "HTTPRequestEntityTooLarge"));
    assert_eq!(read.load(Ordering::Relaxed), 0);
    // One that does not say how long it is.
    let (body, read) = counted(100, 1 << 20);
    let answer = cloud.raw(MEMBER, "POST", "/v2.0/networks", Body::from_stream(body)).await;
    assert_eq!(answer.error(), (413, "HTTPRequestEntityTooLarge"));
    assert!(read.load(Ordering::Relaxed) <= limit + (1 << 20), "{read:?}");
    // Without a token nothing of it is read.
    let (body, read) = counted(100, 1 << 20);
    assert_eq!(cloud.raw("wrong", "POST", "/v2.0/networks", Body::from_stream(body)).await.status, 401);
    assert_eq!(read.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_slow_body_is_given_up_and_bodies_that_wait_are_bounded() {
    let bodies = BodyShares { of_project: 1000, of_all: 1500 };
    let body_timeout = Duration::from_secs(5);
    let cloud = Cloud::with(ApiConfig { bodies, body_timeout, ..ApiConfig::default() }).await;
    // A part of a body, and nothing after it.
    let begun = |size: usize| {
        let part = stream::once(async move { Ok::<_, Infallible>(Bytes::from(vec![b' '; size])) });
        Body::from_stream(part.chain(stream::pending()))
    };
    let slow = [
        cloud.raw(MEMBER, "POST", "/v2.0/networks", begun(600)),
        cloud.raw(OTHER, "POST", "/v2.0/networks", begun(600)),
    ];
    let full = async {
        // Until the others have arrived as far as they do.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        let own = cloud.raw(MEMBER, "POST", "/v2.0/networks", begun(600)).await;
        assert_eq!(own.error(), (429, "HTTPTooManyRequests"));
        let third = cloud.raw(ADMIN, "POST", "/v2.0/networks", begun(600)).await;
        assert_eq!(third.error(), (503, "ServiceUnavailable"));
        // What needs little room is answered meanwhile, and what has none at all.
        assert_eq!(cloud.try_create(ADMIN, "networks", json!({})).await.status, 201);
        assert_eq!(cloud.get(MEMBER, "/v2.0/networks").await.status, 200);
    };
    let (slow, ()) = tokio::join!(join_all(slow), full);
    for answer in slow {
        assert_eq!(answer.error(), (408, "HTTPRequestTimeout"));
    }
    // They have left their room.
    let padded = format!("{}{}", json!({"network": {}}), " ".repeat(900));
    assert_eq!(cloud.raw(MEMBER, "POST", "/v2.0/networks", padded).await.status, 201);
}

#[tokio::test]
async fn addresses_without_measure_are_refused_and_long_ones_answered() {
    let cloud = Cloud::with(ApiConfig { max_url: 40_000, ..ApiConfig::default() }).await;
    cloud.create(MEMBER, "networks", json!({"name": "n"})).await;
    let many = |pair: &str, count: usize| format!("/v2.0/networks?{}", vec![pair; count].join("&"));
    for (path, expected) in [
        (many("name=x", 8_000), (414, "HTTPRequestURITooLong")),
        (format!("/v2.0/networks/{}", "x".repeat(50_000)), (414, "HTTPRequestURITooLong")),
        (many("name=x", 4_097), (400, "HTTPBadRequest")),
    ] {
        assert_eq!(cloud.get(MEMBER, &path).await.error(), expected, "{} octets", path.len());
    }
    for (pair, found) in [("name=x", 0), ("name=n", 1), ("fields=id", 1), ("tags=a", 0), ("not-tags=a", 1)] {
        let list = cloud.get(MEMBER, &many(pair, 3_000)).await.expect(200);
        assert_eq!(list.as_array().unwrap().len(), found, "{pair}");
    }
    for query in [
        "limit=99999999999999999999",
        "limit=-1",
        "limit=1e3",
        "limit=0x1",
        "limit=",
        "marker=%00",
        "marker=%FF%FE",
        "page_reverse=%FF",
        "name=%",
        "name=%C0%80",
        "%00=1",
        "=",
        "&&&=&",
        "sort_key=",
        "sort_dir=%F0%9F%92%A9",
        "id=%00",
        "mtu=99999999999999999999",
        "mtu=-0",
        "mtu=1e400",
        "created_at=9999999999",
        "changed_since=%F0",
        "changed_since=99999-99-99T99:99:99",
        "revision_number=-1",
        "fixed_ips=ip_address%3D",
        "name=~%5B",
    ] {
        for collection in ["networks", "ports", "subnets", "routers"] {
            let path = format!("/v2.0/{collection}?{query}");
            is_no_fault(&cloud.get(MEMBER, &path).await, &path);
        }
    }
}

/// Requests of one project fill its places and its line, each with the longest body; another is answered as if it were alone.
#[tokio::test]
async fn a_flood_of_one_project_is_refused_and_the_others_are_answered() {
    let shares = Shares { alone: 8, among_others: 2, waiting: 20 };
    let cloud = Arc::new(Cloud::with(ApiConfig { shares, ..ApiConfig::default() }).await);
    cloud.create(OTHER, "networks", json!({"name": "other"})).await;
    let bulk = json!({"networks": vec![json!({}); 40]});
    let flood = (0..200).map(|_| cloud.call(MEMBER, "POST", "/v2.0/networks", Some(bulk.clone())));
    let others = async {
        for _ in 0..20 {
            let list = cloud.get(OTHER, "/v2.0/networks").await.expect(200);
            assert_eq!(all(&list, "name"), ["other"]);
            tokio::task::yield_now().await;
        }
    };
    let (flood, ()) = tokio::join!(join_all(flood), others);
    let count = |status: u16| flood.iter().filter(|answer| answer.status == status).count();
    assert_eq!(count(429) + count(201) + count(409), 200);
    assert!(count(429) > 0, "nothing was refused");
    // 100 networks are what a project may have: each request that got in makes all of its own or none.
    let list = cloud.get(MEMBER, "/v2.0/networks").await.expect(200);
    assert_eq!((count(201), list.as_array().unwrap().len()), (2, 80));
}
