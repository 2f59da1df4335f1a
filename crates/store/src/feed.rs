//! Following the store: commits in order, the recent ones with their snapshots, the older ones as what they changed.

use crate::encoding::LogEntry;
use crate::record::{AnyRecord, RecordKey};
use crate::{CommitInfo, DecodeError, HistoryGone, Position, Revision, Snapshot, StoreError};
use parking_lot::Mutex;
use prost::Message;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

/// How many commits are kept with their snapshots; each pins the parts of the model that it changed.
const RECENT: usize = 256;
/// How many commits are known in all, so that a watch can start from any of them.
pub(crate) const HISTORY: usize = 10_000;

/// A changed record; look its value up in [`Commit::before`] and [`Commit::after`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Its key.
    pub key: RecordKey,
}

/// A commit, durable.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Its position.
    pub position: Position,
    /// Who made it.
    pub info: CommitInfo,
    /// What it changed; no key twice.
    pub changes: Vec<Change>,
    /// The state without it.
    pub before: Arc<Snapshot>,
    /// The state with it.
    pub after: Arc<Snapshot>,
}

impl Commit {
    /// What leads from one state to another, whatever was in between.
    pub(crate) fn between(before: Arc<Snapshot>, after: Arc<Snapshot>, info: CommitInfo) -> Self {
        let changes = before.tables.changed_keys(&after.tables);
        let changes = changes.into_iter().map(|key| Change { key }).collect();
        Self { position: after.position, info, changes, before, after }
    }
}

/// A commit of which only the changed records are kept, as they were on its other side.
#[derive(Debug)]
pub(crate) struct Past {
    pub(crate) revision: Revision,
    pub(crate) info: CommitInfo,
    pub(crate) records: Vec<(RecordKey, Option<AnyRecord>)>,
}

impl Past {
    fn of(commit: &Commit) -> Self {
        let records =
            commit.changes.iter().map(|change| (change.key.clone(), commit.before.record(&change.key)));
        Self { revision: commit.position.revision, info: commit.info.clone(), records: records.collect() }
    }

    /// `snapshot` without what the commit changed.
    fn undone(&self, snapshot: &Snapshot) -> Snapshot {
        let mut without = snapshot.clone();
        self.records.iter().for_each(|(key, before)| without.set_any(key, before.clone()));
        without
    }

    /// Takes the commit back from `snapshot`; what remains is the way forward again.
    fn undo(&self, snapshot: &mut Snapshot) -> Past {
        let mut records = Vec::with_capacity(self.records.len());
        for (key, before) in &self.records {
            records.push((key.clone(), snapshot.record(key)));
            snapshot.set_any(key, before.clone());
        }
        Past { revision: self.revision, info: self.info.clone(), records }
    }

    /// Applies a way forward.
    fn redo(self, before: &Arc<Snapshot>) -> Commit {
        let mut after = Snapshot::clone(before);
        after.position.revision = self.revision;
        let mut changes = Vec::with_capacity(self.records.len());
        for (key, record) in self.records {
            after.set_any(&key, record);
            changes.push(Change { key });
        }
        let position = after.position;
        Commit { position, info: self.info, changes, before: before.clone(), after: Arc::new(after) }
    }
}

/// Reads the entries of an engine's log.
pub(crate) fn past_of_log(log: Vec<(Revision, Vec<u8>)>) -> Result<VecDeque<Past>, StoreError> {
    log.into_iter().map(|(revision, entry)| past_of_entry(revision, &entry).map_err(Into::into)).collect()
}

fn past_of_entry(revision: Revision, entry: &[u8]) -> Result<Past, DecodeError> {
    let entry = LogEntry::decode(entry)?;
    let mut records = Vec::with_capacity(entry.changes.len());
    for change in &entry.changes {
        let key = RecordKey::from_bytes(&change.key)?;
        let (created, modified) = (Revision(change.before_created), Revision(change.before_modified));
        let before = change.before.as_deref();
        let before =
            before.map(|bytes| AnyRecord::decode(key.kind(), bytes, created, modified)).transpose()?;
        records.push((key, before));
    }
    Ok(Past { revision, info: entry.info(), records })
}

/// Where commits are published and watched.
pub(crate) struct Feed {
    state: Mutex<State>,
    newest: watch::Sender<Position>,
}

