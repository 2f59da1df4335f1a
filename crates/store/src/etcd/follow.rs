//! Reading the state, and following it from there.

use super::client::{Failure, Watching};
use super::history::{self, Found};
use super::layout::{self, History, Layout, Mark};
use super::proto::{EVENT_DELETE, Event, KeyValue, RangeRequest, WatchCreateRequest, WatchRequest};
use super::{Claim, Inner, Seen};
use crate::backend::{Entry, Loaded, Observed, Observer};
use crate::feed::HISTORY;
use crate::{CommitInfo, Position, Revision, StoreError};
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Keys read in one request at first; fewer when they turn out to be large.
const PAGE: i64 = 1000;
/// Pauses between attempts to follow.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];
/// How often it is kept how far the store was seen.
const REMEMBER: Duration = Duration::from_secs(1);

/// Why following has to begin anew.
enum End {
    /// The watch broke, or somebody doubts.
    Again,
    /// etcd can't be reached or understood.
    Failed(StoreError),
    /// Nobody listens any more.
    Over,
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        End::Failed(error)
    }
}

/// The state a little while ago, if etcd still knows it, so that what has happened since is known here; else the state now.
pub(super) async fn load(inner: &Inner) -> Result<Loaded, StoreError> {
    let remembered = history::remembered(inner.options.seen_file.as_deref());
    history::clear_fences(inner).await?;
    let found = history::find(inner, &remembered).await?;
    let earlier = found.etcd.saturating_sub(HISTORY as i64).max(1);
    match load_at(inner, &found, earlier).await? {
        Some(loaded) => Ok(loaded),
        None => load_now(inner, &found).await,
    }
}

async fn load_now(inner: &Inner, found: &Found) -> Result<Loaded, StoreError> {
    match load_at(inner, found, found.etcd).await? {
        Some(loaded) => Ok(loaded),
        None => Err(StoreError::Unavailable { reason: "etcd was compacted while it was read".to_owned() }),
    }
}

/// The state at one of etcd's revisions; `None` if that is compacted.
async fn load_at(inner: &Inner, found: &Found, at: i64) -> Result<Option<Loaded>, StoreError> {
    let (mut key, range_end) = inner.layout.everything();
    let (mut entries, mut newest) = (Vec::new(), None);
    let mut limit = PAGE;
    loop {
        let request = RangeRequest {
            key: key.clone(),
            range_end: range_end.clone(),
            limit,
            revision: at,
            ..RangeRequest::default()
        };
        let page = match inner.client.range(request).await {
            Ok(page) => page,
            Err(failure) if failure.is_compacted() => return Ok(None),
            Err(failure) if failure.is_too_large() && limit > 1 => {
                limit /= 8;
                continue;
            }
            Err(failure) => return Err(failure.into()),
        };
        if let Some(last) = page.kvs.last() {
            key = [last.key.as_slice(), &[0]].concat();
        }
        for kv in page.kvs {
            if let Some(record) = inner.layout.record_of(&kv.key) {
                entries.push(layout::entry(record, &kv)?.0);
            } else if kv.key == inner.layout.commit() {
                newest = Some(kv);
            }
        }
        if !page.more {
            break;
        }
    }
    let revision = Mark::newest(newest.as_ref())?;
    let position = Position { history: found.id, revision };
    inner.seen.send_modify(|seen| {
        *seen = Seen {
            history: found.id,
            history_revision: found.record,
            etcd: at,
            commit: newest.map_or(0, |kv| kv.mod_revision),
            own: seen.own,
            claim: None,
            rounds: seen.rounds,
            reloads: seen.reloads,
        };
    });
    Ok(Some(Loaded { position, entries }))
}

/// Follows the store until nobody listens any more.
pub(super) async fn follow(inner: Arc<Inner>, observer: Weak<dyn Observer>) {
    let (mut pause, mut failures, mut has_missed) = (PAUSES[0], 0, false);
    loop {
        let rounds = inner.seen.borrow().rounds;
        let end = Follower { inner: &inner, observer: &observer }.round(&mut has_missed).await;
        let has_begun = inner.seen.borrow().rounds > rounds;
        (pause, failures) =
            if has_begun { (PAUSES[0], 0) } else { ((pause * 2).min(PAUSES[1]), failures + 1) };
        match end {
            End::Over => return,
            End::Again if has_begun => {}
            End::Again => tokio::time::sleep(pause).await,
            End::Failed(StoreError::Unavailable { reason }) => {
                // While there are members that were not asked, requests may succeed.
                if failures >= inner.options.endpoints.len() {
                    inner.in_trouble(&reason);
                }
                tokio::time::sleep(pause).await;
            }
            End::Failed(error) => return stop(&inner, &error),
        }
    }
}

