//! TCP: its states, its end, and what is no part of it.

use hadron_pipeline::table::connection_state::*;

use crate::frames::*;
use crate::policies::*;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

fn segment(flags: u8, source: u16, destination: u16) -> Vec<u8> {
    let mut bytes = tcp(source, destination, b"");
    bytes[13] = flags;
    bytes
}

/// From the guarded port to the peer's web server.
fn out(scene: &Scene, flags: u8) -> Vec<u8> {
    let (a, b) = (&scene.peer, &scene.guarded);
    ethernet(a.mac, b.mac, 0x0800, &ipv4(b.v4, a.v4, TCP, &segment(flags, 40_000, 80)))
}

/// And back.
fn back(scene: &Scene, flags: u8) -> Vec<u8> {
    let (a, b) = (&scene.peer, &scene.guarded);
    ethernet(b.mac, a.mac, 0x0800, &ipv4(a.v4, b.v4, TCP, &segment(flags, 80, 40_000)))
}

fn goes(scene: &mut Scene, flags: u8) -> bool {
    let frame = out(scene, flags);
    scene.goes(&frame).is_none()
}

fn comes(scene: &mut Scene, flags: u8) -> bool {
    let frame = back(scene, flags);
    scene.comes(&frame).is_none()
}

fn web() -> Scene {
    Scene::with(&[Allow::tcp(1, OUT, 80)])
}

/// With its handshake done.
fn established() -> Scene {
    let mut scene = web();
    assert!(goes(&mut scene, SYN) && comes(&mut scene, SYN | ACK) && goes(&mut scene, ACK));
    assert_eq!(scene.connection().state, ESTABLISHED);
    scene
}

#[test]
fn a_connection_is_opened_used_and_closed() {
    let mut scene = web();
    assert!(!comes(&mut scene, SYN | ACK), "nobody asked");
    assert!(goes(&mut scene, SYN));
    assert_eq!(scene.connection().state, OPENING);
    scene.pass(119);
    assert!(comes(&mut scene, SYN | ACK));
    scene.pass(86_399);
    assert!(comes(&mut scene, ACK), "a day");
    assert!(goes(&mut scene, FIN | ACK));
    assert_eq!(scene.connection().state, CLOSING);
    scene.pass(119);
    assert!(comes(&mut scene, ACK), "half closed");
    scene.pass(119);
    assert!(comes(&mut scene, FIN | ACK) && goes(&mut scene, ACK));
    assert_eq!(scene.connection().state, CLOSED);
    scene.pass(9);
    assert!(comes(&mut scene, FIN | ACK), "the last acknowledgement may be lost");
    scene.pass(10);
    assert!(!comes(&mut scene, ACK));
}

#[test]
fn each_state_has_its_timeout() {
    let mut scene = web();
    goes(&mut scene, SYN);
    scene.pass(120);
    assert!(!comes(&mut scene, SYN | ACK), "unanswered");
    let mut scene = established();
    scene.pass(86_400);
    assert!(!comes(&mut scene, ACK), "idle");
    let mut scene = established();
    goes(&mut scene, FIN | ACK);
    scene.pass(120);
    assert!(!comes(&mut scene, ACK), "closing");
    let mut scene = established();
    comes(&mut scene, RST);
    assert_eq!(scene.connection().state, CLOSED);
    scene.pass(10);
    assert!(!comes(&mut scene, ACK), "reset");
}

#[test]
fn a_reset_out_of_the_blue_opens_nothing() {
    let mut scene = web();
    assert!(!comes(&mut scene, RST) && !comes(&mut scene, RST | ACK));
    assert!(goes(&mut scene, RST), "a rule allows it out");
    assert!(goes(&mut scene, FIN | ACK));
    assert_eq!(scene.connections(), [], "but nothing is kept for it");
    assert!(!comes(&mut scene, ACK));
}

/// A reset with a wrong sequence number is ignored by its receiver (RFC 5961 §3), who goes on.
#[test]
fn a_forged_reset_does_not_end_a_connection() {
    let mut scene = established();
    assert!(comes(&mut scene, RST));
    assert_eq!(scene.connection().state, CLOSED);
    assert!(goes(&mut scene, ACK));
    assert_eq!(scene.connection().state, ESTABLISHED);
    scene.pass(3600);
    assert!(comes(&mut scene, ACK));
}

#[test]
fn a_connection_is_picked_up_in_its_middle_by_policy() {
    let mut scene = web();
    assert!(!comes(&mut scene, ACK), "not from the side that no rule allows");
    assert!(goes(&mut scene, ACK));
    assert!(comes(&mut scene, ACK));
    assert_eq!(scene.connection().state, ESTABLISHED);
}

#[test]
fn after_its_end_the_same_ports_are_judged_anew() {
    let mut scene = established();
    comes(&mut scene, FIN | ACK);
    let frame = back(&scene, SYN);
    assert_eq!(scene.comes(&frame), DENIED_IN, "the other way no rule allows it");
    assert!(goes(&mut scene, SYN), "this way one does");
    assert_eq!(scene.connection().state, OPENING, "and it is a new one");
    scene.revoke(1);
    let frame = out(&scene, SYN);
    assert_eq!(scene.goes(&frame), DENIED_OUT);
}

#[test]
fn a_crowded_port_keeps_nothing_for_stragglers() {
    let mut scene = established();
    let port = hadron_pipeline::table::PortKey { port: scene.guarded.port };
    scene.tables().ports.get_mut(&port).expect("guarded").connection_limit = 1;
    assert!(comes(&mut scene, RST));
    assert_eq!(scene.connections(), []);
    assert_eq!(scene.node.tables.connection_counts[&port].count, 0);
}
