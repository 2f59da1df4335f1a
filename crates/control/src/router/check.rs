//! What must hold of a router's ports together, and what depends on them.

use super::bad_request;
use crate::{Error, RouterError};
use hadron_model::{
    Association, FloatingIp, NetworkId, Port, PortId, Router, RouterId, RouterPortRole, Subnet, SubnetId,
};
use hadron_store::{Snapshot, Tx};
use std::net::IpAddr;

/// Refuses to route `new` subnets beside those that the router has: they may not overlap, but for gateways on one network.
/// `except` is the port that is to have them.
pub(super) fn check_overlap(
    view: &Snapshot,
    router: RouterId,
    new: &[&Subnet],
    role: RouterPortRole,
    except: Option<PortId>,
) -> Result<(), Error> {
    for port in view.router_ports(router).filter(|port| Some(port.id) != except) {
        let has = port.router().map(|(_, role)| role);
        for subnet in routed_subnets(view, port) {
            if let Some(new) = new.iter().find(|new| collide(&subnet, new, has, role)) {
                return Err(if new.id == subnet.id {
                    bad_request(format!("the router has a port on subnet {} already", subnet.id))
                } else {
                    bad_request(format!(
                        "prefix {} of subnet {} overlaps with prefix {} of subnet {}",
                        new.cidr, new.id, subnet.cidr, subnet.id
                    ))
                });
            }
        }
    }
    Ok(())
}

/// Refuses the prefix that a subnet is about to get if a router that is on it has another subnet that overlaps with it.
pub(crate) fn check_enlarged(tx: &mut Tx, subnet: &Subnet) -> Result<(), Error> {
    let ports: Vec<Port> = {
        let routes =
            |port: &Port| routed_subnets(tx.view(), port).iter().any(|routed| routed.id == subnet.id);
        let ports = tx.view().router_ports_on(subnet.network_id);
        ports.filter(|port| routes(port)).map(|port| port.value.clone()).collect()
    };
    for port in ports {
        let Some((router, role)) = port.router() else { continue };
        // Guarded: the router may not get another interface meanwhile.
        tx.get::<Router>(&router);
        check_overlap(tx.view(), router, &[subnet], role, Some(port.id))?;
    }
    Ok(())
}

fn collide(old: &Subnet, new: &Subnet, has: Option<RouterPortRole>, gets: RouterPortRole) -> bool {
    let are_gateways = has == Some(RouterPortRole::Gateway) && gets == RouterPortRole::Gateway;
    let is_one_network = are_gateways && old.network_id == new.network_id;
    !is_one_network && (old.cidr.contains(&new.cidr) || new.cidr.contains(&old.cidr))
}

/// The subnets that a router reaches directly by its port: those of its addresses, and by a gateway all of the network.
pub(super) fn routed_subnets(view: &Snapshot, port: &Port) -> Vec<Subnet> {
    match port.router() {
        Some((_, RouterPortRole::Gateway)) => {
            view.subnets_of(port.network_id).map(|subnet| subnet.value.clone()).collect()
        }
        _ => {
            let subnets = port.fixed_ips.iter().filter_map(|ip| view.get::<Subnet>(&ip.subnet_id));
            subnets.map(|subnet| subnet.value.clone()).collect()
        }
    }
}

/// Refuses to take a router's interface from a subnet that floating IPs are led to through it, or that has next hops of its routes.
pub(super) fn check_unused(tx: &mut Tx, router: &Router, subnet: &Subnet) -> Result<(), Error> {
    if router.routes.iter().any(|route| subnet.cidr.contains(&route.next_hop)) {
        return Err(RouterError::InterfaceInUseByRoute { router: router.id, subnet: subnet.id }.into());
    }
    tx.guard_range::<FloatingIp>(());
    let view = tx.view();
    let leads_there = |port: PortId, address: IpAddr| {
        subnet.cidr.contains(&address) && has_address(view, port, subnet.id, address)
    };
    let is_used = view.floating_ips_of_router(router.id).any(|floating| {
        let mut forwardings = view.forwardings_of_floating_ip(floating.id);
        floating.association.is_some_and(|to| leads_there(to.port_id, to.fixed_ip_address))
            || forwardings.any(|it| leads_there(it.internal_port_id, it.internal_ip_address))
    });
    if is_used {
        return Err(RouterError::InterfaceInUseByFloatingIp { router: router.id, subnet: subnet.id }.into());
    }
    Ok(())
}

fn has_address(view: &Snapshot, port: PortId, subnet: SubnetId, address: IpAddr) -> bool {
    let port = view.get::<Port>(&port);
    port.is_some_and(|port| {
        port.fixed_ips.iter().any(|ip| ip.subnet_id == subnet && ip.ip_address == address)
    })
}

/// Refuses to take a router from an external network while floating IPs of it need the router.
pub(super) fn check_gateway_unused(tx: &mut Tx, router: RouterId, network: NetworkId) -> Result<(), Error> {
    tx.guard_range::<FloatingIp>(());
    let mut floating = tx.view().floating_ips_of_router(router);
    if floating.any(|floating| floating.floating_network_id == network) {
        return Err(RouterError::GatewayInUseByFloatingIp { router, network }.into());
    }
    Ok(())
}

/// The floating IPs that lead to a port, and to which address of it each.
pub(crate) fn uses_of_port(view: &Snapshot, port: PortId) -> Vec<(FloatingIp, Association)> {
    let all = view.floating_ips_of_port(port);
    all.filter_map(|floating| Some((floating.value.clone(), floating.association?))).collect()
}
