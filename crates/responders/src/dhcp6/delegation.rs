//! What an association for prefixes gets: the prefixes that lead to the port anyway (RFC 8415 §6.3, §18.3).

use super::association::{status, times};
use super::options::{self, code};
use super::request::{Association, Wish};
use ipnet::Ipv6Net;

/// Writes the association of a reply, if there is one for this wish; `given` are the prefixes that it may have.
pub(super) fn write(field: &mut Vec<u8>, wish: Wish, held: &Association, given: &[Ipv6Net], seconds: u32) {
    let granted = given.iter().map(|prefix| (*prefix, seconds));
    match wish {
        Wish::Solicit | Wish::Request if given.is_empty() => refuse(field, held, status::NO_PREFIXES),
        Wish::Solicit | Wish::Request => write_one(field, held, granted.collect(), seconds),
        Wish::Renew | Wish::Rebind => {
            // What it has not is over at once; an address of zeroes is a wish and nothing that anybody has.
            let ended = held
                .prefixes
                .iter()
                .filter(|prefix| !given.contains(prefix) && !prefix.addr().is_unspecified());
            let all: Vec<_> = granted.chain(ended.map(|prefix| (*prefix, 0))).collect();
            if all.is_empty() {
                refuse(field, held, status::NO_BINDING);
            } else {
                write_one(field, held, all, seconds);
            }
        }
        Wish::Release | Wish::Decline => {
            if held.prefixes.is_empty() || held.prefixes.iter().any(|prefix| !given.contains(prefix)) {
                refuse(field, held, status::NO_BINDING);
            }
        }
        Wish::Confirm | Wish::Information => {}
    }
}

fn refuse(field: &mut Vec<u8>, held: &Association, status: u16) {
    let mut value = [&held.id[..], &[0; 8]].concat();
    options::write_status(&mut value, status);
    options::write(field, code::IA_PD, &value);
}

fn write_one(field: &mut Vec<u8>, held: &Association, prefixes: Vec<(Ipv6Net, u32)>, seconds: u32) {
    let has_lease = prefixes.iter().any(|(_, seconds)| *seconds > 0);
    let (renewal, rebinding) = if has_lease { times(seconds) } else { (0, 0) };
    let mut value = [&held.id[..], &renewal.to_be_bytes(), &rebinding.to_be_bytes()].concat();
    for (prefix, seconds) in prefixes {
        let lifetime = seconds.to_be_bytes();
        let length = [prefix.prefix_len()];
        let content = [&lifetime[..], &lifetime, &length, &prefix.addr().octets()].concat();
        options::write(&mut value, code::PREFIX, &content);
    }
    options::write(field, code::IA_PD, &value);
}