struct State {
    /// The state before the oldest of `older`.
    floor: Revision,
    older: VecDeque<Past>,
    recent: VecDeque<Arc<Commit>>,
    latest: Arc<Snapshot>,
}

impl Feed {
    /// A feed that begins at `latest` and knows the commits of `older`, the first of which came after `floor`.
    pub(crate) fn new(latest: Arc<Snapshot>, floor: Revision, older: VecDeque<Past>) -> Arc<Self> {
        let newest = watch::Sender::new(latest.position);
        Arc::new(Self {
            state: Mutex::new(State { floor, older, recent: VecDeque::with_capacity(RECENT + 1), latest }),
            newest,
        })
    }

    /// Adds commits, each based on the one before.
    pub(crate) fn publish(&self, commits: impl IntoIterator<Item = Arc<Commit>>) {
        let mut retired = Vec::new();
        let mut state = self.state.lock();
        state.recent.extend(commits);
        let Some(latest) = state.recent.back().map(|commit| commit.after.clone()) else { return };
        let position = latest.position;
        state.latest = latest;
        while state.recent.len() > RECENT {
            retired.extend(state.recent.pop_front());
        }
        state.older.extend(retired.iter().map(|commit| Past::of(commit)));
        while state.older.len() > HISTORY - RECENT {
            state.floor = state.older.pop_front().map_or(state.floor, |past| past.revision);
        }
        drop(state);
        self.newest.send_replace(position);
    }

    /// Begins again at `latest`, the state of another history: its revisions say nothing about those known so far.
    pub(crate) fn begin_again(&self, latest: Arc<Snapshot>) {
        let position = latest.position;
        let mut state = self.state.lock();
        let retired = (std::mem::take(&mut state.older), std::mem::take(&mut state.recent));
        state.floor = position.revision;
        state.latest = latest;
        drop(state);
        drop(retired);
        self.newest.send_replace(position);
    }

    /// A watch from the newest state.
    pub(crate) fn watch(self: &Arc<Self>) -> Watch {
        let newest = self.newest.subscribe();
        let at = self.state.lock().latest.clone();
        Watch { feed: self.clone(), initial: at.clone(), at, backlog: VecDeque::new(), newest }
    }

    /// A watch from the state at `position`.
    pub(crate) fn watch_from(self: &Arc<Self>, position: Position) -> Result<Watch, HistoryGone> {
        let newest = self.newest.subscribe();
        let (at, backlog) = {
            let state = self.state.lock();
            let latest = state.latest.position;
            if position.history != latest.history
                || position.revision < state.floor
                || position.revision > latest.revision
            {
                return Err(HistoryGone { asked: position, oldest: state.floor, newest: latest });
            }
            match state.recent_after(position.revision) {
                _ if position == latest => (state.latest.clone(), VecDeque::new()),
                Some(commit) => (commit.before.clone(), VecDeque::new()),
                None => state.rewind(position.revision),
            }
        };
        Ok(Watch { feed: self.clone(), initial: at.clone(), at, backlog, newest })
    }

    /// `snapshot` without what the commit of `revision` changed; `None` if that is not known any more, or of another history.
    pub(crate) fn without(&self, revision: Revision, snapshot: &Snapshot) -> Option<Snapshot> {
        let state = self.state.lock();
        if snapshot.position().history != state.latest.position.history {
            return None;
        }
        if let Ok(place) = state.older.binary_search_by_key(&revision, |past| past.revision) {
            return Some(state.older[place].undone(snapshot));
        }
        let place = state.recent.binary_search_by_key(&revision, |commit| commit.position.revision).ok()?;
        let commit = state.recent[place].clone();
        drop(state);
        Some(Past::of(&commit).undone(snapshot))
    }

    /// The oldest position from which a watch has at most so many changed records before it.
    pub(crate) fn oldest_within(&self, changes: usize) -> Position {
        let state = self.state.lock();
        let recent = state.recent.iter().rev().map(|it| (it.before.position.revision, it.changes.len()));
        // Each of the older ones came right after the one before it, the first after the floor.
        let before = state.older.iter().rev().skip(1).map(|past| past.revision).chain([state.floor]);
        let older = state.older.iter().rev().zip(before).map(|(past, before)| (before, past.records.len()));
        let latest = state.latest.position;
        let mut left = changes;
        let within = recent.chain(older).take_while(|(_, changed)| {
            let fits = *changed <= left;
            left = left.saturating_sub(*changed);
            fits
        });
        Position { revision: within.last().map_or(latest.revision, |(before, _)| before), ..latest }
    }

