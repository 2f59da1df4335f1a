//! A web server behind a security group: closed, opened by a rule, and closed again under a running transfer.

use crate::story::{Tenant, text};
use crate::telling::step;
use anyhow::{Result, ensure};
use hadron_tests::cloud::Cloud;
use hadron_tests::knock::{Outcome, connect, ends, goes_on, wait_for_door};
use hadron_tests::openstack::OpenStack;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const WEB: u16 = 80;
const PACE: Duration = Duration::from_millis(1);

/// Tells it of a tenant's two instances, by its member.
pub fn tell(cloud: &Cloud, tenant: &Tenant) -> Result<()> {
    let member = OpenStack::new(cloud, &tenant.user);
    let [visitor, server] = &tenant.guests[..] else { anyhow::bail!("two instances are needed") };
    let door = SocketAddr::new(server.port.address(false)?, WEB);
    let web = server.instance.tcp_echo(door)?;
    step(&format!("{} in a group of its own: its web server is closed", server.name), || {
        member.json("security group create web")?;
        member.done(&format!("port set --no-security-group --security-group web {}", server.name))?;
        wait_for_door(&visitor.instance, door, false)?;
        let outcome = connect(&visitor.instance, door)?;
        ensure!(outcome == Outcome::Silent, "{door} is {outcome:?}");
        Ok(((), format!("{} gets no answer from {door}", visitor.name)))
    })?;
    let rule = step("a rule: TCP 80", || {
        let rule = member.json(&format!("security group rule create --protocol tcp --dst-port {WEB} web"))?;
        let begun = Instant::now();
        wait_for_door(&visitor.instance, door, true)?;
        let waited = begun.elapsed().as_secs_f64() * 1e3;
        Ok((text(&rule, "id")?.to_owned(), format!("connected {waited:.0} ms after the client's return")))
    })?;
    let flow = visitor.instance.tcp_flow(web.address(), PACE)?;
    step("the rule is deleted under a running transfer", || {
        goes_on(&flow)?;
        let ending = ends(&flow, || member.done(&format!("security group rule delete {rule}")))?;
        let end = match ending.last.checked_sub(ending.call) {
            Some(late) => format!("{} ms after", late.as_millis()),
            None => format!("{} ms before", (ending.call - ending.last).as_millis()),
        };
        Ok(((), format!("its last octet came {end} the client's return")))
    })?;
    step(&format!("and {} gets in no more", visitor.name), || {
        let outcome = connect(&visitor.instance, door)?;
        ensure!(outcome == Outcome::Silent, "{door} is {outcome:?}");
        Ok(((), "no answer".to_owned()))
    })
}
