use crate::error::{Error, Result};
use crate::row::row_of;
use aya::maps::{Map, MapData, MapError, RingBuf};
use hadron_pipeline::table::Row;
use std::io;
use std::os::fd::BorrowedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Reads what the packet path leaves in a ring buffer, in its order. Beyond what the buffer holds, records are lost, and counted where
/// they are made. One reader per node.
pub struct Records<T> {
    ring: AsyncFd<RingBuf<MapData>>,
    parse: fn(&[u8]) -> Option<T>,
    failed: fn(io::Error) -> Error,
}

impl<T> Records<T> {
    /// A reader of `map`. What `parse` finds to be no record is left out; `failed` says what can't be read.
    pub(crate) fn new(
        map: BorrowedFd<'_>,
        parse: fn(&[u8]) -> Option<T>,
        failed: fn(io::Error) -> Error,
    ) -> Result<Self> {
        let other = |error: MapError| failed(io::Error::other(error));
        let data = MapData::from_fd(map.try_clone_to_owned().map_err(failed)?).map_err(other)?;
        let ring = RingBuf::try_from(Map::RingBuf(data)).map_err(other)?;
        // SAFETY: `ring` owns its descriptor, returns it unchanged, and is dropped with the `AsyncFd`.
        #[allow(unsafe_code)]
        let ring = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) };
        Ok(Self { ring: ring.map_err(|error| failed(error.into()))?, parse, failed })
    }

    /// The next record; waits for it. Cancelling loses none.
    pub async fn next(&mut self) -> Result<T> {
        loop {
            let mut guard = self.ring.readable_mut().await.map_err(self.failed)?;
            while let Some(record) = guard.get_inner_mut().next() {
                if let Some(parsed) = (self.parse)(&record) {
                    return Ok(parsed);
                }
            }
            guard.clear_ready();
        }
    }
}

/// The header that a record begins with; none of one that is too short.
pub(crate) fn header<H: Row>(record: &[u8]) -> Option<H> {
    record.get(..size_of::<H>()).map(row_of)
}

/// The header, and the frame behind it, of `length` bytes or cut: records are rounded up to 8 bytes.
pub(crate) fn header_and_frame<H: Row>(record: &[u8], length: fn(&H) -> u32) -> Option<(H, Vec<u8>)> {
    let (header, frame) = (header(record)?, &record[size_of::<H>()..]);
    let length = frame.len().min(length(&header) as usize);
    Some((header, frame[..length].to_vec()))
}
