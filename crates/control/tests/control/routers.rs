//! Routers: interfaces, what they may be on, what keeps them, routes.

use crate::support::routers::*;
use crate::support::*;
use hadron_control::port::PortChange;
use hadron_control::router::{self, Attachment, Detachment, GatewayRequest, RouterChange};
use hadron_control::subnet::Gateway;
use hadron_control::{Error, port};
use hadron_model::{NetworkId, Port, PortStatus, Router, Subnet};

/// A network with a subnet.
async fn network(cloud: &Cloud, cidr: &str) -> (NetworkId, Subnet) {
    let network = cloud.network().await.id;
    (network, cloud.subnet(&new_subnet(network, cidr)).await.unwrap())
}

#[tokio::test]
async fn a_router_takes_the_gateway_address_of_its_subnet() {
    let cloud = Cloud::new().await;
    let (network, subnet) = network(&cloud, "10.0.0.0/24").await;
    let router = cloud.router().await;
    let interface = cloud.attach(router.id, &by_subnet(subnet.id)).await.unwrap();
    assert_eq!((interface.network_id, &interface.subnet_ids[..]), (network, &[subnet.id][..]));
    let view = cloud.view();
    let port = view.get::<Port>(&interface.port_id).unwrap();
    assert_eq!(addresses(port), ["10.0.0.1"]);
    assert_eq!(
        (port.device_id.clone(), port.device_owner.as_str()),
        (router.id.to_string(), "network:router_interface")
    );
    assert_eq!((port.status, port.port_security_enabled), (PortStatus::Active, false));
    assert!(view.router_ports(router.id).eq([port]));
    assert!(view.routers_on(network).eq([router.id]));
    assert_eq!(view.get::<Router>(&router.id).unwrap().stamp.revision_number, 2);
    cloud.check();
    assert_eq!(refused(cloud.delete_router(router.id).await), "RouterInUse");
    assert_eq!(refused(cloud.delete_port(interface.port_id).await), "ServicePortInUse");
    assert_eq!(refused(cloud.delete_subnet(subnet.id).await), "SubnetInUse");
    let gone = cloud.detach(router.id, from_subnet(subnet.id)).await.unwrap();
    assert_eq!(gone, interface);
    cloud.delete_router(router.id).await.unwrap();
    cloud.delete_network(network).await.unwrap();
    assert!(cloud.view().is_empty::<Port>() && cloud.view().is_empty::<Router>());
    cloud.check();
}

#[tokio::test]
async fn an_interface_can_be_a_port_that_nothing_uses() {
    let cloud = Cloud::new().await;
    let (network, subnet) = network(&cloud, "10.0.0.0/24").await;
    let (one, two) = (cloud.router().await, cloud.router().await);
    let port = cloud.port(&new_port(network)).await.unwrap();
    assert!(port.policy.is_some());
    cloud.attach(one.id, &by_port(port.id)).await.unwrap();
    assert_eq!(refused(cloud.attach(two.id, &by_port(port.id)).await), "PortInUse");
    let view = cloud.view();
    assert_eq!(view.get::<Port>(&port.id).unwrap().policy, None, "routers' ports are not filtered");
    cloud.check();
    // Two routers on a subnet, and each has its own address.
    cloud.attach(two.id, &by_subnet(subnet.id)).await.unwrap();
    assert_eq!(cloud.view().routers_on(network).count(), 2);
    assert_eq!(
        refused(cloud.attach(one.id, &by_subnet(subnet.id)).await),
        "BadRequest",
        "it is on it already"
    );
    assert_eq!(refused(cloud.detach(two.id, from_port(port.id)).await), "RouterInterfaceNotFound");
    let other = Detachment { port: Some(port.id), subnet: Some(hadron_model::SubnetId::random()) };
    assert!(is_mismatch(&cloud.detach(one.id, other).await.unwrap_err()));
    cloud.detach(one.id, from_port(port.id)).await.unwrap();
    assert!(cloud.view().get::<Port>(&port.id).is_none(), "the port goes with the interface");
    cloud.check();
}

#[tokio::test]
async fn subnets_of_a_router_do_not_overlap() {
    let cloud = Cloud::new().await;
    let (_, small) = network(&cloud, "10.0.1.0/24").await;
    let (wide_network, wide) = network(&cloud, "10.0.0.0/16").await;
    let router = cloud.router().await;
    cloud.attach(router.id, &by_subnet(small.id)).await.unwrap();
    assert_eq!(refused(cloud.attach(router.id, &by_subnet(wide.id)).await), "BadRequest");
    let port = cloud.port(&new_port(wide_network)).await.unwrap();
    assert_eq!(refused(cloud.attach(router.id, &by_port(port.id)).await), "BadRequest");
    assert!(cloud.view().get::<Port>(&port.id).unwrap().device_id.is_empty(), "nothing is left of it");
    cloud.detach(router.id, from_subnet(small.id)).await.unwrap();
    cloud.attach(router.id, &by_subnet(wide.id)).await.unwrap();
    cloud.check();
}

