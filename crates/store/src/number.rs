//! Compact numbers: rising, never reused, leased to a server in blocks so that most transactions don't touch the counter.

/// A sequence of numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Counter {
    /// [`hadron_model::NetworkNumber`].
    Network = 1,
    /// [`hadron_model::SubnetNumber`].
    Subnet = 2,
    /// [`hadron_model::PortNumber`].
    Port = 3,
    /// [`hadron_model::HostNumber`].
    Host = 4,
    /// [`hadron_model::SetNumber`].
    Set = 5,
    /// [`hadron_model::RuleNumber`].
    Rule = 6,
    /// [`hadron_model::PolicyNumber`].
    Policy = 7,
    /// [`hadron_model::RouterNumber`].
    Router = 8,
    /// [`hadron_model::FloatingIpNumber`].
    FloatingIp = 9,
}

impl Counter {
    /// All counters.
    pub const ALL: [Counter; 9] = [
        Counter::Network,
        Counter::Subnet,
        Counter::Port,
        Counter::Host,
        Counter::Set,
        Counter::Rule,
        Counter::Policy,
        Counter::Router,
        Counter::FloatingIp,
    ];

    /// The first number that it never gives out. The top bit of a set's number marks a class in the packet path.
    fn end(self) -> u32 {
        match self {
            Counter::Set | Counter::Rule | Counter::Policy => 1 << 31,
            _ => u32::MAX,
        }
    }
}

/// How many numbers a server leases at a time; as many are skipped at most when it restarts.
pub(crate) const BLOCK: u32 = 1024;

/// The numbers that this server may give out: `next..end` of each counter.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Leases([Lease; Counter::ALL.len()]);

#[derive(Clone, Copy, Debug, Default)]
struct Lease {
    next: u32,
    end: u32,
}

impl Leases {
    fn of(&mut self, counter: Counter) -> &mut Lease {
        &mut self.0[counter as usize - 1]
    }

    /// The next leased number, if there is one.
    pub(crate) fn take(&mut self, counter: Counter) -> Option<u32> {
        let lease = self.of(counter);
        (lease.next < lease.end).then(|| {
            lease.next += 1;
            lease.next - 1
        })
    }

    /// Starts a new block at `unleased`, the counter's stored value, and above everything given out before. The block's
    /// end, which is to be stored, or `None` when all are used up.
    pub(crate) fn extend(&mut self, counter: Counter, unleased: u32) -> Option<u32> {
        let lease = self.of(counter);
        let start = unleased.max(lease.next).max(1);
        let end = start.checked_add(BLOCK).filter(|end| *end <= counter.end())?;
        *lease = Lease { next: start, end };
        Some(end)
    }

    /// Counts the numbers as given out that `other`, which began as a copy of this, has given out of the same blocks.
    pub(crate) fn burn(&mut self, other: &Leases) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            if mine.end == theirs.end {
                mine.next = mine.next.max(theirs.next);
            }
        }
    }

    /// Takes over the blocks that `other` has leased since.
    pub(crate) fn adopt(&mut self, other: &Leases) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            if theirs.end > mine.end {
                *mine = theirs;
            }
        }
    }

    /// Gives back every block, because the transaction that leased it may have been rolled back or belongs to
    /// another history; numbers given out stay so.
    pub(crate) fn drop_blocks(&mut self) {
        for lease in &mut self.0 {
            lease.end = lease.next;
        }
    }
}
