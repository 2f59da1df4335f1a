//! Transactions.
//!
//! Beside the caller's conditions a transaction has two of its own: this session's fence is what it last wrote, and the commit
//! mark is not older than what was seen. The first makes sure that a transaction without an answer can be made impossible; the
//! second that nothing is written into a restored backup that was computed on what it has lost.
//!
//! Where servers contend for the same records, one that is a little faster could win each time. So a server that was refused a
//! few times in a row claims the next turn, and the others wait for its commit a short while.

use super::client::Failure;
use super::layout::{self, Mark, etcd_revision};
use super::proto::{
    self, DeleteRangeRequest, PutRequest, RangeRequest, RangeResponse, Request, RequestOp, TARGET_MOD,
    TxnRequest, TxnResponse, result,
};
use super::{Inner, Seen};
use crate::backend::{Compare, Op, Outcome, Txn};
use crate::{HistoryId, Revision, StoreError};
use prost::Message;
use std::time::{Duration, Instant};

/// Between attempts to find out what became of a transaction.
const PAUSE: Duration = Duration::from_millis(100);
/// So many refusals in a row claim the next turn.
const REFUSALS: u32 = 4;
/// The longest that another server's claim is respected.
const COURTESY: Duration = Duration::from_millis(250);

/// The right of a session to write.
#[derive(Default)]
pub(super) struct Fence {
    /// etcd's revision of its key, in which history; `None` if it has to be made.
    made: Option<(HistoryId, i64)>,
    /// The number of the last transaction.
    number: u64,
    /// How many transactions in a row were refused.
    refusals: u32,
}

/// Applies a transaction. If etcd gives no answer, this finds out what became of it as long as the patience for a call lasts.
pub(super) async fn submit(inner: &Inner, txn: Txn) -> Result<Outcome, StoreError> {
    txn.check_size()?;
    let begun = Instant::now();
    let mut fence = inner.fence.lock().await;
    loop {
        inner.ready()?;
        inner.give_way().await;
        let seen = *inner.seen.borrow();
        let made = fence.in_force(inner, &seen).await?;
        fence.number += 1;
        let request = request(inner, &txn, &seen, made, fence.number);
        match inner.client.txn(request).await {
            Ok(answer) if answer.succeeded => {
                let at = history_header(&answer)?;
                fence.refusals = 0;
                return Ok(Outcome::Committed(layout::revision(at, 0)));
            }
            Ok(answer) => return refused(inner, &mut fence, &seen, &answer, made).await,
            Err(failure @ Failure::Refused(..)) => return Err(failure.into()),
            Err(Failure::NoAnswer(reason)) => {
                fence.made = None;
                loop {
                    let has_time = begun.elapsed() < inner.patience();
                    match settle(inner, &mut fence, &seen).await {
                        Ok(Some(first)) => return Ok(Outcome::Committed(first)),
                        Ok(None) if has_time => break,
                        Ok(None) => return Err(StoreError::Unavailable { reason }),
                        Err(_) if has_time => tokio::time::sleep(PAUSE).await,
                        Err(_) => return Err(unknown(inner, reason)),
                    }
                }
            }
        }
    }
}

fn history_header(answer: &TxnResponse) -> Result<i64, StoreError> {
    super::history::header(answer.header).map(|header| header.revision)
}

fn unknown(inner: &Inner, reason: String) -> StoreError {
    inner.away(&Failure::NoAnswer(reason.clone()));
    StoreError::Unavailable {
        reason: format!("{reason}; whether the change was made is not known: look before you repeat it"),
    }
}

impl Fence {
    /// etcd's revision of the fence's key.
    async fn in_force(&mut self, inner: &Inner, seen: &Seen) -> Result<i64, StoreError> {
        if let Some((_, made)) = self.made.filter(|(history, _)| *history == seen.history) {
            return Ok(made);
        }
        let put = PutRequest { key: inner.layout.fence(inner.session), value: bytes::Bytes::new() };
        let request = TxnRequest {
            compare: vec![unchanged(inner.layout.history(), seen.history_revision)],
            success: vec![Request::Put(put).into()],
            failure: vec![],
        };
        let answer = inner.client.repeatable_txn(request).await.inspect_err(|failure| inner.away(failure))?;
        if !answer.succeeded {
            inner.look_again(*seen).await?;
            let reason = "the store's history in etcd has changed; try again".to_owned();
            return Err(StoreError::Unavailable { reason });
        }
        let made = history_header(&answer)?;
        self.made = Some((seen.history, made));
        Ok(made)
    }
}