/// What is there can't be understood, by this release at least.
fn stop(inner: &Inner, error: &StoreError) {
    tracing::error!(%error, "this server stops following the store");
    inner.in_trouble(&error.to_string());
}

struct Follower<'a> {
    inner: &'a Inner,
    observer: &'a Weak<dyn Observer>,
}

impl Follower<'_> {
    /// One watch, from its beginning to its end.
    async fn round(&self, has_missed: &mut bool) -> End {
        match self.watch(has_missed).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    /// Follows; reads everything first if commits were missed, and lets that be known if they turn out to be.
    async fn watch(&self, has_missed: &mut bool) -> Result<std::convert::Infallible, End> {
        if *has_missed {
            self.reload().await?;
            *has_missed = false;
        }
        let mut watching = self.open().await?;
        // The watch is open: a backup that is restored from now on ends it.
        let seen = *self.inner.seen.borrow();
        let found = history::find(self.inner, &seen).await?;
        if found.id != seen.history {
            *has_missed = true;
            return Err(End::Again);
        }
        self.inner.seen.send_modify(|seen| {
            seen.history_revision = found.record;
            seen.rounds += 1;
        });
        self.inner.out_of_trouble();
        let mut clock = tokio::time::interval(REMEMBER);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut remembered = 0;
        loop {
            let answer = tokio::select! {
                answer = watching.next() => answer,
                () = self.inner.doubt.notified() => return Err(End::Again),
                _ = clock.tick() => {
                    self.remember(&mut remembered);
                    continue;
                }
            };
            match answer {
                Ok(answer) if answer.compact_revision > 0 => {
                    *has_missed = true;
                    return Err(End::Again);
                }
                Ok(answer) if answer.canceled => {
                    tracing::warn!(reason = answer.cancel_reason, "etcd has cancelled the watch");
                    return Err(End::Again);
                }
                Ok(answer) => self.take(answer.events)?,
                Err(failure) => {
                    tracing::info!(reason = failure.text(), "the watch has ended; it begins again");
                    return Err(End::Again);
                }
            }
        }
    }

    /// A watch from behind what was seen.
    async fn open(&self) -> Result<Watching, End> {
        let (key, range_end) = self.inner.layout.everything();
        let start_revision = self.inner.seen.borrow().etcd + 1;
        let create = WatchCreateRequest { key, range_end, start_revision, fragment: true };
        let request = WatchRequest { create: Some(create) };
        let failed = |failure: Failure| End::Failed(failure.into());
        let mut watching = self.inner.client.watch(request).await.map_err(failed)?;
        let created = tokio::time::timeout(self.inner.options.timeout, watching.next()).await;
        let created = created.unwrap_or_else(|_| {
            Err(Failure::NoAnswer("etcd does not answer the request for a watch".to_owned()))
        });
        let created = created.inspect_err(|_| self.inner.client.prefer_another()).map_err(failed)?;
        // That the revision is compacted comes as the next answer.
        if !created.created {
            self.inner.client.prefer_another();
            let reason = format!("etcd refuses the watch: {}", created.cancel_reason);
            return Err(End::Failed(StoreError::Unavailable { reason }));
        }
        Ok(watching)
    }

    /// Reads everything and tells the observer.
    async fn reload(&self) -> Result<(), End> {
        let seen = *self.inner.seen.borrow();
        let found = history::find(self.inner, &seen).await?;
        tracing::warn!(etcd = found.etcd, "the store is read anew");
        let loaded = load_now(self.inner, &found).await?;
        self.inner.seen.send_modify(|seen| seen.reloads += 1);
        self.observer.upgrade().ok_or(End::Over)?.reloaded(loaded);
        Ok(())
    }

    /// Tells the observer what has happened, transaction by transaction.
    fn take(&self, events: Vec<Event>) -> Result<(), End> {
        let observer = self.observer.upgrade().ok_or(End::Over)?;
        let mut kvs = events.into_iter().filter_map(|event| event.kv.map(|kv| (event.kind, kv))).peekable();
        while let Some((_, first)) = kvs.peek() {
            let at = first.mod_revision;
            let mut transaction = Transaction::new(&self.inner.layout, at);
            while let Some((kind, kv)) = kvs.next_if(|(_, kv)| kv.mod_revision == at) {
                transaction.add(kind == EVENT_DELETE, kv)?;
            }
            if transaction.is_new_history(&self.inner.seen.borrow())? {
                return Err(End::Again);
            }
            let session = transaction.mark.as_ref().and_then(Mark::session);
            let own = transaction.mark.as_ref().filter(|_| session == Some(self.inner.session));
            let own = own.map(|mark| (mark.number, layout::revision(at, 0)));
            let is_commit = transaction.mark.is_some();
            let claimant = transaction.claim.filter(|session| *session != self.inner.session);
            let commits = transaction.commits();
            if !commits.is_empty() {
                observer.committed(commits);
            }
            self.inner.seen.send_modify(|seen| {
                seen.etcd = at;
                seen.own = own.or(seen.own);
                seen.claim = match claimant {
                    Some(session) => Some(Claim { session, at: Instant::now() }),
                    None => seen.claim.filter(|claim| Some(claim.session) != session),
                };
                if is_commit {
                    seen.commit = at;
                }
            });
        }
        Ok(())
    }

    fn remember(&self, remembered: &mut i64) {
        let seen = *self.inner.seen.borrow();
        if let Some(path) = &self.inner.options.seen_file
            && seen.etcd > *remembered
        {
            history::remember(path, &seen);
            *remembered = seen.etcd;
        }
    }
}

