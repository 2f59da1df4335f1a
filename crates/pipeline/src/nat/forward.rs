//! Floating IPs whose ports are forwarded: a row says which instance a port leads to, and the session that begins there leads back.

use super::{Translation, fragment, session, to_host};
use crate::env::Env;
use crate::packet::Packet;
use crate::route::answer;
use crate::table::{ForwardingKey, NatReturn};

/// Finds or begins the session of a packet that came to a floating IP. 0, or the number of a [`crate::DropReason`], or what [`answer`] says: a
/// port that leads nowhere is the router's own.
#[inline(always)]
pub(super) fn enter<E: Env>(env: &mut E, packet: &mut Packet, scratch: &mut Translation) -> u32 {
    let Translation { back_key, ends, .. } = scratch;
    let (network, outside, port) = (back_key.network, back_key.outside, back_key.outside_port);
    let key = ForwardingKey::new(network, outside, ends.protocol, port, 16);
    let Some(row) = env.forwarding(&key) else { return answer::LOCAL };
    let (host, inside, inside_port) = (row.host, row.inside, row.inside_port(port));
    if host != 0 {
        fragment::note_relayed(env, packet, host);
        return to_host(env, packet, host);
    }
    packet.port = row.port;
    scratch.back = NatReturn { interface: packet.target_id, inside, inside_port, pad: [0; 2] };
    scratch.key = scratch.back.session(&scratch.back_key);
    session::of_forwarded(env, packet, scratch)
}
