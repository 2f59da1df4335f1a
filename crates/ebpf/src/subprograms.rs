//! The functions that are global for BTF: the verifier proves each once and for all, and not once for each place or turn of a loop that
//! comes to it. Each is one of `hadron_pipeline`, bound to the maps and to scratch memory.

use aya_ebpf::bindings::__sk_buff;
use hadron_pipeline::drop::DropReason;
use hadron_pipeline::{
    Packet, Query, Translation, complain, copy_to_slot, find_follow, find_rule, hop, nat_enter, nat_knows,
    nat_leave, nat_try, policy_verdict,
};

use crate::kernel::Kernel;
use crate::maps;

/// Sends a copy to one place of the flood list. A global function for BTF, which the verifier proves once and for all, and
/// not once in each turn of the loop.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn flood_slot(skb: *mut __sk_buff, packet: *mut Packet, slot: u32) -> i32 {
    // SAFETY: the caller lends its packet for the time of the call; the null is for the verifier, which asks.
    let Some(packet) = (unsafe { packet.as_mut() }) else { return 0 };
    let Some(mut kernel) = Kernel::<false>::new(skb) else { return 0 };
    copy_to_slot(&mut kernel, packet, slot);
    0
}

/// Finds by which row the packet is followed, as `hadron_pipeline::find_follow` does. Global, since three doors come here.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn look_for_follow(skb: *mut __sk_buff, packet: *const Packet) -> u32 {
    // SAFETY: as in `flood_slot`.
    let Some(packet) = (unsafe { packet.as_ref() }) else { return 0 };
    let Some(mut kernel) = Kernel::<false>::new(skb) else { return 0 };
    find_follow(&mut kernel, packet)
}

/// What a port's policy says of the packet. A global function for BTF: two doors and the loop of copies enter it, and the
/// verifier proves it once.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn judge(skb: *mut __sk_buff, packet: *mut Packet, port: u32, way: u32) -> u32 {
    // SAFETY: as in `flood_slot`.
    let Some(packet) = (unsafe { packet.as_mut() }) else { return DropReason::EgressDenied as u32 };
    let Some(mut kernel) = Kernel::<false>::new(skb) else { return DropReason::EgressDenied as u32 };
    let Some(scratch) = maps::JUDGEMENT.get_ptr_mut(0) else { return DropReason::EgressDenied as u32 };
    // SAFETY: this CPU's scratch is in no other use, as `SCRATCH` isn't.
    policy_verdict(&mut kernel, packet, unsafe { &mut *scratch }, port, way)
}

/// Takes the packet through one router, as `hadron_pipeline::hop` does. Global for the same reason as `flood_slot`.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn pass_router(skb: *mut __sk_buff, packet: *mut Packet) -> u32 {
    // SAFETY: as in `flood_slot`.
    let Some(packet) = (unsafe { packet.as_mut() }) else { return DropReason::RouterGone as u32 };
    let Some(mut kernel) = Kernel::<false>::new(skb) else { return DropReason::RouterGone as u32 };
    hop(&mut kernel, packet)
}

/// Gives the packet a shared address as its source, as `hadron_pipeline::nat_leave` does. Global, so that routers' turns prove it once.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn share_address(skb: *mut __sk_buff, packet: *mut Packet, may_begin: u32) -> u32 {
    // SAFETY: as in `flood_slot`.
    let Some(packet) = (unsafe { packet.as_mut() }) else { return DropReason::NoSession as u32 };
    let Some(mut kernel) = Kernel::<false>::new(skb) else { return DropReason::NoSession as u32 };
    let Some(scratch) = maps::TRANSLATION.get_ptr_mut(0) else { return DropReason::NoSession as u32 };
    // SAFETY: this CPU's scratch is in no other use, as `SCRATCH` isn't.
    nat_leave(&mut kernel, packet, unsafe { &mut *scratch }, may_begin)
}

/// Whether the sender has an address by the packet's exit, as `hadron_pipeline::nat_knows` says. Global for the same reason.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn knows_sender(skb: *mut __sk_buff, packet: *mut Packet) -> u32 {
    // SAFETY: as in `flood_slot`.
    let Some(packet) = (unsafe { packet.as_mut() }) else { return 0 };
    let Some(mut kernel) = Kernel::<false>::new(skb) else { return 0 };
    let Some(scratch) = maps::TRANSLATION.get_ptr_mut(0) else { return 0 };
    // SAFETY: as in `share_address`.
    nat_knows(&mut kernel, packet, unsafe { &mut *scratch })
}

/// Finds who shares the packet's destination, as `hadron_pipeline::nat_enter` does. Global for the same reason.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn find_sharer(skb: *mut __sk_buff, packet: *mut Packet) -> u32 {
    // SAFETY: as in `flood_slot`.
    let Some(packet) = (unsafe { packet.as_mut() }) else { return DropReason::NoSession as u32 };
    let Some(mut kernel) = Kernel::<false>::new(skb) else { return DropReason::NoSession as u32 };
    let Some(scratch) = maps::TRANSLATION.get_ptr_mut(0) else { return DropReason::NoSession as u32 };
    // SAFETY: as in `share_address`.
    nat_enter(&mut kernel, packet, unsafe { &mut *scratch })
}

/// Tries a port for a session, as `hadron_pipeline::nat_try` does. Global for the same reason as `flood_slot`.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn try_port(scratch: *mut Translation, place: u32) -> u32 {
    // SAFETY: as in `flood_slot`.
    let Some(scratch) = (unsafe { scratch.as_mut() }) else { return 0 };
    let mut tables = Kernel::<false>::without_packet();
    nat_try(&mut tables, scratch, place)
}

/// Turns the packet into an ICMP error, as `hadron_pipeline::complain` does. Global, since two places of a door come here.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn tell_sender(skb: *mut __sk_buff, packet: *mut Packet, reason: u32) -> u32 {
    // SAFETY: as in `flood_slot`.
    let Some(packet) = (unsafe { packet.as_mut() }) else { return 0 };
    let Some(mut kernel) = Kernel::<false>::new(skb) else { return 0 };
    complain(&mut kernel, packet, reason)
}

/// What the rules of a policy say, as `hadron_pipeline::find_rule` does. Global for the same reason as `judge`, which asks in two
/// places.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn ask_rules(query: *const Query) -> u64 {
    // SAFETY: as in `flood_slot`.
    let Some(query) = (unsafe { query.as_ref() }) else { return 0 };
    let tables = Kernel::<false>::without_packet();
    find_rule(&tables, query)
}
