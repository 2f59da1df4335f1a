use crate::error::{Error, Result};
use crate::punt::ring;
use crate::row::row_of;
use aya::maps::{MapData, RingBuf};
use hadron_pipeline::table::LogEvent;
use std::os::fd::BorrowedFd;
use tokio::io::unix::AsyncFd;

/// Reads what the ports' logs say, in its order. Beyond what the ring buffer holds, and beyond each port's limit, events are lost.
/// One reader per node.
pub struct Logs(AsyncFd<RingBuf<MapData>>);

impl Logs {
    pub(crate) fn new(map: BorrowedFd<'_>) -> Result<Logs> {
        ring(map, Error::Logs).map(Logs)
    }

    /// The next event; waits for it. Cancelling loses none.
    pub async fn next(&mut self) -> Result<LogEvent> {
        loop {
            let mut guard = self.0.readable_mut().await.map_err(Error::Logs)?;
            if let Some(record) = guard.get_inner_mut().next() {
                if record.len() >= size_of::<LogEvent>() {
                    return Ok(row_of(&record));
                }
                continue;
            }
            guard.clear_ready();
        }
    }
}
