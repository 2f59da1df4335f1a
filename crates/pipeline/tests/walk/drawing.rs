//! The drawings of `docs/walk.md` are made by walking: packets go through small clouds, and what they met is drawn. A page that has fallen
//! behind fails here; `HADRON_UPDATE=1` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use hadron_pipeline::VerdictKind;
use hadron_pipeline::host::Node;
use hadron_pipeline::host::trace::{Door, Event, Snapshot, Walk};
use hadron_pipeline::stage::Stage;

use crate::cloud::{self, Instance, node, pair, vni, vtep};
use crate::floating::{self, PROVIDER, WORLD, inner, packet, router};
use crate::frames::*;
use crate::policies::{Allow, IN, Scene};
use crate::routers::{self, instance};
use crate::routing::through;
use crate::sharing;

/// What the tests of drop reasons and this one write between, in a page that people write otherwise.
const BEGIN: &str = "<!-- drawn: crates/pipeline/tests/walk/drawing.rs -->\n";
const END: &str = "<!-- end of what is drawn -->\n";

/// A packet's way on one host.
struct Part<'a> {
    place: &'a str,
    node: &'a Node,
    door: Door,
    frame: Vec<u8>,
}

/// What is asked and written in a stage, and who decided.
struct Step {
    stage: Stage,
    lines: Vec<String>,
}

fn steps(walk: &Walk) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for event in &walk.events {
        if let Event::Entered(stage) = event {
            steps.push(Step { stage: *stage, lines: Vec::new() });
            continue;
        }
        let line = match event {
            Event::LookedUp { table, row: Some(_), .. } => table.name.to_lowercase(),
            Event::LookedUp { table, row: None, .. } => format!("{} —", table.name.to_lowercase()),
            Event::Wrote { table, .. } => format!("writes {}", table.name.to_lowercase()),
            Event::Judged { rule, reason: None, .. } if *rule != 0 => "a rule allows it".to_owned(),
            Event::Routed(_) => "through a router".to_owned(),
            Event::Complained(reason) => format!("tells the sender: {}", reason.label()),
            Event::Dropped(reason) => format!("dropped: {}", reason.label()),
            _ => continue,
        };
        let Some(step) = steps.last_mut() else { continue };
        if !step.lines.contains(&line) {
            step.lines.push(line);
        }
    }
    steps
}

fn door(door: Door) -> &'static str {
    match door {
        Door::Port { .. } => "from_port",
        Door::Overlay { .. } => "from_overlay",
        Door::Provider { .. } => "from_provider",
    }
}

fn end(walk: &Walk) -> &'static str {
    const ENDS: [(VerdictKind, &str); 7] = [
        (VerdictKind::Drop, "nowhere"),
        (VerdictKind::Deliver, "to the instance"),
        (VerdictKind::Answer, "back to who asked"),
        (VerdictKind::Tunnel, "into the overlay"),
        (VerdictKind::Punt, "to the host's responders"),
        (VerdictKind::Flood, "to everyone"),
        (VerdictKind::Provider, "out of the physical interface"),
    ];
    let kind = walk.outcome.verdict.kind;
    ENDS.iter().find(|(known, _)| *known as u32 == kind).map_or("elsewhere", |(_, end)| *end)
}

/// A flow chart in the language of Mermaid.
fn draw(title: &str, parts: &[Part]) -> String {
    let mut drawing = format!("\n### {title}\n\n```mermaid\nflowchart LR\n");
    for (number, part) in parts.iter().enumerate() {
        let mut snapshot =
            Snapshot::new(part.node.tables.config, part.node.tables.service_link, part.node.now);
        let Ok(walk) = snapshot.walk(&part.node.tables, part.door, &part.frame.clone().into());
        let _ = writeln!(drawing, "  subgraph {} [\"{}: {}\"]", place(number), part.place, door(part.door));
        let steps = steps(&walk);
        for (at, step) in steps.iter().enumerate() {
            let lines = step.lines.iter().fold(String::new(), |all, line| all + "<br>" + line);
            let _ = writeln!(drawing, "    {}[\"<b>{}</b>{lines}\"]", stop(number, at), step.stage.name());
        }
        let ways: Vec<String> = (0..steps.len()).map(|at| stop(number, at)).collect();
        let _ = writeln!(drawing, "    {}", ways.join(" --> "));
        drawing.push_str("  end\n");
        let last = stop(number, steps.len() - 1);
        let next = if number + 1 < parts.len() { stop(number + 1, 0) } else { "there".to_owned() };
        let _ = writeln!(drawing, "  {last} -->|{}| {next}", end(&walk));
    }
    drawing + "  there(( ))\n```\n"
}

