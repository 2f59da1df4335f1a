//! How many octets of requests' bodies are held at once, so that memory is bounded however many send.
//!
//! What has arrived counts until the request is answered; a length that is only announced counts nothing. A project that holds its share
//! is refused more, and so is everybody once the server holds all that it may.

use crate::ApiError;
use axum::http::StatusCode;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Most octets of bodies at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BodyShares {
    /// Of the requests of one project.
    pub of_project: usize,
    /// Of all requests.
    pub of_all: usize,
}

impl Default for BodyShares {
    fn default() -> Self {
        Self { of_project: 64 << 20, of_all: 512 << 20 }
    }
}

/// What is held.
pub(crate) struct Bodies {
    shares: BodyShares,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    of_all: usize,
    of_projects: HashMap<String, usize>,
}

impl Bodies {
    pub(crate) fn new(shares: BodyShares) -> Self {
        Self { shares, held: Mutex::default() }
    }

    /// Room for a body of `project`, of which nothing has arrived.
    pub(crate) fn open(self: &Arc<Self>, project: &str) -> Room {
        Room { bodies: self.clone(), project: project.to_owned(), octets: 0 }
    }
}

/// What one body holds, until it is dropped.
pub(crate) struct Room {
    bodies: Arc<Bodies>,
    project: String,
    octets: usize,
}

impl Room {
    /// Takes in `octets` more.
    ///
    /// # Errors
    /// 429 if the project holds its share, 503 if the server holds all that it may.
    pub(crate) fn grow(&mut self, octets: usize) -> Result<(), ApiError> {
        let (shares, mut held) = (self.bodies.shares, self.bodies.held.lock());
        let of_project = held.of_projects.get(&self.project).copied().unwrap_or_default();
        if of_project.saturating_add(octets) > shares.of_project {
            let message =
                "the bodies of this project's requests take too much room; try again when some are answered";
            return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "HTTPTooManyRequests", message));
        }
        if held.of_all.saturating_add(octets) > shares.of_all {
            let message =
                "the bodies of requests take all the room there is; try again when some are answered";
            return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message));
        }
        held.of_all += octets;
        *held.of_projects.entry(self.project.clone()).or_default() += octets;
        self.octets += octets;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.octets == 0 {
            return;
        }
        let mut held = self.bodies.held.lock();
        held.of_all -= self.octets;
        if let Some(of_project) = held.of_projects.get_mut(&self.project) {
            *of_project -= self.octets;
            if *of_project == 0 {
                held.of_projects.remove(&self.project);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_its_share_and_all_have_the_whole() {
        let bodies = Arc::new(Bodies::new(BodyShares { of_project: 10, of_all: 25 }));
        let status = |result: Result<(), ApiError>| result.map_err(|error| error.status.as_u16());
        let (mut one, mut more) = (bodies.open("one"), bodies.open("one"));
        assert_eq!(status(one.grow(6)), Ok(()));
        assert_eq!(status(more.grow(5)), Err(429));
        assert_eq!(status(more.grow(4)), Ok(()));
        let (mut two, mut three) = (bodies.open("two"), bodies.open("three"));
        assert_eq!(status(two.grow(10)), Ok(()));
        assert_eq!(status(three.grow(6)), Err(503));
        assert_eq!(status(three.grow(5)), Ok(()));
        drop(one);
        assert_eq!(status(more.grow(6)), Ok(()));
        assert_eq!(status(more.grow(usize::MAX)), Err(429));
        drop((more, two, three));
        let held = bodies.held.lock();
        assert_eq!((held.of_all, held.of_projects.len()), (0, 0));
    }
}
