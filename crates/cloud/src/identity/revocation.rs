//! Tokens revoked before their time: one small record each, until the token would have expired anyway.
//!
//! A record's name holds the expiry before the token's id, so that the expired ones come first in the order of names and a
//! purge reads nothing else.

use super::token::Claims;
use hadron_model::Timestamp;
use hadron_model::identity::Secret;
use hadron_store::{Snapshot, Tx};

const PREFIX: &str = "identity/revoked/";

/// Most expired records removed in one transaction.
const PURGE: usize = 64;

fn name(claims: &Claims) -> String {
    format!("{PREFIX}{:016x}/{}", claims.expires_at.0.max(0), claims.audit_id)
}

/// Whether the token has been revoked by itself.
pub(crate) fn is_revoked(snapshot: &Snapshot, claims: &Claims) -> bool {
    snapshot.has::<Secret>(&name(claims))
}

/// Revokes the token.
pub(crate) fn revoke(tx: &mut Tx, claims: &Claims) {
    tx.put(Secret { name: name(claims), value: Vec::new() });
}

/// Removes records of tokens that expired before `now`, a bounded number.
pub(crate) fn purge(tx: &mut Tx, now: Timestamp) {
    for name in expired(tx.view(), now) {
        tx.delete::<Secret>(&name);
    }
}

/// The names that a purge would remove.
pub(crate) fn expired(snapshot: &Snapshot, now: Timestamp) -> Vec<String> {
    let end = format!("{PREFIX}{:016x}", now.0.max(0));
    let records = snapshot.iter_from::<Secret>(PREFIX.to_owned());
    records.map(|record| &record.name).take_while(|name| **name < end).take(PURGE).cloned().collect()
}
