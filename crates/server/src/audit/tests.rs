//! The log against a store in memory, and files that are moved, cut and refused.

use super::*;
use axum::http::Method;
use hadron_api::Caller;
use hadron_model::{Host, HostNumber, Timestamp};
use hadron_store::{CommitInfo, Counter, StoreError, Tx};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("hadron-audit-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("audit.log")
    }

    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.file()).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    async fn wait_for(&self, count: usize) -> Vec<Value> {
        for _ in 0..1000 {
            if self.lines().len() >= count {
                return self.lines();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no {count} lines: {:?}", self.lines());
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A request of somebody's that makes a host.
async fn a_host(store: &Store, request_id: &str) {
    let info = CommitInfo {
        actor: "user-1".into(),
        project: "project-1".into(),
        request_id: request_id.into(),
        ..CommitInfo::system()
    };
    let make = |tx: &mut Tx| {
        let number = HostNumber(tx.next_number(Counter::Host)?);
        tx.put(Host {
            name: request_id.replace("req", "host"),
            number,
            underlay: [192, 0, 2, 1].into(),
            key_fingerprint: [0; 32],
            joined_at: Timestamp::now(),
            physical_networks: Vec::new(),
        });
        Ok::<_, StoreError>(())
    };
    store.write(info, make).await.unwrap();
}

#[tokio::test]
async fn every_commit_is_there_once_also_those_made_while_nobody_wrote() {
    let directory = Directory::new("commits");
    let store = Store::in_memory().await;
    let log = AuditLog::start(&directory.file(), &store).unwrap();
    a_host(&store, "req-1").await;
    let lines = directory.wait_for(1).await;
    assert_eq!(lines[0]["event"], "commit");
    assert_eq!((&lines[0]["request_id"], &lines[0]["actor"]), (&"req-1".into(), &"user-1".into()));
    let host = serde_json::json!({"resource": "Host", "id": "host-1", "change": "created", "attributes": []});
    assert_eq!(lines[0]["objects"], serde_json::json!([host]), "bookkeeping is left out");
    assert_eq!(std::fs::metadata(directory.file()).unwrap().permissions().mode() & 0o777, 0o600);

    log.settle().await;
    // A second one goes on after what the first has written, as a server that starts again does.
    std::fs::rename(directory.file(), directory.0.join("first")).unwrap();
    a_host(&store, "req-2").await;
    directory.wait_for(1).await;
    std::fs::copy(directory.0.join("first"), directory.file()).unwrap();
    drop(log);
    let again = AuditLog::start(&directory.file(), &store).unwrap();
    let lines = directory.wait_for(2).await;
    again.settle().await;
    let asked: Vec<_> = lines.iter().map(|line| line["request_id"].as_str().unwrap()).collect();
    assert_eq!(asked[..2], ["req-1", "req-2"]);
}

#[tokio::test]
async fn a_file_that_is_taken_away_is_begun_anew() {
    let directory = Directory::new("rotation");
    let store = Store::in_memory().await;
    let _log = AuditLog::start(&directory.file(), &store).unwrap();
    a_host(&store, "req-1").await;
    directory.wait_for(1).await;
    std::fs::rename(directory.file(), directory.0.join("audit.log.1")).unwrap();
    a_host(&store, "req-2").await;
    let lines = directory.wait_for(1).await;
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["request_id"], "req-2");
}

#[tokio::test]
async fn requests_are_told_with_who_and_how_they_ended() {
    let directory = Directory::new("requests");
    let log = AuditLog::start(&directory.file(), &Store::in_memory().await).unwrap();
    let caller = Caller { user_id: "user-1".into(), roles: vec!["member".into()], ..Caller::default() };
    let asked = Asked {
        request_id: "req-1".into(),
        traceparent: None,
        since: std::time::SystemTime::now(),
        method: Method::DELETE,
        path: "/v2.0/ports/1".into(),
        client: Some([192, 0, 2, 7].into()),
        caller: Some(Arc::new(caller)),
        status: Some(403),
    };
    log.answered(&asked);
    log.answered(&Asked { method: Method::GET, ..asked.clone() });
    log.answered(&Asked { caller: None, status: None, ..asked });
    let lines = directory.wait_for(2).await;
    let told = |name: &str| lines.iter().map(|line| line[name].clone()).collect::<Vec<_>>();
    assert_eq!(told("outcome"), ["refused", "unanswered"]);
    assert_eq!(told("actor"), ["user-1".into(), Value::Null]);
    assert_eq!((&lines[0]["client"], &lines[0]["roles"][0]), (&"192.0.2.7".into(), &"member".into()));
    assert_eq!((log.read().written, log.read().lost), (2, 0));
}

#[tokio::test]
async fn what_is_no_file_is_refused() {
    let store = Store::in_memory().await;
    for path in ["/dev/full", "/nowhere/audit.log", "/tmp"] {
        assert!(AuditLog::start(Path::new(path), &store).is_err(), "{path}");
    }
}

#[test]
fn the_last_position_is_read_from_the_end_and_torn_lines_are_passed_over() {
    let directory = Directory::new("tail");
    let history = uuid::Uuid::new_v4();
    let commit = |revision: u64| {
        serde_json::json!({"event": "commit", "history": history.to_string(), "revision": revision})
            .to_string()
    };
    let filler = "x".repeat(2 << 20);
    let text =
        format!("{}\n{filler}\n{}\n{{\"event\":\"request\"}}\n{{\"event\":\"com", commit(1), commit(2));
    std::fs::write(directory.file(), text).unwrap();
    let tail = AuditFile::open(&directory.file()).unwrap().tail().unwrap();
    let found = tail.lines().rev().find_map(line::position).unwrap();
    assert_eq!((found.history.0, found.revision.0), (history, 2));
    let mut file = AuditFile::open(&directory.file()).unwrap();
    file.append(b"{}\n").unwrap();
    file.append(b"{}\n").unwrap();
    assert!(std::fs::read_to_string(directory.file()).unwrap().ends_with("{\"event\":\"com\n{}\n{}\n"));
}
