//! What of routers' addresses is given back, and when that may be said.

use super::Reconciler;
use crate::apply::Key;
use crate::links::Links;
use crate::plane::Plane;
use tokio::time::Instant;

impl<P: Plane, L: Links> Reconciler<P, L> {
    /// The slots that only ports used that are here no longer are given back.
    pub(super) fn leave_slots(&self) {
        if self.position.is_some() {
            let gone = self.touched.iter().filter(|port| self.calculation.port(**port).is_none());
            gone.for_each(|port| self.parts.leases.left(*port));
        }
    }

    /// Whether what this host may no longer use of shared addresses is out of the tables, but for those that `failed`, and on disk, so that
    /// it stays so.
    pub(super) async fn has_let_go(&mut self, failed: &[Key]) -> bool {
        if !self.is_committed || failed.iter().any(|key| self.writer.uses(key)) {
            return false;
        }
        if self.save_at.is_some_and(|at| at <= Instant::now()) {
            self.save().await;
        }
        self.save_at.is_none() && self.cache.sync().await
    }
}
