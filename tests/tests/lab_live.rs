//! `hadron trace --live` shows real packets, on each host that they meet, with what really became of them, and leaves nothing behind.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Process, Underlay, until};
use hadron_tests::cloud::{Cloud, PATIENCE};
use hadron_tests::guarded::{CLOSED, Guarded, OPEN};
use hadron_tests::knock::Outcome;
use serde_json::{Value, json};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU32, Ordering};

const HOSTS: [&str; 2] = ["compute1", "compute2"];
/// Places that are followed on a host at a time.
const PLACES: usize = 16;

/// Live traces so far.
static BEGUN: AtomicU32 = AtomicU32::new(0);

/// A live trace that runs.
struct Live(Process);

impl Live {
    /// Starts one, and waits until packets are followed.
    fn begin(cloud: &Cloud, name: &str, arguments: &[&str]) -> Result<Self> {
        let all = [&["trace", "--live", "--json"], arguments].concat();
        // A log of its own: that of an earlier one has lines that would be taken for this one's.
        let name = format!("{name}-{}", BEGUN.fetch_add(1, Ordering::Relaxed));
        let process = cloud.admin_in_background(&name, &all)?;
        process.wait_for_log("\"begun\"", PATIENCE)?;
        Ok(Live(process))
    }

    fn events(&self, kind: &str) -> Vec<Value> {
        let log = self.0.log();
        // The last line may not be whole yet.
        let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| event["event"] == kind).collect()
    }

    /// The packets that were seen, each as host, whether it is an answer, and flags.
    fn seen(&self) -> Vec<(String, bool, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let of = |packet: &Value| {
            let is_answer = packet["is_answer"] == json!(true);
            (text(&packet["leg"]["host"]), is_answer, text(&packet["leg"]["packet"]["details"]))
        };
        self.events("packet").iter().map(of).collect()
    }

    fn wait_for(&self, packets: usize) -> Result<Vec<Value>> {
        let found = until(PATIENCE, "the packets are shown", || self.events("packet").len() >= packets);
        found.with_context(|| self.0.log())?;
        Ok(self.events("packet"))
    }

    /// Ends it as Ctrl-C does.
    fn stop(self) -> Result<()> {
        self.0.interrupt();
        Ok(until(PATIENCE, "the live trace ends", || !self.0.is_running())?)
    }
}

/// Two on the first host and one, behind the router, on the second.
const GUESTS: [(usize, &str, &str); 3] = [(0, HOSTS[0], "one"), (0, HOSTS[0], "near"), (1, HOSTS[1], "far")];

/// Across hosts and routed: an attempt to connect, which nobody there waits for, is answered by a reset. Both are seen on both hosts.
fn crosses(scene: &Guarded, name: &str, ipv6: bool) -> Result<Vec<Value>> {
    let Guarded { guests, cloud, .. } = scene;
    let [one, near, far] = &guests[..] else { unreachable!("three guests") };
    let door = far.at(ipv6, OPEN)?;
    let live = Live::begin(cloud, name, &["--from", "one", "--tcp", "--to", &door.to_string()])?;
    // What is for somebody else is not shown.
    ensure!(one.connects(near.at(ipv6, OPEN)?)? == Outcome::Refused);
    ensure!(one.connects(door)? == Outcome::Refused);
    let packets = live.wait_for(4)?;
    let mut seen = live.seen();
    seen.sort();
    let (syn, reset) = ("SYN".to_owned(), "RST+ACK".to_owned());
    let on = |host: &str| [(host.to_owned(), false, syn.clone()), (host.to_owned(), true, reset.clone())];
    ensure!(seen == HOSTS.map(on).concat(), "{seen:?}");
    for packet in &packets {
        ensure!(packet["kernel"]["agrees"] == json!(true) && packet["no_walk"] == "", "{packet:#}");
    }
    live.stop()?;
    Ok(packets)
}

