//! The policy that is in force: an operator's files, followed as they change.
//!
//! ```text
//! SIGHUP, a look at the files ─▶ read ─▶ whole? ─yes─▶ in force from the next request on
//!                                            └──no──▶ a line in the log; what was in force stays
//! ```

use super::{Policy, PolicyError, build, file};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where the rules come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyConfig {
    /// An operator's files, YAML or JSON; a rule of a later one replaces that of an earlier.
    pub files: Vec<PathBuf>,
    /// Whether only today's defaults count. Without it a request also passes that the deprecated default of its rule lets
    /// pass, and administrators pass every rule.
    pub enforce_new_defaults: bool,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self { files: vec![], enforce_new_defaults: true }
    }
}

impl PolicyConfig {
    /// Reads the rules.
    ///
    /// # Errors
    /// A file can't be read, or a rule in it can't be used.
    pub fn read(&self) -> Result<Policy, PolicyError> {
        let mut rules = Vec::new();
        for path in &self.files {
            rules.extend(file::read(path)?);
        }
        build::policy(rules, self.enforce_new_defaults)
    }
}

/// What tells whether a file is another than before: modification time, inode and length. `None` if it is not there.
type Stamp = Option<(i64, i64, u64, u64)>;

/// The policy in force.
#[derive(Debug)]
pub struct LivePolicy {
    config: PolicyConfig,
    current: ArcSwap<Policy>,
    seen: Mutex<Vec<Stamp>>,
}

impl LivePolicy {
    /// Reads the rules for the first time.
    ///
    /// # Errors
    /// A file can't be read, or a rule in it can't be used.
    pub fn open(config: PolicyConfig) -> Result<Self, PolicyError> {
        let seen = Mutex::new(stamps(&config));
        let policy = config.read()?;
        warn(&policy);
        Ok(Self { current: ArcSwap::from_pointee(policy), config, seen })
    }

    /// Neutron's defaults.
    pub fn defaults() -> Self {
        let config = PolicyConfig::default();
        Self { current: ArcSwap::from_pointee(Policy::defaults()), config, seen: Mutex::default() }
    }

    /// What is in force now.
    pub fn current(&self) -> Arc<Policy> {
        self.current.load_full()
    }

    /// Reads the files again. What can't be used is told in the log, and what was in force stays.
    pub fn reload(&self) {
        *self.seen.lock() = stamps(&self.config);
        match self.config.read() {
            Ok(policy) => {
                warn(&policy);
                self.current.store(Arc::new(policy));
                tracing::info!("the policy has been read again");
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                let source = error.source().map(ToString::to_string);
                tracing::error!(%error, source, "the policy has not been changed; mend the file");
            }
        }
    }

    /// Reads the files again if one has changed since they were last read.
    pub fn reload_if_changed(&self) {
        let is_changed = *self.seen.lock() != stamps(&self.config);
        if is_changed {
            self.reload();
        }
    }
}

fn stamps(config: &PolicyConfig) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let file = std::fs::metadata(path).ok()?;
        Some((file.mtime(), file.mtime_nsec(), file.ino(), file.len()))
    };
    config.files.iter().map(stamp).collect()
}

fn warn(policy: &Policy) {
    for warning in policy.warnings() {
        tracing::warn!("policy: {warning}");
    }
}
