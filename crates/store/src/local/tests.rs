//! What becomes of writers when the engine does not know what became of a batch.

use super::Local;
use crate::engine::{Append, AppendError, Engine};
use crate::feed::Feed;
use crate::{CommitInfo, Counter, CounterRecord, Revision, Snapshot, StoreError, StoreState};
use hadron_model::identity::Secret;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// How the engine answers, in order; with success when nothing is left.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    answers: VecDeque<Answer>,
    stored: Revision,
    recoverable: bool,
}

enum Answer {
    Refuse,
    /// In doubt; whether it is stored in truth.
    Doubt(bool),
}

impl Engine for Script {
    fn append(&self, batch: &[Append]) -> Result<(), AppendError> {
        let mut state = self.0.lock();
        let failed = StoreError::Unavailable { reason: "scripted".to_owned() };
        assert_eq!(batch[0].revision.0, state.stored.0 + 1, "batches follow what is stored");
        let last = batch[batch.len() - 1].revision;
        match state.answers.pop_front() {
            Some(Answer::Refuse) => return Err(AppendError::Refused(failed)),
            Some(Answer::Doubt(false)) => return Err(AppendError::InDoubt(failed)),
            Some(Answer::Doubt(true)) => {
                state.stored = last;
                return Err(AppendError::InDoubt(failed));
            }
            None => state.stored = last,
        }
        Ok(())
    }

    fn recover(&self) -> Result<Revision, StoreError> {
        let state = self.0.lock();
        if state.recoverable {
            Ok(state.stored)
        } else {
            Err(StoreError::Unavailable { reason: "still".to_owned() })
        }
    }
}

fn local(answers: impl IntoIterator<Item = Answer>) -> (Local, Script) {
    let script = Script::default();
    script.0.lock().answers.extend(answers);
    let snapshot = Arc::new(Snapshot::default());
    let feed = Feed::new(snapshot.clone(), Revision::ZERO, VecDeque::new());
    (Local::new(Box::new(script.clone()), snapshot, feed).unwrap(), script)
}

/// Writes a secret that says how many there were before.
async fn write(local: &Local, name: &str) -> Result<usize, StoreError> {
    let written = local.write(CommitInfo::default(), |tx| {
        let before = tx.view().len::<Secret>();
        tx.put(Secret { name: name.to_owned(), value: vec![] });
        Ok::<_, StoreError>(before)
    });
    Ok(written.await?.value)
}

#[tokio::test]
async fn a_refused_batch_is_gone() {
    let (local, _) = local([Answer::Refuse]);
    assert!(matches!(write(&local, "a").await, Err(StoreError::Unavailable { .. })));
    assert!(matches!(local.state(), StoreState::ReadOnly { reason } if reason.contains("scripted")));
    assert_eq!(write(&local, "b").await.unwrap(), 0);
    assert_eq!(local.state(), StoreState::Ok);
}

#[tokio::test]
async fn a_doubtful_batch_that_is_stored_appears_before_the_next() {
    let (local, script) = local([Answer::Doubt(true)]);
    let mut watch = local.feed().watch();
    assert!(write(&local, "a").await.is_err());
    assert!(write(&local, "b").await.is_err(), "nothing is written while it is not known what is stored");
    assert_eq!(local.published().load().len::<Secret>(), 0);
    script.0.lock().recoverable = true;
    assert_eq!(
        write(&local, "c").await.unwrap(),
        1,
        "the function runs again on what turned out to be stored"
    );
    for revision in 1..=2 {
        assert_eq!(watch.next().await.position.revision, Revision(revision));
    }
    let names: Vec<_> = local.published().load().iter::<Secret>().map(|secret| secret.name.clone()).collect();
    assert_eq!(names, ["a", "c"]);
}

#[tokio::test]
async fn a_doubtful_batch_that_is_not_stored_never_appears() {
    let (local, script) = local([Answer::Doubt(false)]);
    script.0.lock().recoverable = true;
    assert!(write(&local, "a").await.is_err());
    assert_eq!(write(&local, "b").await.unwrap(), 0);
    assert_eq!(script.0.lock().stored, Revision(1));
}

#[tokio::test]
async fn numbers_of_a_lost_lease_are_not_given_out_again() {
    let (local, _) = local([Answer::Refuse]);
    let take = || {
        local.write(CommitInfo::default(), |tx| {
            let number = tx.next_number(Counter::Port)?;
            tx.put(Secret { name: number.to_string(), value: vec![] });
            Ok::<_, StoreError>(number)
        })
    };
    assert!(take().await.is_err());
    let (first, second) = (take().await.unwrap().value, take().await.unwrap());
    assert!((first, second.value) > (1, 2), "1 was taken by what was lost");
    let leased = second.snapshot.get::<CounterRecord>(&Counter::Port).unwrap().next;
    assert!(leased > second.value);
}
