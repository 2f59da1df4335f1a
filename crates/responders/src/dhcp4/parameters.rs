//! The lease as options.

use super::Lease;
use super::options::code;
use super::request::Request;
use std::net::Ipv4Addr;

/// What a client gets that leaves the choice to the server. The router stays beside the routes: such a client has not said that it
/// knows option 121.
const DEFAULT: &[u8] = &[
    code::SUBNET_MASK,
    code::BROADCAST_ADDRESS,
    code::ROUTER,
    code::DNS,
    code::DOMAIN_NAME,
    code::INTERFACE_MTU,
    code::CLASSLESS_ROUTES,
];

/// What a client gets even if it does not ask: a wrong mask or a too large MTU is worse than a few octets.
const ALWAYS: &[u8] = &[code::SUBNET_MASK, code::INTERFACE_MTU];

/// Number and value of the options that configure the client, in the order in which it asks for them; those that the port's owner set
/// come even unasked: firmware that boots doesn't ask for all that it can use.
pub(super) fn of(request: &Request, lease: &Lease) -> Vec<(u8, Vec<u8>)> {
    let asked = request.parameters().unwrap_or(DEFAULT);
    let extra = lease.extra.codes(request);
    let mut options: Vec<(u8, Vec<u8>)> = Vec::new();
    for &code in asked.iter().chain(ALWAYS).chain(&extra) {
        if options.iter().any(|(known, _)| *known == code)
            || TIMES.contains(&code)
            || (code == code::ROUTER && knows_routes(request, lease))
        {
            continue;
        }
        let value = match lease.extra.value(code, request) {
            Some(value) => value.to_vec(),
            None => value(lease, code).unwrap_or_default(),
        };
        if !value.is_empty() {
            options.push((code, value));
        }
    }
    options
}

/// The times of the lease, which a reply has whether the client asks or not.
const TIMES: &[u8] = &[code::LEASE_TIME, code::RENEWAL_TIME, code::REBINDING_TIME];

/// A client that asks for classless routes and gets some is not told the router as well (RFC 3442, "DHCP Server
/// Administrator Responsibilities"); the routes hold the default route.
fn knows_routes(request: &Request, lease: &Lease) -> bool {
    let has_routes = match lease.extra.value(code::CLASSLESS_ROUTES, request) {
        Some(value) => !value.is_empty(),
        None => !lease.static_routes.is_empty(),
    };
    has_routes && request.parameters().is_some_and(|asked| asked.contains(&code::CLASSLESS_ROUTES))
}

fn value(lease: &Lease, code: u8) -> Option<Vec<u8>> {
    let subnet = lease.subnet();
    match code {
        code::SUBNET_MASK => Some(subnet.netmask().octets().to_vec()),
        code::BROADCAST_ADDRESS if subnet.prefix_len() < 31 => Some(subnet.broadcast().octets().to_vec()),
        code::ROUTER => lease.router.map(|router| router.octets().to_vec()),
        code::DNS => Some(lease.dns.iter().flat_map(|server| server.octets()).collect()),
        code::HOST_NAME => Some(lease.hostname.clone().into_bytes()),
        code::DOMAIN_NAME => Some(lease.domain.clone().into_bytes()),
        code::INTERFACE_MTU => Some(lease.mtu.to_be_bytes().to_vec()),
        code::CLASSLESS_ROUTES | code::MICROSOFT_ROUTES if !lease.static_routes.is_empty() => {
            Some(classless_routes(lease))
        }
        _ => None,
    }
}

/// RFC 3442: per route the length of its prefix, as many octets of it as are significant, the next hop. The router becomes the
/// default route unless a route is that already, and is made reachable if it lies outside the subnet.
fn classless_routes(lease: &Lease) -> Vec<u8> {
    let mut value = Vec::new();
    for (destination, next_hop) in &lease.static_routes {
        push_route(&mut value, destination.network(), destination.prefix_len(), *next_hop);
    }
    let has_default = lease.static_routes.iter().any(|(destination, _)| destination.prefix_len() == 0);
    if let Some(router) = lease.router.filter(|_| !has_default) {
        if !lease.subnet().contains(&router) {
            push_route(&mut value, router, 32, Ipv4Addr::UNSPECIFIED);
        }
        push_route(&mut value, Ipv4Addr::UNSPECIFIED, 0, router);
    }
    value
}

/// RFC 3442, "Classless Route Option Format".
pub(super) fn push_route(value: &mut Vec<u8>, destination: Ipv4Addr, length: u8, next_hop: Ipv4Addr) {
    let significant = usize::from(length.div_ceil(8));
    value.push(length);
    value.extend(&destination.octets()[..significant]);
    value.extend(next_hop.octets());
}
