//! Two instances on one host beside a bare veth pair and a Linux bridge; two on different hosts beside the kernel's VXLAN with
//! bridges. Every round measures every path in turn, each round begins with another path, and ratios are taken within a round:
//! what else the machine does meanwhile weighs on all alike.

mod cloud;
pub mod peers;

use crate::report::{Cell, Report, Spread, Table};
use crate::traffic::{Pair, Sample};
use anyhow::{Context, Result};
use hadron_lab::Namespace;
use std::net::IpAddr;
use std::time::Duration;

const VETH: &str = "bare veth pair";
const BRIDGE: &str = "Linux bridge";
const VXLAN: &str = "kernel VXLAN and bridges";
const HERE: &str = "hadron, one host";
const THERE: &str = "hadron, two hosts";

/// What each path of hadron is held against.
const PEERS: [(&str, &str); 3] = [(HERE, VETH), (HERE, BRIDGE), (THERE, VXLAN)];
const FAMILIES: [&str; 2] = ["IPv4", "IPv6"];
const ROUNDS: usize = 9;
/// Of each measurement; with the warm-up of TCP a round takes about 17 seconds.
const TIME: Duration = Duration::from_millis(500);

/// A path: two ends, and the addresses of the far one by family.
#[derive(Clone, Copy)]
pub struct Course<'a> {
    name: &'static str,
    near: &'a Namespace,
    far: &'a Namespace,
    addresses: [IpAddr; 2],
}

/// Rounds of one path in one family.
struct Rounds {
    course: &'static str,
    family: &'static str,
    samples: Vec<Sample>,
}

/// A column: its name, its value, and its digits.
type Column = (&'static str, fn(&Sample) -> f64, usize);

const COLUMNS: [Column; 5] = [
    ("TCP Gbit/s", |sample| sample.tcp_octets * 8e-9, 2),
    ("TCP Gbit per CPU-second", |sample| sample.tcp_octets_per_cpu * 8e-9, 2),
    ("small packets per sender CPU-second, thousands", |sample| sample.packets * 1e-3, 0),
    ("round trip p10 µs", |sample| sample.trip_p10, 1),
    ("round trip p50 µs", |sample| sample.trip_p50, 1),
];

/// Runs the benchmark and reports.
pub fn run() -> Result<()> {
    let mut report = Report::new("path")?;
    let peers = peers::Peers::up()?;
    let instances = cloud::Instances::up()?;
    let courses = [peers.courses()?.as_slice(), &instances.courses()?].concat();
    let all = measure(&courses)?;
    report.table(&figures(&all));
    report.table(&ratios(&all)?);
    report.write()
}

fn measure(courses: &[Course<'_>]) -> Result<Vec<Rounds>> {
    let mut all: Vec<Rounds> = FAMILIES
        .iter()
        .flat_map(|family| courses.iter().map(|course| (course.name, *family)))
        .map(|(course, family)| Rounds { course, family, samples: Vec::new() })
        .collect();
    let count = all.len();
    for round in 0..ROUNDS {
        for turn in 0..count {
            let place = (turn + round) % count;
            let (course, family) = (courses[place % courses.len()], place / courses.len());
            let pair = Pair { near: course.near, far: course.far, address: course.addresses[family] };
            let what = || format!("{} by {}", course.name, FAMILIES[family]);
            pair.wait().with_context(what)?;
            all[place].samples.push(pair.sample(TIME).with_context(what)?);
        }
    }
    Ok(all)
}

fn head(first: &[&'static str], last: &[&'static str]) -> Vec<&'static str> {
    [first, &COLUMNS.map(|(name, _, _)| name), last].concat()
}

fn figures(all: &[Rounds]) -> Table {
    let title = format!("Figures, {ROUNDS} rounds, median (least–greatest):");
    let head = head(&["path", "family"], &["small packets lost %"]);
    let mut table = Table::new(title, head);
    for rounds in all {
        let values = |of: fn(&Sample) -> f64| Spread::of(&rounds.samples.iter().map(of).collect::<Vec<_>>());
        let mut cells = vec![rounds.course.into(), rounds.family.into()];
        cells.extend(COLUMNS.map(|(_, of, digits)| Cell::Spread(values(of), digits)));
        cells.push(Cell::Spread(values(|sample| sample.lost * 100.0), 2));
        table.row(cells);
    }
    table
}

fn ratios(all: &[Rounds]) -> Result<Table> {
    let title = "Ratios to the peer within each round, median (least–greatest); above 1 is better for TCP and packets, below 1 for round trips:";
    let head = head(&["path", "peer", "family"], &[]);
    let mut table = Table::new(title, head);
    for (ours, peer) in PEERS {
        for family in FAMILIES {
            let find = |course: &str| {
                let found = all.iter().find(|rounds| rounds.course == course && rounds.family == family);
                found.with_context(|| format!("{course} was not measured"))
            };
            let (ours, peer) = (find(ours)?, find(peer)?);
            let mut cells = vec![ours.course.into(), peer.course.into(), family.into()];
            cells.extend(COLUMNS.map(|(_, of, _)| {
                let pairs = ours.samples.iter().zip(&peer.samples);
                Cell::Spread(Spread::of(&pairs.map(|(a, b)| of(a) / of(b)).collect::<Vec<_>>()), 2)
            }));
            table.row(cells);
        }
    }
    Ok(table)
}
