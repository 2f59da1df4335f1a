//! Short names for what tests do with routers.

use super::{Cloud, info};
use hadron_control::router::{self, Attachment, Detachment, Interface, NewRouter, RouterChange};
use hadron_control::{Error, RouterError};
use hadron_model::{
    ExtraRoute, FloatingIpId, NetworkId, PortForwardingId, PortId, PortRange, Router, RouterId, SubnetId,
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
