//! A trace is true: what `hadron trace` says of a packet is what really becomes of it, and it leaves nothing behind.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Underlay, until};
use hadron_tests::cloud::{Cloud, Options, PATIENCE};
use hadron_tests::guarded::{CLOSED, Guarded, OPEN};
use hadron_tests::guest::Guest;
use hadron_tests::knock::{Outcome, connect, is_answered};
use hadron_tests::outside::{Outside, UPSTREAM, WORLD};
use hadron_tests::routers::Dual;
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};

const HOSTS: [&str; 2] = ["compute1", "compute2"];

/// The JSON of a trace, which may end in a drop.
fn trace(cloud: &Cloud, arguments: &[&str]) -> Result<Value> {
    let all = [&["trace", "--json"], arguments].concat();
    let output = cloud.admin_output(&all)?;
    serde_json::from_str(&output.stdout)
        .with_context(|| format!("{arguments:?}: {} {}", output.stdout, output.stderr))
}

/// Its error.
fn refusal(cloud: &Cloud, arguments: &[&str]) -> Result<String> {
    let output = cloud.admin_output(&[&["trace"], arguments].concat())?;
    ensure!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}: {}", output.stdout);
    Ok(output.stderr)
}

/// Whether a trace says that an attempt by TCP is answered, be it by a refusal.
fn says_answered(report: &Value) -> Result<bool> {
    let flag = |name: &str| report[name].as_bool().with_context(|| format!("no {name}: {report}"));
    Ok(flag("is_delivered")? && flag("is_answered")?)
}

/// Traces an attempt by TCP, makes it, and requires that both come to the same; the trace.
fn compare(cloud: &Cloud, from: &Guest, to: SocketAddr) -> Result<Value> {
    let told = trace(cloud, &["--from", &from.port.id, "--tcp", "--to", &to.to_string()])?;
    let is_answered = from.connects(to)? != Outcome::Silent;
    ensure!(says_answered(&told)? == is_answered, "to {to}: answered {is_answered}, but traced {told:#}");
    Ok(told)
}

fn text<'a>(report: &'a Value, path: &str) -> &'a str {
    report.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// The hosts of the way there.
fn hosts(report: &Value) -> Vec<&str> {
    let legs = report["there"].as_array().into_iter().flatten();
    legs.filter_map(|leg| leg["host"].as_str()).collect()
}

/// Reasons for which legs of a way dropped.
fn reasons<'a>(report: &'a Value, way: &str) -> Vec<&'a str> {
    let legs = report[way].as_array().into_iter().flatten();
    let ends = legs.flat_map(|leg| leg["ends"].as_array().into_iter().flatten());
    ends.filter_map(|end| end["reason"]["label"].as_str()).collect()
}

/// One guest, and others beside it and behind the router, on its host and on the other one.
fn raise(name: &str, underlay: Underlay) -> Result<Guarded> {
    let guests = [
        (0, HOSTS[0], "one"),
        (0, HOSTS[0], "near"),
        (0, HOSTS[1], "far"),
        (1, HOSTS[0], "routed-near"),
        (1, HOSTS[1], "routed-far"),
    ];
    Guarded::raise(Cloud::up(name, underlay, &HOSTS)?, &guests)
}

fn is_true_over(underlay: Underlay) -> Result<()> {
    let Guarded { guests, group, cloud, .. } = &raise("trace", underlay)?;
    let [one, others @ ..] = &guests[..] else { unreachable!("guests") };
    for other in others {
        for ipv6 in [false, true] {
            let told = compare(cloud, one, other.at(ipv6, OPEN)?)?;
            ensure!(text(&told, "/verdict").contains(&other.port.id), "{told:#}");
            let is_far = ["far", "routed-far"].iter().any(|name| text(&told, "/verdict").contains(name));
            let expected = if is_far { &HOSTS[..] } else { &HOSTS[..1] };
            ensure!(hosts(&told) == expected, "by {:?}", hosts(&told));
            ensure!(told.to_string().contains(group), "the security group is not named: {told:#}");

            let told = compare(cloud, one, other.at(ipv6, CLOSED)?)?;
            ensure!(reasons(&told, "there") == ["ingress_denied"], "{told:#}");
            ensure!(text(&told, "/verdict").contains("ingress_policy"), "{told:#}");
        }
    }
    Ok(())
}