fn place(number: usize) -> String {
    format!("host{}", number + 1)
}

fn stop(host: usize, at: usize) -> String {
    format!("h{}s{at}", host + 1)
}

fn at(instance: &Instance) -> Door {
    Door::Port { ifindex: instance.ifindex() }
}

fn neighbours() -> String {
    let (node, a, b) = pair();
    let part = Part { place: "the host", node: &node, door: at(&a), frame: udp_v4(&a, &b, 1000, 53) };
    draw("To a neighbour on the same host", &[part])
}

fn question() -> String {
    let (node, a, b) = pair();
    let frame = Arp::request(&a, b.v4).bytes();
    draw("Who has an address", &[Part { place: "the host", node: &node, door: at(&a), frame }])
}

fn refusal() -> String {
    let scene = Scene::with(&[Allow::udp(5, IN, 53)]);
    let frame = udp_v4(&scene.peer, &scene.guarded, 1000, 54);
    let part = Part { place: "the host", node: &scene.node, door: at(&scene.peer), frame };
    draw("To a port that a security group does not open", &[part])
}

fn across() -> String {
    let all = [Instance::new(1, 1, 1), Instance::new(1, 2, 2)];
    let (here, there) = (node(1, &all), node(2, &all));
    let frame = udp_v4(&all[0], &all[1], 1000, 53);
    let door = Door::Overlay { vni: vni(1), source: vtep(1) };
    draw(
        "To a neighbour on another host",
        &[
            Part { place: "the sender's host", node: &here, door: at(&all[0]), frame: frame.clone() },
            Part { place: "the receiver's host", node: &there, door, frame },
        ],
    )
}

fn routed() -> String {
    let all = [instance(1, 1, 1), instance(2, 2, 2)];
    let [mut here, there] = [1, 2].map(|host| routers::node(host, &all, &[(1, 1), (1, 2)]));
    let [frame, _] = through(1, &all[0], &all[1]);
    let outcome = here.clone().from_port(all[0].ifindex(), frame.clone());
    let [(_, vni, arriving)] = &cloud::tunnelled(&outcome)[..] else { panic!("{outcome:?}") };
    here.tables.connections.clear();
    let door = Door::Overlay { vni: *vni, source: vtep(1) };
    draw(
        "Through a router, to another host",
        &[
            Part { place: "the sender's host", node: &here, door: at(&all[0]), frame },
            Part { place: "the receiver's host", node: &there, door, frame: arriving.clone() },
        ],
    )
}

fn outward() -> String {
    let (node, [a, ..]) = floating::scene(0);
    let frame = packet(UDP, inner(&a), (router(), WORLD), 64);
    draw("Out by a floating IP", &[Part { place: "the host", node: &node, door: at(&a), frame }])
}

fn inward() -> String {
    let (node, _) = floating::scene(0);
    let address = routers::v4(floating::EXTERNAL, 101);
    let frame = packet(UDP, (floating::UPSTREAM.0, WORLD), (floating::OWN, address), 64);
    let door = Door::Provider { ifindex: PROVIDER };
    draw("In by a floating IP", &[Part { place: "the host", node: &node, door, frame }])
}

fn shared() -> String {
    let (node, [.., c]) = sharing::shared();
    let frame = packet(UDP, inner(&c), (router(), WORLD), 64);
    draw(
        "Out by the router's shared address",
        &[Part { place: "the host", node: &node, door: at(&c), frame }],
    )
}

fn drawings() -> String {
    [neighbours(), question(), refusal(), across(), routed(), outward(), inward(), shared()].concat()
}

#[test]
fn the_drawings_of_the_walk_are_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/walk.md");
    let page = std::fs::read_to_string(&path).expect("docs/walk.md");
    let (before, rest) = page.split_once(BEGIN).expect("a place for drawings");
    let (drawn, after) = rest.split_once(END).expect("its end");
    let current = drawings();
    if std::env::var_os("HADRON_UPDATE").is_some() {
        let page = [before, BEGIN, &current, END, after].concat();
        return std::fs::write(&path, page).expect("docs/ is writable");
    }
    assert!(drawn == current, "docs/walk.md is behind the packet path; HADRON_UPDATE=1 draws it anew");
}

#[test]
fn every_stage_is_in_a_drawing() {
    let drawings = drawings();
    for stage in Stage::ALL {
        assert!(drawings.contains(&format!("<b>{}</b>", stage.name())), "{stage:?} is in none");
    }
}
