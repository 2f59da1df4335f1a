//! The overlay device: one VXLAN interface in collect-metadata ("external") mode for all networks and both underlay
//! families. The program on it says network and destination per packet; the device itself learns and knows nothing.

use super::{Link, Netlink, silence_host_ipv6};
use crate::error::Error;
use rtnetlink::packet_route::link::InfoVxlan;
use rtnetlink::{LinkUnspec, LinkVxlan};
use std::borrow::Cow;

/// UDP port that IANA assigned to VXLAN (RFC 7348 §5).
pub const VXLAN_PORT: u16 = 4789;

/// How the overlay device should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OverlayConfig {
    /// Interface name, at most 15 characters.
    pub name: String,
    /// UDP destination port; another overlay on the host may own [`VXLAN_PORT`].
    pub port: u16,
    /// MTU of the device in octets. Networks have their own, smaller one; the device only must not be the bottleneck.
    pub mtu: u32,
}

impl Default for OverlayConfig {
    fn default() -> Self {
        Self { name: "hadron-vxlan".into(), port: VXLAN_PORT, mtu: 65_000 }
    }
}

/// The attributes of a VXLAN device that matter here (`IFLA_VXLAN_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Vxlan {
    /// UDP destination port.
    pub port: u16,
    /// Collect-metadata mode.
    pub is_external: bool,
    /// Whether it learns addresses from what it receives.
    pub is_learning: bool,
}

impl Vxlan {
    pub(super) fn from_attributes(attributes: &[InfoVxlan]) -> Self {
        let mut vxlan = Vxlan::default();
        for attribute in attributes {
            match attribute {
                InfoVxlan::Port(port) => vxlan.port = *port,
                InfoVxlan::CollectMetadata(set) => vxlan.is_external = *set,
                InfoVxlan::Learning(set) => vxlan.is_learning = *set,
                _ => {}
            }
        }
        vxlan
    }
}

/// What has to be done to the device.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Step {
    Nothing,
    Create,
    Replace,
    Change,
    Refuse(String),
}

impl OverlayConfig {
    /// Whether `link` needs no work.
    pub fn is_met_by(&self, link: Option<&Link>) -> bool {
        self.step(link) == Step::Nothing
    }

    fn step(&self, link: Option<&Link>) -> Step {
        let Some(link) = link else { return Step::Create };
        match link.vxlan {
            None => Step::Refuse(format!(
                "an interface {} exists that is no VXLAN device; rename it or configure another name for the overlay",
                self.name
            )),
            Some(Vxlan { port, is_external: true, is_learning: false }) if port == self.port => {
                if link.is_up && link.mtu == self.mtu { Step::Nothing } else { Step::Change }
            }
            Some(_) => Step::Replace,
        }
    }
}

impl Netlink {
    /// Makes the overlay device as configured, given what is there now. The port and the mode of a device can't be changed,
    /// so a device with others is deleted first.
    pub async fn settle_overlay(&self, config: &OverlayConfig, present: Option<&Link>) -> Result<(), Error> {
        match (config.step(present), present) {
            (Step::Refuse(reason), _) => Err(Error::Overlay(Cow::Owned(reason))),
            (Step::Change, Some(link)) => self.raise_overlay(config, link.index).await,
            (Step::Replace, Some(link)) => {
                self.delete(link.index, &link.name).await?;
                self.create_overlay(config).await
            }
            (Step::Create, _) => self.create_overlay(config).await,
            _ => Ok(()),
        }
    }

    async fn create_overlay(&self, config: &OverlayConfig) -> Result<(), Error> {
        let message = LinkVxlan::new(&config.name, 0)
            .collect_metadata(true)
            .port(config.port)
            .learning(false)
            .udp_zero_csum6_rx(true)
            .mtu(config.mtu)
            .build();
        self.add(&config.name, message).await.map_err(|error| in_use(config, error))?;
        let created = self.dump().await?.into_iter().find(|link| link.name == config.name);
        match created {
            Some(link) => self.raise_overlay(config, link.index).await,
            None => Ok(()),
        }
    }

    async fn raise_overlay(&self, config: &OverlayConfig, index: u32) -> Result<(), Error> {
        if let Err(error) = silence_host_ipv6(&config.name) {
            tracing::warn!(device = config.name, %error, "the host's IPv6 stays enabled on the overlay device");
        }
        let up = LinkUnspec::new_with_index(index).mtu(config.mtu).up();
        self.change(&config.name, up).await.map_err(|error| in_use(config, error))
    }

    /// Deletes the overlay device if it is there and one of ours, and what keeps its packets untracked.
    pub async fn remove_overlay(&self, config: &OverlayConfig) -> Result<(), Error> {
        self.untracked.remove().await?;
        let present = self.dump().await?.into_iter().find(|link| link.name == config.name);
        match present {
            Some(link) if link.vxlan.is_some_and(|vxlan| vxlan.is_external) => {
                self.delete(link.index, &link.name).await
            }
            _ => Ok(()),
        }
    }
}

/// A refusal because of another device or socket on the same port, in words. `EEXIST` comes from a VXLAN device with the
/// same port and mode, `EADDRINUSE` from everything else.
fn in_use(config: &OverlayConfig, error: Error) -> Error {
    match &error {
        Error::Link { source, .. }
            if matches!(super::errno(source), Some(libc::EADDRINUSE | libc::EEXIST)) =>
        {
            Error::Overlay(Cow::Owned(format!(
                "UDP port {} is in use on this host, probably by another overlay; configure another VXLAN port",
                config.port
            )))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(config: &OverlayConfig) -> Link {
        let vxlan = Vxlan { port: config.port, is_external: true, is_learning: false };
        Link {
            index: 7,
            name: config.name.clone(),
            is_up: true,
            mtu: config.mtu,
            mac: [0; 6],
            vxlan: Some(vxlan),
            is_pair: false,
        }
    }

    #[test]
    fn does_the_least_that_is_needed() {
        let config = OverlayConfig::default();
        let good = device(&config);
        let other_port = Vxlan { port: 8472, ..good.vxlan.unwrap() };
        let plain = Vxlan { is_external: false, ..good.vxlan.unwrap() };
        let cases = [
            (None, Step::Create),
            (Some(good.clone()), Step::Nothing),
            (Some(Link { is_up: false, ..good.clone() }), Step::Change),
            (Some(Link { mtu: 1500, ..good.clone() }), Step::Change),
            (Some(Link { vxlan: Some(other_port), ..good.clone() }), Step::Replace),
            (Some(Link { vxlan: Some(plain), ..good.clone() }), Step::Replace),
        ];
        for (link, step) in cases {
            assert_eq!(config.step(link.as_ref()), step, "{link:?}");
        }
        assert!(matches!(config.step(Some(&Link { vxlan: None, ..good })), Step::Refuse(_)));
    }
}
