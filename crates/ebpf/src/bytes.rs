//! Bytes of the packet under way: where they lie, and their sums.

use core::ffi::c_void;
use core::mem::MaybeUninit;

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::{bpf_csum_diff, bpf_skb_load_bytes};

use crate::maps;
use crate::rows::masked;

/// Offsets that are read in place; headers end long before.
const LINEAR: u32 = 0x3ff;

/// Reads what lies in the linear part of the packet, where headers nearly always are, without a helper's call.
#[inline(always)]
pub fn load_linear<const N: usize>(skb: *mut __sk_buff, offset: u32) -> Option<[u8; N]> {
    if offset > LINEAR {
        return None;
    }
    // SAFETY: the bytes lie between `data` and `data_end`, which the verifier proves from the comparison.
    unsafe {
        let data = (&raw const (*skb).data).read_volatile() as usize;
        let end = (&raw const (*skb).data_end).read_volatile() as usize;
        let start = data + offset as usize;
        if start + N > end {
            return None;
        }
        Some((start as *const [u8; N]).read())
    }
}

/// Reads wherever the packet has its bytes.
#[inline(always)]
pub fn load_any<const N: usize>(skb: *mut __sk_buff, offset: u32) -> Option<[u8; N]> {
    let mut bytes = MaybeUninit::<[u8; N]>::uninit();
    // SAFETY: there is room for N bytes; the helper checks the offset, and has written all of them when it returns 0.
    unsafe {
        let result = bpf_skb_load_bytes(skb.cast(), offset, bytes.as_mut_ptr().cast(), N as u32);
        if result == 0 { Some(bytes.assume_init()) } else { None }
    }
}

/// What a checksum changes by when `from` becomes `to`, as a sum of 32-bit words in the machine's order (RFC 1624). `N` is a multiple of 4.
#[inline(never)]
pub fn difference<const N: usize>(from: &[u8; N], to: &[u8; N]) -> u64 {
    let word = |bytes: &[u8; N], at: usize| {
        u64::from(u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
    };
    let mut sum = 0;
    let mut at = 0;
    while at < N {
        sum += (word(from, at) ^ 0xffff_ffff) + word(to, at);
        at += 4;
    }
    sum = (sum & 0xffff_ffff) + (sum >> 32);
    (sum & 0xffff_ffff) + (sum >> 32)
}

/// Sums bytes up, by way of scratch memory.
#[inline(never)]
pub fn sum(skb: *mut __sk_buff, offset: u32, length: u32) -> Option<u32> {
    let scratch: *mut c_void = maps::QUOTE_SCRATCH.get_ptr_mut(0)?.cast();
    let length = masked(length as usize, 1024) as u32;
    if length == 0 || length > maps::QUOTE as u32 {
        return None;
    }
    // SAFETY: `scratch` is this CPU's and has QUOTE bytes; the helpers check the rest.
    let sum = unsafe {
        if bpf_skb_load_bytes(skb.cast(), offset, scratch, length) != 0 {
            return None;
        }
        bpf_csum_diff(core::ptr::null_mut(), 0, scratch.cast(), length, 0)
    };
    if sum < 0 {
        return None;
    }
    let sum = sum as u32;
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    Some(u32::from(u16::from_be(sum as u16)))
}
