//! A packet path that forwards nothing and remembers everything that it was told.

use super::{Inject, Plane, PlaneError, PlaneParts, Punt, Sessions};
use crate::apply::{Key, Value};
use crate::connections::{Connections, Sweep};
use futures_util::{StreamExt, stream};
use hadron_datapath::Slot;
use hadron_pipeline::Mac;
use hadron_pipeline::table::PolicyKey;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Entries in memory. Clones share them, so that they outlive a node as the kernel's tables do, and can be looked at.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    shared: Arc<Mutex<Contents>>,
}

#[derive(Debug, Default)]
struct Contents {
    entries: BTreeMap<Key, Value>,
    injected: Vec<(u32, Vec<u8>)>,
    writes: u64,
    renewals: Vec<PolicyKey>,
    forgotten: Vec<(u32, Mac)>,
    /// Most entries that there may be; more are refused, as by a full map.
    capacity: Option<usize>,
    /// An entry that can't be removed.
    stuck: Option<Key>,
}

impl Memory {
    /// What is there.
    pub fn entries(&self) -> BTreeMap<Key, Value> {
        self.lock().entries.clone()
    }

    /// The number of puts and removals so far.
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// The policies that got a new generation, in order.
    pub fn renewals(&self) -> Vec<PolicyKey> {
        self.lock().renewals.clone()
    }

    /// The ports and MACs whose announcements were forgotten, in order.
    pub fn forgotten(&self) -> Vec<(u32, Mac)> {
        self.lock().forgotten.clone()
    }

    /// Frames that were sent to instances, with their interface.
    pub fn injected(&self) -> Vec<(u32, Vec<u8>)> {
        self.lock().injected.clone()
    }

    /// Refuses entries beyond this number from now on.
    pub fn limit(&self, capacity: Option<usize>) {
        self.lock().capacity = capacity;
    }

    /// Refuses to remove this entry from now on.
    pub fn hold(&self, key: Option<Key>) {
        self.lock().stuck = key;
    }

    /// The parts that a node wants, and a sender of punted frames.
    pub fn parts(&self) -> (PlaneParts<Memory, mpsc::Receiver<Punt>>, mpsc::Sender<Punt>) {
        let (sender, punts) = mpsc::channel(64);
        (
            PlaneParts {
                plane: self.clone(),
                punts,
                inject: Arc::new(self.clone()),
                logs: stream::pending().boxed(),
                followed: stream::pending().boxed(),
                connections: Arc::new(self.clone()),
                sessions: Arc::new(self.clone()),
                heard: None,
                counted: None,
            },
            sender,
        )
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plane for Memory {
    fn dump(&mut self) -> Result<Vec<(Key, Value)>, PlaneError> {
        Ok(self.lock().entries.iter().map(|(key, value)| (*key, *value)).collect())
    }

    fn attached(&mut self) -> Result<Vec<(Key, Value)>, PlaneError> {
        let mut all = self.dump()?;
        all.retain(|(key, _)| {
            matches!(
                key,
                Key::PortProgram(_)
                    | Key::OverlayProgram(())
                    | Key::ServiceProgram(())
                    | Key::ProviderProgram(_)
            )
        });
        Ok(all)
    }

    fn put(&mut self, key: &Key, value: &Value) -> Result<(), PlaneError> {
        let mut contents = self.lock();
        let is_new = !contents.entries.contains_key(key);
        if is_new && contents.capacity.is_some_and(|capacity| contents.entries.len() >= capacity) {
            return Err(PlaneError::new("the table is full; configure a larger one"));
        }
        contents.entries.insert(*key, *value);
        contents.writes += 1;
        Ok(())
    }

    fn remove(&mut self, key: &Key) -> Result<(), PlaneError> {
        let mut contents = self.lock();
        if contents.stuck == Some(*key) {
            return Err(PlaneError::new("the entry is held"));
        }
        contents.entries.remove(key);
        contents.writes += 1;
        Ok(())
    }

    fn renew(&mut self, policy: &PolicyKey) -> Result<(), PlaneError> {
        self.lock().renewals.push(*policy);
        Ok(())
    }

    fn forget_announced(&mut self, sources: &BTreeSet<(u32, Mac)>) -> Result<(), PlaneError> {
        self.lock().forgotten.extend(sources);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), PlaneError> {
        Ok(())
    }
}

impl Connections for Memory {
    fn sweep(&self) -> Result<(Sweep, Vec<Slot>), PlaneError> {
        Ok(Default::default())
    }
}

impl Sessions for Memory {
    fn guest(&self, _: IpAddr, _: u16, _: u8) -> Option<IpAddr> {
        None
    }
}

impl Inject for Memory {
    fn inject(&self, ifindex: u32, frame: &[u8]) -> std::io::Result<()> {
        self.lock().injected.push((ifindex, frame.to_vec()));
        Ok(())
    }
}