fn follows_over(underlay: Underlay) -> Result<()> {
    let scene = &Guarded::raise(Cloud::up("live", underlay, &HOSTS)?, &GUESTS)?;
    let Guarded { guests, group, cloud, .. } = scene;
    let [one, near, far] = &guests[..] else { unreachable!("three guests") };
    for ipv6 in [false, true] {
        let names = |what: &str| format!("{what}-{ipv6}");
        let packets = crosses(scene, &names("far"), ipv6)?;
        // The walk of the first packet is told by rules, though the packet has begun its connection by then.
        let begins =
            packets.iter().find(|it| it["leg"]["host"] == HOSTS[1] && it["is_answer"] == json!(false));
        let begins = begins.context("a packet on the second host")?;
        ensure!(begins["leg"].to_string().contains(group), "the security group is not named: {begins:#}");
        ensure!(begins["kernel"]["rule"]["text"].to_string().contains("8080"), "{begins:#}");
        ensure!(begins["kernel"]["text"].to_string().contains(&far.port.id), "{begins:#}");

        // On one host.
        let to = near.at(ipv6, OPEN)?;
        let live = Live::begin(cloud, &names("near"), &["--from", "one", "--tcp", "--to", &to.to_string()])?;
        ensure!(one.connects(to)? == Outcome::Refused);
        live.wait_for(2)?;
        ensure!(live.seen().iter().all(|(host, ..)| host == HOSTS[0]), "{:?}", live.seen());
        live.stop()?;

        // A refused one shows why, where it is dropped.
        let to = far.at(ipv6, CLOSED)?;
        let live =
            Live::begin(cloud, &names("closed"), &["--from", "one", "--tcp", "--to", &to.to_string()])?;
        ensure!(one.connects(to)? == Outcome::Silent);
        live.wait_for(2)?;
        let packets = live.events("packet");
        let dropped =
            packets.iter().find(|it| it["leg"]["host"] == HOSTS[1]).context("at the second host")?;
        ensure!(dropped["kernel"]["reason"]["label"] == "ingress_denied", "{dropped:#}");
        ensure!(dropped["kernel"]["agrees"] == json!(true), "{dropped:#}");
        ensure!(dropped["leg"]["ends"][0]["reason"]["label"] == "ingress_denied", "{dropped:#}");
        live.stop()?;
    }
    Ok(())
}

#[test]
fn real_packets_are_shown_on_each_host_over_an_ipv4_underlay() -> Result<()> {
    follows_over(Underlay::V4)
}

#[test]
fn real_packets_are_shown_on_each_host_over_an_ipv6_underlay() -> Result<()> {
    follows_over(Underlay::V6)
}

/// Requires that a live trace is refused, and says why.
fn refused(cloud: &Cloud, arguments: &[&str], what: &str) -> Result<()> {
    let output = cloud.admin_output(&[&["trace", "--live"], arguments].concat())?;
    let is_refused = output.status.code() == Some(1) && output.stderr.contains(what);
    ensure!(is_refused, "{arguments:?}: {} {}", output.stdout, output.stderr);
    Ok(())
}

#[test]
fn a_live_trace_is_bounded_and_leaves_nothing_behind() -> Result<()> {
    let mut scene = Guarded::raise(Cloud::up("bounded", Underlay::V4, &HOSTS)?, &GUESTS)?;
    let Guarded { guests, cloud, .. } = &scene;
    let (one, near) = (&guests[0], &guests[1]);
    let door = near.at(false, OPEN)?;

    // By the number: it ends by itself, and shows no more.
    let few = ["--from", "one", "--count", "3"];
    let live = Live::begin(cloud, "few", &few)?;
    for _ in 0..3 {
        ensure!(one.connects(door)? == Outcome::Refused);
    }
    until(PATIENCE, "it ends by itself", || !live.0.is_running())?;
    ensure!(live.events("packet").len() == 3 && live.events("ended").len() == 1, "{}", live.0.log());
    // By the time.
    let live = Live::begin(cloud, "short", &["--from", "one", "--udp", "--for", "1"])?;
    until(PATIENCE, "it ends by itself", || !live.0.is_running())?;
    ensure!(live.events("packet").is_empty() && live.events("ended").len() == 1, "{}", live.0.log());
    // By Ctrl-C, also while packets come thick and fast.
    let live = Live::begin(cloud, "crowd", &["--from", "one", "--udp", "--count", "1000", "--for", "600"])?;
    let sender = one.instance.run(|| UdpSocket::bind("0.0.0.0:0"))??;
    let send = || (0..100).try_for_each(|_| sender.send_to(b"crowd", door).map(drop));
    until(PATIENCE, "a crowd is shown", || send().is_ok() && live.events("packet").len() > 200)?;
    live.stop()?;

    // Bad input, and too many at once.
    refused(cloud, &["--from", "nobody"], "there is no port nobody")?;
    refused(cloud, &["--from", "one", "--count", "0"], "1 to 1000 packets")?;
    refused(cloud, &["--from", "one", "--hex", "00"], "real ones are followed")?;
    refused(cloud, &["--from", "one", "--icmp"], "--to")?;
    // One place for what it sends, one for the answers.
    let to = door.to_string();
    let both = ["--from", "one", "--tcp", "--to", &to, "--for", "600"];
    let every: Vec<Live> = (0..PLACES / 2)
        .map(|number| Live::begin(cloud, &format!("many{number}"), &both))
        .collect::<Result<_>>()?;
    refused(cloud, &["--from", "one"], "followed on this host already")?;
    // Who listened is killed: its places are free again.
    drop(every);
    until(PATIENCE, "the places are free", || {
        Live::begin(cloud, "after", &few).is_ok_and(|live| live.stop().is_ok())
    })?;

    // With the agent its host's part ends, and the next one begins with none.
    let live = Live::begin(cloud, "cut", &["--from", "far", "--for", "600"])?;
    scene.cloud.kill_agent(HOSTS[1]);
    let Guarded { cloud, .. } = &scene;
    until(PATIENCE, "the end of the host is shown", || {
        live.events("ended").iter().any(|event| event["is_cut_off"] == json!(true))
    })?;
    until(PATIENCE, "a host that is away is said to be", || {
        refused(cloud, &["--from", "far"], "not connected").is_ok()
    })?;
    scene.cloud.start_agent(HOSTS[1], &[])?;
    let Guarded { guests, cloud, .. } = &scene;
    let (one, far) = (&guests[0], &guests[2]);
    let arguments = ["--from", "far", "--tcp", "--count", "1"];
    let mut live = None;
    until(PATIENCE, "the agent is back", || {
        live = Live::begin(cloud, "again", &arguments).ok();
        live.is_some()
    })?;
    ensure!(one.connects(far.at(false, OPEN)?)? == Outcome::Refused);
    let packets = live.context("a live trace")?.wait_for(1)?;
    ensure!(packets[0]["leg"]["packet"]["details"] == "RST+ACK", "{packets:#?}");
    Ok(())
}

