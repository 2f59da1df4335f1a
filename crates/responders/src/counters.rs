//! What a DHCP responder has answered, and why it was silent. Both versions count the same things, of kinds of their own.

/// Defines `Counters` of a module's `MessageKind`, `Reply` and `Silence`.
macro_rules! counters {
    () => {
        /// How often each answer and each reason for silence was given, since the process began.
        #[derive(Debug, Default)]
        pub struct Counters {
            replies: [std::sync::atomic::AtomicU64; MessageKind::ALL.len()],
            silences: [std::sync::atomic::AtomicU64; Silence::ALL.len()],
        }

        impl Counters {
            /// Counts one result of [`answer`].
            pub fn record(&self, result: &Result<Reply, Silence>) {
                let counter = match result {
                    Ok(reply) => &self.replies[reply.kind as usize],
                    Err(silence) => &self.silences[*silence as usize],
                };
                counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }

            /// Name and count of each, replies first. A name is lower case with underscores, made to be a metric's label.
            pub fn read(&self) -> impl Iterator<Item = (&'static str, u64)> {
                let silences = Silence::ALL.iter().map(|silence| silence.name());
                let names = MessageKind::ALL.iter().map(|kind| kind.name()).chain(silences);
                let counts = self.replies.iter().chain(&self.silences);
                names.zip(counts.map(|count| count.load(std::sync::atomic::Ordering::Relaxed)))
            }
        }
    };
}

pub(crate) use counters;
