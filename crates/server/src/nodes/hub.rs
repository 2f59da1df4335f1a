//! What all streams share: the projection and who is connected.

use super::NodeConfig;
use super::counters::{Counter, Counters};
use super::goodbye::Farewell;
use super::session::Session;
use hadron_control::agent::Report;
use hadron_model::{Host, Timestamp};
use hadron_project::{Interest, Note, Projection, Subscription, UnknownHost};
use hadron_store::{Commit, HistoryId, Position, RecordKey, Revision, Snapshot, Store, Watch};
use hadron_wire::proto::goodbye::Reason;
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// Commits that the projection follows in one go.
const COMMITS_AT_ONCE: usize = 64;
/// Changed records that a server follows when it starts: what is older makes the start longer, a whole cloud's creation much longer
/// than the cloud itself.
const CHANGES_AT_START: usize = 20_000;

/// The shared state. Locks are taken in the order of the fields; nothing waits while it holds one.
pub(super) struct Hub {
    pub(super) store: Store,
    pub(super) config: NodeConfig,
    pub(super) counters: Counters,
    pub(super) projection: RwLock<Projection>,
    sessions: Mutex<Sessions>,
    projected: watch::Sender<Position>,
    /// Set while the sessions are locked.
    is_stopping: watch::Sender<bool>,
    /// A node has connected.
    pub(super) connected: Notify,
    /// Something of a lease may end: a node has connected, or one that is has lost a router.
    pub(super) leases_due: Notify,
}

#[derive(Default)]
struct Sessions {
    /// By host number.
    connected: HashMap<u32, Arc<Session>>,
    /// The last of those that went, by host name.
    gone: BTreeMap<String, NodeStatus>,
}

/// How far a host is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Watermark {
    /// The revision up to which it has everything in force; of one that has gone, when it went.
    pub(super) revision: Revision,
    pub(super) is_connected: bool,
    pub(super) last_heard: Timestamp,
}

/// What a server knows of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeStatus {
    /// Host name.
    pub host: String,
    /// Whether its stream is up.
    pub is_connected: bool,
    /// Where from it is or was connected.
    pub remote: SocketAddr,
    /// What it says that it runs.
    pub software_version: String,
    /// When the stream began.
    pub since: Timestamp,
    /// When it was last heard.
    pub last_heard: Timestamp,
    /// The revision up to which it has everything in force.
    pub acknowledged: Revision,
    /// Rows that wait to be sent to it.
    pub waiting: usize,
}

impl Hub {
    /// The projection at an older position that the store still knows, with the commits since: so that a node that was
    /// away while servers were replaced still gets a difference.
    pub(super) fn new(store: Store, config: NodeConfig) -> (Self, Watch) {
        let mut watch =
            store.watch_from(store.oldest_within(CHANGES_AT_START)).unwrap_or_else(|_| store.watch());
        let mut projection = Projection::new(&watch.initial(), config.projection.clone());
        while let Some(commit) = watch.next_known() {
            projection.apply(&commit);
        }
        let projected = watch::Sender::new(projection.position());
        let (sessions, counters) = (Mutex::default(), Counters::default());
        let projection = RwLock::new(projection);
        let (connected, leases_due) = (Notify::new(), Notify::new());
        let is_stopping = watch::Sender::new(false);
        let hub = Self {
            store,
            config,
            counters,
            projection,
            sessions,
            projected,
            is_stopping,
            connected,
            leases_due,
        };
        (hub, watch)
    }

    /// Waits until the projection contains `revision` of the store's history now, or that is another one.
    pub(super) async fn reach(&self, revision: Revision) {
        let history = self.store.snapshot().position().history;
        // The sender lives in `self`, so waiting can't fail.
        let _ =
            self.projected.subscribe().wait_for(|at| at.revision >= revision || at.history != history).await;
    }

