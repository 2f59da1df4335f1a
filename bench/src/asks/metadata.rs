//! Requests for metadata over connections that stay, each answer's status looked at.

use anyhow::{Context, Result, ensure};
use hadron_lab::Namespace;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const REQUEST: &[u8] = b"GET /openstack/latest/meta_data.json HTTP/1.1\r\nHost: metadata\r\n\r\n";
const WAIT: Duration = Duration::from_secs(10);

/// Milliseconds of each request that was answered with status 200, from `connections` threads for `time`; any other status is an error.
pub fn run(from: &Namespace, connections: usize, time: Duration) -> Result<Vec<f64>> {
    let work = move || -> Result<Vec<f64>> {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::from(([169, 254, 169, 254], 80)), WAIT)?;
        stream.set_read_timeout(Some(WAIT))?;
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let (end, mut trips) = (Instant::now() + time, Vec::new());
        while Instant::now() < end {
            let begun = Instant::now();
            stream.write_all(REQUEST)?;
            answer(&mut reader)?;
            trips.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        Ok(trips)
    };
    let threads: Vec<_> = (0..connections)
        .map(|_| from.run(move || std::thread::Builder::new().spawn(work)))
        .collect::<Result<_, _>>()?;
    let mut all = Vec::new();
    for thread in threads {
        all.extend(thread?.join().ok().context("a thread has panicked")??);
    }
    Ok(all)
}

fn answer(reader: &mut impl BufRead) -> Result<()> {
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line)?;
    ensure!(line.starts_with("HTTP/1.1 200 "), "{line}");
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let field = line.trim_end().to_ascii_lowercase();
        if field.is_empty() {
            break;
        }
        if let Some(value) = field.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    ensure!(length > 100, "a body of {length} octets");
    Ok(())
}
