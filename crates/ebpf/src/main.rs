//! The kernel's entry points of the packet path: programs for tc ingress that bind `hadron_pipeline` to a context and to maps.
//!
//! Nothing is decided here. The contract with the loader (programs, maps, `skb->cb`, punts) is in `hadron_pipeline`.
//! Begin reading at [`from_port`]; `kernel.rs` is the environment, `subprograms.rs` what the verifier proves by itself, `bytes.rs` the
//! packet's bytes, `tunnel.rs` the tunnel key, `maps.rs` the maps and `rows.rs` their rows.
#![no_std]
#![no_main]

mod bytes;
mod kernel;
mod maps;
mod rows;
mod subprograms;
mod tunnel;

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::{__sk_buff, TC_ACT_REDIRECT, TC_ACT_SHOT, TC_ACT_UNSPEC};
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use hadron_pipeline::{Packet, Verdict, VerdictKind};

use kernel::Kernel;

/// Ingress of an instance's interface.
#[classifier]
pub fn from_port(ctx: TcContext) -> i32 {
    run::<false>(ctx, hadron_pipeline::from_port)
}

/// Ingress of the VXLAN device.
#[classifier]
pub fn from_overlay(ctx: TcContext) -> i32 {
    run::<false>(ctx, hadron_pipeline::from_overlay)
}

/// As `from_overlay`, with the tunnel key in `skb->cb`. Never attached.
#[classifier]
pub fn from_overlay_test(ctx: TcContext) -> i32 {
    run::<true>(ctx, hadron_pipeline::from_overlay)
}

/// Ingress of an interface to a physical network.
#[classifier]
pub fn from_provider(ctx: TcContext) -> i32 {
    run::<false>(ctx, hadron_pipeline::from_provider)
}

/// Ingress of the near end of the pair of interfaces to the sockets of services.
#[classifier]
pub fn from_services(ctx: TcContext) -> i32 {
    run::<false>(ctx, hadron_pipeline::from_services)
}

/// As `from_provider`, with the VLAN in `skb->cb`. Never attached.
#[classifier]
pub fn from_provider_test(ctx: TcContext) -> i32 {
    run::<true>(ctx, hadron_pipeline::from_provider)
}

#[inline(always)]
fn run<const TEST: bool>(ctx: TcContext, door: impl Fn(&mut Kernel<TEST>, &mut Packet) -> Verdict) -> i32 {
    let skb: *mut __sk_buff = ctx.as_ptr().cast();
    let Some(mut kernel) = Kernel::<TEST>::new(skb) else { return TC_ACT_SHOT };
    let Some(scratch) = maps::SCRATCH.get_ptr_mut(0) else { return TC_ACT_SHOT };
    // SAFETY: this CPU's scratch is in no other use: tc programs run with bottom halves disabled and don't nest, since copies
    // are queued by the devices that they are redirected to.
    let packet = unsafe { &mut *scratch };
    let verdict = door(&mut kernel, packet);
    record(skb, verdict);
    match verdict.kind {
        LEAVES_TO_PORT | LEAVES_AS_ANSWER | LEAVES_TO_HOST | LEAVES_TO_PROVIDER | LEAVES_TO_SOCKET => {
            TC_ACT_REDIRECT
        }
        IS_NOT_OURS => TC_ACT_UNSPEC,
        // The host hears what is said to everyone there.
        IS_COPIED if packet.from_provider == 1 && packet.vlan == 0 => TC_ACT_UNSPEC,
        _ => TC_ACT_SHOT,
    }
}

const LEAVES_TO_PORT: u32 = VerdictKind::Deliver as u32;
const LEAVES_AS_ANSWER: u32 = VerdictKind::Answer as u32;
const LEAVES_TO_HOST: u32 = VerdictKind::Tunnel as u32;
const LEAVES_TO_PROVIDER: u32 = VerdictKind::Provider as u32;
const LEAVES_TO_SOCKET: u32 = VerdictKind::Serve as u32;
const IS_NOT_OURS: u32 = VerdictKind::Pass as u32;
const IS_COPIED: u32 = VerdictKind::Flood as u32;

/// Leaves the verdict in `skb->cb`, where `BPF_PROG_TEST_RUN` shows it; the next owner of the packet overwrites it.
#[inline(always)]
fn record(skb: *mut __sk_buff, verdict: Verdict) {
    // SAFETY: `skb` is the program's context, whose fields the verifier checks.
    unsafe {
        (&raw mut (*skb).cb[0]).write_volatile(verdict.kind);
        (&raw mut (*skb).cb[1]).write_volatile(verdict.a);
        (&raw mut (*skb).cb[2]).write_volatile(verdict.b);
    }
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The licence as the kernel reads it; its list knows no name for this crate's dual licence.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
