//! Paths between two namespaces, measured side by side. Every round measures every path in turn, each round begins with another path,
//! and ratios are taken within a round: what else the machine does meanwhile weighs on all alike.

use crate::report::{Better, Cell, Figure, Report, Spread, Table};
use crate::traffic::{Pair, Sample};
use anyhow::{Context, Result};
use hadron_lab::Namespace;
use std::net::IpAddr;
use std::time::Duration;

const FAMILIES: [&str; 2] = ["IPv4", "IPv6"];
const ROUNDS: usize = 9;
/// Of each measurement; with the warm-up of TCP a path takes about 2 seconds.
const TIME: Duration = Duration::from_millis(500);

/// A path: two ends, and the addresses of the far one by family.
#[derive(Clone, Copy)]
pub struct Course<'a> {
    /// Its name, unique among those that are measured together.
    pub name: &'static str,
    /// The sender.
    pub near: &'a Namespace,
    /// The receiver.
    pub far: &'a Namespace,
    /// The receiver's address in each family that is measured: IPv4, IPv6.
    pub addresses: [Option<IpAddr>; 2],
}

/// Rounds of one path in one family.
pub struct Rounds {
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

/// Measures all of them.
pub fn measure(courses: &[Course<'_>]) -> Result<Vec<Rounds>> {
    let legs: Vec<(&Course<'_>, &'static str, IpAddr)> = (0..FAMILIES.len())
        .flat_map(|family| {
            courses
                .iter()
                .filter_map(move |course| Some((course, FAMILIES[family], course.addresses[family]?)))
        })
        .collect();
    let empty = |(course, family, _): &(&Course<'_>, &'static str, _)| Rounds {
        course: course.name,
        family,
        samples: Vec::new(),
    };
    let mut all: Vec<Rounds> = legs.iter().map(empty).collect();
    for round in 0..ROUNDS {
        for turn in 0..legs.len() {
            let place = (turn + round) % legs.len();
            let (course, family, address) = legs[place];
            let pair = Pair { near: course.near, far: course.far, address };
            let what = || format!("{} by {family}", course.name);
            pair.wait().with_context(what)?;
            all[place].samples.push(pair.sample(TIME).with_context(what)?);
        }
    }
    Ok(all)
}

fn head(first: &[&'static str], last: &[&'static str]) -> Vec<&'static str> {
    [first, &COLUMNS.map(|(name, _, _)| name), last].concat()
}

/// Reports what each path did, and each beside its peer (path, peer).
pub fn tell(report: &mut Report, all: &[Rounds], peers: &[(&'static str, &'static str)]) {
    report.table(&figures(all));
    report.table(&ratios(all, peers));
    for (ours, peer, family) in pairs(all, peers) {
        for (column, better) in [(0, Better::More), (2, Better::More), (4, Better::Less)] {
            let (name, of, _) = COLUMNS[column];
            let median =
                |rounds: &Rounds| Spread::of(&rounds.samples.iter().map(of).collect::<Vec<_>>()).median;
            report.figure(Figure {
                what: format!("{}, {family}, {name}", ours.course),
                unit: "",
                value: median(ours),
                beside: peer.course.to_owned(),
                other: median(peer),
                better,
            });
        }
    }
}

/// Each path and its peer in the families that both have.
fn pairs<'a>(
    all: &'a [Rounds],
    peers: &'a [(&'static str, &'static str)],
) -> impl Iterator<Item = (&'a Rounds, &'a Rounds, &'static str)> {
    peers.iter().flat_map(move |(ours, peer)| {
        FAMILIES.into_iter().filter_map(move |family| {
            let find = |course: &str| all.iter().find(|it| it.course == course && it.family == family);
            Some((find(ours)?, find(peer)?, family))
        })
    })
}

/// What each path did.
fn figures(all: &[Rounds]) -> Table {
    let title = format!("Figures, {ROUNDS} rounds, median (least–greatest):");
    let head = head(&["path", "family"], &["small packets lost %", "programs, ns per small packet"]);
    let mut table = Table::new(title, head);
    for rounds in all {
        let values = |of: fn(&Sample) -> f64| Spread::of(&rounds.samples.iter().map(of).collect::<Vec<_>>());
        let mut cells = vec![rounds.course.into(), rounds.family.into()];
        cells.extend(COLUMNS.map(|(_, of, digits)| Cell::Spread(values(of), digits)));
        cells.push(Cell::Spread(values(|sample| sample.lost * 100.0), 2));
        cells.push(Cell::Spread(values(|sample| sample.programs), 0));
        table.row(cells);
    }
    table
}

/// Each path beside its peer.
fn ratios(all: &[Rounds], peers: &[(&'static str, &'static str)]) -> Table {
    let title = "Ratios to the peer within each round, median (least–greatest); above 1 is better for TCP and packets, below 1 for round trips:";
    let mut table = Table::new(title, head(&["path", "peer", "family"], &[]));
    for (ours, peer, family) in pairs(all, peers) {
        let mut cells = vec![ours.course.into(), peer.course.into(), family.into()];
        cells.extend(COLUMNS.map(|(_, of, _)| {
            let pairs = ours.samples.iter().zip(&peer.samples);
            Cell::Spread(Spread::of(&pairs.map(|(a, b)| of(a) / of(b)).collect::<Vec<_>>()), 2)
        }));
        table.row(cells);
    }
    table
}