#[tokio::test]
async fn ipv6_subnets_of_a_network_share_a_port() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    let four = cloud.subnet(&new_subnet(network, "10.0.0.0/24")).await.unwrap();
    let one = cloud.subnet(&slaac(network, "fd00:1::/64")).await.unwrap();
    let two = cloud.subnet(&new_subnet(network, "fd00:2::/64")).await.unwrap();
    let router = cloud.router().await;
    let v4 = cloud.attach(router.id, &by_subnet(four.id)).await.unwrap();
    let first = cloud.attach(router.id, &by_subnet(one.id)).await.unwrap();
    let second = cloud.attach(router.id, &by_subnet(two.id)).await.unwrap();
    assert_ne!(v4.port_id, first.port_id);
    assert_eq!((first.port_id, &second.subnet_ids[..]), (second.port_id, &[two.id][..]));
    let view = cloud.view();
    assert_eq!(addresses(view.get::<Port>(&first.port_id).unwrap()), ["fd00:1::", "fd00:2::"]);
    let other = cloud.port(&new_port(network)).await.unwrap();
    assert_eq!(refused(cloud.attach(router.id, &by_port(other.id)).await), "BadRequest", "one port for IPv6");
    cloud.detach(router.id, from_subnet(one.id)).await.unwrap();
    let view = cloud.view();
    assert_eq!(addresses(view.get::<Port>(&first.port_id).unwrap()), ["fd00:2::"]);
    cloud.check();
    cloud.detach(router.id, from_subnet(two.id)).await.unwrap();
    assert!(cloud.view().get::<Port>(&first.port_id).is_none());
    assert_eq!(
        refused(cloud.detach(router.id, from_subnet(two.id)).await),
        "RouterInterfaceNotFoundForSubnet"
    );
    cloud.check();
}

#[tokio::test]
async fn what_can_t_be_an_interface() {
    let cloud = Cloud::new().await;
    let router = cloud.router().await;
    let network = cloud.network().await.id;
    let mut new = new_subnet(network, "10.0.0.0/24");
    new.gateway = Gateway::Absent;
    let subnet = cloud.subnet(&new).await.unwrap();
    assert_eq!(refused(cloud.attach(router.id, &by_subnet(subnet.id)).await), "BadRequest", "no gateway");
    let mut outside = slaac(network, "fd00::/64");
    outside.ipv6_ra_mode = None;
    let outside = cloud.subnet(&outside).await.unwrap();
    assert_eq!(
        refused(cloud.attach(router.id, &by_subnet(outside.id)).await),
        "BadRequest",
        "advertised outside"
    );
    let mut bare = new_port(cloud.network().await.id);
    bare.fixed_ips = Some(vec![]);
    let bare = cloud.port(&bare).await.unwrap();
    assert_eq!(refused(cloud.attach(router.id, &by_port(bare.id)).await), "BadRequest", "no address");
    let foreign = Attachment::Subnet { id: subnet.id, may_be_foreign: false, project: "q".to_owned() };
    assert_eq!(refused(cloud.attach(router.id, &foreign).await), "BadRequest", "another project's");
    let taken = cloud.subnet(&new_subnet(network, "10.1.0.0/24")).await.unwrap();
    let mut holder = new_port(network);
    holder.fixed_ips = Some(vec![at("10.1.0.1")]);
    cloud.port(&holder).await.unwrap();
    assert_eq!(refused(cloud.attach(router.id, &by_subnet(taken.id)).await), "IpAddressAlreadyAllocated");
    let nowhere = by_subnet(hadron_model::SubnetId::random());
    assert_eq!(refused(cloud.attach(router.id, &nowhere).await), "SubnetNotFound");
    cloud.check();
}

