//! What security groups cost: two instances on one host, their ports without port security, with a few rules, with many, and with
//! a group of many members; beside the kernel's bridge with nf_tables and conntrack that holds the few rules.
//!
//! Every round measures every path in turn, each round begins with another path, and ratios are taken within a round.

mod cloud;
mod connect;
mod peer;

use crate::cpu::Processors;
use crate::report::{Better, Cell, Figure, Report, Spread, Table, quantile};
use crate::traffic::Pair;
use anyhow::{Context, Result};
use hadron_lab::Namespace;
use std::net::IpAddr;
use std::time::Duration;

const OFF: &str = "hadron, port security off";
const FEW: &str = "hadron, 10 rules";
const MANY: &str = "hadron, 1,000 rules";
const SMALL: &str = "hadron, a group of 10 members";
const LARGE: &str = "hadron, a group of 10,000 members";
const PEER: &str = "bridge, nf_tables, conntrack, 10 rules";

/// What each path is held against.
const RATIOS: [(&str, &str); 4] = [(FEW, OFF), (MANY, FEW), (LARGE, SMALL), (FEW, PEER)];
const ROUNDS: usize = 9;
/// Of each measurement.
const TIME: Duration = Duration::from_millis(500);

/// A path: two ends, and the address of the far one.
#[derive(Clone, Copy)]
pub struct Course<'a> {
    name: &'static str,
    near: &'a Namespace,
    far: &'a Namespace,
    address: IpAddr,
}

/// What a path did in one round.
struct Sample {
    tcp_octets: f64,
    packets: f64,
    connections: f64,
    set_up: f64,
}

/// A column: its name, its value, and its digits.
type Column = (&'static str, fn(&Sample) -> f64, usize);

const COLUMNS: [Column; 4] = [
    ("TCP Gbit/s", |sample| sample.tcp_octets * 8e-9, 2),
    ("small packets per sender CPU-second, thousands", |sample| sample.packets * 1e-3, 0),
    ("connections per second", |sample| sample.connections, 0),
    ("connection set-up p50 µs", |sample| sample.set_up, 1),
];

/// Runs the benchmark and reports.
pub fn run() -> Result<()> {
    let mut report = Report::new("policy")?;
    let peer = peer::Filtered::up()?;
    let instances = cloud::Instances::up()?;
    let mut courses = instances.courses()?;
    courses.push(peer.course()?);
    let all = measure(&courses)?;
    let find = |name: &str| {
        let found = courses.iter().position(|course| course.name == name);
        found.map(|place| &all[place]).with_context(|| format!("{name} was not measured"))
    };
    let mut figures = Table::new(
        format!("Figures, {ROUNDS} rounds, median (least–greatest):"),
        [&["path"], COLUMNS.map(|(name, _, _)| name).as_slice()].concat(),
    );
    for (course, samples) in courses.iter().zip(&all) {
        let spreads = COLUMNS.map(|(_, of, digits)| {
            Cell::Spread(Spread::of(&samples.iter().map(of).collect::<Vec<_>>()), digits)
        });
        figures.row([course.name.into()].into_iter().chain(spreads).collect());
    }
    report.table(&figures);
    let mut ratios = Table::new(
        "Ratios within each round, median (least–greatest); above 1 is better, below 1 for the set-up:",
        [&["path", "beside"], COLUMNS.map(|(name, _, _)| name).as_slice()].concat(),
    );
    for (ours, other) in RATIOS {
        let (samples, others) = (find(ours)?, find(other)?);
        let spreads = COLUMNS.map(|(_, of, _)| {
            let pairs = samples.iter().zip(others).map(|(a, b)| of(a) / of(b));
            Cell::Spread(Spread::of(&pairs.collect::<Vec<_>>()), 2)
        });
        ratios.row([ours.into(), other.into()].into_iter().chain(spreads).collect());
        for (column, (name, of, _)) in COLUMNS.into_iter().enumerate() {
            let median = |samples: &[Sample]| Spread::of(&samples.iter().map(of).collect::<Vec<_>>()).median;
            report.figure(Figure {
                what: format!("{ours}, {name}"),
                unit: "",
                value: median(samples),
                beside: other.to_owned(),
                other: median(others),
                better: if column == 3 { Better::Less } else { Better::More },
            });
        }
    }
    report.table(&ratios);
    report.write()
}

fn measure(courses: &[Course<'_>]) -> Result<Vec<Vec<Sample>>> {
    let mut all: Vec<Vec<Sample>> = courses.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        for turn in 0..courses.len() {
            let place = (turn + round) % courses.len();
            all[place].push(sample(&courses[place]).with_context(|| courses[place].name)?);
        }
    }
    Ok(all)
}

fn sample(course: &Course<'_>) -> Result<Sample> {
    let pair = Pair { near: course.near, far: course.far, address: course.address };
    pair.wait()?;
    let cpus = Processors::choose()?;
    let (tcp_octets, _) = pair.tcp_stream(cpus, TIME)?;
    let packets = pair.small_packets(cpus, TIME)?.rate();
    let set_ups = connect::repeatedly(&pair, cpus, TIME)?;
    let connections = set_ups.len() as f64 / TIME.as_secs_f64();
    Ok(Sample { tcp_octets, packets, connections, set_up: quantile(&set_ups, 0.5) })
}
