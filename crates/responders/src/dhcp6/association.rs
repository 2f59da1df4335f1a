//! What each identity association gets.

use super::options::{self, code};
use super::request::{Association, Request, Wish};
use super::{Binding, delegation};
use std::net::Ipv6Addr;

/// Status codes (RFC 8415 §21.13).
pub(super) mod status {
    pub(in crate::dhcp6) const SUCCESS: u16 = 0;
    pub(in crate::dhcp6) const NO_ADDRESSES: u16 = 2;
    pub(in crate::dhcp6) const NO_BINDING: u16 = 3;
    pub(in crate::dhcp6) const NOT_ON_LINK: u16 = 4;
    pub(in crate::dhcp6) const NO_PREFIXES: u16 = 6;
}

/// The associations of a reply, as options.
pub(super) fn write(field: &mut Vec<u8>, request: &Request<'_>, binding: &Binding) {
    let given = distribute(request, binding);
    let delegating = request.associations.iter().find(|association| association.code == code::IA_PD);
    for (association, addresses) in request.associations.iter().zip(given) {
        if association.code == code::IA_PD {
            // The port's prefixes are the first one's.
            let is_first = delegating.is_some_and(|first| first.id == association.id);
            let given = if is_first { &binding.delegated[..] } else { &[] };
            delegation::write(field, request.wish, association, given, binding.lease_seconds);
            continue;
        }
        let content = match request.wish {
            Wish::Solicit | Wish::Request => assigned(request, association, &addresses, binding),
            Wish::Renew | Wish::Rebind => extended(association, &addresses, binding),
            Wish::Release | Wish::Decline => match is_bound(association, binding) {
                true => continue,
                false => with_status(status::NO_BINDING),
            },
            Wish::Confirm | Wish::Information => continue,
        };
        write_one(field, association, &content, binding);
    }
}

/// The port's addresses among the IA_NAs: each to the one that names it, the others to one that has none yet, or to the first. A
/// client with one association has all; it follows from the message alone, so the client finds them again.
fn distribute(request: &Request<'_>, binding: &Binding) -> Vec<Vec<Ipv6Addr>> {
    let associations = &request.associations;
    let mut given = vec![Vec::new(); associations.len()];
    let takes: Vec<usize> =
        (0..associations.len()).filter(|at| associations[*at].code == code::IA_NA).collect();
    let naming = |address| takes.iter().copied().find(|at| associations[*at].addresses.contains(address));
    let (named, unnamed): (Vec<_>, Vec<_>) =
        binding.addresses.iter().partition(|address| naming(address).is_some());
    for address in named.into_iter().chain(unnamed) {
        let free = || takes.iter().copied().find(|at| given[*at].is_empty());
        if let Some(at) = naming(address).or_else(free).or(takes.first().copied()) {
            given[at].push(*address);
        }
    }
    given
}

/// RFC 8415 §18.3.1 and §18.3.2.
fn assigned(request: &Request<'_>, wanted: &Association, given: &[Ipv6Addr], binding: &Binding) -> Content {
    let is_foreign = |address| !binding.prefixes.iter().any(|prefix| prefix.contains(address));
    if given.is_empty() {
        with_status(status::NO_ADDRESSES)
    } else if request.wish == Wish::Request && wanted.addresses.iter().any(is_foreign) {
        with_status(status::NOT_ON_LINK)
    } else {
        Content {
            addresses: given.iter().map(|address| (*address, binding.lease_seconds)).collect(),
            status: None,
        }
    }
}

/// RFC 8415 §18.3.4 and §18.3.5: what the port has is extended, what it has not ends at once.
fn extended(held: &Association, given: &[Ipv6Addr], binding: &Binding) -> Content {
    let ended = held.addresses.iter().filter(|address| !given.contains(address)).map(|address| (*address, 0));
    let addresses: Vec<_> =
        given.iter().map(|address| (*address, binding.lease_seconds)).chain(ended).collect();
    if addresses.is_empty() { with_status(status::NO_BINDING) } else { Content { addresses, status: None } }
}

/// Whether the port has all that the association names.
fn is_bound(association: &Association, binding: &Binding) -> bool {
    let addresses = &association.addresses;
    !addresses.is_empty() && addresses.iter().all(|address| binding.addresses.contains(address))
}

/// What an association of a reply holds.
struct Content {
    /// With the seconds that they may be used.
    addresses: Vec<(Ipv6Addr, u32)>,
    status: Option<u16>,
}

fn with_status(status: u16) -> Content {
    Content { addresses: Vec::new(), status: Some(status) }
}

fn write_one(field: &mut Vec<u8>, association: &Association, content: &Content, binding: &Binding) {
    let mut value = association.id.to_vec();
    if association.code != code::IA_TA {
        let has_lease = content.addresses.iter().any(|(_, seconds)| *seconds > 0);
        let (renewal, rebinding) = if has_lease { times(binding.lease_seconds) } else { (0, 0) };
        value.extend(renewal.to_be_bytes());
        value.extend(rebinding.to_be_bytes());
    }
    for (address, seconds) in &content.addresses {
        let lifetime = seconds.to_be_bytes();
        options::write(&mut value, code::ADDRESS, &[&address.octets()[..], &lifetime, &lifetime].concat());
    }
    if let Some(status) = content.status {
        options::write_status(&mut value, status);
    }
    options::write(field, association.code, &value);
}

/// T1 and T2, half and four fifths of the lifetime (RFC 8415 §14.2); a lease for ever is never renewed.
pub(super) fn times(seconds: u32) -> (u32, u32) {
    let part = |tenths: u64| (u64::from(seconds) * tenths / 10) as u32;
    if seconds == u32::MAX { (u32::MAX, u32::MAX) } else { (part(5), part(8)) }
}
