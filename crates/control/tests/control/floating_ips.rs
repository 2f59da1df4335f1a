//! Gateways, floating IPs and port forwardings: what they may be, what keeps them, and what goes with what.

use crate::support::routers::*;
use crate::support::*;
use hadron_control::floating_ip::{self, AssociationRequest, FloatingIpChange, NewFloatingIp};
use hadron_control::network::NetworkChange;
use hadron_control::port::{self, PortChange};
use hadron_control::port_forwarding::{self, ForwardingChange, NewForwarding};
use hadron_control::router::{self, GatewayRequest, GatewaysChange};
use hadron_control::{Error, network};
use hadron_model::{FloatingIp, ForwardedProtocol, Port, PortForwarding, PortRange, PortStatus, Router};

#[tokio::test]
async fn a_gateway_takes_addresses_of_both_families() {
    let cloud = Cloud::new().await;
    let outside = cloud.outside().await;
    let view = cloud.view();
    let router = view.get::<Router>(&outside.router).unwrap();
    let [gateway] = router.gateways[..] else { panic!("{:?}", router.gateways) };
    assert!(gateway.enable_snat);
    let port = view.get::<Port>(&gateway.port_id).unwrap();
    assert_eq!((port.project_id.as_str(), port.device_owner.as_str()), ("", "network:router_gateway"));
    assert_eq!(addresses(port), ["203.0.113.2", "2001:db8:1::1"]);
    assert_eq!(refused(cloud.delete_port(port.id).await), "ServicePortInUse");
    cloud.check();
    let fixed = GatewayRequest {
        enable_snat: Some(false),
        fixed_ips: vec![at("203.0.113.50")],
        ..through(outside.external)
    };
    let router = cloud.set_gateway(outside.router, Some(fixed)).await.unwrap();
    assert_eq!((router.gateways[0].port_id, router.gateways[0].enable_snat), (gateway.port_id, false));
    assert_eq!(addresses(cloud.view().get::<Port>(&gateway.port_id).unwrap()), ["203.0.113.50"]);
    let upstream = GatewayRequest { fixed_ips: vec![at("203.0.113.1")], ..through(outside.external) };
    assert_eq!(refused(cloud.set_gateway(outside.router, Some(upstream)).await), "BadRequest");
    let router = cloud.set_gateway(outside.router, None).await.unwrap();
    assert!(router.gateways.is_empty() && !cloud.view().has::<Port>(&gateway.port_id));
    cloud.check();
}

#[tokio::test]
async fn a_gateway_moves_to_another_network() {
    let cloud = Cloud::new().await;
    let outside = cloud.outside().await;
    let other = cloud.external(&["198.51.100.0/24"]).await;
    let overlapping = cloud.external(&["10.0.0.0/16"]).await;
    assert_eq!(refused(cloud.set_gateway(outside.router, Some(through(overlapping))).await), "BadRequest");
    let before = cloud.view().get::<Router>(&outside.router).unwrap().gateways.clone();
    assert_eq!(before[0].network_id, outside.external, "nothing is left of it");
    let router = cloud.set_gateway(outside.router, Some(through(other))).await.unwrap();
    assert_eq!((router.gateways.len(), router.gateways[0].network_id), (1, other));
    // A next hop outside keeps the network.
    cloud.set_routes(outside.router, vec![route("192.0.2.0/24", "198.51.100.77")]).await.unwrap();
    assert_eq!(refused(cloud.set_gateway(outside.router, None).await), "InvalidRoutes");
    cloud.check();
}

