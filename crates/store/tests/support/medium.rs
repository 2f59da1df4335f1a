//! A disk in memory that can lose power, run full and fail.
#![allow(dead_code)]

use parking_lot::Mutex;
use redb::StorageBackend;
use std::io;
use std::sync::Arc;

/// A disk. A clone is the same disk.
#[derive(Clone, Debug, Default)]
pub struct FaultyDisk(Arc<Mutex<Disk>>);

#[derive(Debug, Default)]
struct Disk {
    /// What reads see.
    cache: Vec<u8>,
    /// What was there at the last sync.
    synced: Vec<u8>,
    /// What was changed since, in order.
    unsynced: Vec<Change>,
    /// Changes and syncs so far.
    operations: usize,
    faults: Faults,
}

/// What goes wrong when.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The operation from which nothing works any more; that one is on its way to the disk.
    pub power_lost_at: Option<usize>,
    /// The operations that fail with an input/output error.
    pub errors_at: std::ops::Range<usize>,
    /// The length above which the disk is full.
    pub capacity: Option<u64>,
    /// Whether every read fails.
    pub unreadable: bool,
    /// Whether a sync reports success and does nothing.
    pub lying: bool,
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

/// How much of what was not synced is on the disk after a loss of power.
#[derive(Clone, Copy, Debug)]
pub enum Survival {
    Nothing,
    Everything,
    /// Everything in order, up to the middle of the last write.
    TornLast,
    /// A random beginning, the last write of it torn at a sector.
    Prefix(u64),
    /// Random pages in any order.
    Pages(u64),
    /// Random sectors in any order.
    Sectors(u64),
}

impl FaultyDisk {
    pub fn with(image: Vec<u8>, faults: Faults) -> Self {
        Self(Arc::new(Mutex::new(Disk { cache: image.clone(), synced: image, faults, ..Disk::default() })))
    }

    pub fn operations(&self) -> usize {
        self.0.lock().operations
    }

    pub fn set_faults(&self, faults: Faults) {
        self.0.lock().faults = faults;
    }

    pub fn len(&self) -> u64 {
        self.0.lock().cache.len() as u64
    }

    /// What is on the disk after the power was lost.
    pub fn after_power_loss(&self, survival: Survival) -> Vec<u8> {
        let disk = self.0.lock();
        let mut image = disk.synced.clone();
        let mut random = Random(match survival {
            Survival::Prefix(seed) | Survival::Pages(seed) | Survival::Sectors(seed) => seed,
            _ => 0,
        });
        let count = match survival {
            Survival::Nothing => 0,
            Survival::Prefix(_) => random.below(disk.unsynced.len() + 1),
            _ => disk.unsynced.len(),
        };
        for (index, change) in disk.unsynced[..count].iter().enumerate() {
            let is_last = index + 1 == count;
            match (survival, change) {
                (Survival::TornLast, Change::Write(offset, data)) if is_last => {
                    put(&mut image, *offset, &data[..data.len() / 2]);
                }
                (Survival::Prefix(_), Change::Write(offset, data)) if is_last => {
                    put(&mut image, *offset, &data[..random.below(data.len() / 512 + 1) * 512]);
                }
                (Survival::Pages(_), _) => keep_some(&mut image, change, 4096, &mut random),
                (Survival::Sectors(_), _) => keep_some(&mut image, change, 512, &mut random),
                (_, Change::Write(offset, data)) => put(&mut image, *offset, data),
                (_, Change::Length(length)) => image.resize(*length as usize, 0),
            }
        }
        image
    }

    pub fn image(&self) -> Vec<u8> {
        self.0.lock().cache.clone()
    }
}

fn keep_some(image: &mut Vec<u8>, change: &Change, unit: u64, random: &mut Random) {
    match change {
        Change::Length(length) if random.below(2) == 0 => image.resize(*length as usize, 0),
        Change::Length(_) => {}
        Change::Write(offset, data) => {
            let mut at = *offset;
            let end = offset + data.len() as u64;
            while at < end {
                let next = end.min((at / unit + 1) * unit);
                if random.below(2) == 0 {
                    put(image, at, &data[(at - offset) as usize..(next - offset) as usize]);
                }
                at = next;
            }
        }
    }
}

/// Writes what lies within the image; what is behind its end is lost with the length.
fn put(image: &mut [u8], offset: u64, data: &[u8]) {
    let offset = offset as usize;
    let end = image.len().min(offset + data.len());
    if offset < end {
        image[offset..end].copy_from_slice(&data[..end - offset]);
    }
}

/// A small generator, so that a failure can be repeated from its seed (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

impl Disk {
    /// Counts an operation; an error if it fails, else whether it is the one during which the power is lost.
    fn operate(&mut self) -> io::Result<bool> {
        let number = self.operations;
        self.operations += 1;
        match self.faults.power_lost_at {
            Some(at) if number > at => Err(io::Error::other("no power")),
            Some(at) if number == at => Ok(true),
            _ if self.faults.errors_at.contains(&number) => Err(io::Error::from_raw_os_error(5)),
            _ => Ok(false),
        }
    }

    fn has_power(&self) -> bool {
        self.faults.power_lost_at.is_none_or(|at| self.operations <= at)
    }
}

fn lost(is_lost: bool) -> io::Result<()> {
    if is_lost { Err(io::Error::other("power lost")) } else { Ok(()) }
}

impl StorageBackend for FaultyDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().cache.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.0.lock();
        if disk.faults.unreadable || !disk.has_power() {
            return Err(io::Error::from_raw_os_error(5));
        }
        let range = offset as usize..offset as usize + out.len();
        out.copy_from_slice(disk.cache.get(range).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.0.lock();
        let is_lost = disk.operate()?;
        if len > disk.cache.len() as u64 && disk.faults.capacity.is_some_and(|capacity| len > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.cache.resize(len as usize, 0);
        disk.unsynced.push(Change::Length(len));
        lost(is_lost)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.0.lock();
        let is_lost = disk.operate()?;
        if !is_lost && !disk.faults.lying {
            disk.synced = disk.cache.clone();
            disk.unsynced.clear();
        }
        lost(is_lost)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock();
        let is_lost = disk.operate()?;
        let range = offset as usize..offset as usize + data.len();
        disk.cache.get_mut(range).ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(data);
        disk.unsynced.push(Change::Write(offset, data.to_vec()));
        lost(is_lost)
    }
}
