//! Rows of the maps: lent, found by their longest prefix, counted in.

use core::ffi::c_void;

use aya_ebpf::helpers::bpf_map_lookup_elem;
use hadron_pipeline::table::{PortKey, Row};
use hadron_pipeline::{Meter, PortCounter};

use crate::maps;

/// An index below `slots`, a power of two. The compiler must not know the index: it would drop the mask where it knows more of the
/// values than the verifier does.
#[inline(always)]
pub fn masked(index: usize, slots: usize) -> usize {
    // SAFETY: `index` is on the stack.
    unsafe { (&raw const index).read_volatile() & (slots - 1) }
}

/// Lends the row of the longest prefix of a key, which begins with its length.
#[inline(always)]
pub fn longest<'a, K: Row, V: Row>(map: *const c_void, key: &K) -> Option<&'a V> {
    // SAFETY: `map` is a map of the object, whose keys and values are `K` and `V` by the table of its name. The row lives as
    // `row` says.
    unsafe {
        let found = bpf_map_lookup_elem(map.cast_mut(), (&raw const *key).cast());
        found.cast::<V>().as_ref()
    }
}

/// Lends a row of a hash map.
#[inline(always)]
pub fn row<'a, V>(row: Option<*const V>) -> Option<&'a V> {
    // SAFETY: the kernel keeps the memory of a row until the program has ended. Its content may change meanwhile, as `Env`
    // says of every look-up; any content is a valid `V`, for rows are plain integers and bytes.
    row.map(|row| unsafe { &*row })
}

#[inline(always)]
pub fn meter_word(port: u32, meter: Meter) -> Option<*mut u64> {
    let meters = maps::METERS.get_ptr_mut(PortKey { port })?;
    // SAFETY: `meters` points to a row of METERS.
    Some(unsafe {
        match meter {
            Meter::Punt => &raw mut (*meters).punt,
            Meter::Miss => &raw mut (*meters).miss,
            Meter::Flood => &raw mut (*meters).flood,
            Meter::Log => &raw mut (*meters).log,
            Meter::Error => &raw mut (*meters).error,
            Meter::Service => &raw mut (*meters).service,
            Meter::Follow => &raw mut (*meters).follow,
        }
    })
}

#[inline(always)]
pub fn count_port(port: u32, counter: PortCounter, bytes: u32) {
    let Some(counters) = maps::PORT_COUNTERS.get_ptr_mut(PortKey { port }) else { return };
    // SAFETY: `counters` is this CPU's copy of a row of PORT_COUNTERS.
    unsafe {
        match counter {
            PortCounter::Sent => {
                add(&raw mut (*counters).tx_packets, 1);
                add(&raw mut (*counters).tx_bytes, bytes.into());
            }
            PortCounter::Received => {
                add(&raw mut (*counters).rx_packets, 1);
                add(&raw mut (*counters).rx_bytes, bytes.into());
            }
            PortCounter::SentDropped => add(&raw mut (*counters).tx_dropped, 1),
            PortCounter::ReceivedDropped => add(&raw mut (*counters).rx_dropped, 1),
            PortCounter::Punted => add(&raw mut (*counters).punted, 1),
            PortCounter::Untracked => add(&raw mut (*counters).untracked, 1),
        }
    }
}

/// Adds to a counter that only this CPU writes and that others may read at any time.
///
/// # Safety
/// `counter` points into a per-CPU row.
#[inline(always)]
pub unsafe fn add(counter: *mut u64, n: u64) {
    // SAFETY: the caller's promise; the word is aligned.
    unsafe { counter.write_volatile(counter.read_volatile().wrapping_add(n)) }
}