#[tokio::test]
async fn a_router_has_several_gateways() {
    let cloud = Cloud::new().await;
    let outside = cloud.outside().await;
    let change = async |change: GatewaysChange| {
        let id = outside.router;
        cloud.write(|tx| router::change_gateways(tx, &cloud.config, id, &change, None)).await
    };
    let same = through(outside.external);
    let router = change(GatewaysChange::Add(vec![same.clone(), same.clone()])).await.unwrap();
    assert_eq!(router.gateways.len(), 3);
    cloud.check();
    assert_eq!(refused(change(GatewaysChange::Remove(vec![same.clone()])).await), "UnableToMatchGateways");
    let view = cloud.view();
    let address = view.get::<Port>(&router.gateways[1].port_id).unwrap().fixed_ips[0].ip_address;
    let second = GatewayRequest { fixed_ips: vec![at(&address.to_string())], ..same.clone() };
    let left = change(GatewaysChange::Remove(vec![second.clone()])).await.unwrap();
    assert_eq!(left.gateways, [router.gateways[0], router.gateways[2]]);
    // What is asked for first stands first, and the rest goes.
    let third = view.get::<Port>(&router.gateways[2].port_id).unwrap().fixed_ips[0].ip_address;
    let third = GatewayRequest { fixed_ips: vec![at(&third.to_string())], enable_snat: Some(false), ..same };
    let left = change(GatewaysChange::Update(vec![third, second])).await.unwrap();
    assert_eq!((left.gateways.len(), left.gateways[0].port_id), (2, router.gateways[2].port_id));
    assert!(!left.gateways[0].enable_snat && left.gateways[1].enable_snat);
    cloud.check();
    cloud.detach(outside.router, from_subnet(outside.subnet)).await.unwrap();
    cloud.delete_router(outside.router).await.unwrap();
    assert!(cloud.view().ports_of_network(outside.external).next().is_none());
    cloud.check();
}

#[tokio::test]
async fn a_floating_ip_leads_to_a_port() {
    let cloud = Cloud::new().await;
    let outside = cloud.outside().await;
    let port = cloud.port(&new_port(outside.inside)).await.unwrap();
    let floating = cloud.floating_ip(&new_floating_ip(outside.external)).await.unwrap();
    assert_eq!((floating.stamp.revision_number, floating.router_id), (0, None));
    let view = cloud.view();
    let holder = view.get::<Port>(&floating.floating_port_id).unwrap();
    assert_eq!(
        (holder.status, holder.device_owner.as_str()),
        (PortStatus::NotApplicable, "network:floatingip")
    );
    assert_eq!(refused(cloud.delete_port(holder.id).await), "ServicePortInUse");
    assert_eq!(floating_ip::status(&view, &floating), "DOWN");
    let led = cloud.change_floating_ip(floating.id, &associated(Some(to_port(port.id)))).await.unwrap();
    let to = led.association.unwrap();
    assert_eq!((to.port_id, to.fixed_ip_address), (port.id, port.fixed_ips[0].ip_address));
    assert_eq!((led.router_id, led.stamp.revision_number), (Some(outside.router), 1));
    assert_eq!(floating_ip::status(&cloud.view(), &led), "DOWN", "the port is not wired");
    cloud.check();
    // What it needs stays.
    let interface = cloud.detach(outside.router, from_subnet(outside.subnet)).await;
    assert_eq!(refused(interface), "RouterInterfaceInUseByFloatingIP");
    assert_eq!(
        refused(cloud.set_gateway(outside.router, None).await),
        "RouterExternalGatewayInUseByFloatingIp"
    );
    let change = PortChange { fixed_ips: Some(vec![at("10.0.0.99")]), ..PortChange::default() };
    let moved = cloud.write(|tx| port::update(tx, &cloud.config, port.id, &change, None)).await;
    assert_eq!(refused(moved), "BadRequest");
    // Another one of the network can't lead there, nor can port forwardings.
    let another = cloud.floating_ip(&new_floating_ip(outside.external)).await.unwrap();
    let taken = cloud.change_floating_ip(another.id, &associated(Some(to_port(port.id)))).await;
    assert_eq!(refused(taken), "FloatingIPPortAlreadyAssociated");
    let forwarding = cloud.forward(&new_forwarding(another.id, &port, 2222, 22)).await;
    assert_eq!(refused(forwarding), "PortHasBindingFloatingIP");
    let shared = cloud.forward(&new_forwarding(floating.id, &port, 2222, 22)).await;
    assert_eq!(refused(shared), "PortHasBindingFloatingIP");
    // It ends with the port.
    cloud.delete_port(port.id).await.unwrap();
    let view = cloud.view();
    let left = view.get::<FloatingIp>(&floating.id).unwrap();
    assert_eq!((left.association, left.router_id, left.stamp.revision_number), (None, None, 2));
    cloud.check();
    cloud.delete_floating_ip(floating.id).await.unwrap();
    assert!(!cloud.view().has::<Port>(&floating.floating_port_id));
    cloud.check();
}