/// What happened at one of etcd's revisions.
struct Transaction<'a> {
    layout: &'a Layout,
    at: i64,
    mark: Option<Mark>,
    history: Option<KeyValue>,
    claim: Option<Uuid>,
    puts: Vec<(Entry, u64)>,
    deletes: Vec<Vec<u8>>,
}

impl<'a> Transaction<'a> {
    fn new(layout: &'a Layout, at: i64) -> Self {
        Self { layout, at, mark: None, history: None, claim: None, puts: Vec::new(), deletes: Vec::new() }
    }

    fn add(&mut self, is_delete: bool, kv: KeyValue) -> Result<(), StoreError> {
        if let Some(record) = self.layout.record_of(&kv.key) {
            if is_delete {
                self.deletes.push(record.to_vec());
            } else {
                self.puts.push(layout::entry(record, &kv)?);
            }
        } else if kv.key == self.layout.commit() && !is_delete {
            self.mark = Some(Mark::read(&kv.value)?);
        } else if kv.key == self.layout.history() && !is_delete {
            self.history = Some(kv);
        } else if kv.key == self.layout.claim() {
            self.claim = Uuid::from_slice(&kv.value).ok();
        }
        Ok(())
    }

    /// Whether somebody has begun another history.
    fn is_new_history(&self, seen: &Seen) -> Result<bool, StoreError> {
        let Some(kv) = self.history.as_ref().filter(|kv| kv.mod_revision > seen.history_revision) else {
            return Ok(false);
        };
        Ok(History::read(&kv.value)?.id() != seen.history)
    }

    fn commits(self) -> Vec<Observed> {
        let mut commits: Vec<Observed> = Vec::new();
        let mut place_of = HashMap::new();
        let commit = |place: u64, info: CommitInfo| Observed {
            revision: layout::revision(self.at, place),
            info,
            puts: Vec::new(),
            deletes: Vec::new(),
        };
        match self.mark {
            Some(mark) => {
                for (place, mut part) in mark.parts.into_iter().enumerate() {
                    place_of.extend(std::mem::take(&mut part.deletes).into_iter().map(|key| (key, place)));
                    commits.push(commit(place as u64, part.info()));
                }
            }
            // Not a server's doing.
            None if !self.puts.is_empty() || !self.deletes.is_empty() => {
                commits.push(commit(0, CommitInfo { actor: "etcd".to_owned(), ..CommitInfo::system() }));
            }
            None => return commits,
        }
        for (entry, place) in self.puts {
            let place = (place as usize).min(commits.len().saturating_sub(1));
            if let Some(commit) = commits.get_mut(place) {
                commit.puts.push(entry);
            }
        }
        for key in self.deletes {
            let place = place_of.get(&key).copied().unwrap_or(0);
            if let Some(commit) = commits.get_mut(place) {
                commit.deletes.push(key);
            }
        }
        commits
    }
}

impl Seen {
    /// Whether this session's transaction of that number is among what was seen; where.
    pub(super) fn own(&self, number: u64) -> Option<Revision> {
        self.own.filter(|own| own.0 == number).map(|own| own.1)
    }
}