#[tokio::test]
async fn a_port_is_no_interface_because_it_says_so() {
    let cloud = Cloud::new().await;
    let (network, subnet) = network(&cloud, "10.0.0.0/24").await;
    let router = cloud.router().await;
    let mut new = new_port(network);
    new.device_id = router.id.to_string();
    new.device_owner = "network:router_interface".to_owned();
    assert_eq!(refused(cloud.port(&new).await), "ServicePortInUse");
    new.device_owner = "compute:nova".to_owned();
    let port = cloud.port(&new).await.unwrap();
    let change = |owner: &str| PortChange { device_owner: Some(owner.to_owned()), ..PortChange::default() };
    let update = async |id, change: &PortChange| {
        cloud.write(|tx| port::update(tx, &cloud.config, id, change, None)).await
    };
    assert_eq!(refused(update(port.id, &change("network:router_interface")).await), "ServicePortInUse");
    let interface = cloud.attach(router.id, &by_subnet(subnet.id)).await.unwrap();
    assert_eq!(refused(update(interface.port_id, &change("compute:nova")).await), "ServicePortInUse");
    let name = PortChange { name: Some("uplink".to_owned()), ..PortChange::default() };
    assert_eq!(update(interface.port_id, &name).await.unwrap().name, "uplink");
    let revision = cloud.view().get::<Router>(&router.id).unwrap().stamp.revision_number;
    // Its address can change, within what the router can be on.
    let moved = PortChange { fixed_ips: Some(vec![at("10.0.0.77")]), ..PortChange::default() };
    assert_eq!(addresses(&update(interface.port_id, &moved).await.unwrap()), ["10.0.0.77"]);
    assert_eq!(cloud.view().get::<Router>(&router.id).unwrap().stamp.revision_number, revision + 1);
    let bare = PortChange { fixed_ips: Some(vec![]), ..PortChange::default() };
    assert_eq!(refused(update(interface.port_id, &bare).await), "BadRequest");
    cloud.check();
}

#[tokio::test]
async fn routes_lead_to_neighbours() {
    let cloud = Cloud::new().await;
    let (_, subnet) = network(&cloud, "10.0.0.0/24").await;
    let router = cloud.router().await;
    cloud.attach(router.id, &by_subnet(subnet.id)).await.unwrap();
    for (destination, next_hop) in
        [("10.9.0.0/16", "10.1.0.1"), ("10.9.0.0/16", "10.0.0.1"), ("fd00::/64", "10.0.0.5")]
    {
        let set = cloud.set_routes(router.id, vec![route(destination, next_hop)]).await;
        assert_eq!(refused(set), "InvalidRoutes", "{destination} by {next_hop}");
    }
    let (a, b) = (route("10.9.0.0/16", "10.0.0.5"), route("10.8.0.0/16", "10.0.0.6"));
    let set = cloud.set_routes(router.id, vec![a, b, a]).await.unwrap();
    assert_eq!(set.routes, [b, a], "sorted, each once");
    assert_eq!(refused(cloud.detach(router.id, from_subnet(subnet.id)).await), "RouterInterfaceInUseByRoute");
    let shared = route("10.9.0.0/16", "10.0.0.7");
    let add = cloud.write(|tx| router::add_routes(tx, &cloud.config, router.id, &[shared, a], None)).await;
    assert_eq!(add.unwrap().routes, [b, a, shared], "two next hops for one destination");
    let gone = cloud.write(|tx| router::remove_routes(tx, router.id, &[a, shared, a], None)).await;
    assert_eq!(gone.unwrap().routes, [b]);
    let many = (0..31).map(|n| route(&format!("10.{}.0.0/16", n + 100), "10.0.0.5")).collect();
    assert_eq!(refused(cloud.set_routes(router.id, many).await), "OverQuota");
    cloud.set_routes(router.id, vec![]).await.unwrap();
    cloud.detach(router.id, from_subnet(subnet.id)).await.unwrap();
    cloud.check();
}

#[tokio::test]
async fn a_network_inside_is_no_way_out() {
    let cloud = Cloud::new().await;
    let (inside, _) = network(&cloud, "10.0.0.0/24").await;
    let router = cloud.router().await;
    let gateway = GatewayRequest { network_id: inside, enable_snat: None, fixed_ips: vec![] };
    let change = RouterChange { gateway: Some(Some(gateway)), ..RouterChange::default() };
    let error = cloud.change_router(router.id, &change).await.unwrap_err();
    assert!(matches!(error, Error::BadRequest { resource: "router", .. }), "{error}");
    cloud.check();
}

#[tokio::test]
async fn a_router_is_said_to_be_another_kind_only_while_it_is_down() {
    let cloud = Cloud::new().await;
    let router = cloud.router().await;
    assert!(router::is_distributed(&router) && router::is_highly_available(&router));
    let central = RouterChange { distributed: Some(false), ..RouterChange::default() };
    assert_eq!(refused(cloud.change_router(router.id, &central).await), "BadRequest");
    let same = RouterChange { distributed: Some(true), ha: Some(true), ..RouterChange::default() };
    cloud.change_router(router.id, &same).await.unwrap();
    let down = RouterChange { admin_state_up: Some(false), ..RouterChange::default() };
    cloud.change_router(router.id, &down).await.unwrap();
    let router = cloud.change_router(router.id, &central).await.unwrap();
    assert!(!router::is_distributed(&router));
}

#[tokio::test]
async fn routers_are_counted() {
    let mut cloud = Cloud::new().await;
    cloud.config.quotas.router = Some(1);
    let router = cloud.router().await;
    let another = cloud.write(|tx| router::create(tx, &cloud.config, &new_router())).await;
    assert_eq!(refused(another), "OverQuota");
    cloud.delete_router(router.id).await.unwrap();
    cloud.router().await;
}