#[tokio::test]
async fn what_a_floating_ip_can_t_lead_to() {
    let cloud = Cloud::new().await;
    let outside = cloud.outside().await;
    let create = async |request: AssociationRequest| {
        let association = Some(request);
        cloud.floating_ip(&NewFloatingIp { association, ..new_floating_ip(outside.external) }).await
    };
    let port = cloud.port(&new_port(outside.inside)).await.unwrap();
    let isolated = cloud.network().await.id;
    cloud.subnet(&new_subnet(isolated, "10.7.0.0/24")).await.unwrap();
    let far = cloud.port(&new_port(isolated)).await.unwrap();
    assert_eq!(refused(create(to_port(far.id)).await), "ExternalGatewayForFloatingIPNotFound");
    let mut new = new_port(outside.inside);
    new.fixed_ips = Some(vec![]);
    let bare = cloud.port(&new).await.unwrap();
    assert_eq!(refused(create(to_port(bare.id)).await), "BadRequest");
    new.fixed_ips = Some(vec![of_subnet(outside.subnet), of_subnet(outside.subnet)]);
    let two = cloud.port(&new).await.unwrap();
    assert_eq!(refused(create(to_port(two.id)).await), "BadRequest", "which of them?");
    let other = AssociationRequest { fixed_ip_address: Some(address("10.0.0.250")), ..to_port(two.id) };
    assert_eq!(refused(create(other).await), "BadRequest");
    let named = AssociationRequest { fixed_ip_address: Some(two.fixed_ips[1].ip_address), ..to_port(two.id) };
    assert_eq!(
        create(named).await.unwrap().association.unwrap().fixed_ip_address,
        two.fixed_ips[1].ip_address
    );
    new.project_id = "q".to_owned();
    new.fixed_ips = None;
    let foreign = cloud.port(&new).await.unwrap();
    assert_eq!(refused(create(to_port(foreign.id)).await), "BadRequest");
    let admin = AssociationRequest { may_be_foreign: true, ..to_port(foreign.id) };
    create(admin).await.unwrap();
    let without = cloud.router().await.id;
    let by = |router| AssociationRequest { router_id: Some(router), ..to_port(port.id) };
    assert_eq!(refused(create(by(without)).await), "Conflict");
    assert_eq!(refused(create(by(hadron_model::RouterId::random())).await), "RouterNotFound");
    assert_eq!(create(by(outside.router)).await.unwrap().router_id, Some(outside.router));
    assert_eq!(
        refused(cloud.floating_ip(&new_floating_ip(outside.inside)).await),
        "BadRequest",
        "it is inside"
    );
    let v6 = cloud.external(&["2001:db8:2::/64"]).await;
    assert_eq!(refused(cloud.floating_ip(&new_floating_ip(v6)).await), "BadRequest", "no IPv4");
    let tiny = cloud.external(&["192.0.2.0/30"]).await;
    cloud.floating_ip(&new_floating_ip(tiny)).await.unwrap();
    assert_eq!(refused(cloud.floating_ip(&new_floating_ip(tiny)).await), "IpAddressGenerationFailure");
    cloud.check();
}

#[tokio::test]
async fn floating_ips_are_counted_and_have_the_address_asked_for() {
    let mut cloud = Cloud::new().await;
    cloud.config.quotas.floating_ip = Some(1);
    let outside = cloud.outside().await;
    let floating_ip_address = Some(address("203.0.113.77"));
    let new = NewFloatingIp { floating_ip_address, ..new_floating_ip(outside.external) };
    let floating = cloud.floating_ip(&new).await.unwrap();
    assert_eq!(Some(floating.floating_ip_address), floating_ip_address);
    assert_eq!(refused(cloud.floating_ip(&new).await), "OverQuota");
    cloud.config.quotas.floating_ip = None;
    assert_eq!(refused(cloud.floating_ip(&new).await), "IpAddressAlreadyAllocated");
    cloud.check();
}

