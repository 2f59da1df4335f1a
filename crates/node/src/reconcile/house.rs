//! What is looked after now and then: rows on disk, and what nobody announces.

use super::Reconciler;
use crate::error::chain;
use crate::links::Links;
use crate::plane::Plane;
use std::time::Duration;
use tokio::time::Instant;

/// The pause before rows that couldn't be written to disk are written again.
const SAVE_PAUSE: Duration = Duration::from_secs(10);

/// How often it is looked at what nobody announces: programs that were taken off, tables that fill up.
const CHECK: Duration = Duration::from_secs(10);

impl<P: Plane, L: Links> Reconciler<P, L> {
    pub(super) async fn keep_house(&mut self) {
        let now = Instant::now();
        if self.save_at.is_some_and(|at| at <= now) {
            self.save().await;
        }
        if self.check_at <= now {
            self.check_at = now + CHECK;
            self.check_fill();
            self.check_attached();
            self.settle_untracked().await;
        }
    }

    /// Writes all rows to disk, if the journal doesn't have them.
    pub(super) async fn save(&mut self) {
        let (Some(_), Some(position)) = (self.save_at.take(), self.position) else { return };
        if let Err(error) = self.cache.store(position, self.calculation.rows()).await {
            let error = chain(&error);
            tracing::warn!(
                error,
                "rows can't be kept on disk; a restart without a server would find old ones"
            );
            self.save_at = Some(Instant::now() + SAVE_PAUSE);
        }
    }

    /// An operator's firewall, when it is loaded anew, takes away every table that isn't its own.
    async fn settle_untracked(&mut self) {
        let settled = self.parts.links.settle_untracked(self.settings.overlay.port).await;
        let error = settled.err().map(|error| chain(&error));
        if let Some(text) = error.as_ref().filter(|text| self.untracked_error.as_ref() != Some(text)) {
            tracing::warn!(error = text, "the host's connection tracking sees the overlay's packets");
        }
        self.untracked_error = error;
    }

    /// A program that somebody took off leaves its guest in front of the host's own stack: it is put back with the next pass.
    fn check_attached(&mut self) {
        match self.parts.plane.attached() {
            Ok(attached) => {
                let missing = self.writer.check_attached(&attached);
                if missing > 0 {
                    tracing::warn!(
                        programs = missing,
                        "programs were taken off their interfaces by somebody; put back"
                    );
                    self.retry.expects(Duration::ZERO);
                }
            }
            Err(error) => tracing::warn!(error = chain(&error), "the attached programs can't be listed"),
        }
    }

    fn check_fill(&mut self) {
        self.tables = self.parts.plane.status();
        for table in &self.tables {
            if !table.is_nearly_full() {
                self.nearly_full.remove(table.name);
            } else if self.nearly_full.insert(table.name) {
                tracing::warn!(
                    table = table.name,
                    rows = table.rows,
                    capacity = table.capacity,
                    "a table of the packet path is nearly full; raise its size in the configuration"
                );
            }
        }
    }
}
