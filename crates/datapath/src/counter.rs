use hadron_pipeline::drop::DropReason;
use hadron_pipeline::stage::Stage;
use hadron_pipeline::table::{Counters, PortCounters};

/// Counters of the packet path, summed over all CPUs. They rise from the making of the tables on; a restart of the agent
/// does not reset them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals(Counters);

impl Totals {
    pub(crate) fn sum(counters: impl IntoIterator<Item = Counters>) -> Totals {
        let mut total = Counters::ZERO;
        for counters in counters {
            add(&mut total.stages, &counters.stages);
            add(&mut total.drops, &counters.drops);
        }
        Totals(total)
    }

    /// Packets that entered a stage.
    pub fn stage(&self, stage: Stage) -> u64 {
        self.0.stages[stage as usize]
    }

    /// Packets dropped for a reason.
    pub fn drop(&self, reason: DropReason) -> u64 {
        self.0.drops[reason as usize]
    }

    /// Every stage, by its number.
    pub fn stages(&self) -> impl Iterator<Item = (Stage, u64)> + '_ {
        Stage::ALL.iter().map(|stage| (*stage, self.stage(*stage)))
    }

    /// Every drop reason; [`DropReason::label`] is its name in metrics.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.iter().map(|reason| (*reason, self.drop(*reason)))
    }
}

fn add(sum: &mut [u64], values: &[u64]) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum = sum.wrapping_add(*value);
    }
}

pub(crate) fn sum_port(counters: impl IntoIterator<Item = PortCounters>) -> PortCounters {
    counters.into_iter().fold(PortCounters::default(), |a, b| PortCounters {
        tx_packets: a.tx_packets.wrapping_add(b.tx_packets),
        tx_bytes: a.tx_bytes.wrapping_add(b.tx_bytes),
        rx_packets: a.rx_packets.wrapping_add(b.rx_packets),
        rx_bytes: a.rx_bytes.wrapping_add(b.rx_bytes),
        tx_dropped: a.tx_dropped.wrapping_add(b.tx_dropped),
        rx_dropped: a.rx_dropped.wrapping_add(b.rx_dropped),
        punted: a.punted.wrapping_add(b.punted),
        untracked: a.untracked.wrapping_add(b.untracked),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_per_stage_and_reason() {
        let mut one = Counters::ZERO;
        one.stages[Stage::Switch as usize] = 3;
        one.drops[DropReason::SourceMac as usize] = 2;
        let total = Totals::sum([one, one, Counters::ZERO]);
        assert_eq!((total.stage(Stage::Switch), total.drop(DropReason::SourceMac)), (6, 4));
        assert_eq!(total.stages().map(|(_, n)| n).sum::<u64>(), 6);
        assert_eq!(total.drops().map(|(_, n)| n).sum::<u64>(), 4);
    }
}