#[tokio::test]
async fn an_external_network_stays_so_while_routers_need_it() {
    let cloud = Cloud::new().await;
    let outside = cloud.outside().await;
    let inside = NetworkChange { external: Some(false), ..NetworkChange::default() };
    let change =
        async || cloud.write(|tx| network::update(tx, &cloud.config, outside.external, &inside, None)).await;
    assert_eq!(refused(change().await), "ExternalNetworkInUse");
    cloud.set_gateway(outside.router, None).await.unwrap();
    change().await.unwrap();
    assert_eq!(
        refused(cloud.set_gateway(outside.router, Some(through(outside.external))).await),
        "BadRequest"
    );
}

#[tokio::test]
async fn ports_of_a_floating_ip_are_forwarded() {
    let cloud = Cloud::new().await;
    let outside = cloud.outside().await;
    let floating = cloud.floating_ip(&new_floating_ip(outside.external)).await.unwrap();
    let (a, b) = (
        cloud.port(&new_port(outside.inside)).await.unwrap(),
        cloud.port(&new_port(outside.inside)).await.unwrap(),
    );
    let first = cloud.forward(&new_forwarding(floating.id, &a, 2222, 22)).await.unwrap();
    let view = cloud.view();
    let held = view.get::<FloatingIp>(&floating.id).unwrap();
    assert_eq!(
        (held.router_id, held.association, held.stamp.revision_number),
        (Some(outside.router), None, 1)
    );
    assert_eq!(floating_ip::status(&view, held), "ACTIVE");
    cloud.check();
    // A port outside leads to one place, a place inside has one port outside.
    assert_eq!(refused(cloud.forward(&new_forwarding(floating.id, &b, 2222, 22)).await), "BadRequest");
    assert_eq!(refused(cloud.forward(&new_forwarding(floating.id, &a, 2223, 22)).await), "BadRequest");
    let udp = NewForwarding { protocol: ForwardedProtocol::Udp, ..new_forwarding(floating.id, &b, 2222, 22) };
    cloud.forward(&udp).await.unwrap();
    let range = |first, last| PortRange::new(first, last);
    let wide =
        |external, internal| NewForwarding { external, internal, ..new_forwarding(floating.id, &b, 1, 1) };
    assert_eq!(
        refused(cloud.forward(&wide(range(3000, 3009), range(80, 84))).await),
        "BadRequest",
        "10 to 5"
    );
    assert_eq!(
        refused(cloud.forward(&wide(range(2200, 2300), range(80, 180))).await),
        "BadRequest",
        "2222 is in it"
    );
    cloud.forward(&wide(range(3000, 3009), range(80, 89))).await.unwrap();
    cloud.forward(&wide(range(4000, 4009), range(443, 443))).await.unwrap();
    assert_eq!(refused(cloud.forward(&wide(None, range(1, 1))).await), "BadRequest");
    let icmp = NewForwarding { protocol: ForwardedProtocol::Icmp, ..wide(None, None) };
    cloud.forward(&icmp).await.unwrap();
    assert_eq!(refused(cloud.forward(&icmp).await), "BadRequest");
    cloud.check();
    // The floating IP is shared now.
    let lead = cloud.change_floating_ip(floating.id, &associated(Some(to_port(a.id)))).await;
    assert_eq!(refused(lead), "FipInUseByPortForwarding");
    assert_eq!(refused(cloud.delete_floating_ip(floating.id).await), "FipInUseByPortForwarding");
    let another = cloud.floating_ip(&new_floating_ip(outside.external)).await.unwrap();
    let lead = cloud.change_floating_ip(another.id, &associated(Some(to_port(a.id)))).await;
    assert_eq!(refused(lead), "PortHasPortForwarding");
    assert_eq!(
        refused(cloud.detach(outside.router, from_subnet(outside.subnet)).await),
        "RouterInterfaceInUseByFloatingIP"
    );
    let nothing = FloatingIpChange { association: Some(None), ..FloatingIpChange::default() };
    let same = cloud.change_floating_ip(floating.id, &nothing).await.unwrap();
    assert_eq!(same.router_id, Some(outside.router), "forwardings stay");
    let change = ForwardingChange { internal: range(2, 2), ..ForwardingChange::default() };
    let changed = cloud.write(|tx| port_forwarding::update(tx, first.id, &change, None)).await.unwrap();
    assert_eq!((changed.internal, changed.external), (range(2, 2), range(2222, 2222)));
    // They go with their port, and with the last the floating IP is free.
    cloud.delete_port(b.id).await.unwrap();
    assert_eq!(cloud.view().len::<PortForwarding>(), 1);
    cloud.check();
    cloud.write(|tx| port_forwarding::delete(tx, first.id, None)).await.unwrap();
    assert_eq!(cloud.view().get::<FloatingIp>(&floating.id).unwrap().router_id, None);
    cloud.delete_floating_ip(floating.id).await.unwrap();
    cloud.check();
}