#[test]
fn what_is_told_is_what_happens_over_an_ipv4_underlay() -> Result<()> {
    is_true_over(Underlay::V4)
}

#[test]
fn what_is_told_is_what_happens_over_an_ipv6_underlay() -> Result<()> {
    is_true_over(Underlay::V6)
}

#[test]
fn a_trace_leaves_nothing_behind_and_errors_say_what_to_do() -> Result<()> {
    let mut scene = raise("quiet", Underlay::V4)?;
    let Guarded { guests, networks, cloud, .. } = &scene;
    let (one, far) = (&guests[0], &guests[4]);
    let (there, door) = (one.port.address(false)?, far.at(false, CLOSED)?);
    let before = [HOSTS[0], HOSTS[1]].map(|host| cloud.drops(host));
    // Had the trace of what `far` sends begun a connection, the answer to it would be let in.
    let sent = [
        "--from",
        &far.port.id,
        "--tcp",
        "--source-port",
        &CLOSED.to_string(),
        "--to",
        &format!("{there}:{OPEN}"),
    ];
    for _ in 0..20 {
        ensure!(says_answered(&trace(cloud, &sent)?)?, "it may leave, and its answer come");
    }
    let refused =
        ["--from", &one.port.id, "--tcp", "--source-port", &OPEN.to_string(), "--to", &door.to_string()];
    const REFUSED: u64 = 20;
    for _ in 0..REFUSED {
        ensure!(
            reasons(&trace(cloud, &refused)?, "there") == ["ingress_denied"],
            "a trace has begun a connection"
        );
    }
    let after = [HOSTS[0], HOSTS[1]].map(|host| cloud.drops(host));
    for (before, after) in before.into_iter().zip(after) {
        let denied = |drops: Result<std::collections::BTreeMap<String, u64>>| -> Result<u64> {
            Ok(drops?.get("ingress_denied").copied().unwrap_or(0))
        };
        // Guests' own kernels say something now and then that is refused, too.
        let counted = denied(after)? - denied(before)?;
        ensure!(counted < REFUSED, "traces were counted as packets: {counted} more");
    }

    // Packets that can't be, and ports that can't send.
    let from = ["--from", &one.port.id];
    let says = |more: &[&str], what: &str| -> Result<()> {
        let said = refusal(cloud, &[&from[..], more].concat())?;
        ensure!(said.contains(what), "{more:?}: {said}");
        Ok(())
    };
    says(&["--tcp", "--to", "10.0.1.222:80"], "get no answer")?;
    says(&["--tcp", "--to", "10.0.1.1:80", "--source", "fd00::1"], "famil")?;
    says(&["--udp", "--to", "10.0.1.1:53", "--size", "60000"], "9216")?;
    says(&["--tcp", "--to", "10.0.1.1:80", "--flags", "X"], "TCP flag")?;
    says(&["--hex", "0123x"], "hexadecimal")?;
    let nobody = refusal(cloud, &["--from", "nobody", "--icmp", "--to", "10.0.1.1"])?;
    ensure!(nobody.contains("there is no port nobody"), "{nobody}");
    let unbound = cloud.made("port", json!({"network_id": networks[0].network}))?;
    let said = refusal(cloud, &["--from", &unbound, "--icmp", "--to", "10.0.1.1"])?;
    ensure!(said.contains("bound to no host"), "{said}");
    let unplugged = cloud.port(&networks[0].network, HOSTS[0])?;
    let said = refusal(cloud, &["--from", &unplugged.id, "--icmp", "--to", "10.0.1.1"])?;
    ensure!(said.contains("not wired"), "{said}");
    // The packet of nobody is dropped as it would be: forged.
    let forged =
        trace(cloud, &[&from[..], &["--icmp", "--to", "10.0.1.1", "--source", "10.0.1.77"]].concat())?;
    ensure!(reasons(&forged, "there") == ["source_address"], "{forged:#}");
    // The gateway answers in place; the text names the stages.
    let said = cloud.admin(&["trace", "--from", "one", "--icmp", "--to", "10.0.1.1"])?;
    ensure!(said.contains("port_security") && said.contains("PORTS"), "{said}");

    scene.cloud.kill_agent(HOSTS[1]);
    let Guarded { guests, cloud, .. } = &scene;
    let (one, far) = (&guests[0], &guests[4]);
    let away = || refusal(cloud, &["--from", &far.port.id, "--icmp", "--to", "10.0.1.1"]);
    until(PATIENCE, "the host is known to be away", || {
        away().is_ok_and(|said| said.contains("not connected"))
    })?;
    let half = trace(cloud, &["--from", &one.port.id, "--tcp", "--to", &door.to_string()])?;
    ensure!(hosts(&half) == HOSTS[..1] && half["warnings"].to_string().contains("not connected"), "{half:#}");
    Ok(())
}

