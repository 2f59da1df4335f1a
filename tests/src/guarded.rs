//! Guests on two routed networks who let in one port only: what scenarios of traces begin with.

use crate::cloud::{Cloud, PATIENCE};
use crate::guest::Guest;
use crate::knock::Outcome;
use crate::routers::Dual;
use anyhow::Result;
use hadron_lab::until;
use serde_json::json;

/// The TCP port that guests let in, and where nobody listens.
pub const OPEN: u16 = 8080;
/// One that they don't.
pub const CLOSED: u16 = 8081;

/// Two networks with a router between them, and the guests.
pub struct Guarded {
    /// Those that were asked for, in their order.
    pub guests: Vec<Guest>,
    /// The networks.
    pub networks: [Dual; 2],
    /// The guests' security group.
    pub group: String,
    /// The cloud.
    pub cloud: Cloud,
}

impl Guarded {
    /// Creates it all, each guest by its network (0 or 1), host and name; and waits until the first one reaches all the others.
    pub fn raise(cloud: Cloud, guests: &[(usize, &str, &str)]) -> Result<Self> {
        let networks = [Dual::create(&cloud, 1)?, Dual::create(&cloud, 2)?];
        let router = cloud.router("r")?;
        networks.iter().try_for_each(|network| network.attach(&cloud, &router))?;
        let group = cloud.group("web")?;
        cloud.rules(&group, &json!({"protocol": "tcp", "port_range_min": OPEN, "port_range_max": OPEN}))?;
        let guest = |(network, host, name): &(usize, &str, &str)| {
            let network: &Dual = &networks[*network];
            let more = json!({"security_groups": [group], "name": name});
            let guest = Guest::start_with(&cloud, &network.network, host, name, more)?;
            guest.instance.add_route("default", network.gateways[1])?;
            anyhow::Ok(guest)
        };
        let guests: Vec<Guest> = guests.iter().map(guest).collect::<Result<_>>()?;
        for guest in &guests {
            cloud.wait_for_status(&guest.port.id, "ACTIVE")?;
        }
        for (other, ipv6) in guests.iter().skip(1).flat_map(|other| [(other, false), (other, true)]) {
            let door = other.at(ipv6, OPEN)?;
            until(PATIENCE, "the other guest answers", || {
                guests[0].connects(door).is_ok_and(|it| it == Outcome::Refused)
            })?;
        }
        Ok(Self { guests, networks, group, cloud })
    }
}