#[tokio::test]
async fn many_forwardings_go_with_a_port_in_steps() {
    let cloud = Cloud::new().await;
    let outside = cloud.outside().await;
    let floating = cloud.floating_ip(&new_floating_ip(outside.external)).await.unwrap();
    let port = cloud.port(&new_port(outside.inside)).await.unwrap();
    for number in 1..=100 {
        cloud.forward(&new_forwarding(floating.id, &port, number, number)).await.unwrap();
    }
    cloud.delete_port(port.id).await.unwrap();
    assert!(cloud.view().is_empty::<PortForwarding>());
    cloud.check();
}

#[tokio::test]
async fn forwardings_go_with_the_address() {
    let cloud = Cloud::new().await;
    let outside = cloud.outside().await;
    let floating = cloud.floating_ip(&new_floating_ip(outside.external)).await.unwrap();
    let port = cloud.port(&new_port(outside.inside)).await.unwrap();
    cloud.forward(&new_forwarding(floating.id, &port, 80, 80)).await.unwrap();
    let change = PortChange { fixed_ips: Some(vec![at("10.0.0.99")]), ..PortChange::default() };
    cloud.write(|tx| port::update(tx, &cloud.config, port.id, &change, None)).await.unwrap();
    assert!(cloud.view().is_empty::<PortForwarding>());
    cloud.check();
}

#[tokio::test]
async fn a_port_with_another_project_s_floating_ip_is_not_its_owner_s_to_delete() {
    let cloud = Cloud::new().await;
    let outside = cloud.outside().await;
    let port = cloud.port(&new_port(outside.inside)).await.unwrap();
    let admin = AssociationRequest { may_be_foreign: true, ..to_port(port.id) };
    let association = Some(admin);
    let new =
        NewFloatingIp { project_id: "operator".to_owned(), association, ..new_floating_ip(outside.external) };
    cloud.floating_ip(&new).await.unwrap();
    let check = async |is_admin: bool| -> Result<(), Error> {
        cloud.write(|tx| floating_ip::check_release(tx, port.id, is_admin)).await
    };
    assert_eq!(refused(check(false).await), "FipAssociated");
    check(true).await.unwrap();
}

#[tokio::test]
async fn a_network_goes_with_floating_ips_that_lead_nowhere() {
    let cloud = Cloud::new().await;
    let outside = cloud.outside().await;
    let port = cloud.port(&new_port(outside.inside)).await.unwrap();
    // More than fit one transaction.
    for _ in 0..40 {
        cloud.floating_ip(&new_floating_ip(outside.external)).await.unwrap();
    }
    let association = Some(to_port(port.id));
    let used = NewFloatingIp { association, ..new_floating_ip(outside.external) };
    let used = cloud.floating_ip(&used).await.unwrap();
    assert_eq!(refused(cloud.delete_network(outside.external).await), "NetworkInUse");
    assert_eq!(cloud.view().len::<FloatingIp>(), 41, "nothing has gone");
    cloud.delete_port(port.id).await.unwrap();
    assert_eq!(cloud.view().get::<FloatingIp>(&used.id).unwrap().association, None);
    assert_eq!(refused(cloud.delete_network(outside.external).await), "NetworkInUse", "a gateway needs it");
    cloud.set_gateway(outside.router, None).await.unwrap();
    cloud.delete_network(outside.external).await.unwrap();
    assert!(cloud.view().is_empty::<FloatingIp>());
    cloud.check();
}
