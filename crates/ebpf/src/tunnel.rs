//! The tunnel key of packets that come from and go to the collect-metadata VXLAN device.

use aya_ebpf::bindings::{__sk_buff, BPF_F_TUNINFO_IPV6, BPF_F_ZERO_CSUM_TX, bpf_tunnel_key};
use aya_ebpf::helpers::{bpf_skb_get_tunnel_key, bpf_skb_set_tunnel_key};
use hadron_pipeline::{Address, Tunnel};

const SIZE: u32 = size_of::<bpf_tunnel_key>() as u32;

/// Reads VNI and outer source of a received packet.
#[inline(never)]
pub fn from_metadata(skb: *mut __sk_buff, into: &mut Tunnel) -> bool {
    // SAFETY: all zero is a valid key; the helper writes at most SIZE bytes, and with which flag it succeeds says which
    // member of the union it wrote.
    unsafe {
        let mut key: bpf_tunnel_key = core::mem::zeroed();
        if bpf_skb_get_tunnel_key(skb, &mut key, SIZE, 0) == 0 {
            into.remote = Address::v4(key.__bindgen_anon_1.remote_ipv4.to_be_bytes());
        } else if bpf_skb_get_tunnel_key(skb, &mut key, SIZE, u64::from(BPF_F_TUNINFO_IPV6)) == 0 {
            into.remote = from_words(key.__bindgen_anon_1.remote_ipv6);
        } else {
            return false;
        }
        into.vni = key.tunnel_id;
        true
    }
}

/// Reads the stand-in for it in `skb->cb`: the VNI, then 16 bytes of outer source.
#[inline(always)]
pub fn from_control_buffer(skb: *mut __sk_buff, into: &mut Tunnel) -> bool {
    // SAFETY: `skb` is the program's context, whose fields the verifier checks.
    unsafe {
        into.vni = (&raw const (*skb).cb[0]).read_volatile();
        into.remote = from_words([
            (&raw const (*skb).cb[1]).read_volatile(),
            (&raw const (*skb).cb[2]).read_volatile(),
            (&raw const (*skb).cb[3]).read_volatile(),
            (&raw const (*skb).cb[4]).read_volatile(),
        ]);
    }
    true
}

/// Sets where the VXLAN device sends the packet. The family is that of the addresses.
#[inline(never)]
pub fn set(skb: *mut __sk_buff, tunnel: &Tunnel) -> bool {
    // SAFETY: all zero is a valid key; the helper reads SIZE bytes.
    unsafe {
        let mut key: bpf_tunnel_key = core::mem::zeroed();
        key.tunnel_id = tunnel.vni;
        let flags = if tunnel.remote.is_v4() {
            key.__bindgen_anon_1.remote_ipv4 = u32::from_be_bytes(tunnel.remote.tail());
            key.__bindgen_anon_3.local_ipv4 = u32::from_be_bytes(tunnel.local.tail());
            BPF_F_ZERO_CSUM_TX
        } else {
            key.__bindgen_anon_1.remote_ipv6 = to_words(tunnel.remote);
            key.__bindgen_anon_3.local_ipv6 = to_words(tunnel.local);
            BPF_F_TUNINFO_IPV6
        };
        bpf_skb_set_tunnel_key(skb, &mut key, SIZE, u64::from(flags)) == 0
    }
}

/// An address from four words that hold its bytes in order.
#[inline(always)]
fn from_words(words: [u32; 4]) -> Address {
    let [a, b, c, d] = words.map(u32::to_ne_bytes);
    Address([a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3], c[0], c[1], c[2], c[3], d[0], d[1], d[2], d[3]])
}

/// The inverse of [`from_words`].
#[inline(always)]
fn to_words(address: Address) -> [u32; 4] {
    let b = address.0;
    [
        u32::from_ne_bytes([b[0], b[1], b[2], b[3]]),
        u32::from_ne_bytes([b[4], b[5], b[6], b[7]]),
        u32::from_ne_bytes([b[8], b[9], b[10], b[11]]),
        u32::from_ne_bytes([b[12], b[13], b[14], b[15]]),
    ]
}
