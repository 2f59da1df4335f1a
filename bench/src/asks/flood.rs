//! What instances wait for their host's answers while another one floods it, beside the same flood into an interface that the kernel
//! alone serves: the program that floods and the kernel's part of it take processor time from whoever asks, on any host.

use super::client::Client;
use super::wiring::{self, Seat};
use super::{clients, one_by_one};
use crate::report::{Better, Cell, Figure, Report, Spread, Table, quantile};
use anyhow::{Context, Result, ensure};
use hadron_lab::Namespace;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

const ROUNDS: usize = 9;
/// Leases in a round.
const LEASES: usize = 300;
/// The interface of no port, and its far end.
const BARE: [&str; 2] = ["bare-near", "bare-far"];
/// Into what is flooded.
const LOADS: [&str; 3] = ["nothing", "an interface without hadron", "a port's interface"];

/// Rounds of one load.
#[derive(Default)]
pub struct Rounds {
    /// Milliseconds of the questions of each round, ascending.
    trips: Vec<Vec<f64>>,
    /// Frames per second that were sent into the flood in each round.
    frames: Vec<f64>,
}

impl Rounds {
    fn quantiles(&self, q: f64) -> Vec<f64> {
        self.trips.iter().map(|trips| quantile(trips, q)).collect()
    }
}

/// Measures all loads in turn, in every round another one first.
pub fn measure(host: &Namespace, guests: &Namespace, seats: &[Seat]) -> Result<[Rounds; 3]> {
    wiring::bare(host, guests, BARE[0], BARE[1])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let asking = clients(guests, &seats[..=LEASES])?;
        let bare = Arc::new(Client::on(guests, BARE[1], [2, 0, 0, 0, 0, 1])?);
        let flooders = [None, Some(&bare), Some(&asking[LEASES])];
        let mut all: [Rounds; 3] = Default::default();
        for round in 0..ROUNDS {
            for turn in 0..LOADS.len() {
                let load = (round + turn) % LOADS.len();
                // A transaction of its own for each question.
                let first = ((1 << 10) + round * LOADS.len() + turn) << 10;
                let (trips, frames) =
                    beside(flooders[load], &asking[..LEASES], first as u32).await.context(LOADS[load])?;
                all[load].trips.push(trips);
                all[load].frames.push(frames);
            }
        }
        Ok(all)
    })
}

/// Leases one after the other while somebody floods: milliseconds of the questions, and the flood's frames per second.
async fn beside(
    flooder: Option<&Arc<Client>>,
    asking: &[Arc<Client>],
    first: u32,
) -> Result<(Vec<f64>, f64)> {
    let Some(flooder) = flooder else { return Ok((one_by_one(asking, first).await?, 0.0)) };
    let stop = Arc::new(AtomicBool::new(false));
    let (flooder, is_over) = (Arc::clone(flooder), Arc::clone(&stop));
    let thread = std::thread::spawn(move || -> Result<f64> {
        let (frame, begun, mut sent) = (flooder.discovery(7), Instant::now(), 0);
        while !is_over.load(Ordering::Relaxed) {
            flooder.send(&frame)?;
            sent += 1;
        }
        Ok(f64::from(sent) / begun.elapsed().as_secs_f64())
    });
    let trips = one_by_one(asking, first).await;
    stop.store(true, Ordering::Relaxed);
    let frames = thread.join().ok().context("the flood has panicked")??;
    ensure!(frames > 1000.0, "no flood: {frames} frames per second");
    Ok((trips?, frames))
}

/// Reports them.
pub fn tell(report: &mut Report, all: &[Rounds; 3]) {
    let title = format!(
        "A port's questions one after the other, milliseconds, while as many frames as possible are sent into something else; {ROUNDS} rounds, median (least–greatest):"
    );
    let head = ["flooded", "frames per second", "p50", "p99", "p99 to that without hadron"];
    let mut table = Table::new(title, head);
    let [_, bare, port] = all;
    for (load, rounds) in LOADS.into_iter().zip(all) {
        let within =
            rounds.quantiles(0.99).into_iter().zip(bare.quantiles(0.99)).map(|(own, other)| own / other);
        table.row(vec![
            load.into(),
            Cell::Spread(Spread::of(&rounds.frames), 0),
            Cell::Spread(Spread::of(&rounds.quantiles(0.5)), 3),
            Cell::Spread(Spread::of(&rounds.quantiles(0.99)), 3),
            Cell::Spread(Spread::of(&within.collect::<Vec<_>>()), 2),
        ]);
    }
    report.table(&table);
    report.figure(Figure {
        what: "a question while another port floods, p99".to_owned(),
        unit: "ms",
        value: Spread::of(&port.quantiles(0.99)).median,
        beside: "the same flood without hadron".to_owned(),
        other: Spread::of(&bare.quantiles(0.99)).median,
        better: Better::Less,
    });
}
