//! The drawing of `docs/walk.md` that says what becomes of each kind of row is made by taking rows in. A page that has fallen behind fails
//! here; `HADRON_UPDATE=1` writes it anew.

use super::router::{ROUTER, default_route, external, forwarded, gateway, interface, lease, relayed};
use super::*;
use crate::apply::entry::Kind;
use hadron_wire::row::{FloatingIpRow, InstanceRow, NameRow, RoutePath, RouterInterfaceRow};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

const BEGIN: &str = "<!-- drawn: crates/node/src/apply/tests/drawing.rs -->\n";
const END: &str = "<!-- end of what is drawn -->\n";

/// What a row is called; a new kind has no name until it is drawn.
fn name(key: &RowKey) -> &'static str {
    match key {
        RowKey::Network(_) => "network",
        RowKey::Subnet { .. } => "subnet",
        RowKey::Presence { .. } => "presence",
        RowKey::Location { .. } => "location",
        RowKey::Name { .. } => "name",
        RowKey::RouterInterface { .. } => "router interface",
        RowKey::Route { .. } => "route",
        RowKey::FloatingRelay { .. } => "floating relay",
        RowKey::Forwarding { .. } => "forwarding",
        RowKey::PortLease { .. } => "port lease",
        RowKey::Rule { .. } => "rule",
        RowKey::Member { .. } => "member",
        RowKey::Policy(_) => "policy",
        RowKey::FloatingIp(_) => "floating ip",
        RowKey::Instance(_) => "instance",
        RowKey::Port(_) => "port",
    }
}

/// Rows of every kind, each after those that it names.
fn rows() -> Vec<Row> {
    let inner = interface(4, 6, &[(v4(1), 120)]);
    let scoped = RouterInterfaceRow { scopes: [Some([7; 16]), None], ..inner };
    let upstream = RoutePath { port: 9, gateway: v4(1) };
    let floating = FloatingIpRow {
        number: 1,
        network: 5,
        address: v4(98),
        router: ROUTER,
        interface: 9,
        port: 30,
        inside: v4(3),
    };
    let [policy, rule, member] = policy::one_of_each();
    vec![
        network(6, Some(600)),
        subnet(6, 1, true),
        presence(6, 2),
        location(6, 31, 31, Place::Host(2)),
        member,
        rule,
        policy,
        Row::Port(PortRow { policy: Some(1), ..port(30, 6, 3) }),
        Row::Name(NameRow { network: 6, port: 30, name: "web".to_owned(), domain: String::new() }),
        Row::Instance(InstanceRow {
            port: 30,
            device: String::new(),
            project: String::new(),
            public_addresses: Vec::new(),
            facts: None,
        }),
        Row::RouterInterface(scoped),
        external(5),
        gateway(5, &[SELF]),
        Row::Route(default_route(vec![upstream])),
        Row::FloatingIp(floating),
        relayed(2),
        forwarded(SELF, [80, 80], false),
        lease(SELF),
        lease(2),
    ]
}

/// The tables and programs that a change of each kind of row has written.
fn written() -> BTreeMap<&'static str, BTreeSet<Kind>> {
    let mut calculation = Calculation::new(mapped());
    calculation.set_interface("tap30", Some(30.into()));
    calculation.take_changes();
    let mut written: BTreeMap<&str, BTreeSet<Kind>> = BTreeMap::new();
    for row in rows() {
        let name = name(&row.key());
        calculation.apply(set([row]));
        let kinds = calculation.take_changes().into_iter().map(|(key, _)| key.kind());
        written.entry(name).or_default().extend(kinds);
    }
    written
}

/// A flow chart in the language of Mermaid.
fn drawing() -> String {
    let mut drawing = "\n```mermaid\nflowchart LR\n".to_owned();
    for (number, (name, kinds)) in written().into_iter().enumerate() {
        let kinds: Vec<String> = kinds.into_iter().map(|kind| format!("{kind:?}")).collect();
        let ends = if kinds.is_empty() {
            "answered by the host's responders".to_owned()
        } else {
            kinds.join("<br>")
        };
        let _ = writeln!(drawing, "  r{number}[\"{name}\"] --> t{number}[(\"{ends}\")]");
    }
    drawing + "```\n"
}

#[test]
fn the_drawing_of_rows_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/walk.md");
    let page = std::fs::read_to_string(&path).expect("docs/walk.md");
    let (before, rest) = page.split_once(BEGIN).expect("a place for the drawing");
    let (drawn, after) = rest.split_once(END).expect("its end");
    let current = drawing();
    if std::env::var_os("HADRON_UPDATE").is_some() {
        return std::fs::write(&path, [before, BEGIN, &current, END, after].concat())
            .expect("docs/ is writable");
    }
    assert!(drawn == current, "docs/walk.md is behind the rows; HADRON_UPDATE=1 draws it anew");
}
