use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! outcomes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// What becomes of a question.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Outcome {
            $($(#[$doc])* $variant,)*
        }

        impl Outcome {
            /// All of them.
            pub const ALL: &[Outcome] = &[$(Outcome::$variant),*];

            /// The name in metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Outcome::$variant => $name,)* }
            }
        }
    };
}

outcomes! {
    /// Answered by what is known of the network.
    Answered = "answered";
    /// The network has no such name.
    Unknown = "unknown";
    /// Asked elsewhere.
    Forwarded = "forwarded";
    /// No message: too short, a name that goes in circles or out of the message, a field cut short.
    Malformed = "malformed";
    /// An answer where a question should be.
    NoQuestion = "no_question";
    /// Not one question, but none or several.
    Questions = "questions";
    /// Another operation than a query.
    Operation = "operation";
    /// A class, type or signature that nobody is answered for here.
    Refused = "refused";
    /// A version of EDNS that is not spoken here.
    Version = "version";
    /// Nobody answered elsewhere, or there is nobody to ask.
    Failed = "failed";
    /// The port has too many questions under way.
    Crowded = "crowded";
}

/// How often each came about, since the process began.
#[derive(Debug, Default)]
pub struct Counters([AtomicU64; Outcome::ALL.len()]);

impl Counters {
    /// Counts one.
    pub fn record(&self, outcome: Outcome) {
        self.0[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Name and count of each.
    pub fn read(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Outcome::ALL
            .iter()
            .zip(&self.0)
            .map(|(outcome, count)| (outcome.name(), count.load(Ordering::Relaxed)))
    }
}
