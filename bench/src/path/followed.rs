//! What `hadron trace --live` costs the packets that it follows: small ones within a host, with it and without in turn.

use super::cloud::Instances;
use crate::cpu::Processors;
use crate::report::{Better, Cell, Figure, Report, Spread, Table};
use anyhow::Result;
use std::time::Duration;

const ROUNDS: usize = 9;
const TIME: Duration = Duration::from_millis(500);

/// Small packets of one round.
struct Round {
    /// Per second of the sender's processor.
    rate: f64,
    /// Nanoseconds of the programs for each.
    programs: f64,
}

/// Measures and reports.
pub fn run(report: &mut Report, instances: &Instances) -> Result<()> {
    let (mut unseen, mut followed) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        unseen.push(measure(instances)?);
        let live = instances.follow(&format!("live{round}"))?;
        followed.push(measure(instances)?);
        live.end()?;
    }
    let title = format!(
        "Small packets within a host that are followed, at most 200 a second of them shown, {ROUNDS} rounds in turn, median (least–greatest):"
    );
    let head = [
        "packets",
        "per sender CPU-second, thousands",
        "beside those that nobody follows",
        "programs, ns per packet",
    ];
    let mut table = Table::new(title, head);
    let spread =
        |rounds: &[Round], of: fn(&Round) -> f64| Spread::of(&rounds.iter().map(of).collect::<Vec<_>>());
    let ratios: Vec<f64> = followed.iter().zip(&unseen).map(|(a, b)| a.rate / b.rate).collect();
    let rate = |round: &Round| round.rate * 1e-3;
    for (name, rounds, ratio) in
        [("followed", &followed, Spread::of(&ratios)), ("not", &unseen, Spread::of(&[1.0]))]
    {
        let programs = spread(rounds, |round| round.programs);
        table.row(vec![
            name.into(),
            Cell::Spread(spread(rounds, rate), 0),
            Cell::Spread(ratio, 2),
            Cell::Spread(programs, 0),
        ]);
    }
    report.table(&table);
    report.figure(Figure {
        what: "small packets that are followed, per sender CPU-second, thousands".into(),
        unit: "",
        value: spread(&followed, rate).median,
        beside: "those that nobody follows".into(),
        other: spread(&unseen, rate).median,
        better: Better::More,
    });
    Ok(())
}

fn measure(instances: &Instances) -> Result<Round> {
    let (pair, cpus) = (instances.within_a_host()?, Processors::choose()?);
    Ok(Round {
        rate: pair.small_packets(cpus, TIME)?.rate(),
        programs: pair.programs_per_packet(cpus, TIME)?,
    })
}
