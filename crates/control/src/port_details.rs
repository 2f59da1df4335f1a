//! What a port says for others, and how that changes.

use crate::delegation::DelegationRequest;
use crate::{Error, ObjectError, network};
use hadron_model::{ExtraDhcpOpt, Port, PortDetails};
use std::net::IpAddr;

/// Most DHCP options of a port.
const MAX_DHCP_OPTS: usize = 64;

/// Changes to what a port says; the outer `None` leaves as it is, the inner one takes away.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DetailsChange {
    /// `dns_name`
    pub dns_name: Option<String>,
    /// `dns_domain`
    pub dns_domain: Option<String>,
    /// `trusted`
    pub trusted: Option<bool>,
    /// `data_plane_status`
    pub data_plane_status: Option<Option<String>>,
    /// `propagate_uplink_status`
    pub propagate_uplink_status: Option<bool>,
    /// `numa_affinity_policy`
    pub numa_affinity_policy: Option<Option<String>>,
    /// `device_profile`
    pub device_profile: Option<Option<String>>,
    /// `hardware_offload_type`
    pub hardware_offload_type: Option<Option<String>>,
    /// `hints`, a JSON object as text.
    pub hints: Option<Option<String>>,
    /// DHCP options that change; those that are not named stay.
    pub extra_dhcp_opts: Vec<DhcpOptChange>,
    /// The prefix that is delegated to its instance.
    pub delegation: Option<Option<DelegationRequest>>,
}

/// A change of one DHCP option.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DhcpOptChange {
    /// Name or number.
    pub name: String,
    /// Whether it is of DHCPv6.
    pub is_ipv6: bool,
    /// Its value; `None` takes it away.
    pub value: Option<String>,
}

impl DetailsChange {
    /// Makes the changes.
    pub(crate) fn apply(&self, details: &mut PortDetails) -> Result<(), Error> {
        let set = |field: &mut Option<String>, value: &Option<Option<String>>| {
            if let Some(value) = value {
                field.clone_from(value);
            }
        };
        set(&mut details.data_plane_status, &self.data_plane_status);
        set(&mut details.numa_affinity_policy, &self.numa_affinity_policy);
        set(&mut details.device_profile, &self.device_profile);
        set(&mut details.hardware_offload_type, &self.hardware_offload_type);
        set(&mut details.hints, &self.hints);
        network::set(&mut details.dns_name, &self.dns_name);
        network::set(&mut details.dns_domain, &self.dns_domain);
        details.trusted = self.trusted.or(details.trusted);
        if let Some(propagates) = self.propagate_uplink_status {
            details.hides_uplink_status = !propagates;
        }
        self.apply_dhcp_opts(&mut details.extra_dhcp_opts)
    }

    fn apply_dhcp_opts(&self, options: &mut Vec<ExtraDhcpOpt>) -> Result<(), Error> {
        for (index, change) in self.extra_dhcp_opts.iter().enumerate() {
            let is_same =
                |other: &DhcpOptChange| other.name == change.name && other.is_ipv6 == change.is_ipv6;
            if self.extra_dhcp_opts[..index].iter().any(is_same) {
                return Err(ObjectError::DuplicateDhcpOpt(change.name.clone()).into());
            }
            options.retain(|option| option.name != change.name || option.is_ipv6 != change.is_ipv6);
            let (name, is_ipv6) = (change.name.clone(), change.is_ipv6);
            options.extend(change.value.clone().map(|value| ExtraDhcpOpt { name, is_ipv6, value }));
        }
        options.sort();
        if options.len() > MAX_DHCP_OPTS {
            let text = format!("a port has at most {MAX_DHCP_OPTS} DHCP options, not {}", options.len());
            return Err(Error::InvalidInput(text));
        }
        Ok(())
    }
}

/// The domain of ports' names within their network; hosts' DHCP tells it to instances. Domains of ports and networks are for name services outside.
pub const DNS_DOMAIN: &str = "openstacklocal.";

/// How an address of a port is called: the host's name, and that with the domain.
pub fn dns_assignment(port: &Port, address: IpAddr) -> (String, String) {
    let name = match port.details.dns_name.as_str() {
        "" => format!("host-{}", address.to_string().replace(['.', ':'], "-")),
        name => name.to_owned(),
    };
    let full = if name.ends_with('.') { name.clone() } else { format!("{name}.{DNS_DOMAIN}") };
    (name, full)
}