    /// Follows commits, oldest first, and tells the sessions that they concern.
    fn apply(&self, commits: &[Arc<Commit>]) {
        let mut projection = self.projection.write();
        for commit in commits {
            if commit.position.history != projection.position().history {
                *projection = Projection::new(&commit.after, self.config.projection.clone());
                self.sessions.lock().begin_again();
                continue;
            }
            let delta = projection.apply(commit);
            let sessions = self.sessions.lock();
            if sessions.connected.is_empty() {
                continue;
            }
            delta.notes(&projection, |host, note| {
                let Some(session) = sessions.connected.get(&host) else { return };
                if let Note::Lost(Interest::Router(_)) = note {
                    self.leases_due.notify_one();
                }
                if note == Note::Removed {
                    session.close(Farewell::removed(&session.peer.host));
                } else if session.subscription.lock().note(note, &projection) {
                    session.note_request(&commit.info.request_id);
                    session.wake.notify_one();
                }
            });
            for change in &commit.changes {
                if let RecordKey::Host(name) = &change.key {
                    sessions.check_key(commit.after.get::<Host>(name).map(|host| &***host));
                }
            }
        }
        let position = projection.position();
        drop(projection);
        self.projected.send_replace(position);
    }

    /// Begins a session with what `open` makes of a subscription of `host`, in place of an older one of the host.
    pub(super) fn open(
        &self,
        host: u32,
        held: Option<Position>,
        open: impl FnOnce(Subscription) -> Session,
    ) -> Result<Arc<Session>, UnknownHost> {
        // No commit comes between the subscription and its being known to the projector.
        let projection = self.projection.read();
        let session = Arc::new(open(projection.subscribe(host, held)?));
        let mut sessions = self.sessions.lock();
        let replaced = sessions.connected.insert(host, session.clone());
        if let Some(replaced) = replaced {
            replaced.close(farewell_for_replaced(&replaced, &session));
        }
        // The key may have changed since the stream's identity was checked.
        sessions.check_key(self.store.snapshot().get::<Host>(&session.peer.host).map(|host| &***host));
        self.connected.notify_one();
        self.leases_due.notify_one();
        if *self.is_stopping.borrow() {
            session.close(Farewell::shutdown());
        }
        Ok(session)
    }

    /// A session's stream is over.
    pub(super) fn forget(&self, session: &Arc<Session>) {
        session.end();
        let mut sessions = self.sessions.lock();
        if sessions.connected.get(&session.host).is_some_and(|current| Arc::ptr_eq(current, session)) {
            sessions.connected.remove(&session.host);
            sessions.gone.insert(session.peer.host.clone(), status(session, false));
        }
    }

    /// Says goodbye to every node, now and from now on.
    pub(super) fn stop(&self) {
        let sessions = self.sessions.lock();
        self.is_stopping.send_replace(true);
        sessions.connected.values().for_each(|session| session.close(Farewell::shutdown()));
    }

