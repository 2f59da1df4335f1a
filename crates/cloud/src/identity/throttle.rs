//! How often a login may fail, and how often a user may revoke a token.
//!
//! Three buckets of failures, each refilled with time; a login is refused while one of its buckets is empty:
//!
//! | bucket | failures in a row | then one every |
//! |---|---|---|
//! | user from one address | 10 | 6 s |
//! | address (IPv6: /64) | 60 | 1 s |
//! | user from all addresses | 120 | 1 s |
//!
//! The last one stops guessing from many addresses; since it would let a stranger lock a user out, an address from which
//! the user has logged in lately is exempt from it. Successful logins cost nothing.

use hadron_model::Timestamp;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use super::IdentityError;

/// Most buckets kept of each kind.
const MAX_BUCKETS: usize = 16 * 1024;

/// How long a success exempts an address.
const TRUST_MS: i64 = 24 * 3600 * 1000;

/// Failures that fit, and milliseconds until one more does.
#[derive(Clone, Copy)]
struct Rate {
    burst: i64,
    interval_ms: i64,
}

const PAIR: Rate = Rate { burst: 10, interval_ms: 6_000 };
const ADDRESS: Rate = Rate { burst: 60, interval_ms: 1_000 };
const USER: Rate = Rate { burst: 120, interval_ms: 1_000 };

/// A user's revocations of single tokens: each is kept until the token would have expired.
const REVOCATIONS: Rate = Rate { burst: 200, interval_ms: 1_000 };

/// The failures of all users and addresses.
#[derive(Default)]
pub(crate) struct Throttle(Mutex<Failures>);

#[derive(Default)]
struct Failures {
    pairs: Buckets<(IpAddr, String)>,
    addresses: Buckets<IpAddr>,
    users: Buckets<String>,
    trusted: Buckets<(IpAddr, String)>,
    revocations: Buckets<String>,
}

impl Throttle {
    /// Whether a login of `user` from `address` may be tried. Errors: [`IdentityError::TooMany`].
    pub(crate) fn check(&self, address: IpAddr, user: &str, now: Timestamp) -> Result<(), IdentityError> {
        let failures = self.0.lock();
        let address = prefix(address);
        let pair = (address, user.to_owned());
        let is_trusted = failures.trusted.0.get(&pair).is_some_and(|until| *until > now.0);
        let user_wait = if is_trusted { 0 } else { failures.users.wait(&pair.1, USER, now) };
        let waits = [failures.pairs.wait(&pair, PAIR, now), failures.addresses.wait(&address, ADDRESS, now)];
        match waits.into_iter().fold(user_wait, i64::max) {
            0 => Ok(()),
            wait => Err(IdentityError::TooMany { retry_after: wait.unsigned_abs().div_ceil(1000) }),
        }
    }

    /// A login failed.
    pub(crate) fn failed(&self, address: IpAddr, user: &str, now: Timestamp) {
        let mut failures = self.0.lock();
        let address = prefix(address);
        failures.pairs.charge((address, user.to_owned()), PAIR, now);
        failures.addresses.charge(address, ADDRESS, now);
        failures.users.charge(user.to_owned(), USER, now);
    }

    /// A login succeeded.
    pub(crate) fn succeeded(&self, address: IpAddr, user: &str, now: Timestamp) {
        let mut failures = self.0.lock();
        let pair = (prefix(address), user.to_owned());
        failures.pairs.0.remove(&pair);
        failures.trusted.make_room(now);
        failures.trusted.0.insert(pair, now.0 + TRUST_MS);
    }
}

impl Throttle {
    /// A user revokes a token. Errors: [`IdentityError::TooMany`].
    pub(crate) fn revokes(&self, user: &str, now: Timestamp) -> Result<(), IdentityError> {
        let revocations = &mut self.0.lock().revocations;
        let user = user.to_owned();
        let wait = revocations.wait(&user, REVOCATIONS, now);
        if wait > 0 {
            return Err(IdentityError::TooMany { retry_after: wait.unsigned_abs().div_ceil(1000) });
        }
        revocations.charge(user, REVOCATIONS, now);
        Ok(())
    }
}

/// For each key the time, milliseconds, at which its bucket is full again.
struct Buckets<K>(HashMap<K, i64>);

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: std::hash::Hash + Eq + Clone> Buckets<K> {
    /// Milliseconds until one more failure fits.
    fn wait(&self, key: &K, rate: Rate, now: Timestamp) -> i64 {
        let full_at = self.0.get(key).copied().unwrap_or(0);
        (full_at - now.0 - (rate.burst - 1) * rate.interval_ms).max(0)
    }

    fn charge(&mut self, key: K, rate: Rate, now: Timestamp) {
        self.make_room(now);
        let full_at = self.0.entry(key).or_insert(now.0);
        *full_at = (*full_at).max(now.0).min(now.0 + rate.burst * rate.interval_ms) + rate.interval_ms;
    }

    /// Drops what has lapsed when there is no room, and one of the others if that was not enough.
    fn make_room(&mut self, now: Timestamp) {
        if self.0.len() < MAX_BUCKETS {
            return;
        }
        self.0.retain(|_, lapses| *lapses > now.0);
        if self.0.len() >= MAX_BUCKETS
            && let Some(key) = self.0.keys().next().cloned()
        {
            self.0.remove(&key);
        }
    }
}

/// The part of an address that one client can't choose.
fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn guesses_from_one_address_are_slowed_and_recover() {
        let throttle = Throttle::default();
        let (here, there) = (address("192.0.2.1"), address("192.0.2.2"));
        let now = Timestamp(1_000_000);
        for _ in 0..10 {
            throttle.check(here, "ann", now).unwrap();
            throttle.failed(here, "ann", now);
        }
        assert!(matches!(throttle.check(here, "ann", now), Err(IdentityError::TooMany { retry_after: 6 })));
        throttle.check(there, "ann", now).unwrap();
        throttle.check(here, "bob", now).unwrap();
        throttle.check(here, "ann", Timestamp(now.0 + 6_000)).unwrap();
    }

    #[test]
    fn one_client_of_ipv6_counts_as_one() {
        let throttle = Throttle::default();
        let now = Timestamp(1_000_000);
        for last in 0..60 {
            throttle.failed(address(&format!("2001:db8::{last}")), &format!("user{last}"), now);
        }
        assert!(throttle.check(address("2001:db8::ffff"), "ann", now).is_err());
        assert!(throttle.check(address("2001:db8:0:1::1"), "ann", now).is_ok());
    }

    #[test]
    fn a_user_under_attack_still_logs_in_from_where_he_did() {
        let throttle = Throttle::default();
        let now = Timestamp(1_000_000);
        let home = address("198.51.100.1");
        throttle.succeeded(home, "ann", now);
        for host in 0..200 {
            throttle.failed(address(&format!("192.0.2.{host}")), "ann", now);
        }
        assert!(throttle.check(address("203.0.113.1"), "ann", now).is_err());
        throttle.check(home, "ann", now).unwrap();
    }

    #[test]
    fn its_memory_is_bounded() {
        let throttle = Throttle::default();
        for number in 0..MAX_BUCKETS + 100 {
            throttle.failed(address("192.0.2.1"), &number.to_string(), Timestamp(1_000_000));
        }
        assert!(throttle.0.lock().pairs.0.len() <= MAX_BUCKETS);
    }
}
