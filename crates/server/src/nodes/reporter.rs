//! Port reports into port statuses.
//!
//! One task per stream. While it writes, what arrives waits, the latest of each port; so single reports are recorded at
//! once and a burst in few transactions, without a timer.

use super::counters::Counter;
use super::hub::Hub;
use super::ports;
use super::session::Session;
use hadron_control::binding::set_port_wired;
use hadron_model::{Port, PortId, PortNumber, PortStatus, Timestamp};
use hadron_store::{CommitInfo, Revision, Snapshot, Tx};
use hadron_wire::proto::PortReport;
use std::sync::Arc;
use std::time::Duration;

/// Ports in a transaction: each takes an operation and a condition of the 128 that one may have.
const PORTS_AT_ONCE: usize = 64;
/// How long to wait before a write that the store refused is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// A report that is worth a write.
struct Due {
    report: PortReport,
    id: PortId,
    /// The record that the report was held against.
    record: Revision,
}

/// Records reports until the stream ends.
pub(super) async fn record(hub: Arc<Hub>, session: Arc<Session>) {
    loop {
        let ended = session.ended.notified();
        if session.has_ended() {
            return;
        }
        tokio::select! {
            () = session.reported.notified() => {}
            () = ended => return,
        }
        while let Some(first) = take(&session) {
            if let Err(error) = write(&hub, &session, first).await {
                tracing::warn!(host = session.peer.host, %error, "port reports could not be recorded; they are tried again");
                tokio::time::sleep(RETRY).await;
            }
            if session.has_ended() {
                return;
            }
        }
        ports::lease(&hub, &session).await;
        ports::end(&hub, &session).await;
    }
}

fn take(session: &Session) -> Option<Vec<PortReport>> {
    let mut waiting = session.reports.lock();
    let mut taken = Vec::new();
    while taken.len() < PORTS_AT_ONCE
        && let Some((_, report)) = waiting.pop_first()
    {
        taken.push(report);
    }
    (!taken.is_empty()).then_some(taken)
}

/// Puts a report back, unless a later one has come.
fn put_back(session: &Session, report: PortReport) {
    session.reports.lock().entry(report.port).or_insert(report);
}

async fn write(hub: &Hub, session: &Session, reports: Vec<PortReport>) -> Result<(), hadron_control::Error> {
    let host = &session.peer.host;
    let view = hub.store.snapshot();
    // What the rows say of the ports must be as new as the ports.
    hub.reach(view.position().revision).await;
    let due: Vec<Due> = reports.into_iter().filter_map(|report| judge(hub, &view, host, report)).collect();
    if due.is_empty() {
        return Ok(());
    }
    let info = CommitInfo { actor: format!("node:{host}"), time: Timestamp::now(), ..CommitInfo::default() };
    let (mut outdated, mut changed) = (Vec::new(), 0);
    let written = hub.store.write(info, |tx| {
        (outdated, changed) = (Vec::new(), 0);
        for (index, due) in due.iter().enumerate() {
            match set(tx, host, due)? {
                Some(is_change) => changed += usize::from(is_change),
                None => outdated.push(index),
            }
        }
        Ok::<_, hadron_control::Error>(())
    });
    let result = written.await.map(drop);
    match &result {
        Ok(()) => {
            hub.counters.one(Counter::ReportWrites);
            hub.counters.add(Counter::StatusChanges, changed);
            for (index, due) in due.into_iter().enumerate() {
                // The port changed meanwhile: the report is held against what it is now.
                if outdated.contains(&index) {
                    put_back(session, due.report);
                }
            }
        }
        Err(_) => due.into_iter().for_each(|due| put_back(session, due.report)),
    }
    result
}

/// Whether a report changes anything, as far as `view` shows.
fn judge(hub: &Hub, view: &Snapshot, host: &str, report: PortReport) -> Option<Due> {
    let port = view.port_by_number(PortNumber(report.port)).filter(|port| port.binding.host_id == host)?;
    if !report.error.is_empty() {
        hub.counters.one(Counter::ReportsWithError);
        let error: String = report.error.chars().take(200).collect();
        tracing::warn!(host, port = %port.id, error, "a node can't wire a port");
    }
    let row = hub.projection.read().port_revision(report.port)?;
    if report.revision < row.0 {
        hub.counters.one(Counter::ReportsStale);
        return None;
    }
    let would_be = if report.wired && port.admin_state_up { PortStatus::Active } else { PortStatus::Down };
    (port.status != would_be).then(|| Due { id: port.id, record: port.modified, report })
}

/// Records one report. Whether that changed anything; `None` if the port is not the record that was judged.
fn set(tx: &mut Tx, host: &str, due: &Due) -> Result<Option<bool>, hadron_control::Error> {
    match tx.get::<Port>(&due.id) {
        Some(port) if port.modified == due.record => {}
        // It is gone, and with it the report; or it is another record, and the report waits.
        found => return Ok(if found.is_some() { None } else { Some(false) }),
    }
    match set_port_wired(tx, host, due.id, due.report.wired) {
        Ok(is_change) => Ok(Some(is_change)),
        Err(error @ hadron_control::Error::Store(_)) => Err(error),
        Err(error) => {
            tracing::warn!(host, port = %due.id, %error, "a port report was refused");
            Ok(Some(false))
        }
    }
}