    /// Waits until nodes are said goodbye to, or the service is gone.
    pub(super) fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut is_stopping = self.is_stopping.subscribe();
        async move {
            let _ = is_stopping.wait_for(|is_stopping| *is_stopping).await;
        }
    }

    /// What was last heard of the nodes that are connected, or only of those of which nothing is recorded yet.
    pub(super) fn heard(&self, only_new: bool) -> Vec<Report> {
        let sessions = self.sessions.lock();
        let asked = sessions.connected.values().filter(|session| !session.mark_recorded() || !only_new);
        asked
            .map(|session| Report {
                host: session.peer.host.clone(),
                availability_zone: session.availability_zone.clone(),
                started_at: session.since,
                heard_at: session.last_heard(),
            })
            .collect()
    }

    /// The stream of a host that is connected to this server.
    pub(super) fn session(&self, host: &str) -> Option<Arc<Session>> {
        let sessions = self.sessions.lock();
        sessions.connected.values().find(|session| session.peer.host == host && !session.has_ended()).cloned()
    }

    /// The same by the host's number.
    pub(super) fn session_of(&self, host: u32) -> Option<Arc<Session>> {
        self.sessions.lock().connected.get(&host).filter(|session| !session.has_ended()).cloned()
    }

    /// How far the host of a session is in `history`; `None` when another session has taken its place, or none.
    pub(super) fn watermark(&self, session: &Session, history: HistoryId) -> Option<Revision> {
        let projection = self.projection.read();
        let sessions = self.sessions.lock();
        let current = sessions.connected.get(&session.host)?;
        let is_last = std::ptr::eq(&**current, session) && !current.has_ended();
        let acknowledged = Revision(current.acked());
        let watermark = current.subscription.lock().watermark(acknowledged, &projection);
        (is_last && projection.position().history == history).then_some(watermark)
    }

    pub(super) fn status(&self, host: &str) -> Option<NodeStatus> {
        self.statuses().into_iter().find(|status| status.host == host)
    }

    pub(super) fn statuses(&self) -> Vec<NodeStatus> {
        let model = self.store.snapshot();
        let mut sessions = self.sessions.lock();
        sessions.gone.retain(|host, _| model.has::<Host>(host));
        let mut statuses = sessions.gone.clone();
        for session in sessions.connected.values() {
            statuses.insert(session.peer.host.clone(), status(session, !session.has_ended()));
        }
        statuses.into_values().collect()
    }

    /// How far each of `hosts` is, by number, and whether it is connected; none for those of which nothing was ever heard here.
    pub(super) fn watermarks(&self, projection: &Projection, view: &Snapshot) -> HashMap<u32, Watermark> {
        let sessions = self.sessions.lock();
        let gone = sessions.gone.iter().filter_map(|(name, status)| {
            let host = view.get::<Host>(name)?;
            let NodeStatus { acknowledged: revision, last_heard, .. } = *status;
            Some((host.number.0, Watermark { revision, is_connected: false, last_heard }))
        });
        let connected = sessions.connected.iter().map(|(host, session)| {
            let acknowledged = Revision(session.acked());
            let revision = session.subscription.lock().watermark(acknowledged, projection);
            let (is_connected, last_heard) = (!session.has_ended(), session.last_heard());
            (*host, Watermark { revision, is_connected, last_heard })
        });
        gone.chain(connected).collect()
    }

    pub(super) fn count_goodbye(&self) {
        self.counters.one(Counter::Goodbyes);
    }
}

impl Sessions {
    /// Sends every node away to come back for the rows of another history.
    fn begin_again(&mut self) {
        tracing::warn!(
            nodes = self.connected.len(),
            "the store has another history; every node gets its rows anew"
        );
        self.connected.values().for_each(|session| session.close(Farewell::history()));
    }

    /// Ends the host's session if it was begun with another key than the one on record.
    fn check_key(&self, host: Option<&Host>) {
        let Some(host) = host else { return };
        if let Some(session) = self.connected.get(&host.number.0)
            && session.peer.key_fingerprint != host.key_fingerprint
        {
            session.close(Farewell::certificate(&host.name));
        }
    }
}

fn status(session: &Session, is_connected: bool) -> NodeStatus {
    NodeStatus {
        host: session.peer.host.clone(),
        is_connected,
        remote: session.remote,
        software_version: session.software_version.clone(),
        since: session.since,
        last_heard: session.last_heard(),
        acknowledged: Revision(session.acked()),
        waiting: session.subscription.lock().waiting(),
    }
}

fn farewell_for_replaced(old: &Session, new: &Session) -> Farewell {
    let host = &new.peer.host;
    let text = if old.instance_id == new.instance_id {
        format!("host {host} has connected anew from {}", new.remote)
    } else {
        format!(
            "another agent with the name and key of host {host} has connected from {}; run one agent for a host, and give \
             a copied machine a key of its own by joining it under its own name",
            new.remote
        )
    };
    Farewell::new(Reason::Replaced, text)
}

/// Follows the store for as long as the service lives.
pub(super) async fn follow(hub: Arc<Hub>, mut watch: Watch) {
    loop {
        let mut commits = vec![watch.next().await];
        while commits.len() < COMMITS_AT_ONCE
            && let Some(commit) = watch.next_known()
        {
            commits.push(commit);
        }
        hub.apply(&commits);
        // A long backlog must not keep other tasks of this thread waiting.
        tokio::task::yield_now().await;
    }
}
