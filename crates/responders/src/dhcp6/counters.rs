use super::{MessageKind, Reply, Silence};
use std::sync::atomic::{AtomicU64, Ordering};

/// How often each answer and each reason for silence was given, since the process began.
#[derive(Debug, Default)]
pub struct Counters {
    replies: [AtomicU64; MessageKind::ALL.len()],
    silences: [AtomicU64; Silence::ALL.len()],
}

impl Counters {
    /// Counts one result of [`super::answer`].
    pub fn record(&self, result: &Result<Reply, Silence>) {
        let counter = match result {
            Ok(reply) => &self.replies[reply.kind as usize],
            Err(silence) => &self.silences[*silence as usize],
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Name and count of each, replies first. A name is lower case with underscores, made to be a metric's label.
    pub fn read(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names =
            MessageKind::ALL.iter().map(|kind| kind.name()).chain(Silence::ALL.iter().map(|s| s.name()));
        let counts = self.replies.iter().chain(&self.silences);
        names.zip(counts.map(|count| count.load(Ordering::Relaxed)))
    }
}
