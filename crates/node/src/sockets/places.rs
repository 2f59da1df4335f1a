//! Who is connected: a bounded number of connections of each port, and of all.

use crate::services::Services;
use hadron_pipeline::table::stands_for;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections of all ports to a service.
const ALL: usize = 4096;

/// Connections that are open, by port.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<u32, usize>>>);

/// A connection, or a question under way, of a port.
#[derive(Debug)]
pub(super) struct Place {
    all: Places,
    /// The port.
    pub port: u32,
    /// What stands for it.
    pub peer: SocketAddr,
}

/// Why there is no place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoPlace {
    /// No port is at the interface.
    Stranger,
    /// There are as many as there may be.
    Crowded,
}

impl Places {
    /// A place for who has connected, if the port has fewer than `limit`.
    pub fn take(&self, services: &Services, peer: SocketAddr, limit: usize) -> Result<Place, NoPlace> {
        let port = services.at_interface(interface(peer.ip())).ok_or(NoPlace::Stranger)?;
        let mut all = self.lock();
        let own = all.get(&port).copied().unwrap_or(0);
        if own >= limit || all.len() >= ALL || all.values().sum::<usize>() >= ALL {
            return Err(NoPlace::Crowded);
        }
        all.insert(port, own + 1);
        Ok(Place { all: self.clone(), port, peer })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Whether the port is still at the interface.
    pub fn is_held(&self, services: &Services) -> bool {
        services.at_interface(interface(self.peer.ip())) == Some(self.port)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        match all.get_mut(&self.port) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(all.remove(&self.port)),
        }
    }
}

/// The interface that an address stands for.
fn interface(address: IpAddr) -> u32 {
    let tail = match address {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(address) => {
            let [.., a, b, c, d] = address.octets();
            [a, b, c, d]
        }
    };
    stands_for(tail)
}
