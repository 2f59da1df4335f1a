//! Why rules can't be used.

use std::path::PathBuf;

/// Rules that can't be used. Nothing of a file with such a rule is taken.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A rule that can't be understood.
    #[error("policy rule {rule:?} can't be understood: {reason} in {text:?}")]
    Rule {
        /// Its name.
        rule: String,
        /// Its text.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// Rules that name each other in a circle.
    #[error("policy rules name each other in a circle: {}", .0.join(", "))]
    Circle(Vec<String>),
    /// Rules that name each other in too long a chain.
    #[error("policy rule {0:?} rests on a chain of more than {most} rules", most = super::build::LONGEST_CHAIN)]
    Chain(String),
    /// A file that can't be read.
    #[error("the policy file {path} can't be read; is the path right, and may the server read it?")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is not what it should be.
    #[error("the policy file {path}: line {line}: {reason}")]
    Form {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
}