#[test]
fn hosts_of_two_servers_are_asked_by_either() -> Result<()> {
    let mut cloud = Cloud::up_on_two_servers("traced", Underlay::V4, HOSTS)?;
    let network = cloud.network("blue")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    let one = Guest::start(&cloud, &network, HOSTS[0], "one")?;
    let two = Guest::start(&cloud, &network, HOSTS[1], "two")?;
    one.reaches(&two)?;
    for _ in 0..2 {
        let told = compare(&cloud, &one, two.at(false, OPEN)?)?;
        ensure!(hosts(&told) == HOSTS, "{told:#}");
        cloud.use_second_server();
    }
    Ok(())
}

#[test]
fn the_way_outside_is_told_as_it_is_there_and_back() -> Result<()> {
    let options = Options { has_physical: true, ..Options::default() };
    let cloud = Cloud::up_with("traceout", Underlay::V4, &HOSTS, options)?;
    let outside = Outside::create(&cloud)?;
    let inside = Dual::create(&cloud, 1)?;
    let router = cloud.router("r")?;
    inside.attach(&cloud, &router)?;
    outside.open(&cloud, &router, true)?;
    let group = cloud.group("web")?;
    cloud.rules(&group, &json!({"protocol": "tcp", "port_range_min": OPEN, "port_range_max": OPEN}))?;
    cloud.rules(&group, &json!({"protocol": "icmp"}))?;
    let more = json!({"security_groups": [group]});
    let floating = Guest::start_with(&cloud, &inside.network, HOSTS[0], "floating", more.clone())?;
    let sharing = Guest::start_with(&cloud, &inside.network, HOSTS[1], "sharing", more)?;
    let (id, address) = outside.floating_ip(&cloud)?;
    cloud.associate(&id, Some(&floating.port.id))?;
    let world: IpAddr = WORLD.into();
    let door = SocketAddr::new(world, OPEN);
    until(PATIENCE, "the floating IP is answered", || is_answered(&outside.world, address))?;
    for guest in [&floating, &sharing] {
        until(PATIENCE, "the world answers", || is_answered(&guest.instance, world))?;
        let told = compare(&cloud, guest, door)?;
        ensure!(text(&told, "/verdict").contains("physnet1"), "{told:#}");
    }
    // The floating IP and the shared address are named.
    let told = compare(&cloud, &floating, door)?;
    ensure!(told.to_string().contains(&id) && told.to_string().contains(&address.to_string()), "{told:#}");
    let told = compare(&cloud, &sharing, door)?;
    let shared = cloud.gateway_address(&router)?.to_string();
    ensure!(told.to_string().contains(&format!("r {shared}")), "the shared address is not named: {told:#}");

    // From outside, to what is let in and what is not.
    for port in [OPEN, CLOSED] {
        let to = SocketAddr::new(address, port);
        let arguments =
            ["--from-outside", "ext", "--source", &UPSTREAM.to_string(), "--tcp", "--to", &to.to_string()];
        let told = trace(&cloud, &arguments)?;
        let is_answered = connect(&outside.world, to)? != Outcome::Silent;
        ensure!(says_answered(&told)? == is_answered, "from outside to {to}: {is_answered}, but {told:#}");
        ensure!(is_answered == (port == OPEN));
    }
    // What nobody has asked for ends at the shared address.
    let to = format!("{shared}:{OPEN}");
    let told =
        trace(&cloud, &["--from-outside", "ext", "--source", &UPSTREAM.to_string(), "--tcp", "--to", &to])?;
    ensure!(told["is_delivered"] == json!(false), "{told:#}");
    Ok(())
}
