//! What the server has yet to be told: the latest word on each port, the ports outside that are wanted, and how far the rows are in force.

use hadron_model::nat::MOST_SLOTS;
use hadron_wire::MAX_PORT_REPORTS;
use hadron_wire::proto::node_message::Message;
use hadron_wire::proto::{Ack, FollowNews, NodeMessage, PortReport, PortReports, PortsWanted, TraceReply};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Octets of an error's text; [`MAX_PORT_REPORTS`] of them stay far below the longest message.
const LONGEST_ERROR: usize = 512;

/// What there is to say about a port.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PortState {
    /// Its interface carries the packet path.
    pub wired: bool,
    /// Revision of its row.
    pub revision: u64,
    /// Why it can't be wired; empty while merely waiting.
    pub error: String,
}

/// Latest state by port, and what of it is unsaid. The node's loop writes, the stream reads.
#[derive(Debug, Default)]
pub struct Outbox {
    inner: Mutex<Inner>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    ports: BTreeMap<u32, PortState>,
    unsaid: BTreeSet<u32>,
    /// Blocks of ports that the host is to have, by router's interface.
    wanted: BTreeMap<u32, u32>,
    unsaid_wanted: BTreeSet<u32>,
    /// Slots that the host is to have too: a router's interface and a number.
    unsaid_slots: BTreeSet<(u32, u16)>,
    /// Those that it no longer needs. They are not said on a later stream: they may be needed by then.
    unsaid_unused: BTreeSet<(u32, u16)>,
    in_force: u64,
    acknowledged: u64,
    is_open: bool,
    /// Answers to traces, and packets that are followed.
    answers: Vec<Message>,
}

impl Outbox {
    /// Sets what there is to say about a port; `None` when it is no port of this host any more.
    pub fn set(&self, port: u32, state: Option<PortState>) {
        let mut inner = self.lock();
        match state {
            Some(mut state) => {
                state.error.truncate(state.error.floor_char_boundary(LONGEST_ERROR));
                if inner.ports.get(&port) == Some(&state) {
                    return;
                }
                inner.ports.insert(port, state);
                inner.unsaid.insert(port);
            }
            None => {
                inner.ports.remove(&port);
                inner.unsaid.remove(&port);
            }
        }
    }

    /// Everything up to `revision` is in force. Wakes the stream, which says this and the ports' states.
    pub fn in_force(&self, revision: u64) {
        self.lock().in_force = revision;
        self.news.notify_one();
    }

    /// Wakes the stream.
    pub fn flush(&self) {
        self.news.notify_one();
    }

    /// Says how many blocks of ports the host is to have at a router's interface; 0 to say nothing of it any more.
    pub fn want_ports(&self, interface: u32, blocks: u32) {
        let mut inner = self.lock();
        if blocks == 0 {
            inner.wanted.remove(&interface);
            inner.unsaid_wanted.remove(&interface);
            inner.unsaid_slots.retain(|(of, _)| *of != interface);
            inner.unsaid_unused.retain(|(of, _)| *of != interface);
            return;
        }
        inner.wanted.insert(interface, blocks);
        inner.unsaid_wanted.insert(interface);
        drop(inner);
        self.news.notify_one();
    }

    /// Asks for a slot at a router's interface, or to keep it, once. While there are [`MOST_SLOTS`] to ask for, further ones wait for their
    /// next packet.
    pub fn want_slot(&self, interface: u32, slot: u16) {
        let mut inner = self.lock();
        inner.unsaid_unused.remove(&(interface, slot));
        if inner.unsaid_slots.len() < MOST_SLOTS {
            inner.unsaid_slots.insert((interface, slot));
        }
        drop(inner);
        self.news.notify_one();
    }

    /// Says once that a slot at a router's interface is no longer needed.
    pub fn give_back(&self, interface: u32, slot: u16) {
        let mut inner = self.lock();
        inner.unsaid_slots.remove(&(interface, slot));
        inner.unsaid_unused.insert((interface, slot));
        drop(inner);
        self.news.notify_one();
    }

    /// Answers a trace. The answer to a stream that has ended is lost with it.
    pub fn traced(&self, reply: TraceReply) {
        self.lock().answers.push(Message::Traced(reply));
        self.news.notify_one();
    }

    /// Tells of packets that are followed, likewise.
    pub fn followed(&self, news: FollowNews) {
        self.lock().answers.push(Message::Followed(news));
        self.news.notify_one();
    }

    /// The state of each port.
    pub fn ports(&self) -> BTreeMap<u32, PortState> {
        self.lock().ports.clone()
    }

