//! Short names for what tests do with routers.

use super::{Cloud, info};
use hadron_control::floating_ip::{self, AssociationRequest, FloatingIpChange, NewFloatingIp};
use hadron_control::port_forwarding::{self, NewForwarding};
use hadron_control::router::{
    self, Attachment, Detachment, GatewayRequest, Interface, NewRouter, RouterChange,
};
use hadron_control::{Error, RouterError, network};
use hadron_model::{
    ExtraRoute, FloatingIp, FloatingIpId, ForwardedProtocol, NetworkId, Port, PortForwarding,
    PortForwardingId, PortId, PortRange, Router, RouterId, SubnetId, Tags,
};
use hadron_store::Tx;

pub fn new_router() -> NewRouter {
    NewRouter { project_id: "p".to_owned(), admin_state_up: true, ..NewRouter::default() }
}

pub fn by_subnet(id: SubnetId) -> Attachment {
    Attachment::Subnet { id, may_be_foreign: false, project: "p".to_owned() }
}

pub fn by_port(id: PortId) -> Attachment {
    Attachment::Port { id, may_be_foreign: false, project: "p".to_owned() }
}

pub fn from_subnet(id: SubnetId) -> Detachment {
    Detachment { port: None, subnet: Some(id) }
}

pub fn from_port(id: PortId) -> Detachment {
    Detachment { port: Some(id), subnet: None }
}

pub fn route(destination: &str, next_hop: &str) -> ExtraRoute {
    ExtraRoute { destination: destination.parse().unwrap(), next_hop: next_hop.parse().unwrap() }
}

/// The name of the error.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.unwrap_err().type_name()
}

pub fn is_mismatch(error: &Error) -> bool {
    matches!(error, Error::Router(RouterError::SubnetMismatch { .. }))
}

impl Cloud {
    pub async fn router(&self) -> Router {
        self.write(|tx| router::create(tx, &self.config, &new_router())).await.unwrap()
    }

    pub async fn attach(&self, id: RouterId, what: &Attachment) -> Result<Interface, Error> {
        self.write(|tx| router::attach(tx, &self.config, id, what, None)).await
    }

    pub async fn detach(&self, id: RouterId, what: Detachment) -> Result<Interface, Error> {
        self.write(|tx| router::detach(tx, &self.config, id, what, None)).await
    }

    pub async fn change_router(&self, id: RouterId, change: &RouterChange) -> Result<Router, Error> {
        self.write(|tx| router::update(tx, &self.config, id, change, None)).await
    }

    pub async fn set_routes(&self, id: RouterId, routes: Vec<ExtraRoute>) -> Result<Router, Error> {
        let change = RouterChange { routes: Some(routes), ..RouterChange::default() };
        self.change_router(id, &change).await
    }

    pub async fn delete_router(&self, id: RouterId) -> Result<(), Error> {
        self.store.write(info(), |tx: &mut Tx| router::delete(tx, id, None)).await.map(|_| ())
    }
}

/// One of each refusal of layer 3.
pub fn errors() -> Vec<Error> {
    let (router, port, subnet) = (RouterId::random(), PortId::random(), SubnetId::random());
    let (network, floating_ip) = (NetworkId::random(), FloatingIpId::random());
    let (text, address) = (String::new, "10.0.0.1".parse().unwrap());
    let ports = PortRange::new(1, 2).unwrap();
    let errors = [
        RouterError::NotFound(router),
        RouterError::InUse { router, ports: vec![port] },
        RouterError::InterfaceNotFound { router, port },
        RouterError::InterfaceNotFoundForSubnet { router, subnet },
        RouterError::SubnetMismatch { port, subnet },
        RouterError::InterfaceInUseByFloatingIp { router, subnet },
        RouterError::InterfaceInUseByRoute { router, subnet },
        RouterError::GatewayInUseByFloatingIp { router, network },
        RouterError::InvalidRoute { route: route("10.0.0.0/8", "10.0.0.1"), reason: "" },
        RouterError::ServicePortInUse { port, operation: "", device_owner: text() },
        RouterError::FloatingIpNotFound(floating_ip),
        RouterError::ExternalIpAddressExhausted(network),
        RouterError::FloatingIpPortAlreadyAssociated { floating_ip, port, address, network },
        RouterError::ExternalGatewayForFloatingIpNotFound { subnet, network, port },
        RouterError::RouterWithoutGateway { router, network },
        RouterError::FipAssociated(port),
        RouterError::FloatingIpInUseByForwarding(floating_ip),
        RouterError::PortHasForwarding(port),
        RouterError::PortHasFloatingIp { floating_ip, port },
        RouterError::ForwardingNotFound(PortForwardingId::random()),
        RouterError::ForwardedPortCollision { side: "internal", wanted: ports, existing: ports },
    ];
    errors.into_iter().map(Error::from).collect()
}

