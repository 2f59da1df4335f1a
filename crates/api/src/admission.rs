//! How many requests of each project are worked on at once, so that one project's storm leaves the others their share.
//!
//! A project that is alone may have many under way, which lets its writes share a commit. As soon as another one calls, each
//! gets a few per processor, and the rest wait in the order in which they came: what another project's request finds before it
//! is bounded, however long the line of the storm is.

use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long a project counts as calling after its last request.
const RECENT: Duration = Duration::from_secs(1);
/// Projects of which is remembered when they last called; more are looked through for what can go.
const REMEMBERED: usize = 1024;

/// How many at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shares {
    /// Requests of a project that calls alone.
    pub alone: usize,
    /// Requests of each project when several call.
    pub among_others: usize,
    /// Most requests of a project that wait; more are refused with 429.
    pub waiting: usize,
}

impl Default for Shares {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { alone: 256, among_others: (2 * processors).max(4), waiting: 4096 }
    }
}

/// Who is being served, and who waits.
pub(crate) struct Admission {
    shares: Shares,
    projects: Mutex<HashMap<String, Project>>,
}

struct Project {
    running: usize,
    waiting: VecDeque<oneshot::Sender<Permit>>,
    called_at: Instant,
}

impl Project {
    fn is_calling(&self, now: Instant) -> bool {
        self.running > 0 || now.duration_since(self.called_at) < RECENT
    }
}

/// A place among those being served, until it is dropped.
pub(crate) struct Permit {
    admission: Arc<Admission>,
    project: String,
    /// Whether it was ever in use; one that could not be handed on does not wake others.
    is_live: bool,
}

/// Too many wait already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Crowded;

impl Admission {
    pub(crate) fn new(shares: Shares) -> Self {
        Self { shares, projects: Mutex::default() }
    }

    /// Waits for a place for a request of `project`.
    pub(crate) async fn enter(self: &Arc<Self>, project: &str) -> Result<Permit, Crowded> {
        let turn = {
            let now = Instant::now();
            let mut projects = self.projects.lock();
            if projects.len() > REMEMBERED {
                projects.retain(|_, project| project.is_calling(now));
            }
            let limit = self.limit(&projects, project, now);
            let entry = projects.entry(project.to_owned()).or_insert_with(|| Project {
                running: 0,
                waiting: VecDeque::new(),
                called_at: now,
            });
            entry.called_at = now;
            if entry.running < limit {
                entry.running += 1;
                return Ok(self.permit(project));
            }
            // Those who have left make room.
            if entry.waiting.len() >= self.shares.waiting {
                entry.waiting.retain(|waiting| !waiting.is_closed());
            }
            if entry.waiting.len() >= self.shares.waiting {
                return Err(Crowded);
            }
            let (give, turn) = oneshot::channel();
            entry.waiting.push_back(give);
            turn
        };
        turn.await.map_err(|_| Crowded)
    }

    fn permit(self: &Arc<Self>, project: &str) -> Permit {
        Permit { admission: self.clone(), project: project.to_owned(), is_live: true }
    }

    /// How many requests of `project` may be under way.
    fn limit(&self, projects: &HashMap<String, Project>, project: &str, now: Instant) -> usize {
        let is_other = |(name, other): (&String, &Project)| name != project && other.is_calling(now);
        if projects.iter().any(is_other) { self.shares.among_others } else { self.shares.alone }
    }

    /// A request of `project` is done: its place goes to those who wait, as far as the project's share allows.
    fn leave(self: &Arc<Self>, project: &str) {
        let mut projects = self.projects.lock();
        let limit = self.limit(&projects, project, Instant::now());
        let Some(entry) = projects.get_mut(project) else { return };
        entry.running -= 1;
        while entry.running < limit {
            let Some(next) = entry.waiting.pop_front() else { break };
            entry.running += 1;
            if let Err(mut unused) = next.send(self.permit(project)) {
                unused.is_live = false;
                entry.running -= 1;
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_live {
            self.admission.leave(&self.project);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const SHARES: Shares = Shares { alone: 8, among_others: 2, waiting: 20 };

    fn running(admission: &Admission, project: &str) -> usize {
        admission.projects.lock().get(project).map_or(0, |project| project.running)
    }

    #[tokio::test]
    async fn a_storm_leaves_the_others_their_share() {
        let admission = Arc::new(Admission::new(SHARES));
        let mut storm: Vec<_> =
            (0..8).map(|_| admission.enter("storm").now_or_never().unwrap().unwrap()).collect();
        let mut line: Vec<_> = (0..20).map(|_| Box::pin(admission.enter("storm"))).collect();
        assert!(line.iter_mut().all(|one| one.now_or_never().is_none()));
        assert!(matches!(admission.enter("storm").now_or_never(), Some(Err(Crowded))));
        // Another project is served at once, and from then on the storm has its share only.
        let other = admission.enter("other").now_or_never().unwrap().unwrap();
        while storm.len() > 2 {
            storm.pop();
            assert_eq!(running(&admission, "storm"), storm.len());
        }
        for _ in 0..30 {
            assert!(admission.enter("other").now_or_never().unwrap().is_ok());
        }
        drop(storm);
        // The line moves, in order, two at a time.
        let mut served = 0;
        for one in line {
            let permit = one.await.unwrap();
            served += 1;
            assert!(running(&admission, "storm") <= 2);
            drop(permit);
        }
        drop(other);
        assert_eq!((served, running(&admission, "storm")), (20, 0));
    }

    #[tokio::test]
    async fn who_leaves_the_line_takes_no_place() {
        let admission = Arc::new(Admission::new(Shares { alone: 1, among_others: 1, waiting: 3 }));
        let first = admission.enter("p").await.unwrap();
        let mut gone: Vec<_> = (0..3).map(|_| Box::pin(admission.enter("p"))).collect();
        assert!(gone.iter_mut().all(|one| one.now_or_never().is_none()));
        drop(gone);
        let mut patient = Box::pin(admission.enter("p"));
        assert!((&mut patient).now_or_never().is_none());
        drop(first);
        drop(patient.await.unwrap());
        // One that was given a place and left before it looked.
        let first = admission.enter("p").await.unwrap();
        let mut late = Box::pin(admission.enter("p"));
        assert!((&mut late).now_or_never().is_none());
        drop(first);
        drop(late);
        assert_eq!(running(&admission, "p"), 0);
        assert!(admission.enter("p").now_or_never().unwrap().is_ok());
    }
}
