//! Instances behind one router with a way outside: what scenarios about translation begin with.

use crate::cloud::{Cloud, Options, PATIENCE};
use crate::guest::Guest;
use crate::knock::is_answered;
use crate::outside::{Outside, UPSTREAM};
use crate::routers::Dual;
use anyhow::{Context, Result};
use hadron_lab::{Host, Underlay, until};
use serde_json::json;
use std::net::IpAddr;

/// A router between a network and an external one, and guests who let everybody in.
pub struct Behind {
    /// Those that were asked for, in their order.
    pub guests: Vec<Guest>,
    /// The router's id.
    pub router: String,
    /// The router's address outside.
    pub shared: IpAddr,
    /// The external network and the world.
    pub outside: Outside,
    /// The cloud.
    pub cloud: Cloud,
}

/// Where what is to be raised runs.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// What hosts reach each other by.
    pub underlay: Underlay,
    /// The hosts.
    pub hosts: &'a [&'a str],
    /// Those of them without a way outside of their own.
    pub unmapped: &'static [&'static str],
    /// The host of each guest.
    pub places: &'a [&'a str],
    /// Whether those without a floating IP share the router's address.
    pub enable_snat: bool,
    /// The VLAN that the external network has on the physical one; the world is on the untagged network all the same.
    pub vlan: Option<u16>,
}

impl<'a> Plan<'a> {
    /// A guest on each of the hosts, all of which have a way outside of their own, over IPv4, sharing the router's address.
    pub fn on(hosts: &'a [&'a str]) -> Self {
        Self { underlay: Underlay::V4, hosts, unmapped: &[], places: hosts, enable_snat: true, vlan: None }
    }
}

impl Behind {
    /// Creates it all. With `enable_snat`, and without a VLAN, every guest reaches the world then.
    pub fn raise(name: &str, plan: Plan) -> Result<Self> {
        let Plan { underlay, hosts, unmapped, places, enable_snat, vlan } = plan;
        let options = Options { has_physical: true, unmapped, ..Options::default() };
        let cloud = Cloud::up_with(name, underlay, hosts, options)?;
        let outside = Outside::create_in(&cloud, vlan, json!({}))?;
        let inside = Dual::create(&cloud, 1)?;
        let router = cloud.router("r")?;
        inside.attach(&cloud, &router)?;
        outside.open(&cloud, &router, enable_snat)?;
        let shared = cloud.gateway_address(&router)?;
        let group = cloud.group("open")?;
        cloud.rules(&group, &json!({"remote_ip_prefix": null}))?;
        let mut guests = Vec::new();
        for (number, host) in places.iter().enumerate() {
            let open = json!({"security_groups": [group]});
            guests.push(Guest::start_with(&cloud, &inside.network, host, &format!("guest{number}"), open)?);
        }
        for guest in guests.iter().filter(|_| enable_snat && vlan.is_none()) {
            until(PATIENCE, "the world answers", || is_answered(&guest.instance, UPSTREAM.into()))?;
        }
        Ok(Self { guests, router, shared, outside, cloud })
    }

    /// Gives a guest a floating IP, and waits until the world reaches it by that: its id and address.
    pub fn floating_ip(&self, guest: &Guest) -> Result<(String, IpAddr)> {
        let (id, address) = self.outside.floating_ip(&self.cloud)?;
        self.cloud.associate(&id, Some(&guest.port.id))?;
        until(PATIENCE, "a floating IP is answered", || is_answered(&self.outside.world, address))?;
        Ok((id, address))
    }

    /// The host that stands for the router, as the physical network sees it: behind which port the router's own MAC is.
    pub fn standing(&self) -> Result<&Host> {
        let world = &self.outside.world;
        until(PATIENCE, "the router answers", || is_answered(world, self.shared))?;
        let told =
            world.command("ip").args(["neighbour", "show", &self.shared.to_string()]).succeed(PATIENCE)?;
        let mac = told.split_once("lladdr ").and_then(|(_, rest)| rest.split(' ').next());
        let mac = mac.with_context(|| format!("the router is nowhere: {told}"))?;
        let learned = self.cloud.lab.wire().command("bridge").args(["fdb", "show"]).succeed(PATIENCE)?;
        let place = learned
            .lines()
            .find(|line| line.starts_with(mac))
            .with_context(|| format!("{mac}: {learned}"))?;
        let hosts = self.cloud.lab.hosts().iter().enumerate();
        let mut hosts = hosts.filter(|(number, _)| place.contains(&format!("dev physical-{} ", number + 1)));
        hosts.next().map(|(_, host)| host).with_context(|| format!("at no host: {place}"))
    }
}