/// A floating IP of the project, to be created.
pub fn new_floating_ip(network: NetworkId) -> NewFloatingIp {
    NewFloatingIp {
        project_id: "p".to_owned(),
        description: String::new(),
        floating_network_id: network,
        subnet_id: None,
        floating_ip_address: None,
        association: None,
        dns_name: String::new(),
        dns_domain: String::new(),
        tags: Tags::default(),
    }
}

pub fn to_port(port_id: PortId) -> AssociationRequest {
    AssociationRequest { port_id, fixed_ip_address: None, router_id: None, may_be_foreign: false }
}

pub fn through(network: NetworkId) -> GatewayRequest {
    GatewayRequest { network_id: network, enable_snat: None, fixed_ips: vec![] }
}

/// Leads, or leads no longer.
pub fn associated(request: Option<AssociationRequest>) -> FloatingIpChange {
    FloatingIpChange { association: Some(request), ..FloatingIpChange::default() }
}

pub fn new_forwarding(
    floating_ip_id: FloatingIpId,
    port: &Port,
    external: u16,
    internal: u16,
) -> NewForwarding {
    NewForwarding {
        floating_ip_id,
        description: String::new(),
        protocol: ForwardedProtocol::Tcp,
        external: PortRange::new(external, external),
        internal_port_id: port.id,
        internal_ip_address: port.fixed_ips[0].ip_address,
        internal: PortRange::new(internal, internal),
    }
}

/// An external network with an IPv4 and an IPv6 subnet, and a router that joins it with an instance's network.
pub struct Outside {
    pub external: NetworkId,
    pub inside: NetworkId,
    pub subnet: SubnetId,
    pub router: RouterId,
}

impl Cloud {
    pub async fn external(&self, cidrs: &[&str]) -> NetworkId {
        let mut new = super::new_network();
        new.project_id = "operator".to_owned();
        new.external = true;
        let network = self.write(|tx| network::create(tx, &self.config, &new)).await.unwrap().id;
        for cidr in cidrs {
            self.subnet(&super::new_subnet(network, cidr)).await.unwrap();
        }
        network
    }

    pub async fn outside(&self) -> Outside {
        let external = self.external(&["203.0.113.0/24", "2001:db8:1::/64"]).await;
        let inside = self.network().await.id;
        let subnet = self.subnet(&super::new_subnet(inside, "10.0.0.0/24")).await.unwrap().id;
        let router = self.router().await.id;
        self.attach(router, &by_subnet(subnet)).await.unwrap();
        self.set_gateway(router, Some(through(external))).await.unwrap();
        Outside { external, inside, subnet, router }
    }

    pub async fn set_gateway(&self, id: RouterId, gateway: Option<GatewayRequest>) -> Result<Router, Error> {
        let change = RouterChange { gateway: Some(gateway), ..RouterChange::default() };
        self.change_router(id, &change).await
    }

    pub async fn floating_ip(&self, new: &NewFloatingIp) -> Result<FloatingIp, Error> {
        self.write(|tx| floating_ip::create(tx, &self.config, new)).await
    }

    pub async fn change_floating_ip(
        &self,
        id: FloatingIpId,
        change: &FloatingIpChange,
    ) -> Result<FloatingIp, Error> {
        self.write(|tx| floating_ip::update(tx, id, change, None)).await
    }

    pub async fn delete_floating_ip(&self, id: FloatingIpId) -> Result<(), Error> {
        self.write(|tx| floating_ip::delete(tx, &self.config, id, None)).await
    }

    pub async fn forward(&self, new: &NewForwarding) -> Result<PortForwarding, Error> {
        self.write(|tx| port_forwarding::create(tx, new)).await
    }
}
