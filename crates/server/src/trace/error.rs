//! Why there is no trace.

use crate::nodes::NoAnswer;
use hadron_model::{NetworkId, PortId};
use std::net::IpAddr;

/// Why there is no trace; each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The packet can't be.
    #[error("{0}")]
    Question(String),
    /// No such port.
    #[error("there is no port {0}; give its UUID or its name")]
    NoPort(String),
    /// No such network.
    #[error("there is no network {0}; give its UUID or its name")]
    NoNetwork(String),
    /// A name that several have.
    #[error("several {0} are called {1}; give one of their UUIDs: {2}")]
    Several(&'static str, String, String),
    /// It is on no host.
    #[error(
        "port {0} is bound to no host, so nothing can be sent by it: start its instance, or set binding:host_id"
    )]
    Unbound(PortId),
    /// A router's, or DHCP's.
    #[error(
        "port {0} is a router's, a floating IP's or the DHCP service's, which every host is itself; trace from an instance's port"
    )]
    Everywhere(PortId),
    /// No source.
    #[error("port {0} has no address of the family of {1}; say from which: --source ADDRESS")]
    NoAddress(PortId, IpAddr),
    /// Nobody answers ARP or neighbour discovery.
    #[error(
        "nobody in network {1} is known to have {0}: an instance would ask for it and get no answer; \
         if one has it without the cloud's knowledge, say at which MAC: --destination-mac MAC"
    )]
    Nobody(IpAddr, NetworkId),
    /// The subnet has no gateway.
    #[error(
        "the subnets of port {0} have no gateway and no route to {1}; its instance would not send this packet"
    )]
    NoGateway(PortId, IpAddr),
    /// The gateway is nobody.
    #[error("the gateway {0} of the subnet is nobody's in network {1}: attach the subnet to a router")]
    NobodyAtGateway(IpAddr, NetworkId),
    /// Not physical.
    #[error("network {0} is in no physical network; from outside come only packets of one that is")]
    NotPhysical(NetworkId),
    /// Nobody outside.
    #[error(
        "nobody answers for {0} on network {1}: no port, floating IP or router of this cloud has or leads to it"
    )]
    NobodyOutside(IpAddr, NetworkId),
    /// Not associated.
    #[error("floating IP {0} leads to no port of a host; associate it with one")]
    FloatingNowhere(IpAddr),
    /// No gateway host.
    #[error(
        "no host stands for the router's port {0}: none that is alive has an interface to the physical network"
    )]
    NobodyStands(PortId),
    /// The host does not answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// The host answers why not.
    #[error("host {0}: {1}")]
    Host(String, String),
}
