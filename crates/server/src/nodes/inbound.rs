//! What a node says after its hello.

use super::counters::Counter;
use super::goodbye::Farewell;
use super::hub::Hub;
use super::session::Session;
use hadron_model::{PortNumber, Router};
use hadron_project::Interest;
use hadron_wire::proto::node_message::Message;
use hadron_wire::proto::{NodeMessage, PortReport, PortReports, PortsWanted};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tonic::Streaming;

/// Reads until the stream ends, the node breaks the protocol, or it falls silent.
pub(super) async fn read(hub: Arc<Hub>, session: Arc<Session>, mut messages: Streaming<NodeMessage>) {
    loop {
        // Registered before the flag is read, so that an end in between is not missed.
        let ended = session.ended.notified();
        if session.has_ended() {
            return;
        }
        let message = tokio::select! {
            message = tokio::time::timeout(hub.config.silence, messages.message()) => message,
            () = ended => return,
        };
        match message {
            Ok(Ok(Some(NodeMessage { message }))) => {
                session.heard();
                if let Err(farewell) = take(&hub, &session, message) {
                    return session.close(farewell);
                }
            }
            Ok(Ok(None)) => break,
            Ok(Err(error)) => {
                tracing::debug!(host = session.peer.host, error = error.message(), "a node's stream broke");
                break;
            }
            Err(_silent) => {
                let text = format!(
                    "nothing was heard for {} s; the node must send heartbeats",
                    hub.config.silence.as_secs()
                );
                return session.close(Farewell::protocol(text));
            }
        }
    }
    session.end();
}

fn take(hub: &Hub, session: &Session, message: Option<Message>) -> Result<(), Farewell> {
    if session.peer.has_expired() {
        return Err(Farewell::certificate(&session.peer.host));
    }
    match message {
        Some(Message::Hello(_)) => Err(Farewell::protocol("a second hello")),
        Some(Message::Ack(ack)) => session.ack(ack.revision),
        Some(Message::PortReports(reports)) => take_reports(hub, session, reports),
        Some(Message::PortsWanted(wanted)) => {
            take_wanted(hub, session, wanted);
            Ok(())
        }
        Some(Message::Traced(reply)) => {
            session.traces.answer(reply);
            Ok(())
        }
        Some(Message::Followed(news)) => {
            session.listeners.tell(news);
            Ok(())
        }
        Some(Message::Heartbeat(_)) => {
            session.wants_catch_up.store(true, Relaxed);
            session.wake.notify_one();
            Ok(())
        }
        // A kind of message that a later release knows.
        None => Ok(()),
    }
}

/// Only routers that the host reaches can wait.
fn take_wanted(hub: &Hub, session: &Session, wanted: PortsWanted) {
    let PortsWanted { interface, blocks, slots, unused } = wanted;
    let view = hub.store.snapshot();
    let port = view.port_by_number(PortNumber(interface));
    let router = port.and_then(|port| view.get::<Router>(&port.router()?.0)).map(|router| router.number.0);
    let is_reached = |router| hub.projection.read().is_interested(session.host, Interest::Router(router));
    if router.is_some_and(is_reached) {
        session.wanted.lock().entry(interface).or_default().add(blocks, &slots, &unused);
        session.reported.notify_one();
    }
}

fn take_reports(hub: &Hub, session: &Session, PortReports { reports }: PortReports) -> Result<(), Farewell> {
    if reports.len() > hadron_wire::MAX_PORT_REPORTS {
        return Err(Farewell::protocol(format!(
            "{} port reports in a message; at most {} are allowed",
            reports.len(),
            hadron_wire::MAX_PORT_REPORTS
        )));
    }
    hub.counters.add(Counter::Reports, reports.len());
    let view = hub.store.snapshot();
    let (mut stale, mut refused) = (0, 0);
    let (mut waiting, mut errors) = (session.reports.lock(), session.errors.lock());
    for report in reports {
        // Only ports of the host can wait, so that a node can't make the server hold more than these.
        match view.port_by_number(PortNumber(report.port)) {
            Some(port) if port.binding.host_id == session.peer.host => {
                note_error(&mut errors, &report);
                drop(waiting.insert(report.port, report));
            }
            Some(port) if port.modified.0 <= report.revision => refused += 1,
            // The port was moved or deleted, and the node doesn't know it yet.
            _ => stale += 1,
        }
    }
    drop((waiting, errors));
    hub.counters.add(Counter::ReportsStale, stale);
    if refused > 0 {
        hub.counters.add(Counter::ReportsRefused, refused);
        tracing::warn!(
            host = session.peer.host,
            reports = refused,
            "a node reported on ports of other hosts"
        );
    }
    session.reported.notify_one();
    Ok(())
}

/// Keeps what is wrong with a port, for who asks.
fn note_error(errors: &mut BTreeMap<u32, String>, report: &PortReport) {
    if report.error.is_empty() {
        errors.remove(&report.port);
    } else {
        errors.insert(report.port, report.error.chars().take(LONGEST_ERROR).collect());
    }
}

/// Characters of an error that are kept.
const LONGEST_ERROR: usize = 200;