    /// The number of ports, and of wired ones.
    pub fn count(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.ports.len(), inner.ports.values().filter(|state| state.wired).count())
    }

    /// A stream begins: nothing is said before [`Outbox::open`].
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.is_open = false;
        inner.answers.clear();
        inner.unsaid_unused.clear();
        inner.acknowledged = 0;
        inner.in_force = 0;
    }

    /// The first complete batch of the stream is in force up to `revision`: every port is to be said again.
    pub(crate) fn open(&self, revision: u64) {
        let mut inner = self.lock();
        inner.is_open = true;
        inner.unsaid = inner.ports.keys().copied().collect();
        inner.unsaid_wanted = inner.wanted.keys().copied().collect();
        inner.in_force = revision;
        drop(inner);
        self.news.notify_one();
    }

    /// Waits until there may be something to say.
    pub(crate) async fn changed(&self) {
        self.news.notified().await;
    }

    /// What is unsaid, as messages; from here on it counts as said.
    pub(crate) fn take(&self) -> Vec<NodeMessage> {
        let mut inner = self.lock();
        let answers = std::mem::take(&mut inner.answers).into_iter();
        if !inner.is_open {
            return answers.map(|message| NodeMessage { message: Some(message) }).collect();
        }
        let in_force = inner.in_force;
        let unsaid = std::mem::take(&mut inner.unsaid);
        let reports: Vec<PortReport> = unsaid
            .into_iter()
            .filter_map(|port| {
                let state = inner.ports.get(&port)?;
                let revision = state.revision.max(in_force);
                Some(PortReport { port, wired: state.wired, revision, error: state.error.clone() })
            })
            .collect();
        let mut messages: Vec<Message> = reports
            .chunks(MAX_PORT_REPORTS)
            .map(|reports| Message::PortReports(PortReports { reports: reports.to_vec() }))
            .chain(answers)
            .collect();
        let mut wanted = BTreeMap::new();
        for interface in std::mem::take(&mut inner.unsaid_wanted) {
            let blocks = inner.wanted.get(&interface).copied().unwrap_or(0);
            wanted.insert(interface, PortsWanted { interface, blocks, ..PortsWanted::default() });
        }
        let none = |interface| PortsWanted { interface, ..PortsWanted::default() };
        for (interface, slot) in std::mem::take(&mut inner.unsaid_slots) {
            wanted.entry(interface).or_insert_with(|| none(interface)).slots.push(slot.into());
        }
        for (interface, slot) in std::mem::take(&mut inner.unsaid_unused) {
            wanted.entry(interface).or_insert_with(|| none(interface)).unused.push(slot.into());
        }
        messages.extend(wanted.into_values().map(Message::PortsWanted));
        if inner.acknowledged != in_force {
            inner.acknowledged = in_force;
            messages.push(Message::Ack(Ack { revision: in_force }));
        }
        messages.into_iter().map(|message| NodeMessage { message: Some(message) }).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(wired: bool, revision: u64) -> Option<PortState> {
        Some(PortState { wired, revision, error: String::new() })
    }

    fn said(outbox: &Outbox) -> (Vec<(u32, bool, u64)>, Option<u64>) {
        let (mut reports, mut ack) = (Vec::new(), None);
        for message in outbox.take() {
            match message.message {
                Some(Message::PortReports(all)) => {
                    reports.extend(all.reports.iter().map(|r| (r.port, r.wired, r.revision)));
                }
                Some(Message::Ack(Ack { revision })) => ack = Some(revision),
                other => panic!("{other:?}"),
            }
        }
        (reports, ack)
    }

    #[test]
    fn only_the_latest_is_said_and_only_once() {
        let outbox = Outbox::default();
        outbox.set(1, state(false, 5));
        outbox.set(1, state(true, 5));
        outbox.set(2, state(true, 5));
        outbox.set(2, None);
        assert_eq!(said(&outbox), (vec![], None), "said before the stream was ready");
        outbox.open(7);
        assert_eq!(said(&outbox), (vec![(1, true, 7)], Some(7)));
        assert_eq!(said(&outbox), (vec![], None));
        outbox.set(1, state(true, 5));
        assert_eq!(said(&outbox), (vec![], None));
        outbox.set(1, state(true, 9));
        outbox.in_force(8);
        assert_eq!(said(&outbox), (vec![(1, true, 9)], Some(8)));
    }

    #[test]
    fn everything_is_said_again_on_a_new_stream() {
        let outbox = Outbox::default();
        outbox.set(1, state(true, 5));
        outbox.open(7);
        said(&outbox);
        outbox.close();
        outbox.set(3, state(false, 6));
        assert_eq!(said(&outbox), (vec![], None));
        outbox.open(7);
        assert_eq!(said(&outbox), (vec![(1, true, 7), (3, false, 7)], Some(7)));
    }

    #[test]
    fn many_reports_are_cut_into_messages() {
        let outbox = Outbox::default();
        for port in 0..MAX_PORT_REPORTS as u32 + 1 {
            outbox.set(port, state(true, 1));
        }
        outbox.open(1);
        assert_eq!(outbox.take().len(), 3);
    }
}
