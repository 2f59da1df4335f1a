//! A web server behind a security group: closed, opened by a rule, and closed again under a running transfer.

use crate::story::{Tenant, text};
use crate::telling::step;
use anyhow::{Context, Result, ensure};
use hadron_lab::Flow;
use hadron_tests::cloud::Cloud;
use hadron_tests::knock::{Outcome, connect, ends, goes_on, wait_for_door};
use hadron_tests::openstack::OpenStack;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
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
        let (returned, last) = watched(&flow, || member.done(&format!("security group rule delete {rule}")))?;
        let end = match last.checked_duration_since(returned) {
            Some(late) => format!("{} ms after", late.as_millis()),
            None => format!("{} ms before", returned.duration_since(last).as_millis()),
        };
        Ok(((), format!("its last octet came {end} the client's return")))
    })?;
    step(&format!("and {} gets in no more", visitor.name), || {
        let outcome = connect(&visitor.instance, door)?;
        ensure!(outcome == Outcome::Silent, "{door} is {outcome:?}");
        Ok(((), "no answer".to_owned()))
    })
}

/// When `work` returned, and when the transfer had its last message, which has ended by then or soon after.
#[allow(clippy::disallowed_methods, reason = "the instant of a message is known by looking often")]
fn watched(flow: &Flow, work: impl FnOnce() -> Result<()>) -> Result<(Instant, Instant)> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let (mut last, mut known) = (Instant::now(), flow.messages());
            while !is_over.load(Ordering::Relaxed) {
                std::thread::sleep(PACE);
                let now = flow.messages();
                if now != known {
                    (last, known) = (Instant::now(), now);
                }
            }
            last
        });
        let done = work();
        let returned = Instant::now();
        let ended = ends(flow);
        is_over.store(true, Ordering::Relaxed);
        let last = watch.join().ok().context("the watcher has panicked")?;
        done?;
        ended.context("the transfer")?;
        Ok((returned, last))
    })
}