/// Makes sure that the last transaction, which has no answer, can't be applied any more, and finds out whether it was: its first
/// revision. An error if that can't be found out.
async fn settle(inner: &Inner, fence: &mut Fence, since: &Seen) -> Result<Option<Revision>, StoreError> {
    let made = fence.in_force(inner, since).await?;
    // The fence's own event comes behind all that was before it.
    inner.until(|seen| seen.etcd >= made || seen.reloads > since.reloads, "sends no events").await?;
    let seen = *inner.seen.borrow();
    if seen.reloads > since.reloads {
        return Err(StoreError::Unavailable { reason: "the store was read anew".to_owned() });
    }
    Ok(seen.own(fence.number))
}

/// Why a condition did not hold, and what to wait for before it is tried again.
async fn refused(
    inner: &Inner,
    fence: &mut Fence,
    since: &Seen,
    answer: &TxnResponse,
    made: i64,
) -> Result<Outcome, StoreError> {
    let found = |at: usize| {
        let range: Option<&RangeResponse> = answer.responses.get(at).and_then(|op| op.range.as_ref());
        range.and_then(|range| range.kvs.first())
    };
    let (own_fence, newest) = (found(0), found(1));
    if own_fence.map_or(0, |kv| kv.mod_revision) != made {
        fence.made = None;
        inner.look_again(*since).await?;
    }
    if newest.map_or(0, |kv| kv.mod_revision) < since.commit {
        inner.look_again(*since).await?;
    }
    fence.refusals += 1;
    if fence.refusals.is_multiple_of(REFUSALS) {
        // If it does not arrive, the next one may.
        let _ = inner.client.repeatable_txn(claim(inner)).await;
    }
    Ok(Outcome::Conflict(Mark::newest(newest)?))
}

fn claim(inner: &Inner) -> TxnRequest {
    let value = bytes::Bytes::copy_from_slice(inner.session.as_bytes());
    let put = PutRequest { key: inner.layout.claim(), value };
    TxnRequest { compare: vec![], success: vec![Request::Put(put).into()], failure: vec![] }
}

impl Inner {
    /// Waits for another server that has claimed the next turn.
    async fn give_way(&self) {
        let Some(claim) = self.seen.borrow().claim else { return };
        let mut seen = self.seen.subscribe();
        let gone = seen.wait_for(|seen| seen.claim != Some(claim));
        let _ = tokio::time::timeout_at((claim.at + COURTESY).into(), gone).await;
    }
}

fn unchanged(key: Vec<u8>, revision: i64) -> proto::Compare {
    compare(key, vec![], result::EQUAL, revision)
}

fn compare(key: Vec<u8>, range_end: Vec<u8>, result: i32, revision: i64) -> proto::Compare {
    proto::Compare { result, target: TARGET_MOD, key, mod_revision: Some(revision), range_end }
}

fn read(key: Vec<u8>) -> RequestOp {
    Request::Range(RangeRequest { key, ..RangeRequest::default() }).into()
}

fn request(inner: &Inner, txn: &Txn, seen: &Seen, made: i64, number: u64) -> TxnRequest {
    let layout = &inner.layout;
    let fence = layout.fence(inner.session);
    let own =
        [unchanged(fence.clone(), made), compare(layout.commit(), vec![], result::GREATER, seen.commit - 1)];
    let theirs = txn.compares.iter().map(|condition| match condition {
        Compare::Key { key, revision } => unchanged(layout.record(key), etcd_revision(*revision)),
        Compare::Range { start, end, since } => {
            compare(layout.record(start), layout.record(end), result::LESS, etcd_revision(*since) + 1)
        }
    });
    let parts = txn.parts.iter().enumerate();
    let ops = parts.flat_map(|(place, part)| part.ops.iter().map(move |op| (place, op)));
    let ops = ops.map(|(place, op)| match op {
        Op::Put { key, value } => {
            Request::Put(PutRequest { key: layout.record(key), value: layout::value(place, value) }).into()
        }
        Op::Delete { key } => {
            Request::Delete(DeleteRangeRequest { key: layout.record(key), range_end: vec![] }).into()
        }
    });
    let mark = Mark::new(inner.session, number, &txn.parts).encode_to_vec();
    let mark = Request::Put(PutRequest { key: layout.commit(), value: mark.into() });
    TxnRequest {
        compare: own.into_iter().chain(theirs).collect(),
        success: ops.chain([mark.into()]).collect(),
        failure: vec![read(fence), read(layout.commit())],
    }
}