/// Live traces of what `one` sends to `to` on the other host: each has two places on each host, so [`PLACES`] / 2 of them fill both.
fn across(cloud: &Cloud, name: &str, to: &str, count: usize) -> Result<Vec<Live>> {
    let begin = |number| {
        let arguments = ["--from", "one", "--tcp", "--to", to, "--for", "600"];
        let live = Live::begin(cloud, &format!("{name}{number}"), &arguments)?;
        until(PATIENCE, "its first line is whole", || live.events("begun").len() == 1)?;
        let begun = &live.events("begun")[0];
        ensure!(
            begun["warnings"] == json!([]) && begun["places"].as_array().map(Vec::len) == Some(4),
            "{begun:#}"
        );
        Ok(live)
    };
    (0..count).map(begin).collect()
}

#[test]
fn hosts_of_two_servers_are_followed_by_either_and_nothing_is_left_on_them() -> Result<()> {
    let cloud = Cloud::up_on_two_servers("livetwo", Underlay::V4, HOSTS)?;
    let mut scene = Guarded::raise(cloud, &GUESTS)?;
    let to = scene.guests[2].at(false, OPEN)?.to_string();
    crosses(&scene, "first", false)?;

    // Who listened is killed: the places of both hosts are free again.
    let every = across(&scene.cloud, "every", &to, PLACES / 2)?;
    for from in ["one", "far"] {
        refused(&scene.cloud, &["--from", from], "followed on this host already")?;
    }
    drop(every);
    let is_free = |cloud: &Cloud| across(cloud, "free", &to, PLACES / 2).is_ok();
    until(PATIENCE, "the places are free", || is_free(&scene.cloud))?;

    // A server dies that asks, and is asked.
    let its = across(&scene.cloud, "its", &to, PLACES / 4)?;
    let hosts = scene.cloud.connected()?;
    scene.cloud.use_second_server();
    // Of rows that match the same packet the first one has it, so these are of the other family.
    crosses(&scene, "second", true)?;
    let others = across(&scene.cloud, "others", &to, PLACES / 4)?;
    scene.cloud.kill_server();
    until(PATIENCE, "its own have ended", || its.iter().all(|live| !live.0.is_running()))?;
    for live in &others {
        let cut_off = || {
            let ended = live.events("ended").into_iter().filter(|event| event["is_cut_off"] == json!(true));
            ended.filter_map(|event| event["host"].as_str().map(str::to_owned)).collect::<Vec<_>>()
        };
        until(PATIENCE, "its host is cut off", || cut_off() == hosts)?;
        ensure!(live.0.is_running(), "the other host is followed no longer: {}", live.0.log());
    }
    drop((its, others));
    until(PATIENCE, "the places of both hosts are free", || is_free(&scene.cloud))?;
    crosses(&scene, "left", false).map(drop)
}