    /// Waits until `position` is published, or another history.
    pub(crate) async fn reach(&self, position: Position) {
        let is_there =
            |newest: &Position| newest.history != position.history || newest.revision >= position.revision;
        // The sender lives in `self`, so waiting can't fail.
        let _ = self.newest.subscribe().wait_for(is_there).await;
    }
}

impl State {
    /// The commit of `recent` that leads on from the state at `revision`, if that reaches back so far.
    fn recent_after(&self, revision: Revision) -> Option<&Arc<Commit>> {
        let index = self.recent.partition_point(|commit| commit.position.revision <= revision);
        self.recent.get(index).filter(|commit| commit.before.position.revision <= revision)
    }

    /// The state at `revision`, not below `floor` and older than `recent`, and the way from there to the first of `recent`.
    fn rewind(&self, revision: Revision) -> (Arc<Snapshot>, VecDeque<Past>) {
        let start = self.recent.front().map_or(&self.latest, |commit| &commit.before);
        let mut snapshot = Snapshot::clone(start);
        let mut forward = VecDeque::new();
        for past in self.older.iter().rev().take_while(|past| past.revision > revision) {
            forward.push_front(past.undo(&mut snapshot));
        }
        snapshot.position.revision = revision.min(start.position.revision);
        (Arc::new(snapshot), forward)
    }
}

/// A reader that follows the store, commit by commit. One that falls more than [`Watch::MOST_BEHIND`] commits behind gets
/// what it missed as a single commit with the newest one's [`CommitInfo`]; so does one when another history begins, whose
/// revisions may be lower.
pub struct Watch {
    feed: Arc<Feed>,
    initial: Arc<Snapshot>,
    at: Arc<Snapshot>,
    backlog: VecDeque<Past>,
    newest: watch::Receiver<Position>,
}

impl Watch {
    /// How many commits are kept for a slow watch, and for one that starts from an older position.
    pub const MOST_BEHIND: usize = HISTORY;

    /// The state from which it started.
    pub fn initial(&self) -> Arc<Snapshot> {
        self.initial.clone()
    }

    /// The state after the last commit that [`Watch::next`] returned.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.at.clone()
    }

    /// The next commit. Cancelling the future loses nothing. When the store is closed it waits for ever.
    pub async fn next(&mut self) -> Arc<Commit> {
        loop {
            self.newest.borrow_and_update();
            if let Some(commit) = self.next_known() {
                return commit;
            }
            // The sender lives in `self.feed`, so waiting can't fail.
            let _ = self.newest.changed().await;
        }
    }

    /// The next commit, if there is one already.
    pub fn next_known(&mut self) -> Option<Arc<Commit>> {
        if self.backlog.is_empty() {
            self.catch_up()
        } else {
            self.backlog.pop_front().map(|past| self.moved(Arc::new(past.redo(&self.at))))
        }
    }

    fn catch_up(&mut self) -> Option<Arc<Commit>> {
        let feed = self.feed.clone();
        let state = feed.state.lock();
        let Position { history, revision } = self.at.position;
        let is_same_history = state.latest.position.history == history;
        if is_same_history && state.latest.position.revision <= revision {
            return None;
        }
        if let Some(commit) = state.recent_after(revision).filter(|_| is_same_history) {
            let commit = commit.clone();
            drop(state);
            return Some(self.moved(commit));
        }
        if is_same_history && revision >= state.floor {
            self.backlog = state.rewind(revision).1;
            drop(state);
            return self.backlog.pop_front().map(|past| self.moved(Arc::new(past.redo(&self.at))));
        }
        let (after, newest) = (state.latest.clone(), state.recent.back().cloned());
        drop(state);
        let info = newest.map_or_else(CommitInfo::system, |newest| newest.info.clone());
        Some(self.moved(Arc::new(Commit::between(self.at.clone(), after, info))))
    }

    fn moved(&mut self, commit: Arc<Commit>) -> Arc<Commit> {
        self.at = commit.after.clone();
        commit
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watch at {}", self.at.position)
    }
}
