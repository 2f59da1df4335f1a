//! How the routers of a port's network advertise themselves.

use super::dhcp6::{name_servers, net};
use crate::apply::rules::advertised;
use hadron_model::Mac;
use hadron_responders::router::{Advertisement, Prefix};
use hadron_wire::held::Held;
use hadron_wire::row::{Ipv6Mode, NetworkRow, RouterInterfaceRow};

/// What each router says that has an address in a subnet with an `ipv6_ra_mode`, in the order of the routers.
pub(super) fn advertisements(
    rows: &Held,
    network: &NetworkRow,
    routers: &[&RouterInterfaceRow],
    domain: &str,
) -> Vec<Advertisement> {
    let advertisement = |router: &&RouterInterfaceRow| {
        let subnets = || advertised(rows.subnets(network.number), router);
        let has = |mode| subnets().any(|subnet| subnet.ra_mode == Some(mode));
        let mut prefixes: Vec<Prefix> = subnets()
            .filter_map(|subnet| {
                let is_autonomous = subnet.ra_mode != Some(Ipv6Mode::Dhcpv6Stateful);
                Some(Prefix { net: net(subnet)?, is_autonomous })
            })
            .collect();
        prefixes.sort_unstable();
        (!prefixes.is_empty()).then(|| Advertisement {
            mac: Mac(router.mac),
            mtu: network.mtu,
            prefixes,
            dns: name_servers(subnets()),
            domain: domain.to_owned(),
            is_managed: has(Ipv6Mode::Dhcpv6Stateful),
            has_other: has(Ipv6Mode::Dhcpv6Stateless),
        })
    };
    routers.iter().filter_map(advertisement).collect()
}
